/** What plugins see of a message's headers. */
import type { FieldSection } from '../http/field-section.ts';
import { isFieldValue, isToken } from '../http/made-text.ts';
import type { Headers } from './api.ts';

/** How messages are framed, and where they go: sluice answers for it. */
const FRAMING: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export class HeadersView implements Headers {
  #fields: FieldSection;
  /** Names that were changed, for the message's other parts; null while there is none. */
  #edited: Set<string> | null = null;
  #isOpen = true;
  #isOwn: boolean;

  /** `isOwn`: the section is nobody else's, and is changed in place. */
  constructor(fields: FieldSection, isOwn: boolean) {
    this.#fields = fields;
    this.#isOwn = isOwn;
  }

  /** As they are now. */
  get fields(): FieldSection {
    return this.#fields;
  }

  get edited(): ReadonlySet<string> | null {
    return this.#edited;
  }

  /** From here on a change throws. */
  close(): void {
    this.#isOpen = false;
  }

  open(): void {
    this.#isOpen = true;
  }

  /** What a hook that failed has changed did not happen. */
  restore(fields: FieldSection, edited: ReadonlySet<string> | null): void {
    this.#fields = fields;
    this.#edited = edited === null ? null : new Set(edited);
    this.#isOwn = false;
  }

  /** The next change is made in a copy, so that it can be undone. */
  keep(): FieldSection {
    this.#isOwn = false;
    return this.#fields;
  }

  get(name: string): string | null {
    return this.#fields.combined(name.toLowerCase()) ?? null;
  }

  all(name: string): string[] {
    return this.#fields.all(name.toLowerCase());
  }

  has(name: string): boolean {
    return this.#fields.has(name.toLowerCase());
  }

  names(): string[] {
    return [...new Set(this.#fields.names)];
  }

  set(name: string, value: string): void {
    const known = this.#change(name);
    this.#fields.set(known, checkedValue(name, value));
  }

  append(name: string, value: string): void {
    const known = this.#change(name);
    this.#fields.append(known, checkedValue(name, value));
  }

  delete(name: string): void {
    this.#fields.remove(this.#change(name));
  }

  #change(name: string): string {
    if (!this.#isOpen)
      throw new TypeError(`${name}: too late, these headers are not changed any more`);
    if (typeof name !== 'string' || !isToken(name)) {
      throw new TypeError(`${JSON.stringify(name)}: no name of a header`);
    }
    const known = name.toLowerCase();
    if (FRAMING.has(known)) throw new TypeError(`${name}: sluice alone sets it`);
    if (!this.#isOwn) {
      this.#fields = this.#fields.clone();
      this.#isOwn = true;
    }
    this.#edited ??= new Set();
    this.#edited.add(known);
    return known;
  }
}

function checkedValue(name: string, value: string): string {
  const text = String(value);
  if (!isFieldValue(text)) throw new TypeError(`${name}: a value that no header can have`);
  return text;
}

/**
 * What a plugin has said of a request has the last word. A client that names such a header in Connection
 * would have it removed on the way (RFC 9110 §7.6.1), and one that sends it with `_` would be heard in its
 * place by origins that read names as CGI does.
 */
export function protectEdits(fields: FieldSection, edited: ReadonlySet<string>): void {
  for (let i = fields.names.length - 1; i >= 0; i--) {
    const name = fields.names[i]!;
    const isAlike = name.includes('_') && edited.has(name.replaceAll('_', '-'));
    if (!isAlike || edited.has(name)) continue;
    fields.remove(name);
    i = Math.min(i, fields.names.length);
  }
  const listed = fields.combined('connection');
  if (listed === undefined) return;
  const options = listed.split(',').map((option) => option.trim());
  const kept = options.filter((option) => !edited.has(option.toLowerCase()));
  if (kept.length === options.length) return;
  if (kept.length === 0) fields.remove('connection');
  else fields.set('connection', kept.join(', '));
}
