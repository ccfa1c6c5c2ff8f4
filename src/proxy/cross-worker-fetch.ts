/**
 * A flight of this worker that waits for the fetch of another one: what comes there is shared here
 * with all who wait for the key.
 */
import type { Flight } from '../cache/collapse.ts';
import type { CrossWorkerWaiter, StoreHit } from '../cache/contract.ts';
import type { ProxyEnvironment } from './environment.ts';

/**
 * What whoever leads a flight is to do: ask the origin, ask without being waited for, wait, or look
 * into the store again.
 */
export type Turn = 'ask' | 'ask-alone' | 'wait' | 'look-again';

/**
 * Claims the flight's key for this worker, or joins whoever has it. `serial` is of before the store
 * was looked into.
 */
export function claimFlight(environment: ProxyEnvironment, flight: Flight, serial: number): Turn {
  const claim = environment.store.crossWorkerFetches?.claim(flight.key, serial);
  switch (claim?.kind) {
    case 'granted':
      flight.lease = claim.lease;
      return 'ask';
    case 'held':
      claim.wait(new CrossWorkerFetch(flight));
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
  readonly #flight: Flight;

  constructor(flight: Flight) {
    this.#flight = flight;
  }

  /** It was invalidated or purged: who waited has asked again. */
  get isGone(): boolean {
    return this.#flight.isOver;
  }

  onHit(hit: StoreHit): void {
    this.#flight.share(hit);
  }

  onPassed(): void {
    this.#flight.release('uncacheable');
  }

  onOver(): void {
    if (this.#flight.hit === null) this.#flight.release('again');
    else this.#flight.end();
  }
}
