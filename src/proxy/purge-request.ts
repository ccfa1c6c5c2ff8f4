/**
 * PURGE on a data port: removes what is stored under the request's target, of both schemes. Not of
 * HTTP's standard; Squid and Varnish have made it known.
 */
import type { PurgeSelector } from '../cache/contract.ts';
import { type KeyRules, keyOf } from '../cache/rules/key.ts';
import type { RequestFacts } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import { type LocalResponse, localJson } from '../routing/local-response.ts';
import { isClaim } from './request/client-claims.ts';

/** What an exchange asks of whoever reaches the caches of all workers. */
export interface PurgeGate {
  /** Whether a client at this address may purge; `unix` for a UNIX socket. */
  isAllowed(remoteAddress: string): boolean;
  /**
   * Purges in all workers, then calls back with how many stored responses went; -1 when that is not
   * known, null when a worker could not be reached.
   */
  purge(
    selectors: readonly PurgeSelector[],
    soft: boolean,
    done: (count: number | null) => void,
  ): void;
}

interface PurgeEnvironment {
  readonly purges: PurgeGate;
  readonly keyRules: KeyRules;
  /** IMF-fixdate of now. */
  readonly dateNow: () => string;
}

/** As much of a delivery as a purge needs. */
interface PurgeDelivery {
  readonly isOver: boolean;
  answer(status: number, extra: readonly []): void;
  answerWith(response: LocalResponse): void;
}

/** Never forwarded: whoever may not purge here must not reach an origin that lets anybody. */
export function answerPurge(
  { purges, keyRules, dateNow }: PurgeEnvironment,
  head: RequestHead,
  facts: RequestFacts,
  delivery: PurgeDelivery,
): void {
  if (!mayPurge(head, facts, purges)) {
    delivery.answer(403, []);
    return;
  }
  const selectors = selectorsOf(head, keyRules);
  // Early data may be a replay (RFC 8470 §2).
  facts.whenHandshakeEnds((complete) => {
    if (!complete || delivery.isOver) return;
    purges.purge(selectors, isSoftPurge(head.fields), (count) => {
      if (delivery.isOver) return;
      const status = count === null ? 503 : count === 0 ? 404 : 200;
      delivery.answerWith(localJson(status, dateNow(), { purged: count }));
    });
  });
}

/**
 * A request that another proxy passed on came from somebody who is not at the address that we see:
 * behind a local proxy everybody would be this machine.
 */
const isPassedOn = ({ fields }: RequestHead) => fields.has('via') || fields.names.some(isClaim);

function mayPurge(
  head: RequestHead,
  { remoteAddress, peerAddress }: Pick<RequestFacts, 'remoteAddress' | 'peerAddress'>,
  gate: PurgeGate,
): boolean {
  // A trusted proxy has said whose request it is.
  const isKnown = remoteAddress !== peerAddress;
  return (isKnown || !isPassedOn(head)) && gate.isAllowed(remoteAddress);
}

function selectorsOf(head: RequestHead, rules: KeyRules): PurgeSelector[] {
  const selectors: PurgeSelector[] = [];
  for (const scheme of ['http', 'https']) {
    const key = keyOf(scheme, head.authority, head.path, rules);
    selectors.push({ kind: 'key', key });
  }
  return selectors;
}

/** `Soft-Purge: 1` asks for stale instead of gone. */
function isSoftPurge(fields: FieldSection): boolean {
  return fields.first('soft-purge')?.trim() === '1';
}
