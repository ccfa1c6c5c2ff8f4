/**
 * A hashed timer wheel for the many deadlines of a server, nearly all of which are moved or
 * cancelled before they pass. Arming, moving and cancelling take constant time and allocate
 * nothing; moving one to a later time is a single store.
 *
 * A timer never fires early by more than the length of one turn, and late by at most two ticks when
 * the loop is not held up.
 */
import type { Clock } from '../base/clock.ts';

/** Milliseconds per slot. Time-outs of a server are hundreds of these. */
export const TICK_MS = 16;
/** A power of two. One revolution is 8 s; timers further off are looked at once per revolution. */
const SLOT_COUNT = 512;
const SLOT_MASK = SLOT_COUNT - 1;

const NONE = -1;

/** What a timer needs of its wheel. */
interface Wheel {
  nowMs(): number;
  link(timer: Timer): void;
  unlink(timer: Timer): void;
}

export class Timer {
  readonly #wheel: Wheel;
  /** For the wheel only: neighbours in the slot's circular list, and the slot's number. */
  previous: Timer = this;
  next: Timer = this;
  slot = NONE;
  deadlineMs = 0;
  readonly callback: () => void;

  constructor(wheel: Wheel, callback: () => void) {
    this.#wheel = wheel;
    this.callback = callback;
  }

  get isArmed(): boolean {
    return this.slot !== NONE;
  }

  /** Fires once, `delayMs` from now. Replaces what was armed before. */
  arm(delayMs: number): void {
    const deadlineMs = this.#wheel.nowMs() + delayMs;
    // Later than before: the old slot finds it not yet due and moves it on.
    if (this.slot !== NONE && deadlineMs >= this.deadlineMs) {
      this.deadlineMs = deadlineMs;
      return;
    }
    if (this.slot !== NONE) this.#wheel.unlink(this);
    this.deadlineMs = deadlineMs;
    this.#wheel.link(this);
  }

  cancel(): void {
    if (this.slot !== NONE) this.#wheel.unlink(this);
  }
}

export class TimerWheel {
  readonly #clock: Clock;
  /** Heads of circular lists; a head is never due itself. */
  readonly #slots: Timer[] = [];
  readonly #wheel: Wheel;
  #enabledCount = 0;
  /** Every slot up to this tick has been looked at. */
  #doneTick: number;
  #wakeTick = Number.POSITIVE_INFINITY;
  #nodeTimer: NodeJS.Timeout | null = null;
  #turnMs = 0;
  #firing = false;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#doneTick = Math.floor(clock.monotonicMs() / TICK_MS);
    this.#wheel = {
      nowMs: () => this.nowMs(),
      link: (timer) => this.#link(timer),
      unlink: (timer) => this.#unlink(timer),
    };
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      this.#slots.push(new Timer(this.#wheel, () => {}));
    }
  }

  timer(callback: () => void): Timer {
    return new Timer(this.#wheel, callback);
  }

  get enabledCount(): number {
    return this.#enabledCount;
  }

  /** Milliseconds of the monotonic clock; inside a turn, those of its start. */
  nowMs(): number {
    return this.#turnMs === 0 ? this.#clock.monotonicMs() : this.#turnMs;
  }

  /** Saves reading the clock for each timer until `endTurn`. */
  beginTurn(nowMs: number): void {
    this.#turnMs = nowMs;
  }

  endTurn(): void {
    this.#turnMs = 0;
  }

  /** Forgets every timer. */
  close(): void {
    this.#closed = true;
    for (const head of this.#slots) {
      while (head.next !== head) this.#unlink(head.next);
    }
    this.#stopNodeTimer();
  }

  #link(timer: Timer): void {
    if (this.#closed) return;
    const dueTick = Math.ceil(timer.deadlineMs / TICK_MS);
    // Only slots still to come are looked at.
    const tick = dueTick > this.#doneTick ? dueTick : this.#doneTick + 1;
    const slot = tick & SLOT_MASK;
    const head = this.#slots[slot]!;
    timer.slot = slot;
    timer.previous = head.previous;
    timer.next = head;
    head.previous.next = timer;
    head.previous = timer;
    this.#enabledCount++;
    if (tick < this.#wakeTick && !this.#firing) this.#wakeAt(tick);
  }

  #unlink(timer: Timer): void {
    timer.previous.next = timer.next;
    timer.next.previous = timer.previous;
    timer.previous = timer;
    timer.next = timer;
    timer.slot = NONE;
    this.#enabledCount--;
    if (this.#enabledCount === 0) this.#stopNodeTimer();
  }

  #stopNodeTimer(): void {
    if (this.#nodeTimer !== null) clearTimeout(this.#nodeTimer);
    this.#nodeTimer = null;
    this.#wakeTick = Number.POSITIVE_INFINITY;
  }

  #wakeAt(tick: number): void {
    this.#stopNodeTimer();
    this.#wakeTick = tick;
    const delayMs = tick * TICK_MS - this.#clock.monotonicMs();
    this.#nodeTimer = setTimeout(this.#onWake, Math.max(1, Math.ceil(delayMs)));
  }

  readonly #onWake = (): void => {
    this.#nodeTimer = null;
    this.#wakeTick = Number.POSITIVE_INFINITY;
    this.#firing = true;
    try {
      this.#fireDue();
    } finally {
      this.#firing = false;
      this.#sleepUntilNext();
    }
  };

  #fireDue(): void {
    const nowTick = Math.floor(this.#clock.monotonicMs() / TICK_MS);
    const lastTick = Math.min(nowTick, this.#doneTick + SLOT_COUNT);
    for (let tick = this.#doneTick + 1; tick <= lastTick; tick++) {
      this.#doneTick = tick;
      let finished = false;
      try {
        this.#fireSlot(this.#slots[tick & SLOT_MASK]!, nowTick);
        finished = true;
      } finally {
        // A callback threw: should the process survive, the others of the slot are still due.
        if (!finished) this.#doneTick = tick - 1;
      }
    }
    this.#doneTick = Math.max(this.#doneTick, nowTick);
  }

  /**
   * Callbacks may cancel any timer, so the list is read afresh after each; a timer that is not due
   * goes to the end, which the mark tells from those still to be looked at.
   */
  #fireSlot(head: Timer, nowTick: number): void {
    let remaining = 0;
    for (let timer = head.next; timer !== head; timer = timer.next) remaining++;
    while (remaining-- > 0 && head.next !== head) {
      const timer = head.next;
      this.#enabledCount--;
      timer.previous.next = timer.next;
      timer.next.previous = timer.previous;
      timer.previous = timer;
      timer.next = timer;
      timer.slot = NONE;
      if (Math.ceil(timer.deadlineMs / TICK_MS) > nowTick) this.#link(timer);
      else timer.callback();
    }
  }

  #sleepUntilNext(): void {
    if (this.#enabledCount === 0) return;
    for (let step = 1; step <= SLOT_COUNT; step++) {
      const tick = this.#doneTick + step;
      const head = this.#slots[tick & SLOT_MASK]!;
      if (head.next !== head) {
        this.#wakeAt(tick);
        return;
      }
    }
  }
}
