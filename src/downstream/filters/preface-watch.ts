/** Tells HTTP/2 by prior knowledge from HTTP/1.1 on a plaintext connection (RFC 9113 §3.3, §3.4). */
import { CONNECTION_PREFACE } from '../../http2/protocol.ts';

export class PrefaceWatch {
  /** Null while the bytes so far are the start of HTTP/2's preface. */
  found: 'http1' | 'http2' | null = null;
  #held: Buffer = Buffer.alloc(0);

  /** Returns all bytes so far, which are kept until it is `found` whose they are. */
  take(bytes: Uint8Array): Uint8Array {
    const held = this.#held.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#held, bytes]);
    this.#held = held;
    const length = Math.min(held.length, CONNECTION_PREFACE.length);
    const differs = held.subarray(0, length).compare(CONNECTION_PREFACE.subarray(0, length)) !== 0;
    if (differs) this.found = 'http1';
    else if (length === CONNECTION_PREFACE.length) this.found = 'http2';
    return held;
  }
}
