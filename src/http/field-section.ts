/**
 * A field section (RFC 9110 §6.3, §6.5): an ordered list of field lines.
 *
 * Names are lower-case and, when known, interned (field-names.ts), so `===` is a pointer
 * comparison. Values have no leading or trailing whitespace. Both are byte strings: each char code
 * is one byte (latin1), which is what HTTP carries; no UTF-8 decoding happens here.
 *
 * The two arrays are public for the hot loops of serializers; everyone else uses the methods.
 */
export class FieldSection {
  readonly names: string[] = [];
  readonly values: string[] = [];

  /** Builds a section from name and value pairs; names must already be lower-case. */
  static of(...lines: readonly (readonly [name: string, value: string])[]): FieldSection {
    const section = new FieldSection();
    for (const [name, value] of lines) section.append(name, value);
    return section;
  }

  get length(): number {
    return this.names.length;
  }

  append(name: string, value: string): void {
    this.names.push(name);
    this.values.push(value);
  }

  has(name: string): boolean {
    return this.names.includes(name);
  }

  /** The first field line's value, or undefined. For fields that may not be lists. */
  first(name: string): string | undefined {
    const index = this.names.indexOf(name);
    return index === -1 ? undefined : this.values[index];
  }

  /** All field lines of the name joined with `, ` (RFC 9110 §5.3), or undefined. */
  combined(name: string): string | undefined {
    let result: string | undefined;
    for (let i = 0; i < this.names.length; i++) {
      if (this.names[i] !== name) continue;
      result = result === undefined ? this.values[i] : `${result}, ${this.values[i]}`;
    }
    return result;
  }

  /** Every value of the name, in order. */
  all(name: string): string[] {
    return this.values.filter((_, i) => this.names[i] === name);
  }

  count(name: string): number {
    let count = 0;
    for (const candidate of this.names) if (candidate === name) count++;
    return count;
  }

  /** Removes every line of the name, then appends one, in the first one's place if there was one. */
  set(name: string, value: string): void {
    const index = this.names.indexOf(name);
    if (index === -1) {
      this.append(name, value);
      return;
    }
    this.values[index] = value;
    this.removeFrom(name, index + 1);
  }

  remove(name: string): void {
    this.removeFrom(name, 0);
  }

  clone(): FieldSection {
    const copy = new FieldSection();
    for (let i = 0; i < this.names.length; i++) copy.append(this.names[i]!, this.values[i]!);
    return copy;
  }

  *[Symbol.iterator](): IterableIterator<[string, string]> {
    for (let i = 0; i < this.names.length; i++) yield [this.names[i]!, this.values[i]!];
  }

  private removeFrom(name: string, start: number): void {
    let kept = start;
    for (let i = start; i < this.names.length; i++) {
      if (this.names[i] === name) continue;
      this.names[kept] = this.names[i]!;
      this.values[kept] = this.values[i]!;
      kept++;
    }
    this.names.length = kept;
    this.values.length = kept;
  }
}
