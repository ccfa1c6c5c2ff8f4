/**
 * Ticket keys that sluice makes itself: a new one at each turn of the schedule, and those of before
 * for as long as tickets under them are valid.
 */
import { TICKET_KEYS_MAX } from '../tls/ticket-ring.ts';

interface OldKey {
  readonly key: Buffer;
  /** Milliseconds by the clock of `turn`: no ticket under it is valid any more. */
  readonly endsAtMs: number;
}

export interface ScheduleTimes {
  readonly rotationMs: number;
  readonly lifetimeMs: number;
}

export class TicketSchedule {
  readonly #makeKey: () => Buffer;
  #newest: Buffer;
  #sinceMs: number;
  #old: OldKey[] = [];

  constructor(makeKey: () => Buffer, nowMs: number) {
    this.#makeKey = makeKey;
    this.#newest = makeKey();
    this.#sinceMs = nowMs;
  }

  /** Newest first. */
  get keys(): readonly Buffer[] {
    return [this.#newest, ...this.#old.map(({ key }) => key)];
  }

  /** Whether the keys have changed. Between two calls there is one turn at most. */
  turn(nowMs: number, { rotationMs, lifetimeMs }: ScheduleTimes): boolean {
    const count = this.#old.length;
    this.#old = this.#old.filter(({ endsAtMs }) => endsAtMs > nowMs);
    // A clock that was put back must not stop the schedule.
    const isDue = nowMs - this.#sinceMs >= rotationMs || nowMs < this.#sinceMs;
    if (!isDue) return this.#old.length !== count;
    this.#old.unshift({ key: this.#newest, endsAtMs: nowMs + lifetimeMs });
    this.#old.length = Math.min(this.#old.length, TICKET_KEYS_MAX - 1);
    this.#newest = this.#makeKey();
    this.#sinceMs = nowMs;
    return true;
  }
}
