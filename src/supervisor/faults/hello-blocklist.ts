/**
 * Which ClientHellos are refused because they have ended several workers: counted by fingerprint, for
 * a short time, and again when they go on. Pure, with the time as an argument.
 */

export interface RefusalLimits {
  /** Deaths by one fingerprint within the window beyond those that trip a rollback. */
  readonly deathsBeyondRollback: number;
  /** How long it is refused. */
  readonly refusedMs: number;
  /** Fingerprints counted or refused at a time. */
  readonly fingerprintsMax: number;
}

/**
 * deathsBeyondRollback: what the rollbacks have not cured, and no sooner, because a fingerprint may be that
 * of honest clients. refusedMs: short for the same reason; one that goes on killing is refused again.
 * fingerprintsMax: looked up for every ClientHello.
 */
export const defaultRefusalLimits: RefusalLimits = {
  deathsBeyondRollback: 2,
  refusedMs: 60_000,
  fingerprintsMax: 256,
};

interface Entry {
  /** Times of deaths within the window. */
  readonly deaths: readonly number[];
  /** Refused until then; 0 when it is not. */
  readonly untilMs: number;
}

export class HelloBlocklist {
  readonly #deathsMax: number;
  readonly #windowMs: number;
  readonly #entries = new Map<string, Entry>();

  constructor(settings: { readonly deathsMax: number; readonly windowMs: number }) {
    this.#deathsMax = settings.deathsMax + defaultRefusalLimits.deathsBeyondRollback;
    this.#windowMs = settings.windowMs;
  }

  /** Fingerprints that are refused now. */
  list(nowMs: number): string[] {
    return [...this.#entries].filter(([, one]) => one.untilMs > nowMs).map(([print]) => print);
  }

  /** A worker has died of this one. True when it is refused from now on. */
  died(fingerprint: string, nowMs: number): boolean {
    const before = this.#entries.get(fingerprint) ?? { deaths: [], untilMs: 0 };
    const deaths = [...before.deaths.filter((time) => time > nowMs - this.#windowMs), nowMs];
    const isRefused = deaths.length >= this.#deathsMax;
    const { refusedMs, fingerprintsMax } = defaultRefusalLimits;
    this.#entries.delete(fingerprint);
    this.#entries.set(
      fingerprint,
      isRefused ? { deaths: [], untilMs: nowMs + refusedMs } : { ...before, deaths },
    );
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= fingerprintsMax) break;
      this.#entries.delete(oldest);
    }
    return isRefused;
  }

  /** An operator wants none refused. */
  clear(): void {
    this.#entries.clear();
  }
}
