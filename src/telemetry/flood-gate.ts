/** Keeps a log readable when the same thing happens again and again: what is too much is summed up. */
import type { LogEvent } from './log-event.ts';

export interface FloodLimits {
  /** What comes in such a time is counted together. */
  readonly windowMs: number;
  /** Errors, warnings and notices of one kind that have lines of their own in it. */
  readonly eventsMax: number;
  /** Info and debug events of one kind: an operator who turned them on wants to see more. */
  readonly detailedMax: number;
  /** Kinds that are counted apart; all others are one kind for each subsystem and level. */
  readonly kindsMax: number;
}

/**
 * windowMs: a flood has a line of its own every ten seconds. eventsMax: a hundred deaths in a row can
 * still be read one by one. detailedMax: 100 events a second are more than anybody follows. kindsMax:
 * a bound on memory.
 */
export const defaultFloodLimits: FloodLimits = {
  windowMs: 10_000,
  eventsMax: 100,
  detailedMax: 1_000,
  kindsMax: 500,
};

interface Kind {
  passed: number;
  heldBack: number;
  last: LogEvent;
}

export class FloodGate {
  readonly #limits: FloodLimits;
  readonly #kinds = new Map<string, Kind>();

  constructor(limits: FloodLimits = defaultFloodLimits) {
    this.#limits = limits;
  }

  /** Whether it may be written now; else it is counted. */
  passes(event: LogEvent): boolean {
    const { eventsMax, detailedMax } = this.#limits;
    const key = this.#keyOf(event);
    const kind = this.#kinds.get(key);
    if (kind === undefined) {
      this.#kinds.set(key, { passed: 1, heldBack: 0, last: event });
      return true;
    }
    kind.last = event;
    const isDetail = event.level === 'info' || event.level === 'debug';
    if (kind.passed < (isDetail ? detailedMax : eventsMax)) {
      kind.passed++;
      return true;
    }
    kind.heldBack += 1 + event.more;
    return false;
  }

  /** Call it once in each window: the sums of what was held back in the one that ends. */
  turn(): LogEvent[] {
    const sums: LogEvent[] = [];
    for (const { heldBack, last } of this.#kinds.values()) {
      if (heldBack > 0) sums.push({ ...last, more: heldBack - 1 });
    }
    this.#kinds.clear();
    return sums;
  }

  get windowMs(): number {
    return this.#limits.windowMs;
  }

  /** By its code; without one by its words, of which numbers are left out. */
  #keyOf({ subsystem, level, code, message }: LogEvent): string {
    const start = `${subsystem} ${level}`;
    const key = `${start} ${code === '' ? message.slice(0, 200).replace(/\d+/g, '0') : code}`;
    return this.#kinds.has(key) || this.#kinds.size < this.#limits.kindsMax ? key : start;
  }
}
