/** Texts with variables, as field values and redirects have: `${host}`, `${client-address}`. */
import type { RequestFacts } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import { type Captures, NO_CAPTURES } from './captures.ts';
import { cookiesNamed, parametersNamed, pathOf, queryOf } from './request-values.ts';

/** What variables are read from; no facts when sluice asks on its own account. */
export interface VariableSource {
  readonly head: RequestHead;
  readonly facts: RequestFacts | null;
  /** Of the response that is edited. */
  readonly status?: number;
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
const COOKIE_VARIABLE = /^cookie:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)$/;
const PARAMETER_VARIABLE = /^query:([^\s:{}]+)$/;

export interface TemplateWords {
  /** Of the route's patterns: `${path:1}`, `${host:name}`. */
  readonly captures?: Captures;
  /** What is done with a variable's value before it becomes a part of the text. */
  readonly encode?: (value: string) => string;
}

/** Whether there is anything to replace in a text. */
export function hasVariables(text: string): boolean {
  return text.includes('${');
}

const GROUP_VARIABLE = /^(path|host):([A-Za-z_]\w*|[1-9])$/;

/** Throws SyntaxError for a variable that there is none of, with the names of those that are. */
export function compileTemplate(
  text: string,
  scope: VariableScope,
  { captures = NO_CAPTURES, encode }: TemplateWords = {},
): Template {
  refuseForeign(text);
  const parts: (string | Reader)[] = [];
  let end = 0;
  for (const match of text.matchAll(VARIABLE)) {
    if (match.index > end) parts.push(text.slice(end, match.index));
    const read = readerOf(match[1]!, scope, captures);
    parts.push(encode === undefined ? read : (source) => encode(read(source)));
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

/** Whether a variable has the same value for all requests of one target. */
export function isOfOneTarget(name: string): boolean {
  return Object.hasOwn(OF_TARGET, name);
}

/** Ours by nginx's, which write them without braces. */
const NGINX: Readonly<Record<string, string>> = {
  args: 'query',
  host: 'host',
  http_host: 'authority',
  query_string: 'query',
  remote_addr: 'client-address',
  remote_port: 'client-port',
  request_method: 'method',
  request_uri: 'target',
  scheme: 'scheme',
  server_name: 'host',
  server_protocol: 'http-version',
  ssl_cipher: 'tls-cipher',
  ssl_curve: 'tls-group',
  ssl_protocol: 'tls-version',
  ssl_server_name: 'server-name',
  uri: 'path',
};
/** Without a counterpart that is one variable. */
const NGINX_OTHERS = ['is_args', 'proxy_add_x_forwarded_for', 'server_addr', 'server_port'];
const PREFIXED = /^(?:arg|cookie|sent_http|upstream)_\w+$/;

/** What another server would replace, and sluice would send as it stands. */
function refuseForeign(text: string): void {
  for (const [written, braced, plain] of text.matchAll(/\$(?:\{(\w+)\}|([a-z]\w*))/g)) {
    const name = braced ?? plain!;
    if (braced !== undefined && Object.hasOwn(OF_REQUEST, name)) continue;
    const ours = variableOfNginx(name);
    const isKnown = ours !== undefined || NGINX_OTHERS.includes(name) || PREFIXED.test(name);
    if (!isKnown) continue;
    const remedy = ours === undefined ? 'sluice has none for it' : `write \${${ours}}`;
    throw new SyntaxError(`${written} is nginx's variable: ${remedy}`);
  }
  const other =
    /%(?:\[[a-z_.]+(?:\([^)]*\))?[^\]]*\]|\{[A-Za-z][\w:.-]*\})|(?<![$%])\{(?:http\.|host\}|uri\}|path\}|query\}|scheme\}|remote_host\})/;
  const found = other.exec(text)?.[0];
  if (found === undefined) return;
  const names = Object.keys(OF_REQUEST).map((known) => `\${${known}}`);
  throw new SyntaxError(`${found} is another server's variable: here they are ${names.join(' ')}`);
}

/** Of ours, what nginx's variable is; undefined for none. */
export function variableOfNginx(name: string): string | undefined {
  if (Object.hasOwn(NGINX, name)) return NGINX[name];
  const header = /^http_(\w+)$/.exec(name)?.[1];
  return header === undefined ? undefined : `header:${header.replaceAll('_', '-')}`;
}

function readerOf(name: string, scope: VariableScope, captures: Captures): Reader {
  const group = GROUP_VARIABLE.exec(name);
  if (group !== null) return groupReader(group[1] as keyof Captures, group[2]!, captures);
  const table = scope === 'request' ? OF_REQUEST : OF_TARGET;
  if (Object.hasOwn(table, name)) return table[name]!;
  const field = FIELD_VARIABLE.exec(name)?.[1]?.toLowerCase();
  if (field !== undefined && scope === 'request') {
    return ({ head }) => head.fields.combined(field) ?? '';
  }
  const cookie = COOKIE_VARIABLE.exec(name)?.[1];
  const parameter = PARAMETER_VARIABLE.exec(name)?.[1];
  if (cookie !== undefined && scope === 'request') {
    return ({ head }) => cookieOf(head.fields, cookie);
  }
  if (parameter !== undefined && scope === 'request') {
    return ({ head }) => parameterOf(head.path, parameter);
  }
  const names = Object.keys(table).map((known) => `\${${known}}`);
  if (scope === 'request') {
    names.push(...['header', 'cookie', 'query'].map((kind) => `\${${kind}:NAME}`));
  }
  if ((field ?? cookie ?? parameter) !== undefined || Object.hasOwn(OF_REQUEST, name)) {
    const reason = 'one stored response is sent to many clients';
    throw new SyntaxError(
      `\${${name}} is not to be had here, because ${reason}: ${names.join(' ')}`,
    );
  }
  // What is not even like a name may be a part of a password.
  const shown = /^[a-z][a-z-]{0,31}$/.test(name) ? `\${${name}}` : 'of that name';
  throw new SyntaxError(`there is no variable ${shown}: ${names.join(' ')}`);
}

function groupReader(subject: keyof Captures, group: string, captures: Captures): Reader {
  const groups = captures[subject];
  const written = `\${${subject}:${group}}`;
  if (groups === null) {
    throw new SyntaxError(`${written} is of no pattern: the route has no ${subject}-pattern`);
  }
  if (!groups.known.includes(group)) {
    const known = groups.known.map((one) => `\${${subject}:${one}}`).join(' ') || 'none';
    throw new SyntaxError(`${written}: ${subject}-pattern has no such group: ${known}`);
  }
  return ({ head }) => groups.read(head, group);
}

/** The first of that name (RFC 6265 §5.4: servers should not rely on their order); '' for none. */
function cookieOf(fields: FieldSection, name: string): string {
  return cookiesNamed(fields, name).next().value ?? '';
}

/** The first of that name, as it was sent; '' for none. */
function parameterOf(target: string, name: string): string {
  const [found = ''] = parametersNamed(target, name);
  return found.includes('=') ? found.slice(found.indexOf('=') + 1) : '';
}
