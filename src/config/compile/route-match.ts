import { compilePattern } from '../../routing/pattern.ts';
import type { RouteMatch, TlsMatch, ValueMatches } from '../../routing/route.ts';
import { compileTextMatch, type TextMatch } from '../../routing/text-match.ts';
import type { KeyPath } from '../document/diagnostic.ts';
import type { RoutesEntry } from '../schema/routes.ts';
import type { CompileContext } from './context.ts';
import { hostName } from './host-name.ts';

type MatchEntry = NonNullable<RoutesEntry[number]['match']>;
type TlsEntry = NonNullable<MatchEntry['tls']>;
type ValuesEntry = NonNullable<MatchEntry['headers']>;

/** Of RFC 9110 section 9 and RFC 5789: other methods are written as their users like. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];

export function compileMatch(entry: MatchEntry, context: CompileContext): RouteMatch {
  const { not = [] } = entry;
  if (!Array.isArray(not)) {
    return { ...conditionsOf(entry, context), not: [excluded(not, context.below('not'))] };
  }
  return {
    ...conditionsOf(entry, context),
    not: not.map((one, i) => excluded(one, context.below('not', i))),
  };
}

/** What a route is not for. */
function excluded(entry: MatchEntry, context: CompileContext): RouteMatch {
  if (Object.keys(entry).length === 0) {
    context.refuse([], 'every request is so', 'write a condition, as in not: {methods: [POST]}');
  }
  return { ...conditionsOf(entry, context), not: [] };
}

function conditionsOf(entry: MatchEntry, context: CompileContext): Omit<RouteMatch, 'not'> {
  const pathPattern = entry['path-pattern'] ?? '';
  checkPattern(['path-pattern'], pathPattern, 'write it as in ^/users/(\\d+)$', context);
  const hostPattern = entry['host-pattern'] ?? '';
  const remedy = 'write it as in ^(.+)\\.example\\.org$';
  checkPattern(['host-pattern'], hostPattern, remedy, context);
  const pathPrefix = entry['path-prefix'] ?? '';
  checkPath(['path-prefix'], pathPrefix, context);
  const hosts = (entry.hosts ?? []).map((one, i) => hostName(one, ['hosts', i], context));
  checkMethods(['methods'], entry.methods ?? [], context);
  const match = {
    scheme: entry.scheme ?? '',
    hosts,
    hostPattern,
    pathPrefix,
    pathPattern,
    ignoreCase: entry['ignore-case'] ?? false,
    methods: entry.methods ?? [],
    headers: valuesOf(entry.headers ?? {}, context.below('headers')),
    cookies: valuesOf(entry.cookies ?? {}, context.below('cookies')),
    query: valuesOf(entry.query ?? {}, context.below('query')),
    from: entry.from ?? [],
    ports: entry.ports ?? [],
    websocket: entry.websocket ?? null,
    tls: entry.tls === undefined ? null : tlsOf(entry.tls, context.below('tls')),
  } as const satisfies Omit<RouteMatch, 'not'>;
  refuseUnreachable(match, context);
  return match;
}

/** Conditions that no request can meet together. */
function refuseUnreachable(match: Omit<RouteMatch, 'not'>, context: CompileContext): void {
  const { scheme, tls } = match;
  if (scheme === 'http' && tls !== null && tls.clientCertificate !== false) {
    context.refuse(
      ['tls'],
      'no request by http has these',
      'write scheme: https, or leave tls out',
    );
  }
}

function tlsOf(entry: TlsEntry, context: CompileContext): TlsMatch {
  return {
    versions: entry.versions ?? [],
    serverNames: (entry['server-names'] ?? []).map((one, i) =>
      hostName(one, ['server-names', i], context),
    ),
    clientCertificate: entry['client-certificate'] ?? null,
  };
}

export function valuesOf(entries: ValuesEntry, context: CompileContext): ValueMatches {
  return Object.fromEntries(
    Object.entries(entries).map(([name, entry]) => {
      if (!NAME.test(name)) {
        const remedy = 'write it without blanks and other separators, as in X-Beta';
        context.refuse([name], 'nothing is called so', remedy);
      }
      return [name, matchOf(entry, name, context)];
    }),
  );
}

/** No name of a header, a cookie or a parameter has these. */
const NAME = /^[^\s:;,=&]+$/;

const KINDS = ['exact', 'prefix', 'suffix', 'contains', 'pattern'] as const;

function matchOf(entry: ValuesEntry[string], name: string, context: CompileContext): TextMatch {
  if (typeof entry === 'string') return shortForm(entry, name, context);
  const given = KINDS.filter((kind) => entry[kind] !== undefined);
  const [kind] = given;
  if (kind === undefined || given.length > 1) {
    const problem = kind === undefined ? 'it says no value' : `both ${given.join(' and ')}`;
    context.refuse([name], problem, `write one of ${KINDS.join(', ')}`);
    return { kind: 'any', text: '', ignoreCase: false };
  }
  const match = { kind, text: entry[kind]!, ignoreCase: entry['ignore-case'] ?? false };
  if (match.text === '' && kind !== 'exact') {
    context.refuse([name, kind], 'every value has it', `write ${name}: "*" for any value`);
  }
  try {
    compileTextMatch(match);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    context.refuse([name, kind], error.message, 'write it as in ^(?:a|b)$');
  }
  return match;
}

/** Only the end of a value can be left open; of media types the stars are their own. */
function shortForm(text: string, name: string, context: CompileContext): TextMatch {
  if (/\*./.test(text.replaceAll('/*', '').replace(/^\*(?=\*?$)/, ''))) {
    const part = text.replaceAll('*', '');
    const remedy =
      part === ''
        ? 'write the beginning of the value, as in abc*, or * for any'
        : 'write the beginning of the value, as in abc*, or {contains: PART}, {suffix: END}';
    context.refuse([name], '* has a meaning at the end only', remedy);
  }
  const isOpen = text.endsWith('*');
  if (text === '*') return { kind: 'any', text: '', ignoreCase: false };
  const kind = isOpen ? 'prefix' : 'exact';
  return { kind, text: isOpen ? text.slice(0, -1) : text, ignoreCase: false };
}

function checkPattern(path: KeyPath, text: string, remedy: string, context: CompileContext): void {
  try {
    compilePattern(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    context.refuse(path, error.message, remedy);
  }
}

/** Methods are case-sensitive (RFC 9110 section 9.1): no client sends `get`. */
export function checkMethods(
  path: KeyPath,
  methods: readonly string[],
  context: CompileContext,
): void {
  for (const [i, method] of methods.entries()) {
    const capitals = method.toUpperCase();
    if (method === capitals || !METHODS.includes(capitals)) continue;
    context.refuse([...path, i], `no client sends ${method}`, `write ${capitals}`);
  }
}

export function checkPath(path: KeyPath, text: string, context: CompileContext): void {
  if (/\*./.test(text)) {
    const remedy = 'write * at the end only, as in /api*, or a path-pattern';
    context.refuse(path, '* has a meaning at the end only', remedy);
    return;
  }
  if (text === '' || (text.startsWith('/') && !/[?#\s]/.test(text))) return;
  context.refuse(path, 'no path', 'begin it with / and leave out query and spaces, as in /api');
}
