/** Changes of request and response fields that a route asks for. */
import type { FieldSection } from '../http/field-section.ts';
import { isFieldValue, isToken } from '../http/made-text.ts';
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

/** Without obs-text: what is written in a file is UTF-8, and fields are not. */
const isWritable = (value: string) => isFieldValue(value) && !/[^\t\x20-\x7e]/.test(value);

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
        if (!isWritable(value)) throw new SyntaxError(`no value of a field: that of ${name}`);
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
      const text = madeValue(value, source);
      if (text === '') fields.remove(name);
      else fields.set(name, text);
    }
    for (const [name, value] of this.#added) {
      const text = madeValue(value, source);
      if (text !== '') fields.append(name, text);
    }
  }
}

/**
 * '' for a value that nobody knows, for a field that says nothing misleads, and for what variables
 * have made to be none.
 */
function madeValue(template: Template, source: VariableSource): string {
  const text = template(source).trim();
  return isFieldValue(text) ? text : '';
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

/** In lower case. Throws SyntaxError for what is no name, or not the operator's to say. */
export function editableName(text: string, message: 'request' | 'response'): string {
  const name = text.toLowerCase();
  if (!isToken(name)) throw new SyntaxError(`no name of a field: ${text}`);
  const isRequest = message === 'request';
  if ((isRequest ? PROTECTED_IN_REQUESTS : PROTECTED_IN_RESPONSES).has(name)) {
    const remedy = isRequest && name === 'host' ? '; write rewrite: {host: …}' : '';
    throw new SyntaxError(`${text} is not to be edited: sluice answers for it${remedy}`);
  }
  return name;
}
