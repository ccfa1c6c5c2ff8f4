/**
 * S3-FIFO eviction by bytes (Yang et al., SOSP 2023): a small queue that most entries pass through
 * once, a main queue for those used again, and a ghost list of names seen lately.
 *
 * One-hit wonders (a crawler, a scan) leave through the small queue and never push out what is
 * used. A use costs one increment and no list operation, unlike LRU.
 */

/** Share of the capacity for the small queue. */
const SMALL_SHARE = 0.1;

/**
 * Share of a store, of its memory and of its disk, within which pinned responses are kept from
 * eviction: the rest must go on to serve everybody else.
 */
export const PINNED_SHARE_MAX = 0.25;

/** Pinned entries looked at for each entry evicted: some may have come to their end. */
const PINS_LOOKED_AT = 4;

/** Uses that are counted: enough to tell hot from warm, and forgotten quickly. */
const USES_MAX = 3;

/** Where an entry is. */
const NOWHERE = 0;
const SMALL = 1;
const MAIN = 2;
const PINNED = 3;

type Place = typeof NOWHERE | typeof SMALL | typeof MAIN | typeof PINNED;

/** The base of what is kept: the queues are linked through the entries themselves. */
export interface Evictable {
  /** Bytes that the entry accounts for. Changed only through `resize` once it is in a queue. */
  bytes: number;
  /** Hash of the name, for the ghost list. */
  readonly nameHash: number;
  /** When it came, and until when it is kept if there is room for it, or 0. Milliseconds. */
  readonly receivedMs: number;
  readonly pinnedUntilMs: number;
  link: Link;
}

export class Link {
  place: Place = NOWHERE;
  uses = 0;
  previous: Evictable | null = null;
  next: Evictable | null = null;
}

/** Notes a use: the whole cost of a hit. */
export function noteUse(entry: Evictable): void {
  if (entry.link.uses < USES_MAX) entry.link.uses++;
}

export class S3Fifo<T extends Evictable> {
  readonly #capacity: number;
  readonly #small = new Queue<T>();
  readonly #main = new Queue<T>();
  readonly #pinned = new Queue<T>();
  /** The time of the youngest entry: as good as a clock, for only what comes pushes others out. */
  #latestMs = 0;
  readonly #ghost: Ghost;
  readonly #onEvict: (entry: T) => void;

  /** `onEvict` is called once for each entry pushed out, after it has left its queue. */
  constructor(capacityBytes: number, ghostEntriesMax: number, onEvict: (entry: T) => void) {
    this.#capacity = capacityBytes;
    this.#ghost = new Ghost(ghostEntriesMax);
    this.#onEvict = onEvict;
  }

  get bytesUsed(): number {
    return this.#small.bytes + this.#main.bytes + this.#pinned.bytes;
  }

  get length(): number {
    return this.#small.length + this.#main.length + this.#pinned.length;
  }

  /** Takes an entry in. Call `makeRoom` first; the capacity is the caller's to honour. */
  add(entry: T): void {
    entry.link.uses = 0;
    this.#latestMs = Math.max(this.#latestMs, entry.receivedMs);
    const pinnedBytes = this.#pinned.bytes + entry.bytes;
    if (this.#isPinned(entry) && pinnedBytes <= this.#capacity * PINNED_SHARE_MAX) {
      this.#pinned.push(entry, PINNED);
    } else if (this.#ghost.has(entry.nameHash)) this.#main.push(entry, MAIN);
    else this.#small.push(entry, SMALL);
  }

  #isPinned(entry: T): boolean {
    return entry.pinnedUntilMs > this.#latestMs;
  }

  remove(entry: T): void {
    if (entry.link.place === SMALL) this.#small.remove(entry);
    else if (entry.link.place === MAIN) this.#main.remove(entry);
    else if (entry.link.place === PINNED) this.#pinned.remove(entry);
  }

  /** Changes what an entry accounts for. */
  resize(entry: T, bytes: number): void {
    const change = bytes - entry.bytes;
    if (entry.link.place === SMALL) this.#small.bytes += change;
    else if (entry.link.place === MAIN) this.#main.bytes += change;
    else if (entry.link.place === PINNED) this.#pinned.bytes += change;
    entry.bytes = bytes;
  }

  /** Evicts until `bytes` more fit beside `reserved` bytes; false when they cannot. */
  makeRoom(bytes: number, reserved: number): boolean {
    const limit = this.#capacity - bytes - reserved;
    if (limit < 0) return false;
    while (this.bytesUsed > limit) this.#evictOne();
    return true;
  }

  #evictOne(): void {
    if (this.#pinned.length > 0) this.#unpin();
    if (this.#small.length + this.#main.length === 0) {
      // What comes needs the room of what is pinned: the bound is honoured first.
      this.#onEvict(this.#pinned.shift()!);
      return;
    }
    const smallIsOver = this.#small.bytes > this.#capacity * SMALL_SHARE;
    if (this.#small.length > 0 && (smallIsOver || this.#main.length === 0)) this.#evictFromSmall();
    else this.#evictFromMain();
  }

  /** Pins that have come to their end go with the others. */
  #unpin(): void {
    const count = Math.min(PINS_LOOKED_AT, this.#pinned.length);
    for (let i = 0; i < count; i++) {
      const entry = this.#pinned.shift()!;
      if (this.#isPinned(entry)) this.#pinned.push(entry, PINNED);
      else this.#small.push(entry, SMALL);
    }
  }

  #evictFromSmall(): void {
    for (;;) {
      const entry = this.#small.shift();
      if (entry === null) return;
      if (entry.link.uses > 1) {
        entry.link.uses = 0;
        this.#main.push(entry, MAIN);
        continue;
      }
      this.#ghost.add(entry.nameHash);
      this.#onEvict(entry);
      return;
    }
  }

  #evictFromMain(): void {
    for (;;) {
      const entry = this.#main.shift();
      if (entry === null) return;
      if (entry.link.uses > 0) {
        entry.link.uses--;
        this.#main.push(entry, MAIN);
        continue;
      }
      this.#onEvict(entry);
      return;
    }
  }
}

/** A first-in, first-out queue from which any entry may leave. */
class Queue<T extends Evictable> {
  #head: T | null = null;
  #tail: T | null = null;
  bytes = 0;
  length = 0;

  push(entry: T, place: Place): void {
    const { link } = entry;
    link.place = place;
    link.previous = this.#tail;
    link.next = null;
    if (this.#tail === null) this.#head = entry;
    else this.#tail.link.next = entry;
    this.#tail = entry;
    this.bytes += entry.bytes;
    this.length++;
  }

  shift(): T | null {
    const entry = this.#head;
    if (entry !== null) this.remove(entry);
    return entry;
  }

  remove(entry: T): void {
    const { link } = entry;
    const previous = link.previous as T | null;
    const next = link.next as T | null;
    if (previous === null) this.#head = next;
    else previous.link.next = next;
    if (next === null) this.#tail = previous;
    else next.link.previous = previous;
    link.previous = null;
    link.next = null;
    link.place = NOWHERE;
    this.bytes -= entry.bytes;
    this.length--;
  }
}

/**
 * Names evicted lately, as 32-bit hashes in a ring: 12 bytes or so each. Two names with one hash
 * only mean that one entry starts in the main queue.
 */
class Ghost {
  readonly #ring: Int32Array;
  readonly #counts = new Map<number, number>();
  #next = 0;
  #length = 0;

  constructor(entriesMax: number) {
    this.#ring = new Int32Array(Math.max(1, entriesMax));
  }

  add(hash: number): void {
    if (this.#length === this.#ring.length) this.#forget(this.#ring[this.#next]!);
    else this.#length++;
    this.#ring[this.#next] = hash;
    this.#next = (this.#next + 1) % this.#ring.length;
    this.#counts.set(hash, (this.#counts.get(hash) ?? 0) + 1);
  }

  has(hash: number): boolean {
    return this.#counts.has(hash);
  }

  #forget(hash: number): void {
    const count = this.#counts.get(hash);
    if (count === undefined) return;
    if (count === 1) this.#counts.delete(hash);
    else this.#counts.set(hash, count - 1);
  }
}

/** A 32-bit hash of a byte string (FNV-1a). */
export function fnvHash(text: string): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return hash;
}
