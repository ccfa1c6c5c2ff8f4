/**
 * Early data of a client (RFC 8446 §2.3), as a stream that may be refused: what is written before
 * the handshake completes goes out at once as far as the session allows, and is kept. If the server
 * does not take it, all of it is sent again in 1-RTT, so that whoever writes need not know.
 */
import type { Ssl } from '../native/ssl.ts';

export class ClientEarlyData {
  readonly #ssl: Ssl;
  #roomBytes: number;
  /** Sent as early data, to be repeated if it is refused. */
  #sent: Buffer[] = [];
  /** What did not fit, or came too late, and waits for the handshake. */
  #waiting: Buffer[] = [];
  #isClosed = false;
  sentBytes = 0;
  /** The session's, and so that of what is written; '' for none. */
  readonly protocol: string;

  /** `bytesMax` is what the session allows. */
  constructor(ssl: Ssl, bytesMax: number) {
    this.#ssl = ssl;
    this.#roomBytes = bytesMax;
    this.protocol = ssl.alpnOfSession;
  }

  /** Returns whether it could be written or kept. */
  write(bytes: Uint8Array): boolean {
    const copy = Buffer.from(bytes);
    if (this.#isClosed || this.#waiting.length > 0 || copy.length > this.#roomBytes) {
      this.#waiting.push(copy);
      return true;
    }
    this.#roomBytes -= copy.length;
    this.sentBytes += copy.length;
    this.#sent.push(copy);
    return this.#ssl.write(copy, true);
  }

  /** The server has answered: OpenSSL takes no early data any more. */
  close(): void {
    this.#isClosed = true;
  }

  /** The handshake is complete. Returns whether what is left could be written. */
  finish(isAccepted: boolean): boolean {
    const left = isAccepted ? this.#waiting : [...this.#sent, ...this.#waiting];
    this.#sent = [];
    this.#waiting = [];
    return left.every((bytes) => this.#ssl.write(bytes, false));
  }
}
