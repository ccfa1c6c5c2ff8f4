/**
 * PURGE on a data port: removes what is stored under the request's target, of both schemes. Not of
 * HTTP's standard; Squid and Varnish have made it known.
 */
import type { PurgeSelector } from '../cache/contract.ts';
import { type KeyRules, keyOf } from '../cache/rules/key.ts';
import type { RequestFacts } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
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

/**
 * A request that another proxy passed on came from somebody who is not at the address that we see:
 * behind a local proxy everybody would be this machine.
 */
const isPassedOn = ({ fields }: RequestHead) => fields.has('via') || fields.names.some(isClaim);

export function mayPurge(
  head: RequestHead,
  { remoteAddress, peerAddress }: Pick<RequestFacts, 'remoteAddress' | 'peerAddress'>,
  gate: PurgeGate,
): boolean {
  // A trusted proxy has said whose request it is.
  const isKnown = remoteAddress !== peerAddress;
  return (isKnown || !isPassedOn(head)) && gate.isAllowed(remoteAddress);
}

export function selectorsOf(head: RequestHead, rules: KeyRules): PurgeSelector[] {
  const selectors: PurgeSelector[] = [];
  for (const scheme of ['http', 'https']) {
    const key = keyOf(scheme, head.authority, head.path, rules);
    selectors.push({ kind: 'key', key });
  }
  return selectors;
}

/** `Soft-Purge: 1` asks for stale instead of gone. */
export function isSoftPurge(fields: FieldSection): boolean {
  return fields.first('soft-purge')?.trim() === '1';
}
