/**
 * Which route a request takes: the first in the order of the file whose every condition holds. The
 * routes that can be for a host at all are found by the host's name, so that a thousand hosts cost
 * no more than one.
 */
import { HostNames, parentOf } from '../base/host-names.ts';
import type { RequestHead } from '../http/message.ts';
import { isUnder, type PathRule, pathRule, readPath } from './path.ts';
import { compilePattern, PATTERN_PATH_CHARACTERS_MAX } from './pattern.ts';
import {
  compileRequestTest,
  looksAtTarget,
  namesOf,
  normalName,
  patternedFields,
  type RequestTest,
  type RoutingFacts,
} from './request-test.ts';
import type { RouteMatch } from './route.ts';

export type RoutingFailure =
  | 'no-route'
  /** The path can be read in ways that lead to different routes. */
  | 'ambiguous-path'
  /** Longer than what rules about paths look at. */
  | 'path-too-long'
  /** A header that a pattern is for is longer than patterns may match. */
  | 'value-too-long';

/** A route's conditions, or those of what it is not for. */
interface Conditions {
  /** Of `not` only: routes are found by their hosts. */
  readonly hosts: HostNames<true> | null;
  readonly hostPattern: RegExp | null;
  readonly prefix: PathRule | null;
  readonly pattern: RegExp | null;
  readonly ignoreCase: boolean;
  readonly others: RequestTest | null;
  readonly not: readonly Conditions[];
}

interface Candidate<T> {
  readonly target: T;
  readonly isUnconditional: boolean;
  readonly looksAtTarget: boolean;
  /** Fields that patterns are matched with. */
  readonly patterned: readonly string[];
  readonly conditions: Conditions;
}

/** The routes of one host, in order. */
interface HostRoutes<T> {
  readonly candidates: readonly Candidate<T>[];
  /** Set when the first is for every request. */
  readonly only: T | null;
  readonly looksAtTargets: boolean;
  readonly patterned: readonly string[];
}

export class Router<T extends object> {
  /** Set when one route takes every request. */
  readonly #only: T | null;
  readonly #byHost = new HostNames<HostRoutes<T>>();
  /** For hosts that no route names. */
  readonly #others: HostRoutes<T>;

  constructor(routes: readonly { readonly match: RouteMatch; readonly target: T }[]) {
    const candidates = routes.map(({ match, target }) => candidateOf(match, target));
    const forAll: number[] = [];
    // Each route once for each of its names, so that the time grows with the names alone.
    const byName = new Map<string, number[]>();
    for (const [i, { match }] of routes.entries()) {
      if (match.hosts.length === 0) forAll.push(i);
      for (const name of new Set(match.hosts.map(normalName))) {
        const known = byName.get(name);
        if (known === undefined) byName.set(name, [i]);
        else known.push(i);
      }
    }
    const routesFor = (own: readonly number[]): HostRoutes<T> =>
      hostRoutes(merged(own, forAll).map((i) => candidates[i]!));
    for (const [name, own] of byName) {
      // Of a wildcard it is its own: only equal ones have a name in common.
      const wider = name.startsWith('*.') ? [] : (byName.get(`*${parentOf(name)}`) ?? []);
      this.#byHost.add(name, routesFor(merged(own, wider)));
    }
    this.#others = routesFor([]);
    this.#only = byName.size === 0 ? this.#others.only : null;
  }

  find(head: RequestHead, facts: RoutingFacts): T | RoutingFailure {
    if (this.#only !== null) return this.#only;
    const { authority } = head;
    const host = this.#byHost.find(authority.host, authority.parent) ?? this.#others;
    if (host.only !== null) return host.only;
    for (const name of host.patterned) {
      const value = head.fields.combined(name);
      if (value !== undefined && value.length > PATTERN_PATH_CHARACTERS_MAX)
        return 'value-too-long';
    }
    if (!host.looksAtTargets) return firstOf(host, head, facts, '', false) ?? 'no-route';
    if (head.path.length > PATTERN_PATH_CHARACTERS_MAX) return 'path-too-long';
    const { normal, others } = readPath(head.path);
    const found = firstOf(host, head, facts, normal, false);
    if (others === null) return 'ambiguous-path';
    for (const other of others) {
      if (firstOf(host, head, facts, other, true) !== found) return 'ambiguous-path';
    }
    return found ?? 'no-route';
  }
}

/** Two lists in rising order as one, each number once. */
function merged(a: readonly number[], b: readonly number[]): readonly number[] {
  if (a.length === 0) return b;
  return b.length === 0 ? a : [...new Set([...a, ...b])].sort((one, other) => one - other);
}

/** Conditions by themselves, for what is done within a route: of paths the normal reading counts. */
export function compileMatchTest(match: RouteMatch): RequestTest {
  const conditions = conditionsOf(match);
  const looksAtPath = looksAtTarget(match);
  return (head, facts) => {
    const path = looksAtPath ? readPath(head.path).normal : '';
    return fits(conditions, head, facts, path, false);
  };
}

function candidateOf<T>(match: RouteMatch, target: T): Candidate<T> {
  const conditions = { ...conditionsOf(match), hosts: null };
  const { hostPattern, prefix, pattern, others, not } = conditions;
  const isForAll = hostPattern === null && prefix === null && pattern === null;
  return {
    target,
    isUnconditional: isForAll && others === null && not.length === 0,
    looksAtTarget: looksAtTarget(match),
    patterned: patternedFields(match),
    conditions,
  };
}

function conditionsOf(match: RouteMatch): Conditions {
  const { hosts, hostPattern, pathPattern, ignoreCase } = match;
  return {
    hosts: hosts.length === 0 ? null : namesOf(hosts),
    hostPattern: hostPattern === '' ? null : compilePattern(hostPattern, { ignoreCase: true }),
    prefix: match.pathPrefix === '' ? null : prefixRule(match),
    pattern: pathPattern === '' ? null : compilePattern(pathPattern, { ignoreCase }),
    ignoreCase,
    others: compileRequestTest(match),
    not: match.not.map(conditionsOf),
  };
}

function prefixRule({ pathPrefix, ignoreCase }: RouteMatch): PathRule {
  const rule = pathRule(pathPrefix);
  if (!ignoreCase) return rule;
  const { kind, normal, decoded } = rule;
  return { kind, normal: normal.toLowerCase(), decoded: decoded.toLowerCase() };
}

function hostRoutes<T>(all: readonly Candidate<T>[]): HostRoutes<T> {
  const end = all.findIndex((candidate) => candidate.isUnconditional);
  const candidates = end === -1 ? all : all.slice(0, end + 1);
  return {
    candidates,
    only: end === 0 ? candidates[0]!.target : null,
    looksAtTargets: candidates.some((candidate) => candidate.looksAtTarget),
    patterned: [...new Set(candidates.flatMap(({ patterned }) => patterned))],
  };
}

/** `decoded`: the path is, and compared with rules that are, too. */
function firstOf<T>(
  host: HostRoutes<T>,
  head: RequestHead,
  facts: RoutingFacts,
  path: string,
  decoded: boolean,
): T | undefined {
  for (const { conditions, target } of host.candidates) {
    if (fits(conditions, head, facts, path, decoded)) return target;
  }
  return undefined;
}

function fits(
  conditions: Conditions,
  head: RequestHead,
  facts: RoutingFacts,
  path: string,
  decoded: boolean,
): boolean {
  const { hosts, hostPattern, prefix, pattern, others, not } = conditions;
  const { host, parent } = head.authority;
  if (hosts !== null && hosts.find(host, parent) === undefined) return false;
  if (hostPattern !== null && !hostPattern.test(host)) return false;
  if (prefix !== null) {
    const compared = conditions.ignoreCase ? path.toLowerCase() : path;
    if (!isUnder(compared, decoded ? prefix.decoded : prefix.normal, prefix.kind)) return false;
  }
  if (pattern !== null && !pattern.test(path)) return false;
  if (others !== null && !others(head, facts)) return false;
  for (const one of not) if (fits(one, head, facts, path, decoded)) return false;
  return true;
}
