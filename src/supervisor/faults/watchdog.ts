/**
 * Notices workers whose event loop stands still: each counts its turns in shared memory, and a count
 * that does not rise for too long is a hang. Pure, with the time as an argument.
 */

export interface Heartbeats {
  /** Changes while the worker's event loop turns. */
  readonly heartbeat: number;
  /** Changes when the worker is replaced. */
  readonly pid: number;
}

interface Seen extends Heartbeats {
  readonly sinceMs: number;
  readonly isTold: boolean;
}

/**
 * Milliseconds after which a worker is suspected to hang: ten beats. Nothing happens to it, but the
 * others take its new connections.
 */
const SUSPECT_MS = 2_000;

/** How often a worker is checked before it is reported as hanging. */
const LOOKS = 5;

export class Watchdog {
  readonly patienceMs: number;
  readonly #seen = new Map<number, Seen>();
  #suspects = new Set<number>();
  #lookedAtMs = 0;

  /** `patienceMs` is above 0. */
  constructor(patienceMs: number) {
    this.patienceMs = patienceMs;
  }

  /** Those that have stood still for a while at the last look, by index. */
  get suspects(): ReadonlySet<number> {
    return this.#suspects;
  }

  /** How often to look. */
  get intervalMs(): number {
    return Math.max(10, Math.min(1_000, this.patienceMs / LOOKS));
  }

  /**
   * Milliseconds for which each of the workers has stood still, when that is too long. `workers` are
   * those that serve now, by index; `nowMs` is monotonic.
   */
  look(workers: ReadonlyMap<number, Heartbeats>, nowMs: number): Map<number, number> {
    // We stood still ourselves, or all of the machine did: what we saw before says nothing.
    if (nowMs - this.#lookedAtMs > this.patienceMs / 2 + this.intervalMs) this.#seen.clear();
    this.#lookedAtMs = nowMs;
    const silent = new Map<number, number>();
    const suspects = new Set<number>();
    for (const index of this.#seen.keys()) if (!workers.has(index)) this.#seen.delete(index);
    for (const [index, { heartbeat, pid }] of workers) {
      const before = this.#seen.get(index);
      if (before === undefined || before.heartbeat !== heartbeat || before.pid !== pid) {
        this.#seen.set(index, { heartbeat, pid, sinceMs: nowMs, isTold: false });
        continue;
      }
      const silentMs = nowMs - before.sinceMs;
      if (silentMs >= Math.min(SUSPECT_MS, this.patienceMs / 2)) suspects.add(index);
      if (silentMs < this.patienceMs || before.isTold) continue;
      silent.set(index, silentMs);
      // Told once: its end is under way.
      this.#seen.set(index, { ...before, isTold: true });
    }
    this.#suspects = suspects;
    return silent;
  }
}
