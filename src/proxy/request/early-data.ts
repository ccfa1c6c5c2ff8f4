/**
 * What to do with a request that arrived in early data, by RFC 8470: the policy of the host that the
 * connection was made for, the request and the connection's facts in, one word out.
 *
 * A fresh stored response is served before this is asked: answering it has no effect that a replay
 * could repeat.
 */
import type { Authority } from '../../http/authority.ts';
import type { RequestFacts } from '../../http/exchange.ts';
import type { RequestHead } from '../../http/message.ts';
import { isSafeMethod } from '../../http/methods.ts';
import { anyReadingUnder, type PathRule, pathRule, readPath } from '../../routing/path.ts';

/** What may become of a request in early data whose effect a replay could repeat. */
export type EarlyDataDecision =
  /** Send it on now; with `Early-Data: 1` while the handshake is open (RFC 8470 §5.1). */
  | 'forward'
  /** Keep it until the handshake has completed (RFC 8470 §5.2, "delay processing"). */
  | 'hold'
  /** Answer 425 (Too Early); the client tries again after the handshake (RFC 8470 §5.2). */
  | 'refuse';

/** Of one host: which requests go on at once, and what becomes of the others. Plain data. */
export interface EarlyDataPolicy {
  /**
   * Methods that go on, in upper case. Those that are not safe (RFC 9110 §9.2.1) are replayed at the
   * origin's risk.
   */
  readonly methods: readonly string[];
  /** Whether a request with a query goes on. */
  readonly query: boolean;
  /** Paths of requests that do not, in the form of pathRule: `/buy` with all below it, or `/b*`. */
  readonly excludedPaths: readonly string[];
  readonly otherwise: 'hold' | 'too-early' | 'forward';
}

export const defaultEarlyDataPolicy: EarlyDataPolicy = {
  methods: ['GET', 'HEAD', 'OPTIONS', 'TRACE'],
  query: true,
  excludedPaths: [],
  otherwise: 'hold',
};

interface CompiledPolicy {
  readonly methods: ReadonlySet<string>;
  readonly query: boolean;
  readonly excludedPaths: readonly PathRule[];
  readonly otherwise: EarlyDataDecision;
}

const OTHERWISE = { hold: 'hold', 'too-early': 'refuse', forward: 'forward' } as const;

/** The policies of all hosts, by a connection's host. */
export class EarlyDataPolicies {
  readonly #policies: readonly CompiledPolicy[];
  readonly #hostsFor: (authority: Authority) => readonly number[];

  /** In the order of the hosts, at least one. `hostsFor`: those that an authority is judged by. */
  constructor(
    policies: readonly EarlyDataPolicy[],
    hostsFor: (authority: Authority) => readonly number[],
  ) {
    this.#hostsFor = hostsFor;
    this.#policies = policies.map(({ methods, query, excludedPaths, otherwise }) => ({
      methods: new Set(methods),
      query,
      excludedPaths: excludedPaths.map(pathRule),
      otherwise: OTHERWISE[otherwise],
    }));
  }

  decide(head: RequestHead, facts: Pick<RequestFacts, 'early' | 'tls'>): EarlyDataDecision {
    if (!facts.early) return 'forward';
    const own = this.#policies[facts.tls?.host ?? 0]!;
    const decision = decideBy(own, head);
    if (decision !== 'forward') return decision;
    // A request may be for another host than that of the handshake: then all have to agree.
    for (const host of this.#hostsFor(head.authority)) {
      const meant = this.#policies[host]!;
      const other = meant === own ? 'forward' : decideBy(meant, head);
      if (other !== 'forward') return other;
    }
    return 'forward';
  }
}

function decideBy(policy: CompiledPolicy, head: RequestHead): EarlyDataDecision {
  // A tunnel would carry bytes that nobody can judge.
  if (head.upgrade !== '') return policy.otherwise === 'refuse' ? 'refuse' : 'hold';
  return mayGoOn(head, policy) ? 'forward' : policy.otherwise;
}

function mayGoOn(head: RequestHead, policy: CompiledPolicy): boolean {
  const { method, contentLength, path } = head;
  if (!policy.methods.has(method)) return false;
  // Content in a safe request has no meaning of its own (RFC 9110 §9.3.1), and may be cut off.
  if (contentLength !== 0 && isSafeMethod(method)) return false;
  if (!policy.query && path.includes('?')) return false;
  if (policy.excludedPaths.length === 0) return true;
  const readings = readPath(path);
  return !policy.excludedPaths.some((rule) => anyReadingUnder(readings, rule));
}
