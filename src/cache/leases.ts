/**
 * Who fetches what, for all processes that share a store: one fetch per key and machine. A place in
 * shared memory says that a process asks the origin for a key; others wait for it, read what has come
 * so far, or hear that the response is of no use to them.
 *
 * Nothing is lost with a place: who finds none free fetches on its own.
 */

import { SharedTable, type TableShape } from '../base/shared-table.ts';

/** Leases that can be held at once. */
const LEASE_SLOTS = 8_192;
/** Slots in which one key may be. */
const LEASE_PROBES_MAX = 4;
/** Bytes of a place, and its 32-bit words. */
const PLACE_BYTES = 64;
const WORDS = PLACE_BYTES / 4;

const SHAPE: TableShape = { places: LEASE_SLOTS, words: WORDS, probes: LEASE_PROBES_MAX };

/** Bytes of shared memory for all places, zeros at first. */
export const LEASES_BYTES = LEASE_SLOTS * PLACE_BYTES;

/** How long others are told not to wait for a key: as `HIT_FOR_MISS_MS` of hit-for-miss-memory.ts. */
const HIT_FOR_MISS_MS = 10_000;
/** How long ago another process may have said that it waits or reads. */
const WANTED_MS = 1_000;
/** A lease that has not been renewed for so long has no living owner, whatever its number. */
const SILENT_MS = 60_000;

/**
 * 32-bit words of a place, which is named by the index of its first. The owner is a process
 * number, or 0: it takes the place, and the key is beside it.
 */
const OWNER = 0;
const TAG_A = 1;
const STATE = 2;
const SEGMENT = 3;
const HEAD_LENGTH = 4;
const SEED = 5;
const GENERATION = 6;
/** Raised with every claim and every end. */
const VERSION = 7;
const TAG_B = 14;
/** The low 32 bits of a time. */
const WANTED = 15;
/** 64-bit numbers of a place: half as many. */
const TOUCHED = 4;
const FLUSHED = 5;
const LENGTH = 6;

/** How often a place that has just been claimed is read again, until it says for which key. */
const CLAIMING_READS_MAX = 10_000;

const ASKING = 1;
const FILLING = 2;
const PASSED = 3;

/**
 * Of a key: 64 bits of a hash that costs little. Two keys with one hash wait for one another and
 * then ask, each its own: slow, once, and never wrong.
 */
export interface LeaseKey {
  readonly a: number;
  readonly b: number;
}

export interface LeaseMemory {
  readonly integers: Int32Array;
  readonly numbers: Float64Array;
}

export interface LeaseOptions {
  readonly memory: LeaseMemory;
  /** This process. */
  readonly owner: number;
  readonly isAlive: (owner: number) => boolean;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export type Claim =
  /** This process asks, and others wait for it. */
  | { readonly kind: 'granted'; readonly lease: Lease }
  /** Another process asks. */
  | { readonly kind: 'held'; readonly place: HeldPlace }
  /** The last response was of no use to others, or there is no place: do not wait. */
  | { readonly kind: 'passed' | 'none' }
  /** Somebody has asked since the store was looked into, which may know the response by now. */
  | { readonly kind: 'late' };

/** Where content in progress is: see record.ts. `length` is what was announced, or -1. */
export interface FillingContent {
  readonly segment: number;
  readonly headLength: number;
  readonly seed: number;
  readonly length: number;
}

/** What a process tells of its fetch. */
export interface Lease {
  /** The content goes to a segment of its own, from whose start the head can be read. */
  fills(content: FillingContent): void;
  /** So many bytes of content are in the segment. */
  hasFlushed(bytes: number): void;
  /** It is still asked for: to be said every few seconds. */
  isGoingOn(): void;
  /** Another process waits for it or reads it. */
  readonly isWanted: boolean;
  /** The response is of no use to others: all are let go at once, and do not wait for a while. */
  pass(): void;
  /** It is over: the store knows the response, or nobody does. */
  end(): void;
}

/** What of another process's fetch can be seen now. */
export type Sight =
  | { readonly kind: 'asking' | 'passed' | 'over' }
  | ({ readonly kind: 'filling'; readonly flushed: number } & FillingContent);

export interface HeldPlace {
  look(): Sight;
  /** Says that somebody here waits or reads: for the owner, whose own client may have gone. */
  want(): void;
}

const NONE: Claim = { kind: 'none' };
const PASS: Claim = { kind: 'passed' };
const LATE: Claim = { kind: 'late' };
const IS_ASKING: Sight = { kind: 'asking' };
const IS_PASSED: Sight = { kind: 'passed' };
const IS_OVER: Sight = { kind: 'over' };

export class LeaseTable {
  readonly #options: LeaseOptions;
  #memory: LeaseMemory;
  #table: SharedTable;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#memory = options.memory;
    this.#table = new SharedTable(this.#memory.integers, SHAPE);
  }

  /** The shared memory goes away: every place looks free from now on, and nothing is claimed. */
  detach(): void {
    const bytes = new ArrayBuffer(LEASES_BYTES);
    this.#memory = leaseMemory(bytes, 0);
    this.#table = new SharedTable(this.#memory.integers, SHAPE);
  }

  /** Frees what a former process with this one's number has left. */
  forgetOwn(): void {
    for (let place = 0; place < LEASE_SLOTS * WORDS; place += WORDS) {
      if (this.#ownerOf(place) === this.#options.owner) this.free(place);
    }
  }

  /** Changes when anyone's fetch of the key begins or ends (or of one that shares its places). */
  versionOf(key: LeaseKey): number {
    let sum = 0;
    for (let i = 0; i < LEASE_PROBES_MAX; i++) {
      sum += Atomics.load(this.#memory.integers, this.#table.at(key.a, i) + VERSION);
    }
    return sum;
  }

  /**
   * `generation` is of the key (invalidation-epochs.ts). `version` is what `versionOf` said before
   * the store was looked into: who has asked since may have stored something.
   */
  claim(key: LeaseKey, generation: number, version: number): Claim {
    let free = -1;
    for (let i = 0; i < LEASE_PROBES_MAX; i++) {
      const place = this.#table.at(key.a, i);
      const owner = this.#ownerOf(place);
      const isOver = owner === 0 || this.#isOver(place, owner);
      if (isOver) {
        if (free === -1) free = place;
      } else if (this.#isOf(place, key)) {
        return this.#seen(place, owner, generation);
      }
    }
    if (free === -1) return NONE;
    if (this.versionOf(key) !== version) return LATE;
    const before = this.#ownerOf(free);
    const { owner } = this.#options;
    const isFree = before === 0 || this.#isOver(free, before);
    if (isFree && this.#table.claim(free, before, owner)) {
      return this.#granted(free, key, generation);
    }
    // Another process was faster, and perhaps with the same key.
    const other = this.#ownerOf(free);
    return other !== 0 && this.#isOf(free, key) ? this.#seen(free, other, generation) : LATE;
  }

  #ownerOf(place: number): number {
    return Atomics.load(this.#memory.integers, place + OWNER);
  }

  #isOf(place: number, key: LeaseKey): boolean {
    const { integers } = this.#memory;
    // Its owner writes the key right after the claim.
    for (let i = 0; Atomics.load(integers, place + STATE) === 0; i++) {
      if (i === CLAIMING_READS_MAX) return false;
    }
    return integers[place + TAG_A] === key.a && integers[place + TAG_B] === key.b;
  }

  #granted(place: number, key: LeaseKey, generation: number): Claim {
    const { integers, numbers } = this.#memory;
    Atomics.store(integers, place + STATE, 0);
    this.touch(place);
    numbers[place / 2 + FLUSHED] = 0;
    integers[place + WANTED] = (this.#options.now() - WANTED_MS) | 0;
    integers[place + SEGMENT] = 0;
    integers[place + GENERATION] = generation;
    integers[place + TAG_A] = key.a;
    integers[place + TAG_B] = key.b;
    const version = Atomics.add(integers, place + VERSION, 1) + 1;
    Atomics.store(integers, place + STATE, ASKING);
    return { kind: 'granted', lease: new OwnLease(this, place, version | 0) };
  }

  #seen(place: number, owner: number, generation: number): Claim {
    const { integers } = this.#memory;
    if (Atomics.load(integers, place + STATE) === PASSED) return PASS;
    // What is removed after a fetch began must not be answered with it.
    if (integers[place + GENERATION] !== generation) return NONE;
    const version = Atomics.load(integers, place + VERSION);
    const held = {
      look: () => this.#look(place, owner, version),
      want: () => this.#want(place, version),
    };
    return { kind: 'held', place: held };
  }

  #want(place: number, version: number): void {
    if (Atomics.load(this.#memory.integers, place + VERSION) !== version) return;
    this.#memory.integers[place + WANTED] = this.#options.now() | 0;
  }

  #look(place: number, owner: number, version: number): Sight {
    const { integers, numbers } = this.#memory;
    const isSame =
      this.#ownerOf(place) === owner && Atomics.load(integers, place + VERSION) === version;
    if (!isSame || this.#isOver(place, owner)) return IS_OVER;
    const state = Atomics.load(integers, place + STATE);
    if (state === PASSED) return IS_PASSED;
    const segment = integers[place + SEGMENT]!;
    if (state !== FILLING || segment === 0) return IS_ASKING;
    const headLength = integers[place + HEAD_LENGTH]!;
    const seed = integers[place + SEED]! >>> 0;
    const flushed = numbers[place / 2 + FLUSHED]!;
    const length = numbers[place / 2 + LENGTH]!;
    return { kind: 'filling', segment, headLength, seed, length, flushed };
  }

  /** Nobody asks any more: the owner is dead, or a pass has lasted long enough. */
  #isOver(place: number, owner: number): boolean {
    const { now, isAlive } = this.#options;
    const state = Atomics.load(this.#memory.integers, place + STATE);
    // An owner without a state has claimed the place this very moment, or died in it.
    const silentMs = state === 0 ? 0 : now() - this.#memory.numbers[place / 2 + TOUCHED]!;
    if (state === PASSED) return silentMs > HIT_FOR_MISS_MS;
    if (silentMs > SILENT_MS) return true;
    return owner !== this.#options.owner && !isAlive(owner);
  }

  // ------------------------------------------------------------------ for leases

  isWanted(place: number): boolean {
    const agoMs = ((this.#options.now() | 0) - this.#memory.integers[place + WANTED]!) | 0;
    return agoMs < WANTED_MS;
  }

  isOwn(place: number, version: number): boolean {
    const isSame = Atomics.load(this.#memory.integers, place + VERSION) === version;
    return isSame && this.#ownerOf(place) === this.#options.owner;
  }

  fill(place: number, content: FillingContent): void {
    const { integers, numbers } = this.#memory;
    numbers[place / 2 + LENGTH] = content.length;
    integers[place + HEAD_LENGTH] = content.headLength;
    integers[place + SEED] = content.seed | 0;
    integers[place + SEGMENT] = content.segment;
    Atomics.store(integers, place + STATE, FILLING);
  }

  noteFlushed(place: number, flushed: number): void {
    this.#memory.numbers[place / 2 + FLUSHED] = flushed;
    this.touch(place);
  }

  touch(place: number): void {
    this.#memory.numbers[place / 2 + TOUCHED] = this.#options.now();
  }

  pass(place: number): void {
    this.touch(place);
    Atomics.store(this.#memory.integers, place + STATE, PASSED);
  }

  free(place: number): void {
    const { integers } = this.#memory;
    // Who has looked before the response was stored must look again.
    Atomics.add(integers, place + VERSION, 1);
    Atomics.store(integers, place + STATE, 0);
    this.#table.claim(place, this.#options.owner, 0);
  }
}

class OwnLease implements Lease {
  readonly #table: LeaseTable;
  readonly #place: number;
  readonly #version: number;
  #ended = false;

  constructor(table: LeaseTable, place: number, version: number) {
    this.#table = table;
    this.#place = place;
    this.#version = version;
  }

  /** It may have been taken away from a process that was silent for too long. */
  get #isLive(): boolean {
    return !this.#ended && this.#table.isOwn(this.#place, this.#version);
  }

  get isWanted(): boolean {
    return this.#isLive && this.#table.isWanted(this.#place);
  }

  fills(content: FillingContent): void {
    if (this.#isLive) this.#table.fill(this.#place, content);
  }

  hasFlushed(bytes: number): void {
    if (this.#isLive) this.#table.noteFlushed(this.#place, bytes);
  }

  isGoingOn(): void {
    if (this.#isLive) this.#table.touch(this.#place);
  }

  pass(): void {
    if (this.#isLive) this.#table.pass(this.#place);
    this.#ended = true;
  }

  end(): void {
    if (this.#isLive) this.#table.free(this.#place);
    this.#ended = true;
  }
}

export function leaseKeyOf(key: string): LeaseKey {
  let a = 0x811c9dc5 | 0;
  let b = 0x9e3779b9 | 0;
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x85ebca6b);
    b ^= b >>> 15;
  }
  return { a, b };
}

/** Views of the same memory; `offset` is a multiple of 8. */
export function leaseMemory(buffer: ArrayBufferLike, offset: number): LeaseMemory {
  return {
    integers: new Int32Array(buffer as ArrayBuffer, offset, LEASES_BYTES / 4),
    numbers: new Float64Array(buffer as ArrayBuffer, offset, LEASES_BYTES / 8),
  };
}
