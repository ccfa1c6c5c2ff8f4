/**
 * An in-flight fetch of this worker that waits for the fetch of another one: what comes there is shared here
 * with all who wait for the key.
 */
import type { InFlightFetch } from '../cache/collapse.ts';
import type { CrossWorkerWaiter, StoreHit } from '../cache/contract.ts';
import type { ProxyEnvironment } from './environment.ts';

/**
 * What whoever leads an in-flight fetch is to do: ask the origin, ask without being waited for, wait, or look
 * into the store again.
 */
export type Turn = 'ask' | 'ask-alone' | 'wait' | 'look-again';

/**
 * Claims the in-flight fetch's key for this worker, or joins whoever has it. `version` is of before the store
 * was looked into.
 */
export function claimFetch(
  environment: ProxyEnvironment,
  inFlight: InFlightFetch,
  version: number,
): Turn {
  const claim = environment.store.crossWorkerFetches?.claim(inFlight.key, version);
  switch (claim?.kind) {
    case 'granted':
      inFlight.lease = claim.lease;
      return 'ask';
    case 'held':
      claim.wait(new CrossWorkerFetch(inFlight));
      return 'wait';
    case 'passed':
      return 'ask-alone';
    case 'late':
      return 'look-again';
    default:
      return 'ask';
  }
}

class CrossWorkerFetch implements CrossWorkerWaiter {
  readonly #inFlight: InFlightFetch;

  constructor(inFlight: InFlightFetch) {
    this.#inFlight = inFlight;
  }

  /** It was invalidated or purged: who waited has asked again. */
  get isGone(): boolean {
    return this.#inFlight.isOver;
  }

  onHit(hit: StoreHit): void {
    this.#inFlight.share(hit);
  }

  onPassed(): void {
    this.#inFlight.release('uncacheable');
  }

  onOver(): void {
    if (this.#inFlight.hit === null) this.#inFlight.release('again');
    else this.#inFlight.end();
  }
}
