/**
 * Requests that may hold a connection for as long as their client likes: those whose body is still to
 * come, and those that switch protocols. They get a share of the connections to an address; the rest
 * is kept for requests that are complete, so that slow uploads shut nobody else out. Who finds the
 * share taken waits in a queue of its own.
 */
import type { ConnectionWaiter } from './pool.ts';

export interface PlaceRequest {
  readonly waiter: ConnectionWaiter;
  /** As `EndpointPool.acquire` has them. */
  readonly fresh: boolean;
  readonly http1: boolean;
}

interface Queued extends PlaceRequest {
  readonly sinceMs: number;
}

/** Of so many places, those that open-ended requests may take: all but the kept ones. */
export function openEndedPlaces(places: number, keptPercent: number): number {
  if (places <= 1) return places;
  return places - Math.max(1, Math.floor((places * keptPercent) / 100));
}

export class OpenEndedShare {
  readonly #queuedMax: number;
  readonly #places: () => number;
  readonly #admit: (request: PlaceRequest) => void;
  readonly #inside = new Set<ConnectionWaiter>();
  #queue: Queued[] = [];
  #isAdmitting = false;

  /** `places` is asked each time: it depends on what the origin speaks. */
  constructor(queuedMax: number, places: () => number, admit: (request: PlaceRequest) => void) {
    this.#queuedMax = queuedMax;
    this.#places = places;
    this.#admit = admit;
  }

  get waitingCount(): number {
    return this.#queue.length;
  }

  /** Admits it now or later; false when too many wait already. */
  enter(request: PlaceRequest, nowMs: number): boolean {
    if (this.#inside.has(request.waiter)) {
      this.#admit(request);
      return true;
    }
    if (this.#queue.length === 0 && this.#inside.size < this.#places()) {
      this.#inside.add(request.waiter);
      this.#admit(request);
      return true;
    }
    if (this.#queue.length >= this.#queuedMax) return false;
    this.#queue.push({ ...request, sinceMs: nowMs });
    return true;
  }

  /** It is complete, or over. Does nothing for one that is not here. */
  leave(waiter: ConnectionWaiter): void {
    if (this.#inside.delete(waiter)) this.admitMore();
    else if (this.#queue.length > 0)
      this.#queue = this.#queue.filter((one) => one.waiter !== waiter);
  }

  /** One that is admitted may fail and leave before the call returns. */
  admitMore(): void {
    if (this.#isAdmitting) return;
    this.#isAdmitting = true;
    while (this.#queue.length > 0 && this.#inside.size < this.#places()) {
      const next = this.#queue.shift()!;
      this.#inside.add(next.waiter);
      this.#admit(next);
    }
    this.#isAdmitting = false;
  }

  /** Takes those that have waited since before the deadline. */
  takeExpired(deadlineMs: number): ConnectionWaiter[] {
    const taken: ConnectionWaiter[] = [];
    while (this.#queue.length > 0 && this.#queue[0]!.sinceMs < deadlineMs) {
      taken.push(this.#queue.shift()!.waiter);
    }
    return taken;
  }
}
