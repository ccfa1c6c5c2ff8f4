/**
 * Leaves a group of origins alone for a while when most of what it is asked fails: closed → open →
 * half open, where a few requests try, → closed or open again. No clock of its own.
 */
import type { CircuitBreakerOptions } from './options.ts';

export type CircuitState = 'closed' | 'open' | 'half-open';

/** Each opening in a row lasts longer, up to so many times the first. */
const BACKOFF_MAX = 8;

export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions;
  #state: CircuitState = 'closed';
  /** Of the window under way. */
  #windowStartMs = 0;
  #requests = 0;
  #failures = 0;
  #openUntilMs = 0;
  #openings = 0;
  /** Half open: requests that may still try, and those that must still succeed. */
  #trialsLeft = 0;
  #trialsToSucceed = 0;

  constructor(options: CircuitBreakerOptions) {
    this.#options = options;
  }

  get isUsed(): boolean {
    return this.#options.failureShare > 0;
  }

  get state(): CircuitState {
    return this.#state;
  }

  /**
   * Whether a request may go on; those that may are then reported by `ended`, once, with whether the
   * circuit was half open when they began.
   */
  admits(nowMs: number): boolean {
    if (this.#state === 'closed') return true;
    if (this.#state === 'open') {
      if (nowMs < this.#openUntilMs) return false;
      this.#state = 'half-open';
      this.#trialsLeft = this.#options.trials;
      this.#trialsToSucceed = this.#options.trials;
    }
    if (this.#trialsLeft === 0) return false;
    this.#trialsLeft--;
    return true;
  }

  /** `cancelled`: it says nothing about the origins. */
  ended(outcome: 'ok' | 'failed' | 'cancelled', isTrial: boolean, nowMs: number): void {
    if (this.#state === 'half-open') {
      if (isTrial) this.#trialEnded(outcome, nowMs);
    } else if (this.#state === 'closed' && outcome !== 'cancelled') {
      this.#count(outcome, nowMs);
    }
  }

  #trialEnded(outcome: 'ok' | 'failed' | 'cancelled', nowMs: number): void {
    if (outcome === 'failed') {
      this.#open(nowMs);
    } else if (outcome === 'cancelled') {
      this.#trialsLeft++;
    } else if (--this.#trialsToSucceed === 0) {
      this.#state = 'closed';
      this.#openings = 0;
      this.#startWindow(nowMs);
    }
  }

  #count(outcome: 'ok' | 'failed', nowMs: number): void {
    const { windowMs, requestsMin, failureShare } = this.#options;
    if (nowMs - this.#windowStartMs >= windowMs) this.#startWindow(nowMs);
    this.#requests++;
    if (outcome === 'ok') return;
    this.#failures++;
    if (this.#requests < requestsMin) return;
    if (this.#failures >= this.#requests * failureShare) this.#open(nowMs);
  }

  #startWindow(nowMs: number): void {
    this.#windowStartMs = nowMs;
    this.#requests = 0;
    this.#failures = 0;
  }

  #open(nowMs: number): void {
    this.#state = 'open';
    this.#openings++;
    this.#openUntilMs = nowMs + this.#options.openMs * Math.min(this.#openings, BACKOFF_MAX);
  }
}
