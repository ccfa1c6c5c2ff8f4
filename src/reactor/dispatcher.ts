/**
 * Takes readiness from epoll and calls whoever waits for it, a bounded amount per turn.
 *
 * libuv watches the epoll descriptor and calls us when it is readable, but outside of Node's
 * callback scope: there, promises and nextTick callbacks would not progress and an exception would
 * abort the process. So that call only asks for a turn with `setImmediate`, which Node runs in the
 * same iteration of the loop, right after its polling. Handlers thus run as any callback of Node's:
 * microtasks are drained after each turn, and a throw is an uncaught exception with its stack.
 */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { SluiceError } from '../base/errors.ts';
import { isOwnShortage } from '../base/shortage.ts';
import { Epoll } from '../native/epoll.ts';
import { NativeBuffer } from '../native/memory.ts';
import { UvPoll } from '../native/uv-poll.ts';
import {
  COPIED_WRITE_BYTES_MAX,
  EVENTS_PER_CLOCK_READ,
  EVENTS_PER_ROUND_MAX,
  RECEIVE_BYTES,
  ROUNDS_PER_TURN_MAX,
  TURN_MS_MAX,
} from './limits.ts';
import { ChunkPool } from './output-queue.ts';
import { TimerWheel } from './timer-wheel.ts';

/** Something with a descriptor that waits for readiness. */
export interface WatchedDescriptor {
  readonly generation: number;
  /** The kernel reports `events` (EPOLLIN and so on). */
  onEvents(events: number): void;
  /** Goes on with what it left off in an earlier turn. */
  onTurn(): void;
  /** Its work has failed for want of something of ours: lets go of what it can. */
  shed(error: SluiceError): void;
  /** The reactor closes. */
  destroy(): void;
}

export class Dispatcher {
  readonly epoll = new Epoll(EVENTS_PER_ROUND_MAX);
  readonly wheel: TimerWheel;
  readonly chunks = new ChunkPool();
  /** What sockets receive into, one at a time. */
  readonly receiveBuffer = NativeBuffer.allocate(RECEIVE_BYTES);
  /** Where small writes of JavaScript memory are copied for the call. */
  readonly scratch = NativeBuffer.allocate(COPIED_WRITE_BYTES_MAX);
  /** This process or machine has run out of something. */
  onShortage: (error: SluiceError) => void = () => {};
  readonly #clock: Clock;
  readonly #loopWatch: UvPoll;
  readonly #slots: (WatchedDescriptor | null)[] = [];
  readonly #freeSlots: number[] = [];
  #watchedCount = 0;
  #generation = 0;
  /** Events of the batch being handled; a turn may end, or a handler throw, in its middle. */
  #eventIndex = 0;
  #eventCount = 0;
  #unfinished: WatchedDescriptor[] = [];
  #unfinishedNext: WatchedDescriptor[] = [];
  #deferred: (() => void)[] = [];
  #deferredIndex = 0;
  #turnScheduled = false;
  #inTurn = false;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.wheel = new TimerWheel(clock);
    this.#loopWatch = new UvPoll(this.epoll.fd, () => this.#scheduleTurn());
  }

  get watchedCount(): number {
    return this.#watchedCount;
  }

  /** Reserves a slot. While any is taken, the process stays alive. */
  takeSlot(): { slot: number; generation: number } {
    assert(!this.#closed, 'a closed reactor takes no more sockets');
    const slot = this.#freeSlots.pop() ?? this.#slots.push(null) - 1;
    if (this.#watchedCount++ === 0) this.#loopWatch.ref();
    this.#generation = (this.#generation + 1) | 0;
    return { slot, generation: this.#generation };
  }

  fillSlot(slot: number, watched: WatchedDescriptor): void {
    this.#slots[slot] = watched;
  }

  releaseSlot(slot: number): void {
    this.#slots[slot] = null;
    this.#freeSlots.push(slot);
    if (--this.#watchedCount === 0 && !this.#closed) this.#loopWatch.unref();
  }

  /** Calls `onTurn` after the others have had their turn. */
  requeue(watched: WatchedDescriptor): void {
    this.#unfinishedNext.push(watched);
    if (!this.#inTurn) this.#scheduleTurn();
  }

  /** Runs `body` at the end of the current batch of events, or soon when there is none. */
  defer(body: () => void): void {
    this.#deferred.push(body);
    if (!this.#inTurn) this.#scheduleTurn();
  }

  /**
   * Destroys what is still watched, whose handlers hear of it, and lets go of everything. `closed`
   * is called when libuv has let go too.
   */
  close(closed: () => void): void {
    for (const watched of this.#slots) watched?.destroy();
    this.defer(() => {
      // A handler told of the end may have opened something new.
      if (this.#watchedCount > 0) this.close(closed);
      else this.#release(closed);
    });
  }

  #release(closed: () => void): void {
    this.#closed = true;
    this.wheel.close();
    this.#loopWatch.close(() => {
      this.epoll[Symbol.dispose]();
      this.receiveBuffer[Symbol.dispose]();
      this.scratch[Symbol.dispose]();
      this.chunks[Symbol.dispose]();
      closed();
    });
  }

  #scheduleTurn(): void {
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#turnScheduled = false;
    this.#inTurn = true;
    let finished = false;
    try {
      finished = this.#runRounds();
    } finally {
      // A throw, too, leaves work behind that must go on should the process survive it.
      this.#inTurn = false;
      this.wheel.endTurn();
      if (!finished) this.#scheduleTurn();
    }
  };

  /** Returns whether nothing is left to do. */
  #runRounds(): boolean {
    const startMs = this.#clock.monotonicMs();
    const deadlineMs = startMs + TURN_MS_MAX;
    this.wheel.beginTurn(startMs);
    for (let round = 0; round < ROUNDS_PER_TURN_MAX; round++) {
      const inTime = this.#handleEvents(deadlineMs) && this.#runUnfinished(deadlineMs);
      this.#runDeferred();
      if (this.#closed) return true;
      if (!inTime) return false;
      this.#eventIndex = 0;
      this.#eventCount = this.epoll.poll();
      const idle = this.#eventCount === 0 && this.#unfinishedNext.length === 0;
      if (idle && this.#deferred.length === 0) return true;
    }
    return false;
  }

  /** Handles the events at hand; false when time is up before the last. */
  #handleEvents(deadlineMs: number): boolean {
    const { epoll } = this;
    while (this.#eventIndex < this.#eventCount) {
      const index = this.#eventIndex++;
      const watched = this.#slots[epoll.slotAt(index)];
      // A descriptor closed earlier in this batch, and perhaps opened anew, has stale events.
      if (watched != null && watched.generation === epoll.generationAt(index)) {
        try {
          watched.onEvents(epoll.eventsAt(index));
        } catch (error) {
          shed(watched, error);
        }
      }
      if (this.#eventIndex % EVENTS_PER_CLOCK_READ === 0 && this.#isLate(deadlineMs)) return false;
    }
    return true;
  }

  /** Those that left work behind in an earlier round; false when time is up before the last. */
  #runUnfinished(deadlineMs: number): boolean {
    if (this.#unfinished.length === 0) {
      if (this.#unfinishedNext.length === 0) return true;
      const emptied = this.#unfinished;
      this.#unfinished = this.#unfinishedNext.reverse();
      this.#unfinishedNext = emptied;
    }
    for (;;) {
      const watched = this.#unfinished.pop();
      if (watched === undefined) return true;
      try {
        watched.onTurn();
      } catch (error) {
        shed(watched, error);
      }
      if (this.#isLate(deadlineMs)) return false;
    }
  }

  #isLate(deadlineMs: number): boolean {
    const nowMs = this.#clock.monotonicMs();
    this.wheel.beginTurn(nowMs);
    return nowMs > deadlineMs;
  }

  /** What was deferred before now; what is deferred meanwhile has the next round. */
  #runDeferred(): void {
    if (this.#deferred.length === 0) return;
    let count = this.#deferred.length - this.#deferredIndex;
    while (count-- > 0) {
      const body = this.#deferred[this.#deferredIndex++]!;
      body();
    }
    this.#deferred.splice(0, this.#deferredIndex);
    this.#deferredIndex = 0;
  }
}

/** Anything but a shortage is a fault of ours, and ends the process. */
function shed(watched: WatchedDescriptor, error: unknown): void {
  if (!isOwnShortage(error)) throw error;
  watched.shed(error as SluiceError);
}
