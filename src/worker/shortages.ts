/**
 * Tells the operator what this worker has run out of: once when it begins, and again when it begins
 * anew after it was over. Nothing else comes of it: connections wait or are refused meanwhile.
 */
import { systemClock } from '../base/clock.ts';
import type { Report } from '../telemetry/log-event.ts';

/** After this time without a shortage, the next one is reported again. */
export const SHORTAGE_OVER_MS = 60_000;

export class Shortages {
  readonly #report: Report;
  readonly #nowMs: () => number;
  /** By message: when it was met last. */
  readonly #lastMs = new Map<string, number>();

  constructor(report: Report, nowMs: () => number = systemClock.monotonicMs) {
    this.#report = report;
    this.#nowMs = nowMs;
  }

  note({ message }: Error): void {
    const nowMs = this.#nowMs();
    const last = this.#lastMs.get(message) ?? Number.NEGATIVE_INFINITY;
    this.#lastMs.set(message, nowMs);
    if (nowMs - last < SHORTAGE_OVER_MS) return;
    this.#report(`${message}; connections wait or are refused until there is more`, {
      level: 'warning',
      event: 'out-of-resources',
    });
  }
}
