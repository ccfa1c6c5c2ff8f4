/**
 * What a stream, or a level's handshake, sends: written parts that are kept by reference until they are
 * acknowledged, and which of them are to be sent, for the first time or again.
 */
import { assert } from '../../base/assert.ts';
import { RangeSet } from './range-set.ts';

/** Parts before the first that is kept, after which the list is cut. */
const DONE_PARTS_MAX = 64;

/** A piece to send; one object that is used again. */
export interface SendPiece {
  offset: number;
  length: number;
  isFin: boolean;
  /** Whether it goes for the first time, and so counts against the peer's limits. */
  isNew: boolean;
}

export class SendBuffer {
  #parts: Uint8Array[] = [];
  #starts: number[] = [];
  /** Index of the first part that is kept. */
  #head = 0;
  /** Where the last look-up was: pieces are mostly sent in order. */
  #cursor = 0;
  /** Bytes written in all. */
  written = 0;
  /** Bytes that were sent at least once. */
  sent = 0;
  /** All below is acknowledged. */
  acknowledged = 0;
  isFinWritten = false;
  isFinSent = false;
  isFinAcknowledged = false;
  readonly #lost = new RangeSet();
  readonly #acknowledged = new RangeSet();

  /** Takes a part over: it must not change any more. */
  write(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#parts.push(part);
    this.#starts.push(this.written);
    this.written += part.length;
  }

  get isDone(): boolean {
    return this.isFinAcknowledged && this.acknowledged === this.written;
  }

  get hasLost(): boolean {
    return !this.#lost.isEmpty;
  }

  /** Whether something can be sent: again, or for the first time up to offset `limit`. */
  canSend(limit: number): boolean {
    if (!this.#lost.isEmpty) return true;
    if (this.sent < this.written) return this.sent < limit;
    return this.isFinWritten && !this.isFinSent;
  }

  /** What is to go next, at most `lengthMax` bytes and new ones below `limit`. False: nothing. */
  next(piece: SendPiece, lengthMax: number, limit: number): boolean {
    const { pairs } = this.#lost;
    if (pairs.length > 0) {
      piece.offset = pairs[0]!;
      piece.length = Math.min(lengthMax, pairs[1]! - piece.offset);
      piece.isNew = false;
    } else {
      piece.offset = this.sent;
      piece.length = Math.max(0, Math.min(lengthMax, this.written - this.sent, limit - this.sent));
      piece.isNew = true;
    }
    piece.isFin = this.isFinWritten && piece.offset + piece.length === this.written;
    return piece.length > 0 || (piece.isFin && !this.isFinSent);
  }

  onSent(piece: SendPiece): void {
    const end = piece.offset + piece.length;
    if (piece.isNew) this.sent = end;
    else this.#lost.remove(piece.offset, end);
    if (piece.isFin) this.isFinSent = true;
  }

  /** Copies written bytes that are not acknowledged. */
  copy(offset: number, length: number, target: Uint8Array, at: number): void {
    let i = this.#partAt(offset);
    while (length > 0) {
      const part = this.#parts[i]!;
      const from = offset - this.#starts[i]!;
      const count = Math.min(length, part.length - from);
      target.set(
        from === 0 && count === part.length ? part : part.subarray(from, from + count),
        at,
      );
      at += count;
      offset += count;
      length -= count;
      i++;
    }
  }

  #partAt(offset: number): number {
    assert(offset >= this.acknowledged, 'bytes are still kept');
    const starts = this.#starts;
    let low = this.#head;
    let high = starts.length - 1;
    if (starts[this.#cursor]! <= offset && this.#cursor >= low) low = this.#cursor;
    if (low < high && starts[low + 1]! > offset) high = low;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    this.#cursor = low;
    return low;
  }

  onAcknowledged(offset: number, length: number, isFin: boolean): void {
    if (isFin) this.isFinAcknowledged = true;
    const end = offset + length;
    if (end <= this.acknowledged) return;
    this.#lost.remove(offset, end);
    if (offset > this.acknowledged) {
      this.#acknowledged.add(offset, end);
      return;
    }
    this.acknowledged = end;
    const { pairs } = this.#acknowledged;
    while (pairs.length > 0 && pairs[0]! <= this.acknowledged) {
      this.acknowledged = Math.max(this.acknowledged, pairs[1]!);
      pairs.splice(0, 2);
    }
    this.#dropParts();
  }

  #dropParts(): void {
    const { acknowledged } = this;
    while (this.#head < this.#parts.length) {
      if (this.#starts[this.#head]! + this.#parts[this.#head]!.length > acknowledged) break;
      this.#parts[this.#head] = EMPTY;
      this.#head++;
    }
    if (this.#head < DONE_PARTS_MAX && this.#head < this.#parts.length) return;
    this.#parts.splice(0, this.#head);
    this.#starts.splice(0, this.#head);
    this.#cursor = Math.max(0, this.#cursor - this.#head);
    this.#head = 0;
  }

  onLost(offset: number, length: number, isFin: boolean): void {
    if (isFin && !this.isFinAcknowledged) this.isFinSent = false;
    const start = Math.max(offset, this.acknowledged);
    const end = offset + length;
    this.#lost.add(start, end);
    const { pairs } = this.#acknowledged;
    for (let i = 0; i < pairs.length && pairs[i]! < end; i += 2) {
      this.#lost.remove(pairs[i]!, pairs[i + 1]!);
    }
  }

  /** All that was sent and is not acknowledged is to be sent again. */
  loseAll(): void {
    this.onLost(this.acknowledged, this.sent - this.acknowledged, this.isFinSent);
  }

  /** Forgets all content: it will not be sent any more. */
  clear(): void {
    this.#parts = [];
    this.#starts = [];
    this.#head = 0;
    this.#cursor = 0;
    this.#lost.pairs.length = 0;
    this.#acknowledged.pairs.length = 0;
    this.written = this.sent;
    this.acknowledged = this.sent;
    this.isFinWritten = false;
  }
}

const EMPTY = new Uint8Array(0);
