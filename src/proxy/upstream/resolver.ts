/**
 * Names to addresses for origins, through the system's resolver, kept for a while so that a
 * connection does not cost a look-up.
 */
import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import { SluiceError } from '../../base/errors.ts';

/** How long an answer is used; the system's resolver does not tell us the record's own TTL. */
const ADDRESSES_FRESH_MS = 30_000;
/** An answer of the last hour is better than no origin when the resolver fails. */
const ADDRESSES_STALE_MS = 3_600_000;

export type ResolveCallback = (error: SluiceError | null, addresses: readonly string[]) => void;

interface Entry {
  addresses: readonly string[];
  resolvedAtMs: number;
  waiting: ResolveCallback[];
}

export class Resolver {
  readonly #entries = new Map<string, Entry>();
  readonly #monotonicMs: () => number;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** Calls back at once for literals and fresh answers, else in a later turn. */
  resolve(host: string, callback: ResolveCallback): void {
    if (isIP(host) !== 0) {
      callback(null, [host]);
      return;
    }
    let entry = this.#entries.get(host);
    if (entry === undefined) {
      entry = { addresses: [], resolvedAtMs: Number.NEGATIVE_INFINITY, waiting: [] };
      this.#entries.set(host, entry);
    }
    if (this.#monotonicMs() - entry.resolvedAtMs < ADDRESSES_FRESH_MS) {
      callback(null, entry.addresses);
      return;
    }
    entry.waiting.push(callback);
    if (entry.waiting.length === 1) this.#ask(host, entry);
  }

  #ask(host: string, entry: Entry): void {
    lookup(host, { all: true, order: 'verbatim' }, (error, found) => {
      const waiting = entry.waiting.splice(0);
      const nowMs = this.#monotonicMs();
      let failure: SluiceError | null = null;
      if (error === null) {
        entry.addresses = found.map((one) => one.address);
        entry.resolvedAtMs = nowMs;
      } else if (nowMs - entry.resolvedAtMs > ADDRESSES_STALE_MS) {
        failure = new SluiceError('dns-error', `cannot resolve ${host}: ${error.code}`, {
          blame: 'upstream',
          cause: error,
        });
      }
      for (const callback of waiting) callback(failure, entry.addresses);
    });
  }
}
