/** Changes of request and response fields that a route asks for. */
import type { FieldSection } from '../../http/field-section.ts';
import type { FieldEdits } from './route.ts';
import { compileTemplate, type Template, type VariableSource } from './variables.ts';

/**
 * Fields that are about one connection or about where a message ends (RFC 9110 §7.6.1, §8.6), or
 * that others of sluice's options answer for.
 */
const PROTECTED = [
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

/** Host is `rewrite: {host}`; Early-Data tells the origin of a danger (RFC 8470 §5.1). */
const PROTECTED_IN_REQUESTS = new Set([...PROTECTED, 'early-data', 'expect', 'host']);
/** What content there is, and how old it is, is not the operator's to say. */
const PROTECTED_IN_RESPONSES = new Set([...PROTECTED, 'age', 'content-encoding', 'content-range']);

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** RFC 9110 §5.5, without obs-text: what is written in a file is UTF-8, and fields are not. */
const FIELD_VALUE = /^(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?$/;

export class CompiledEdits {
  readonly #removed: readonly string[];
  readonly #set: readonly (readonly [name: string, value: Template])[];
  readonly #added: readonly (readonly [name: string, value: Template])[];

  /** Throws SyntaxError, with words for the one who wrote the edits. */
  constructor(edits: FieldEdits, message: 'request' | 'response') {
    const scope = message === 'request' ? 'request' : 'target';
    const lines = (values: FieldEdits['set']) =>
      Object.entries(values).map(([name, value]) => {
        // The value may be a secret.
        if (!FIELD_VALUE.test(value)) throw new SyntaxError(`no value of a field: that of ${name}`);
        return [editableName(name, message), compileTemplate(value, scope)] as const;
      });
    this.#removed = edits.remove.map((name) => editableName(name, message));
    this.#set = lines(edits.set);
    this.#added = lines(edits.add);
  }

  /** What the message has of these is ours to say. */
  get names(): readonly string[] {
    const lines = [...this.#set, ...this.#added];
    return [...this.#removed, ...lines.map(([name]) => name)];
  }

  apply(fields: FieldSection, source: VariableSource): void {
    for (const name of this.#removed) fields.remove(name);
    for (const [name, value] of this.#set) {
      // An empty value is one nobody knows: a field that says nothing misleads.
      const text = value(source).trim();
      if (text === '') fields.remove(name);
      else fields.set(name, text);
    }
    for (const [name, value] of this.#added) {
      const text = value(source).trim();
      if (text !== '') fields.append(name, text);
    }
  }
}

/** Null when there is nothing to change. */
export function compileEdits(
  edits: FieldEdits | null,
  message: 'request' | 'response',
): CompiledEdits | null {
  if (edits === null) return null;
  const count = edits.remove.length + Object.keys({ ...edits.set, ...edits.add }).length;
  return count === 0 ? null : new CompiledEdits(edits, message);
}

function editableName(text: string, message: 'request' | 'response'): string {
  const name = text.toLowerCase();
  if (!TOKEN.test(name)) throw new SyntaxError(`no name of a field: ${text}`);
  const isRequest = message === 'request';
  if ((isRequest ? PROTECTED_IN_REQUESTS : PROTECTED_IN_RESPONSES).has(name)) {
    const remedy = isRequest && name === 'host' ? '; write rewrite: {host: …}' : '';
    throw new SyntaxError(`${text} is not to be edited: sluice answers for it${remedy}`);
  }
  return name;
}
