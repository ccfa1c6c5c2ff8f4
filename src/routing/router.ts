/**
 * Which route a request takes: the first in the order of the file whose every condition holds. The
 * routes that can be for a host at all are found by the host's name, so that a thousand hosts cost
 * no more than one.
 */
import { AddressSet } from '../base/address-range.ts';
import { HostNames, isNameOf, normalHostPattern } from '../base/host-names.ts';
import type { RequestHead } from '../http/message.ts';
import { isUnder, type PathRule, pathRule, readPath } from './path.ts';
import { compilePattern, PATTERN_PATH_CHARACTERS_MAX } from './pattern.ts';
import type { RouteMatch } from './route.ts';

export type RoutingFailure =
  | 'no-route'
  /** The path can be read in ways that lead to different routes. */
  | 'ambiguous-path'
  /** Longer than what rules about paths look at. */
  | 'path-too-long';

/** What of `RequestFacts` routes can ask for. */
export interface RoutingFacts {
  readonly remoteAddress: string;
}

interface Candidate<T> {
  readonly target: T;
  readonly isUnconditional: boolean;
  readonly scheme: string;
  readonly prefix: PathRule | null;
  readonly pattern: RegExp | null;
  readonly methods: ReadonlySet<string> | null;
  readonly fields: readonly FieldRule[];
  readonly from: AddressSet | null;
}

interface FieldRule {
  readonly name: string;
  readonly value: string;
  readonly kind: 'exact' | 'prefix';
}

/** The routes of one host, in order. */
interface HostRoutes<T> {
  readonly candidates: readonly Candidate<T>[];
  /** Set when the first is for every request. */
  readonly only: T | null;
  readonly looksAtPaths: boolean;
}

export class Router<T extends object> {
  /** Set when one route takes every request. */
  readonly #only: T | null;
  readonly #byHost = new HostNames<HostRoutes<T>>();
  /** For hosts that no route names. */
  readonly #others: HostRoutes<T>;

  constructor(routes: readonly { readonly match: RouteMatch; readonly target: T }[]) {
    const compiled = routes.map(({ match, target }) => {
      return { hosts: match.hosts.map(normalName), candidate: candidateOf(match, target) };
    });
    const routesFor = (isFor: (name: string) => boolean): HostRoutes<T> => {
      const fits = compiled.filter((one) => one.hosts.length === 0 || one.hosts.some(isFor));
      return hostRoutes(fits.map((one) => one.candidate));
    };
    const names = new Set(compiled.flatMap(({ hosts }) => hosts));
    for (const name of names) {
      const isFor = (other: string) => other === name || isNameOf(other, name);
      this.#byHost.add(name, routesFor(isFor));
    }
    this.#others = routesFor(() => false);
    this.#only = names.size === 0 ? this.#others.only : null;
  }

  find(head: RequestHead, facts: RoutingFacts): T | RoutingFailure {
    if (this.#only !== null) return this.#only;
    const { authority } = head;
    const host = this.#byHost.find(authority.host, authority.parent) ?? this.#others;
    if (host.only !== null) return host.only;
    const { remoteAddress } = facts;
    if (!host.looksAtPaths) return firstOf(host, head, remoteAddress, '', false) ?? 'no-route';
    if (head.path.length > PATTERN_PATH_CHARACTERS_MAX) return 'path-too-long';
    const { normal, others } = readPath(head.path);
    const found = firstOf(host, head, remoteAddress, normal, false);
    if (others === null) return 'ambiguous-path';
    for (const other of others) {
      if (firstOf(host, head, remoteAddress, other, true) !== found) return 'ambiguous-path';
    }
    return found ?? 'no-route';
  }
}

function candidateOf<T>(match: RouteMatch, target: T): Candidate<T> {
  const candidate = {
    target,
    scheme: match.scheme,
    prefix: match.pathPrefix === '' ? null : pathRule(match.pathPrefix),
    pattern: match.pathPattern === '' ? null : compilePattern(match.pathPattern),
    methods: methodSet(match.methods),
    fields: Object.entries(match.headers).map(([name, value]) => fieldRule(name, value)),
    from: match.from.length === 0 ? null : new AddressSet(match.from),
  };
  const { prefix, pattern, methods, fields, from } = candidate;
  const isForPaths = prefix !== null || pattern !== null;
  const isForOthers = match.scheme !== '' || methods !== null || fields.length > 0 || from !== null;
  return { ...candidate, isUnconditional: !isForPaths && !isForOthers };
}

/** Null for every method. Whoever may GET may HEAD, and who may not must not. */
export function methodSet(methods: readonly string[]): ReadonlySet<string> | null {
  if (methods.length === 0) return null;
  return new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods);
}

function fieldRule(name: string, value: string): FieldRule {
  const isPrefix = value.endsWith('*');
  return {
    name: name.toLowerCase(),
    value: isPrefix ? value.slice(0, -1) : value,
    kind: isPrefix ? 'prefix' : 'exact',
  };
}

function hostRoutes<T>(all: readonly Candidate<T>[]): HostRoutes<T> {
  const end = all.findIndex((candidate) => candidate.isUnconditional);
  const candidates = end === -1 ? all : all.slice(0, end + 1);
  return {
    candidates,
    only: end === 0 ? candidates[0]!.target : null,
    looksAtPaths: candidates.some(({ prefix, pattern }) => prefix !== null || pattern !== null),
  };
}

/** `decoded`: the path is, and compared with rules that are, too. */
function firstOf<T>(
  host: HostRoutes<T>,
  head: RequestHead,
  remoteAddress: string,
  path: string,
  decoded: boolean,
): T | undefined {
  for (const candidate of host.candidates) {
    const { scheme, prefix, pattern, methods, from } = candidate;
    if (scheme !== '' && scheme !== head.scheme) continue;
    if (prefix !== null) {
      if (!isUnder(path, decoded ? prefix.decoded : prefix.normal, prefix.kind)) continue;
    }
    if (methods !== null && !methods.has(head.method)) continue;
    if (pattern !== null && !pattern.test(path)) continue;
    if (!haveFields(candidate.fields, head)) continue;
    if (from !== null && !from.has(remoteAddress)) continue;
    return candidate.target;
  }
  return undefined;
}

function haveFields(rules: readonly FieldRule[], head: RequestHead): boolean {
  for (const { name, value, kind } of rules) {
    const presented = head.fields.combined(name);
    if (presented === undefined) return false;
    if (kind === 'exact' ? presented !== value : !presented.startsWith(value)) return false;
  }
  return true;
}

/** The configuration has none that is no name: such a one would be for no host. */
function normalName(written: string): string {
  return normalHostPattern(written) ?? written;
}
