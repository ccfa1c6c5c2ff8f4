/**
 * Names of fields in which somebody says who asks. They are found in every spelling: many an origin
 * takes `_` for `-` (RFC 3875 §4.1.18).
 */
import type { FieldSection } from '../http/field-section.ts';

export class ClaimedNames {
  readonly #names = new Set<string>();
  readonly #beginnings: string[] = [];
  /** By first character: it tells nearly always that a field is another one. */
  readonly #initials = new Uint8Array(256);

  /** Lower-case; `x-forwarded*` is every name that begins so. Empty ones are left out. */
  constructor(names: Iterable<string>) {
    for (const name of names) {
      if (name === '') continue;
      this.#initials[name.charCodeAt(0)] = 1;
      if (name.endsWith('*')) this.#beginnings.push(name.slice(0, -1));
      else this.#names.add(name);
    }
  }

  /** `name` in lower case. */
  includes(name: string): boolean {
    if (this.#initials[name.charCodeAt(0)] !== 1) return false;
    const plain = withHyphens(name);
    return this.#names.has(plain) || this.#beginnings.some((one) => plain.startsWith(one));
  }

  /** On every request. */
  removeFrom(fields: FieldSection): void {
    const { names } = fields;
    for (let i = 0; i < names.length; ) {
      const name = names[i]!;
      if (this.includes(name)) fields.remove(name);
      else i++;
    }
  }
}

export function withHyphens(name: string): string {
  return name.includes('_') ? name.replaceAll('_', '-') : name;
}
