/**
 * The most frequent failures of handshakes: what went wrong, how often, and to whom it happened most.
 * Bounded, whatever clients send: the rarest makes room, and a newcomer inherits its count as a
 * margin of error (the Space-Saving algorithm of Metwally, Agrawal and El Abbadi).
 */
import type { HandshakeRecord } from '../tls/contract.ts';

/** Kinds of failure held, by error, alert, who sent it, state and version. */
export const FAILURE_KINDS_MAX = 256;
/** Addresses, names and fingerprints held for each kind. */
export const FAILURE_VALUES_MAX = 16;

export interface CountedValue {
  readonly value: string;
  /** At least the true count, at most this much above it: `uncertainty`. */
  readonly count: number;
  readonly uncertainty: number;
}

/** One kind of failure. */
export interface FailureKind {
  /** Code of docs/reference/errors.md. */
  readonly error: string;
  /** RFC name, or ''. */
  readonly alert: string;
  readonly alertSentBy: '' | 'us' | 'peer';
  /** OpenSSL's name of the last state. */
  readonly lastState: string;
  readonly version: string;
  readonly count: number;
  readonly uncertainty: number;
  /** Milliseconds since the epoch. */
  readonly lastAtMs: number;
  /** Most frequent first; '' is left out. */
  readonly addresses: readonly CountedValue[];
  readonly serverNames: readonly CountedValue[];
  readonly fingerprints: readonly CountedValue[];
}

interface Counter {
  count: number;
  uncertainty: number;
}

/** Counts of at most `max` values. */
class TopValues {
  readonly #max: number;
  readonly #counters = new Map<string, Counter>();

  constructor(max: number) {
    this.#max = max;
  }

  add(value: string, count = 1, uncertainty = 0): void {
    if (value === '') return;
    const counter = this.#counters.get(value);
    if (counter !== undefined) {
      counter.count += count;
      counter.uncertainty += uncertainty;
      return;
    }
    const least = this.#counters.size < this.#max ? 0 : dropLeast(this.#counters);
    this.#counters.set(value, { count: count + least, uncertainty: uncertainty + least });
  }

  get values(): CountedValue[] {
    return [...this.#counters]
      .map(([value, counter]) => ({ value, ...counter }))
      .sort((a, b) => b.count - a.count);
  }
}

/** Drops the rarest; returns its count. */
function dropLeast<T extends Counter>(counters: Map<string, T>): number {
  let least: string | undefined;
  let count = Number.POSITIVE_INFINITY;
  for (const [key, counter] of counters) {
    if (counter.count >= count) continue;
    least = key;
    count = counter.count;
  }
  if (least === undefined) return 0;
  counters.delete(least);
  return count;
}

type Facts = Pick<FailureKind, 'error' | 'alert' | 'alertSentBy' | 'lastState' | 'version'>;

class Entry implements Counter {
  readonly facts: Facts;
  count = 0;
  uncertainty = 0;
  lastAtMs = 0;
  readonly addresses = new TopValues(FAILURE_VALUES_MAX);
  readonly serverNames = new TopValues(FAILURE_VALUES_MAX);
  readonly fingerprints = new TopValues(FAILURE_VALUES_MAX);

  constructor(facts: Facts) {
    this.facts = facts;
  }
}

export class FailureTable {
  readonly #entries = new Map<string, Entry>();

  /** Counts a failed handshake; others are none of its business. */
  add(record: HandshakeRecord, remoteAddress: string, fingerprint: string): void {
    // Whoever connects and leaves, as health checks do, has not begun one.
    if (record.outcome !== 'failed' || record.errorCode === 'tls-handshake-not-begun') return;
    const { errorCode: error, alert, alertSentBy, lastState, version } = record;
    const entry = this.#entry({ error, alert, alertSentBy, lastState, version });
    entry.count++;
    entry.lastAtMs = record.startedAtMs + record.durationMs;
    entry.addresses.add(remoteAddress);
    entry.serverNames.add(record.serverName);
    entry.fingerprints.add(fingerprint);
  }

  /** Adds what another table, of another worker, has counted. */
  merge(kinds: readonly FailureKind[]): void {
    for (const kind of kinds) {
      const entry = this.#entry(kind);
      entry.count += kind.count;
      entry.uncertainty += kind.uncertainty;
      entry.lastAtMs = Math.max(entry.lastAtMs, kind.lastAtMs);
      for (const list of ['addresses', 'serverNames', 'fingerprints'] as const) {
        for (const one of kind[list]) entry[list].add(one.value, one.count, one.uncertainty);
      }
    }
  }

  /** Most frequent first. */
  get kinds(): FailureKind[] {
    return [...this.#entries.values()]
      .sort((a, b) => b.count - a.count)
      .map((entry) => ({
        ...entry.facts,
        count: entry.count,
        uncertainty: entry.uncertainty,
        lastAtMs: entry.lastAtMs,
        addresses: entry.addresses.values,
        serverNames: entry.serverNames.values,
        fingerprints: entry.fingerprints.values,
      }));
  }

  #entry(facts: Facts): Entry {
    const { error, alert, alertSentBy, lastState, version } = facts;
    const key = [error, alert, alertSentBy, lastState, version].join('|');
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = new Entry({ error, alert, alertSentBy, lastState, version });
      const isFull = this.#entries.size >= FAILURE_KINDS_MAX;
      entry.count = entry.uncertainty = isFull ? dropLeast(this.#entries) : 0;
      this.#entries.set(key, entry);
    }
    return entry;
  }
}
