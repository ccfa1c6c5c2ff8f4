/**
 * Content in memory, while it arrives and afterwards: a list of blocks that only grows, with any
 * number of readers, each at its own offset.
 */
import type { ContentReader, ContentReading, StoredContentReceiver } from './contract.ts';

/** Size of a block when the length is not known in advance. */
export const BLOCK_BYTES = 65_536;

/** A body up to this length is kept as one block, so that it can be sent in one call. */
export const WHOLE_BYTES_MAX = 1_048_576;

/** What a detached fill holds for its slowest reader: a few seconds of a fast download. */
export const DETACHED_WINDOW_BYTES = 4_194_304;
/**
 * Bytes handed in one call to a reader that names no size. One that cannot pass them on keeps a copy: an
 * HTTP/2 client with a hundred streams that never opens a window has us keep one for each.
 */
const PIECE_BYTES = 131_072;

type State = 'filling' | 'complete' | 'failed';

/** The content of one response. Blocks are never moved once a reader may have seen them. */
export class MemoryContent {
  #blocks: Buffer[] = [];
  /** Bytes in all but the last block, by block: for finding an offset. */
  #starts: number[] = [];
  #length = 0;
  /** Bytes of the last block that are used. */
  #lastUsed = 0;
  /** Where the last block ends, as an offset in the content. */
  #end = 0;
  /** Bytes in blocks that have been given up because every reader has passed them. */
  #released = 0;
  #isDetached = false;
  #state: State = 'filling';
  #error: Error | null = null;
  readonly #readings = new Set<MemoryReading>();

  /** `expected` is the announced length, or -1: known small content goes in one exact block. */
  constructor(expected: number) {
    if (expected > 0 && expected <= WHOLE_BYTES_MAX) this.#addBlock(expected);
  }

  /** Complete content that is already in one piece. The bytes are the content's from here on. */
  static of(bytes: Buffer): MemoryContent {
    const content = new MemoryContent(-1);
    if (bytes.length > 0) {
      content.#blocks.push(bytes);
      content.#starts.push(0);
    }
    content.#end = bytes.length;
    content.#length = bytes.length;
    content.#lastUsed = bytes.length;
    content.#state = 'complete';
    return content;
  }

  get length(): number {
    return this.#length;
  }

  /** Bytes of memory that the blocks take. */
  get capacity(): number {
    return this.#end - this.#released;
  }

  get state(): State {
    return this.#state;
  }

  get error(): Error | null {
    return this.#error;
  }

  get readerCount(): number {
    return this.#readings.size;
  }

  /** All of it when it is complete and in one block. */
  get whole(): Uint8Array | undefined {
    if (this.#state !== 'complete' || this.#blocks.length > 1) return undefined;
    const block = this.#blocks[0];
    if (block === undefined) return EMPTY;
    return block.length === this.#length ? block : block.subarray(0, this.#length);
  }

  /** How much memory appending `length` bytes would add. */
  growthFor(length: number): number {
    const room = this.#end - this.#length;
    if (length <= room) return 0;
    return Math.ceil((length - room) / BLOCK_BYTES) * BLOCK_BYTES;
  }

  append(bytes: Uint8Array): void {
    let offset = 0;
    while (offset < bytes.length) {
      let block = this.#blocks.at(-1);
      if (block === undefined || this.#lastUsed === block.length)
        block = this.#addBlock(BLOCK_BYTES);
      const count = Math.min(block.length - this.#lastUsed, bytes.length - offset);
      block.set(
        offset === 0 && count === bytes.length ? bytes : bytes.subarray(offset, offset + count),
        this.#lastUsed,
      );
      this.#lastUsed += count;
      this.#length += count;
      offset += count;
    }
    for (const reading of this.#readings) reading.pump();
    if (this.#isDetached) this.#releaseRead();
  }

  /** What has arrived, as a complete content of its own. */
  copy(): MemoryContent {
    const content = new MemoryContent(this.#length);
    for (let at = 0; at < this.#length; ) {
      const bytes = this.blockAt(at, this.#length);
      content.append(bytes);
      at += bytes.length;
    }
    content.complete();
    return content;
  }

  complete(): void {
    this.#state = 'complete';
    if (!this.#isDetached) this.#trim();
    for (const reading of this.#readings) reading.pump();
  }

  fail(error: Error): void {
    this.#state = 'failed';
    this.#error = error;
    for (const reading of this.#readings) reading.pump();
    this.#blocks = [];
    this.#starts = [];
    this.#end = this.#length;
    this.#released = this.#length;
  }

  /**
   * The content will not be kept: it goes on only for those who read it now, and only as much of it
   * is held as the slowest of them lacks, up to DETACHED_WINDOW_BYTES.
   */
  detach(): void {
    this.#isDetached = true;
    this.#releaseRead();
  }

  #releaseRead(): void {
    let slowest = this.#length;
    for (const reading of this.#readings) {
      if (this.#length - reading.offset > DETACHED_WINDOW_BYTES) {
        reading.fail(new Error('the reader of a response too large to be stored fell behind'));
      } else {
        slowest = Math.min(slowest, reading.offset);
      }
    }
    let count = 0;
    while (count < this.#blocks.length - 1 && this.#starts[count + 1]! <= slowest) count++;
    if (count === 0) return;
    this.#released = this.#starts[count]!;
    this.#blocks.splice(0, count);
    this.#starts.splice(0, count);
  }

  /** What one block holds from `offset` on, cut at `end`. */
  blockAt(offset: number, end: number): Uint8Array {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    const start = this.#starts[low]!;
    return this.#blocks[low]!.subarray(offset - start, Math.min(end, this.#length) - start);
  }

  /** The first byte that is still held. */
  get heldFrom(): number {
    return this.#released;
  }

  /** Gives up blocks that end at or before an offset: they are kept elsewhere now. */
  releaseBefore(offset: number): void {
    let count = 0;
    while (count < this.#blocks.length) {
      const end = count + 1 < this.#starts.length ? this.#starts[count + 1]! : this.#end;
      if (end > offset) break;
      this.#released = end;
      count++;
    }
    this.#blocks.splice(0, count);
    this.#starts.splice(0, count);
  }

  read(offset: number, end: number, receiver: StoredContentReceiver): ContentReading {
    const reading = new MemoryReading(this, offset, end, receiver);
    this.#readings.add(reading);
    if (offset < this.#released) reading.fail(new Error('the content is no longer held'));
    else reading.pump();
    return reading;
  }

  /** For readings only. */
  forget(reading: MemoryReading): void {
    this.#readings.delete(reading);
  }

  #addBlock(length: number): Buffer {
    const block = Buffer.allocUnsafeSlow(length);
    this.#blocks.push(block);
    this.#starts.push(this.#end);
    this.#end += length;
    this.#lastUsed = 0;
    return block;
  }

  /** Gives back what the last block has left over, and joins small content into one block. */
  #trim(): void {
    const excess = this.#end - this.#length;
    const joins = this.#blocks.length > 1 && this.#length <= WHOLE_BYTES_MAX;
    if (excess === 0 && !joins) return;
    if (joins || this.#blocks.length === 1) {
      const whole = Buffer.allocUnsafeSlow(this.#length);
      for (let i = 0; i < this.#blocks.length; i++) {
        const used = Math.min(this.#blocks[i]!.length, this.#length - this.#starts[i]!);
        whole.set(this.#blocks[i]!.subarray(0, used), this.#starts[i]!);
      }
      this.#blocks = this.#length === 0 ? [] : [whole];
      this.#starts = this.#length === 0 ? [] : [0];
    } else {
      const last = this.#blocks.length - 1;
      const exact = Buffer.allocUnsafeSlow(this.#lastUsed);
      exact.set(this.#blocks[last]!.subarray(0, this.#lastUsed));
      this.#blocks[last] = exact;
    }
    this.#end = this.#length;
    this.#lastUsed = this.#blocks.at(-1)?.length ?? 0;
  }
}

const EMPTY = new Uint8Array(0);

/** One reader's way through content. Bytes it hands out are never written again. */
class MemoryReading implements ContentReading {
  readonly #content: MemoryContent;
  readonly #receiver: StoredContentReceiver;
  readonly #end: number;
  #offset: number;
  #paused = false;
  #pumping = false;
  #ended = false;

  constructor(
    content: MemoryContent,
    offset: number,
    end: number,
    receiver: StoredContentReceiver,
  ) {
    this.#content = content;
    this.#offset = offset;
    this.#end = end;
    this.#receiver = receiver;
  }

  get offset(): number {
    return this.#offset;
  }

  fail(error: Error): void {
    if (!this.#ended) this.#finish(error);
  }

  pump(): void {
    // A receiver may resume, cancel or write from inside its callback.
    if (this.#pumping) return;
    this.#pumping = true;
    this.#deliver();
    this.#pumping = false;
  }

  #deliver(): void {
    const content = this.#content;
    while (!this.#ended) {
      if (content.state === 'failed') {
        this.#finish(content.error);
        return;
      }
      const end = Math.min(this.#end, content.length);
      if (this.#offset >= this.#end || (this.#offset >= end && content.state === 'complete')) {
        this.#finish(null);
        return;
      }
      if (this.#paused || this.#offset >= end) return;
      const most = this.#receiver.bytesAtOnce ?? PIECE_BYTES;
      const bytes = content.blockAt(this.#offset, Math.min(end, this.#offset + most));
      this.#offset += bytes.length;
      if (!this.#receiver.onBytes(bytes)) this.#paused = true;
    }
  }

  #finish(error: Error | null): void {
    this.#ended = true;
    this.#content.forget(this);
    this.#receiver.onEnd(error);
  }

  resume(): void {
    this.#paused = false;
    this.pump();
  }

  cancel(): void {
    this.#ended = true;
    this.#content.forget(this);
  }
}

export class MemoryContentReader implements ContentReader {
  readonly #content: MemoryContent;

  constructor(content: MemoryContent) {
    this.#content = content;
  }

  get whole(): Uint8Array | undefined {
    return this.#content.whole;
  }

  read(
    offset: number,
    receiver: StoredContentReceiver,
    end: number = Number.POSITIVE_INFINITY,
  ): ContentReading {
    return this.#content.read(offset, end, receiver);
  }

  /** Content lives as long as someone refers to it; a reading is ended by its own `cancel`. */
  close(): void {}
}
