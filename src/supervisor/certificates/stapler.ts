/**
 * Keeps the revocation status of every certificate at hand, fetched in the background and renewed
 * well before it is out of date. Without one, or with an old one, handshakes go on without it.
 */

import { createHash } from 'node:crypto';
import { type OnFault, owned } from '../../base/owned.ts';
import type { OcspOutcome } from '../../telemetry/certificate-metrics.ts';
import type { Report } from '../../telemetry/log-event.ts';
import { type FetchedStatus, fetchStatus, ocspResponder } from './ocsp-fetch.ts';

/** Milliseconds until a failed fetch is tried again, doubled each time. */
const STATUS_RETRY_MS_MIN = 60_000;
/** Responders are down for hours at times; an hour costs them and us nothing. */
const STATUS_RETRY_MS_MAX = 3_600_000;
/** How long a status that states no end is used: a revocation is noticed soon. */
const STATUS_VALIDITY_UNSAID_MS = 7_200_000;
/** A status is renewed when half of its time is over, at the latest after 12 hours. */
const STATUS_RENEWAL_MS_MAX = 43_200_000;

interface Entry {
  readonly url: string;
  response: Buffer | null;
  expiresAtMs: number;
  nextFetchAtMs: number;
  failures: number;
  isFetching: boolean;
}

export interface StaplerInput {
  readonly wallMs: () => number;
  readonly fetch?: typeof fetchStatus;
  onFetched(outcome: OcspOutcome): void;
  onRevoked?(certificatePem: string): void;
  readonly report: Report;
  /** Has what fails inside of sluice. */
  readonly onFault: OnFault;
}

/** A status that may be sent. */
export interface Staple {
  readonly response: Buffer;
  readonly expiresAtMs: number;
}

export class Stapler {
  readonly #input: StaplerInput;
  readonly #entries = new Map<string, Entry>();

  constructor(input: StaplerInput) {
    this.#input = input;
  }

  /** The status of a PEM chain's first certificate, or null; fetches it when it is time. */
  stapleFor(certificatePem: string, label: string): Staple | null {
    const entry = this.#entryFor(certificatePem);
    if (entry.url === '') return null;
    const nowMs = this.#input.wallMs();
    if (entry.response !== null && nowMs >= entry.expiresAtMs) entry.response = null;
    if (nowMs >= entry.nextFetchAtMs && !entry.isFetching) {
      owned(this.#fetch(entry, certificatePem, label), this.#input.onFault);
    }
    const { response, expiresAtMs } = entry;
    return response === null ? null : { response, expiresAtMs };
  }

  #entryFor(certificatePem: string): Entry {
    const key = createHash('sha256').update(certificatePem).digest('base64');
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      const url = ocspResponder(certificatePem);
      const none = { response: null, expiresAtMs: 0, nextFetchAtMs: 0, failures: 0 };
      entry = { url, ...none, isFetching: false };
      this.#entries.set(key, entry);
    }
    return entry;
  }

  /** What the responder does wrong is told, and tried again. */
  async #fetch(entry: Entry, certificatePem: string, label: string): Promise<void> {
    entry.isFetching = true;
    try {
      const fetched = await (this.#input.fetch ?? fetchStatus)(certificatePem, entry.url);
      this.#keep(entry, fetched, label);
      if (fetched.status === 'revoked') this.#input.onRevoked?.(certificatePem);
    } catch (error) {
      const delayMs = Math.min(STATUS_RETRY_MS_MIN * 2 ** entry.failures, STATUS_RETRY_MS_MAX);
      entry.nextFetchAtMs = this.#input.wallMs() + delayMs;
      if (entry.failures++ === 0) {
        const why = (error as Error).message;
        this.#input.report(`${label}: its status cannot be had from ${entry.url}: ${why}`, {
          level: 'warning',
          event: 'ocsp-failed',
        });
      }
      this.#input.onFetched('failed');
    } finally {
      entry.isFetching = false;
    }
  }

  #keep(entry: Entry, fetched: FetchedStatus, label: string): void {
    const { status, response, validSeconds } = fetched;
    const nowMs = this.#input.wallMs();
    const validMs = validSeconds === null ? STATUS_VALIDITY_UNSAID_MS : validSeconds * 1000;
    entry.failures = 0;
    entry.expiresAtMs = nowMs + validMs;
    const renewalMs = Math.min(validMs / 2, STATUS_RENEWAL_MS_MAX);
    entry.nextFetchAtMs = nowMs + Math.max(renewalMs, STATUS_RETRY_MS_MIN);
    // Clients that are told of a revocation go away; those that are not may ask for themselves.
    entry.response = status === 'good' ? response : null;
    if (status !== 'good') {
      this.#input.report(`${label}: its issuer says that it is ${status}`, {
        level: 'error',
        event: 'certificate-not-good',
      });
    }
    this.#input.onFetched(status);
  }
}
