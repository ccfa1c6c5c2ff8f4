/** Texts with variables, as field values and redirects have: `${host}`, `${client-address}`. */
import type { RequestFacts } from '../http/exchange.ts';
import type { RequestHead } from '../http/message.ts';

/** What variables are read from; no facts when sluice asks on its own account. */
export interface VariableSource {
  readonly head: RequestHead;
  readonly facts: RequestFacts | null;
}

type Reader = (source: VariableSource) => string;

/** The same for every request of one target, so that what is made of them may be stored. */
const OF_TARGET: Record<string, Reader> = {
  scheme: ({ head }) => head.scheme,
  host: ({ head }) => head.authority.host,
  authority: ({ head }) => head.authority.text,
  path: ({ head }) => pathOf(head.path),
};

const OF_REQUEST: Record<string, Reader> = {
  ...OF_TARGET,
  method: ({ head }) => head.method,
  query: ({ head }) => queryOf(head.path),
  target: ({ head }) => head.path,
  'http-version': ({ head }) => head.version,
  'client-address': ({ facts }) => facts?.remoteAddress ?? '',
  'client-port': ({ facts }) => (facts === null ? '' : String(facts.remotePort)),
  'early-data': ({ facts }) => (facts?.early ? '1' : '0'),
  'tls-version': ({ facts }) => facts?.tls?.version ?? '',
  'tls-cipher': ({ facts }) => facts?.tls?.cipher ?? '',
  'tls-group': ({ facts }) => facts?.tls?.group ?? '',
  'tls-resumed': ({ facts }) => (facts?.tls?.resumed ? '1' : '0'),
  'server-name': ({ facts }) => facts?.tls?.serverName ?? '',
};

/** `request`: all variables; `target`: those that every request of one target has in common. */
export type VariableScope = 'request' | 'target';

export type Template = (source: VariableSource) => string;

const VARIABLE = /\$\{([^{}]*)\}/g;
const FIELD_VARIABLE = /^header:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)$/;

/** Throws SyntaxError for a variable that there is none of, with the names of those that are. */
export function compileTemplate(text: string, scope: VariableScope): Template {
  const parts: (string | Reader)[] = [];
  let end = 0;
  for (const match of text.matchAll(VARIABLE)) {
    if (match.index > end) parts.push(text.slice(end, match.index));
    parts.push(readerOf(match[1]!, scope));
    end = match.index + match[0].length;
  }
  const rest = text.slice(end);
  if (rest.includes('${')) throw new SyntaxError('a variable is not closed with }');
  if (parts.length === 0) return () => text;
  if (rest !== '') parts.push(rest);
  return (source) => {
    let result = '';
    for (const part of parts) result += typeof part === 'string' ? part : part(source);
    return result;
  };
}

function readerOf(name: string, scope: VariableScope): Reader {
  const table = scope === 'request' ? OF_REQUEST : OF_TARGET;
  if (Object.hasOwn(table, name)) return table[name]!;
  const field = FIELD_VARIABLE.exec(name)?.[1]?.toLowerCase();
  if (field !== undefined && scope === 'request') {
    return ({ head }) => head.fields.combined(field) ?? '';
  }
  const names = Object.keys(table).map((known) => `\${${known}}`);
  if (scope === 'request') names.push(`\${header:NAME}`);
  if (field !== undefined || Object.hasOwn(OF_REQUEST, name)) {
    const reason = 'one stored response is sent to many clients';
    throw new SyntaxError(
      `\${${name}} is not to be had here, because ${reason}: ${names.join(' ')}`,
    );
  }
  // What is not even like a name may be a part of a password.
  const shown = /^[a-z][a-z-]{0,31}$/.test(name) ? `\${${name}}` : 'of that name';
  throw new SyntaxError(`there is no variable ${shown}: ${names.join(' ')}`);
}

export function pathOf(target: string): string {
  const mark = target.indexOf('?');
  return mark === -1 ? target : target.slice(0, mark);
}

export function queryOf(target: string): string {
  const mark = target.indexOf('?');
  return mark === -1 ? '' : target.slice(mark + 1);
}
