/**
 * What to do with a request that arrived in early data, by RFC 8470. Pure: the policy, the request
 * and the connection's facts in, one word out.
 *
 * A fresh stored response is served before this is asked: answering it has no effect that a replay
 * could repeat.
 */
import type { RequestHead } from '../http/message.ts';
import { isSafeMethod } from '../http/methods.ts';

/** What may become of a request in early data whose effect a replay could repeat. */
export type EarlyDataDecision =
  /** Send it on now; with `Early-Data: 1` while the handshake is open (RFC 8470 §5.1). */
  | 'forward'
  /** Keep it until the handshake has completed (RFC 8470 §5.2, "delay processing"). */
  | 'hold'
  /** Answer 425 (Too Early); the client tries again after the handshake (RFC 8470 §5.2). */
  | 'refuse';

export interface EarlyDataPolicy {
  /** What is done with unsafe methods, and with content that could be cut off in mid-flight. */
  readonly unsafeRequests: 'hold' | 'refuse';
}

export const defaultEarlyDataPolicy: EarlyDataPolicy = { unsafeRequests: 'hold' };

export function decideEarlyData(
  head: RequestHead,
  early: boolean,
  policy: EarlyDataPolicy,
): EarlyDataDecision {
  if (!early) return 'forward';
  // Content in a safe request has no meaning of its own (RFC 9110 §9.3.1), and a tunnel would carry
  // bytes nobody can judge: both wait.
  const harmless = isSafeMethod(head.method) && head.contentLength === 0 && head.upgrade === '';
  return harmless ? 'forward' : policy.unsafeRequests;
}
