/**
 * Tells the operator what this worker has run out of: at once when it begins, and then once a minute
 * while it lasts. Nothing else comes of it: connections wait or are refused meanwhile.
 */
import { systemClock } from '../base/clock.ts';
import type { Report } from '../telemetry/log-event.ts';

/** From one line about a shortage that lasts to the next. Milliseconds. */
export const SHORTAGE_LINE_MS = 60_000;

export class Shortages {
  readonly #report: Report;
  readonly #nowMs: () => number;
  /** By message: when it was reported last. */
  readonly #toldMs = new Map<string, number>();

  constructor(report: Report, nowMs: () => number = systemClock.monotonicMs) {
    this.#report = report;
    this.#nowMs = nowMs;
  }

  note({ message }: Error): void {
    const nowMs = this.#nowMs();
    if (nowMs - (this.#toldMs.get(message) ?? Number.NEGATIVE_INFINITY) < SHORTAGE_LINE_MS) return;
    this.#toldMs.set(message, nowMs);
    this.#report(`${message}; connections wait or are refused until there is more`, {
      level: 'warning',
      event: 'out-of-resources',
    });
  }
}
