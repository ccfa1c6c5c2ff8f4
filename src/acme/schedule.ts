/**
 * When a certificate is had, and had again: pure rules. Times are wall-clock milliseconds. Chance is a
 * share that the name decides, so that it stays the same over restarts, and ten thousand names do not
 * come at once.
 */
import { createHash } from 'node:crypto';

/** The window in which an authority wants a certificate to be renewed (RFC 9773 §4.2). */
export interface RenewalWindow {
  readonly startMs: number;
  readonly endMs: number;
}

/** What decides, of one certificate. */
export interface RenewalFacts {
  readonly name: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Null when the authority has said none. */
  readonly window: RenewalWindow | null;
}

/** Of the lifetime: then it is renewed, as authorities advise. */
const RENEWAL_SHARE = 2 / 3;
/** Of the lifetime: so far around that moment renewals are spread. */
const JITTER_SHARE = 1 / 20;
/** Failed orders are tried again after so long, doubled each time. */
const RETRY_MS_MIN = 60_000;
/** Authorities allow five failures of a name in an hour; one that lasts is asked about four times a day. */
const RETRY_MS_MAX = 6 * 3_600_000;
/** Of the time until the next attempt: so much more or less of it. */
const RETRY_JITTER_SHARE = 1 / 5;

/** A share from 0 to 1 that is the name's own. */
function shareOf(name: string, salt = ''): number {
  return createHash('sha256').update(`${salt}\0${name}`).digest().readUInt32BE(0) / 2 ** 32;
}

/** When to renew. A window that is over means now (RFC 9773 §4.2). */
export function renewalAtMs({ name, notBeforeMs, notAfterMs, window }: RenewalFacts): number {
  if (window !== null) {
    const span = Math.max(0, window.endMs - window.startMs);
    return window.startMs + Math.floor(span * shareOf(name, String(notBeforeMs)));
  }
  const lifetimeMs = notAfterMs - notBeforeMs;
  const jitterMs = (shareOf(name, String(notBeforeMs)) - 0.5) * 2 * JITTER_SHARE * lifetimeMs;
  return Math.floor(notBeforeMs + RENEWAL_SHARE * lifetimeMs + jitterMs);
}

/** When to try again after so many failures in a row; `askedMs`: what the authority wants. */
export function retryAtMs(name: string, failures: number, nowMs: number, askedMs: number): number {
  const plainMs = Math.min(RETRY_MS_MIN * 2 ** Math.max(0, failures - 1), RETRY_MS_MAX);
  const jitter = (shareOf(name, `retry ${failures}`) - 0.5) * 2 * RETRY_JITTER_SHARE;
  return Math.max(Math.floor(nowMs + plainMs * (1 + jitter)), askedMs);
}
