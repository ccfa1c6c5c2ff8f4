/**
 * A channel is a stream socket with or without TLS on it, seen from above as plaintext both ways.
 * Both sides of the proxy use it: downstream for accepted connections, upstream toward origins.
 *
 * Output is corked: small writes of one dispatch are gathered and leave in one `send` (and one TLS
 * record). The corks of several channels leave together, at the end of a batch of events at the
 * latest: a peer that sleeps on another core is woken once for all of them, and waking one costs as
 * much as a send.
 */
import { assert } from '../base/assert.ts';
import type { SluiceError } from '../base/errors.ts';
import { KeptViews } from '../native/kept-views.ts';
import { NativeBuffer } from '../native/memory.ts';
import type { SocketHandler, StreamSocket } from '../reactor/contract.ts';
import { BYTES_AT_ONCE_MIN } from '../reactor/limits.ts';
import type { HandshakeRecord, TlsConnection, TlsHandler } from '../tls/contract.ts';

/** What a channel tells its owner. */
export interface ChannelHandler {
  /** Plaintext, valid until the return; `early` marks TLS early data. */
  onBytes(bytes: Uint8Array, early: boolean): void;
  /** A connect (and its TLS handshake, when there is one) has succeeded: it can be written to. */
  onOpen(): void;
  /** A TLS handshake has ended, well or badly: exactly once per TLS channel. */
  onHandshakeEnd(record: HandshakeRecord): void;
  /** The peer sends no more; we still may. */
  onEnd(): void;
  /** Pending output has drained after `write` returned false. */
  onWritable(): void;
  /** The last call. Null when the close was orderly or our own. */
  onClose(error: SluiceError | null): void;
}

/** Gathered output per send: above a few TLS records' worth there is nothing left to save. */
const CORK_BYTES = 65_536;
/** Channels whose output waits at once. More save little, and keep the first one's peer waiting. */
const CORKS = 32;
/** Output that waits for the peer above which writers are told to wait. */
const CONGESTED_BYTES = 262_144;
/** Content is encrypted and sent in pieces of so many bytes: they stay in the core's cache. */
const SEALED_AT_ONCE_BYTES = 32_768;
/** Ciphertext moved from the engine to the socket at a time. */
const CIPHERTEXT_BYTES = 131_072;

/** What channels of one worker share. */
export class ChannelPool implements Disposable {
  readonly ciphertext = NativeBuffer.allocate(CIPHERTEXT_BYTES);
  readonly #corks: NativeBuffer[] = [];
  /** Who has taken a cork since the last flush of all, in order. */
  readonly #corked: Channel[] = [];
  readonly #defer: (body: () => void) => void;
  #flushScheduled = false;
  /** Of what is received without TLS. */
  readonly views = new KeptViews();

  constructor(defer: (body: () => void) => void) {
    this.#defer = defer;
    for (let i = 0; i < CORKS; i++) this.#corks.push(NativeBuffer.allocate(CORK_BYTES));
  }

  /** Calls `body` when the current dispatch ends, or soon when there is none. */
  atEndOfTurn(body: () => void): void {
    this.#defer(body);
  }

  /** For channels: a buffer for output, which is flushed when the current dispatch ends. */
  takeCork(channel: Channel): NativeBuffer {
    if (this.#corked.length === CORKS) this.#flushAll();
    this.#corked.push(channel);
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      this.#defer(this.#flushDeferred);
    }
    return this.#corks.pop()!;
  }

  /** For channels: the cork has been emptied. */
  giveCork(cork: NativeBuffer): void {
    this.#corks.push(cork);
  }

  readonly #flushDeferred = (): void => {
    this.#flushScheduled = false;
    this.#flushAll();
  };

  #flushAll(): void {
    const corked = this.#corked;
    for (let i = 0; i < corked.length; i++) corked[i]!.flush();
    corked.length = 0;
  }

  [Symbol.dispose](): void {
    for (const cork of this.#corks) cork[Symbol.dispose]();
    this.ciphertext[Symbol.dispose]();
  }
}

export class Channel implements SocketHandler {
  readonly #pool: ChannelPool;
  readonly #handler: ChannelHandler;
  #socket: StreamSocket | null = null;
  #tls: TlsConnection | null = null;
  /** Output that has not left yet. */
  #cork: NativeBuffer | null = null;
  #corkLength = 0;
  #open = false;
  #ending = false;
  #closed = false;
  /** Nothing of ours is on the wire yet and TLS cannot take it: kept until the handshake allows. */
  #heldBack: Buffer[] = [];
  #failure: SluiceError | null = null;
  #inputEnded = false;

  constructor(pool: ChannelPool, handler: ChannelHandler) {
    this.#pool = pool;
    this.#handler = handler;
  }

  /** What the TLS engine of this channel must be made with. */
  tlsHandler(): TlsHandler {
    return {
      onPlaintext: (bytes, early) => this.#handler.onBytes(bytes, early),
      onHandshakeEnd: (record) => this.#onHandshakeEnd(record),
      onEnd: () => this.#onInputEnd(),
      onResumed: () => this.#onReceived(),
      onError: (error) => {
        this.#failure ??= error;
      },
    };
  }

  /** Binds the socket (and the TLS engine, made with this channel as its handler). */
  attach(socket: StreamSocket, tls: TlsConnection | null): void {
    assert(this.#socket === null, 'a channel is attached once');
    this.#socket = socket;
    this.#tls = tls;
  }

  get socket(): StreamSocket {
    assert(this.#socket !== null, 'a channel is used after attach');
    return this.#socket;
  }

  get tls(): TlsConnection | null {
    return this.#tls;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Rises with every piece of output: whoever waits can tell that we are still sending. */
  outputCount = 0;

  /** Our side has ended and all of it has gone: only the peer's end is missing. */
  get isLingering(): boolean {
    return this.#ending && this.pendingBytes === 0;
  }

  /** Bytes that the peer has not taken yet. */
  get pendingBytes(): number {
    return this.#socket?.pendingBytes ?? 0;
  }

  /** An accepted plaintext socket is open from the start; TLS ones open with their handshake. */
  markOpen(): void {
    this.#open = true;
  }

  // ------------------------------------------------------------------ output

  /** Returns false when output should wait for `onWritable`. Bytes are consumed in any case. */
  write(bytes: Uint8Array): boolean {
    if (this.#closed || this.#ending) return true;
    this.outputCount++;
    const { length } = bytes;
    if (length > CORK_BYTES >> 1) {
      this.#flush(true);
      return this.#writeThrough(bytes);
    }
    const cork = this.#corkFor(length);
    cork.bytes.set(bytes, this.#corkLength);
    this.#corkLength += length;
    return !this.isCongested;
  }

  /**
   * Room for `length` bytes in `buffer`, to be written there and sent by `commit`: the offset, or -1
   * when there is none and `write` must be used.
   */
  reserve(length: number): number {
    if (this.#closed || this.#ending || length > CORK_BYTES >> 1) return -1;
    this.#corkFor(length);
    return this.#corkLength;
  }

  /** What `reserve` gave room in. */
  get buffer(): Buffer {
    return this.#cork!.bytes;
  }

  /** Everything up to `end` is output now. */
  commit(end: number): boolean {
    this.#corkLength = end;
    return !this.isCongested;
  }

  /**
   * Bytes of a body that are worth one `write`. What TLS seals leaves in small pieces in any case.
   */
  get bytesAtOnce(): number {
    return this.#tls === null ? this.socket.bytesAtOnce : BYTES_AT_ONCE_MIN;
  }

  /** Whether so much waits to be sent that no more should be written. */
  get isCongested(): boolean {
    return this.pendingBytes > CONGESTED_BYTES;
  }

  /** A cork with room for `length` bytes more. */
  #corkFor(length: number): NativeBuffer {
    if (this.#cork !== null && this.#corkLength + length > CORK_BYTES) this.flush();
    this.#cork ??= this.#pool.takeCork(this);
    return this.#cork;
  }

  /** Sends what is corked. */
  flush(): void {
    this.#flush(false);
  }

  #flush(more: boolean): void {
    const cork = this.#cork;
    if (cork === null) return;
    const length = this.#corkLength;
    if (length > 0 && !this.#closed) this.#send(cork, length, more);
    this.#dropCork();
  }

  #send(cork: NativeBuffer, length: number, more: boolean): void {
    const tls = this.#tls;
    if (tls === null) {
      this.socket.writeNative(cork, length, more);
      return;
    }
    this.#releaseHeldBack(tls);
    if (tls.isWritable) tls.writeNative(cork, length);
    else this.#heldBack.push(Buffer.from(cork.bytes.subarray(0, length)));
    this.#sendCiphertext(tls);
  }

  #writeThrough(bytes: Uint8Array): boolean {
    const tls = this.#tls;
    if (tls === null) return this.socket.write(bytes);
    this.#releaseHeldBack(tls);
    if (!tls.isWritable) {
      this.#heldBack.push(Buffer.from(bytes));
      return false;
    }
    let writable = true;
    for (let at = 0; at < bytes.length; at += SEALED_AT_ONCE_BYTES) {
      tls.write(bytes.subarray(at, at + SEALED_AT_ONCE_BYTES));
      writable = this.#sendCiphertext(tls);
    }
    return writable;
  }

  #sendCiphertext(tls: TlsConnection): boolean {
    const { ciphertext } = this.#pool;
    let writable = true;
    while (tls.hasOutput) {
      const length = tls.takeOutput(ciphertext);
      if (length === 0) break;
      writable = this.socket.writeNative(ciphertext, length);
    }
    return writable;
  }

  /** Returns whether there was something. */
  #releaseHeldBack(tls: TlsConnection): boolean {
    if (this.#heldBack.length === 0 || !tls.isWritable) return false;
    for (const bytes of this.#heldBack.splice(0)) tls.write(bytes);
    return true;
  }

  /** Ends our side in order once pending output has gone: close_notify, then FIN. */
  end(): void {
    if (this.#closed || this.#ending) return;
    this.flush();
    this.#ending = true;
    const tls = this.#tls;
    if (tls !== null) {
      tls.shutdown();
      this.#sendCiphertext(tls);
    }
    this.socket.shutdownWrite();
  }

  /** Closes both directions now; `onClose(null)` follows. */
  destroy(): void {
    this.#dropCork();
    this.#socket?.destroy();
  }

  /** Closes because the handshake has taken too long, which its record then says. */
  timeOutHandshake(): void {
    this.#tls?.abandon('tls-handshake-timeout');
    this.destroy();
  }

  /** Closes with a reset, so that the peer can tell that something was cut off. */
  reset(): void {
    this.#dropCork();
    this.#socket?.reset();
  }

  #dropCork(): void {
    if (this.#cork === null) return;
    this.#pool.giveCork(this.#cork);
    this.#cork = null;
    this.#corkLength = 0;
  }

  pauseReading(): void {
    this.socket.pauseReading();
  }

  resumeReading(): void {
    this.socket.resumeReading();
  }

  // ------------------------------------------------------------------ from the socket

  onConnect(): void {
    const tls = this.#tls;
    if (tls === null) {
      this.#open = true;
      this.#handler.onOpen();
    } else {
      this.#sendCiphertext(tls);
    }
  }

  onData(buffer: NativeBuffer, length: number): void {
    const tls = this.#tls;
    if (tls === null) {
      this.#handler.onBytes(this.#pool.views.first(buffer, length), false);
      return;
    }
    tls.receive(buffer, length);
    this.#onReceived();
  }

  /** The engine has worked on what it got. */
  #onReceived(): void {
    const tls = this.#tls;
    if (tls === null || this.#closed) return;
    if (this.#releaseHeldBack(tls)) this.#handler.onWritable();
    // What is corked takes the engine's own output (tickets after a handshake) along.
    if (this.#corkLength === 0 && tls.hasOutput) this.#sendCiphertext(tls);
    if (this.#failure === null) return;
    this.flush();
    this.socket.destroy();
  }

  onEnd(): void {
    // The engine takes no output any more once it has been told.
    this.flush();
    const tls = this.#tls;
    if (tls === null) {
      this.#onInputEnd();
      return;
    }
    tls.receiveEnd();
    if (this.#failure === null) this.#onInputEnd();
    if (tls.hasOutput && !this.#closed) this.#sendCiphertext(tls);
    if (this.#failure !== null) this.socket.destroy();
  }

  onDrain(): void {
    this.#handler.onWritable();
    this.flush();
  }

  onClose(error: SluiceError | null): void {
    this.#dropCork();
    this.#closed = true;
    const tls = this.#tls;
    if (tls !== null) {
      // Inside the engine a handshake may still be open: its record must exist before we go.
      tls.abandon(error?.code ?? 'connection-closed');
      tls[Symbol.dispose]();
      this.#tls = null;
    }
    this.#handler.onClose(this.#failure ?? error);
  }

  #onHandshakeEnd(record: HandshakeRecord): void {
    this.#handler.onHandshakeEnd(record);
    if (record.outcome !== 'complete' || this.#open) return;
    this.#open = true;
    this.#handler.onOpen();
  }

  /** close_notify and FIN both end the input; the owner hears of the first. */
  #onInputEnd(): void {
    if (this.#inputEnded) return;
    this.#inputEnded = true;
    this.#handler.onEnd();
  }
}
