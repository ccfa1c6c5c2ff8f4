/**
 * What is kept by texts that peers choose, bounded in bytes: a count of entries bounds nothing when
 * each key may be as long as a head.
 */

/** What an entry costs beside its key: a slot of the map, a header, and a small object as value. */
export const MAP_ENTRY_BYTES = 192;

/**
 * A text of its own. A piece cut from another text keeps the whole of it alive (V8's sliced strings),
 * and one that was put together keeps its pieces: a key of 20 characters could hold a head of 64 KiB.
 */
export function ownText(text: string): string {
  const encoding = isLatin1(text) ? 'latin1' : 'utf16le';
  return Buffer.from(text, encoding).toString(encoding);
}

function isLatin1(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return false;
  return true;
}

/** By text, first in first out: what was put in longest ago makes room. */
export class BoundedMap<T> {
  readonly #bytesMax: number;
  readonly #entries = new Map<string, T>();
  #bytes = 0;

  /** `bytesMax`: of all keys, with {@link MAP_ENTRY_BYTES} for each. Values must be small. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** What all entries count for. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): T | undefined {
    return this.#entries.get(key);
  }

  /** As the newest. A key that takes more than a quarter of the room is not kept. */
  set(key: string, value: T): void {
    this.delete(key);
    const cost = costOf(key);
    if (cost > this.#bytesMax / 4) return;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes + cost <= this.#bytesMax) break;
      this.delete(oldest);
    }
    this.#entries.set(ownText(key), value);
    this.#bytes += cost;
  }

  delete(key: string): void {
    if (this.#entries.delete(key)) this.#bytes -= costOf(key);
  }

  /** Oldest first. */
  entries(): IterableIterator<[string, T]> {
    return this.#entries.entries();
  }
}

/** Two bytes for each character: the most that one takes. */
function costOf(key: string): number {
  return MAP_ENTRY_BYTES + 2 * key.length;
}
