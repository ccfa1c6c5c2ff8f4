/** A route's conditions but those of host and path, compiled; see router.ts for these. */
import { AddressSet } from '../base/address-range.ts';
import { HostNames, normalHostPattern } from '../base/host-names.ts';
import { parameterValue } from '../cache/rules/key.ts';
import type { TlsFacts } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import { cookiesNamed, parametersNamed } from './request-values.ts';
import { matchEverything, type RouteMatch, type TlsMatch, type ValueMatches } from './route.ts';
import { compileTextMatch, type TextTest } from './text-match.ts';

/** What of `RequestFacts` routes can ask for. */
export interface RoutingFacts {
  readonly remoteAddress: string;
  readonly localPort: number;
  readonly tls: Pick<TlsFacts, 'version' | 'serverName' | 'clientCertificates'> | null;
}

export type RequestTest = (head: RequestHead, facts: RoutingFacts) => boolean;

/** Null when there is nothing to ask. Throws SyntaxError for a pattern that is none. */
export function compileRequestTest(match: RouteMatch): RequestTest | null {
  const tests: RequestTest[] = [];
  const { scheme, from, ports, websocket, tls } = match;
  if (scheme !== '') tests.push((head) => head.scheme === scheme);
  const methods = methodSet(match.methods);
  if (methods !== null) tests.push((head) => methods.has(head.method));
  if (ports.length > 0) tests.push((_head, { localPort }) => ports.includes(localPort));
  if (websocket !== null) {
    tests.push(({ upgrade }) => (upgrade.toLowerCase() === 'websocket') === websocket);
  }
  for (const [name, test] of testsOf(match.headers)) {
    const wanted = name.toLowerCase();
    tests.push(({ fields }) => {
      const value = fields.combined(wanted);
      return value !== undefined && test(value);
    });
  }
  for (const [name, test] of testsOf(match.cookies)) {
    tests.push(({ fields }) => someCookie(fields, name, test));
  }
  for (const [name, test] of testsOf(match.query)) {
    tests.push(({ path }) => someParameter(path, name, test));
  }
  if (from.length > 0) {
    const set = new AddressSet(from);
    tests.push((_head, { remoteAddress }) => set.has(remoteAddress));
  }
  if (tls !== null) tests.push(...tlsTests(tls));
  if (tests.length <= 1) return tests[0] ?? null;
  return (head, facts) => tests.every((test) => test(head, facts));
}

function testsOf(matches: ValueMatches): (readonly [name: string, test: TextTest])[] {
  return Object.entries(matches).map(([name, each]) => [name, compileTextMatch(each)]);
}

/** Null for every method. Whoever may GET may HEAD, and who may not must not. */
export function methodSet(methods: readonly string[]): ReadonlySet<string> | null {
  if (methods.length === 0) return null;
  return new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods);
}

function tlsTests({ versions, serverNames, clientCertificate }: TlsMatch): RequestTest[] {
  const tests: RequestTest[] = [];
  if (versions.length > 0) tests.push((_head, { tls }) => versions.includes(tls?.version ?? ''));
  if (serverNames.length > 0) {
    const names = namesOf(serverNames);
    tests.push((_head, { tls }) => names.find(tls?.serverName ?? '') !== undefined);
  }
  if (clientCertificate !== null) {
    tests.push((_head, { tls }) => {
      return (tls?.clientCertificates.length ?? 0) > 0 === clientCertificate;
    });
  }
  return tests;
}

/** The configuration has none that is no name: such a one would be for no host. */
export function normalName(written: string): string {
  return normalHostPattern(written) ?? written;
}

export function namesOf(written: readonly string[]): HostNames<true> {
  const names = new HostNames<true>();
  for (const one of written) names.add(normalName(one), true);
  return names;
}

/**
 * Of several cookies of one name each is looked at: which of them an origin takes is its own choice
 * (RFC 6265 §4.2.2), so that a rule that knows one of them only would be passed by the other.
 */
function someCookie(fields: FieldSection, name: string, test: TextTest): boolean {
  return cookiesNamed(fields, name).some(test);
}

/** As origins read them: decoded, and each of one name. */
function someParameter(target: string, name: string, test: TextTest): boolean {
  return parametersNamed(target, name).some((one) => test(parameterValue(one)));
}

/** Where values stand that patterns are matched with: they must not be long. */
export function patternedFields(match: RouteMatch): string[] {
  const isPattern = ({ kind }: ValueMatches[string]) => kind === 'pattern';
  const headers = Object.entries(match.headers).filter(([, each]) => isPattern(each));
  const names = headers.map(([name]) => name.toLowerCase());
  if (Object.values(match.cookies).some(isPattern)) names.push('cookie');
  return [...names, ...match.not.flatMap(patternedFields)];
}

/** The same of the target. */
export function looksAtTarget(match: RouteMatch): boolean {
  const { pathPrefix, pathPattern, query } = match;
  const isPath = pathPrefix !== '' || pathPattern !== '';
  return isPath || Object.keys(query).length > 0 || match.not.some(looksAtTarget);
}

/** What of a match is told by the target; whoever adds a condition must add it here to share keys. */
const OF_TARGET: ReadonlySet<keyof RouteMatch> = new Set([
  'scheme',
  'hosts',
  'hostPattern',
  'pathPrefix',
  'pathPattern',
  'ignoreCase',
]);

/** Whether all requests for a target that the cache may answer are met, or none. */
export function isOfTarget(match: RouteMatch): boolean {
  for (const [name, value] of Object.entries(match)) {
    const key = name as keyof RouteMatch;
    if (OF_TARGET.has(key) || key === 'methods' || key === 'not') continue;
    if (JSON.stringify(value) !== JSON.stringify(matchEverything[key])) return false;
  }
  if (!match.not.every(isOfTarget)) return false;
  // Other methods than these are never answered from the cache.
  return !match.methods.includes('GET') && !match.methods.includes('HEAD');
}
