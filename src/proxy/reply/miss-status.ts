/** Our member of Cache-Status (RFC 9211) for what the origin gave to one request alone. */
import { cacheStatusMember, type ForwardReason } from '../../cache/rules/cache-status.ts';
import type { StoringDecision } from '../../cache/rules/storing.ts';
import { PROXY_NAME } from '../request/forwarding.ts';

/** Why it was not stored, or nothing. */
export function detailOf(storing: StoringDecision | 'not-asked'): string {
  return storing === 'store' || storing === 'not-asked' ? '' : storing;
}

/** Members of Cache-Status made so far, by reason and decision: there are few of each. */
const missStatuses = new Map<ForwardReason, Map<StoringDecision | 'not-asked', string>>();

export function missStatus(forward: ForwardReason, storing: StoringDecision | 'not-asked'): string {
  let byDecision = missStatuses.get(forward);
  if (byDecision === undefined) missStatuses.set(forward, (byDecision = new Map()));
  let member = byDecision.get(storing);
  if (member === undefined) {
    const facts = { hit: false, forward, forwardStatus: 0, collapsed: false, key: '' };
    const decided = { stored: storing === 'store', detail: detailOf(storing) };
    member = cacheStatusMember(PROXY_NAME, { ...facts, ...decided, ttlSeconds: null });
    byDecision.set(storing, member);
  }
  return member;
}
