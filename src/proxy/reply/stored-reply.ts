/** Sends a stored response, or pieces of one, to a client at the client's pace. */
import type {
  ContentReader,
  ContentReading,
  StoredContentReceiver,
  StoreHit,
} from '../../cache/contract.ts';
import type { Piece } from '../../cache/rules/range.ts';
import type { ResponseSender } from '../../http/exchange.ts';

/** Returns false when no more can be taken until `pump`. */
export type StoredContentSender = Pick<ResponseSender, 'sendContent' | 'bytesAtOnce'>;

export class StoredReply implements StoredContentReceiver {
  readonly #reader: ContentReader;
  readonly #sender: StoredContentSender;
  readonly #pieces: readonly Piece[];
  readonly #onDone: (error: Error | null) => void;
  #nextPiece = 0;
  #reading: ContentReading | null = null;
  /** How far the piece has come that is being read, in the stored content. */
  #at = 0;
  #waiting = false;
  #over = false;

  /** `onDone` is called once, after the last byte was handed to the sender or none can follow. */
  constructor(
    hit: StoreHit,
    pieces: readonly Piece[],
    sender: StoredContentSender,
    onDone: (error: Error | null) => void,
  ) {
    this.#reader = hit.open();
    this.#pieces = pieces;
    this.#sender = sender;
    this.#onDone = onDone;
  }

  /** What has not been sent; `length` is the content's. */
  rest(length: number): Piece[] {
    const pieces = this.#pieces.slice(Math.max(0, this.#nextPiece - 1));
    return pieces.map((piece, i) => {
      if ('bytes' in piece) return piece;
      return { start: i === 0 ? this.#at : piece.start, end: Math.min(piece.end, length) };
    });
  }

  /** Sends on; call it first after the head was sent, then whenever the client can take more. */
  pump(): void {
    this.#waiting = false;
    if (this.#reading !== null) {
      this.#reading.resume();
      return;
    }
    this.#nextPieces();
  }

  /** The client has gone; `onDone` is not called. */
  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#reading?.cancel();
    this.#reader.close();
  }

  onBytes(bytes: Uint8Array): boolean {
    this.#waiting = !this.#sender.sendContent(bytes);
    return !this.#waiting;
  }

  onEnd(error: Error | null): void {
    this.#reading = null;
    if (error !== null) this.#finish(error);
    else if (!this.#waiting) this.#nextPieces();
  }

  #nextPieces(): void {
    while (!this.#over && !this.#waiting && this.#reading === null) {
      const piece = this.#pieces[this.#nextPiece++];
      if (piece === undefined) {
        this.#finish(null);
      } else if ('bytes' in piece) {
        this.onBytes(piece.bytes);
      } else {
        this.#read(piece.start, piece.end);
        return;
      }
    }
  }

  #read(start: number, end: number): void {
    // Calls may begin, and end, before `read` returns: then there is nothing left to keep.
    let ended = false;
    this.#at = start;
    const sender = this.#sender;
    const receiver: StoredContentReceiver = {
      get bytesAtOnce() {
        return sender.bytesAtOnce;
      },
      onBytes: (bytes) => {
        this.#at += bytes.length;
        return this.onBytes(bytes);
      },
      onEnd: (error) => {
        ended = true;
        this.onEnd(error);
      },
    };
    const reading = this.#reader.read(start, receiver, end);
    if (!ended) this.#reading = reading;
  }

  #finish(error: Error | null): void {
    if (this.#over) return;
    this.#over = true;
    this.#reader.close();
    this.#onDone(error);
  }
}
