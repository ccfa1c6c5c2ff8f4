/**
 * A QUIC connection without packets: what an application writes is kept per stream, and what its peer
 * does is called by the test. It holds the application to the contract of src/quic/application.ts.
 */
import assert from 'node:assert/strict';
import type {
  QuicApplication,
  QuicCloseReason,
  QuicConnection,
  QuicConnectionFacts,
  QuicStream,
  QuicStreamHandler,
  QuicStreamKind,
} from '../../src/quic/application.ts';

export class FakeStream implements QuicStream {
  readonly id: number;
  readonly isOurs: boolean;
  readonly written: Buffer[] = [];
  handler: QuicStreamHandler | null = null;
  hasWrittenFin = false;
  resetCode = -1;
  stopCode = -1;
  consumedBytes = 0;
  deliveredBytes = 0;
  unsentBytes = 0;
  priority = 'u=3';
  hasPeerFin = false;
  isGone = false;
  /** Bytes that may wait before `write` says stop. */
  sendMax = Number.POSITIVE_INFINITY;
  /** The peer reads nothing: what is written waits. */
  isSlow = false;
  #wantsWritable = false;

  constructor(id: number, isOurs: boolean) {
    this.id = id;
    this.isOurs = isOurs;
  }

  get kind(): QuicStreamKind {
    return (this.id & 2) === 0 ? 'bidirectional' : 'unidirectional';
  }

  get bytes(): Buffer {
    return Buffer.concat(this.written);
  }

  write(parts: readonly Uint8Array[], isFin: boolean): boolean {
    if (this.resetCode >= 0 || this.isGone) return true;
    assert.ok(!this.hasWrittenFin, 'nothing is written after the end');
    for (const part of parts) {
      // By reference, as the contract says: who changes them later is found out.
      this.written.push(Buffer.from(part.buffer, part.byteOffset, part.length));
      if (this.isSlow) this.unsentBytes += part.length;
    }
    this.hasWrittenFin = isFin;
    if (this.unsentBytes > this.sendMax) this.#wantsWritable = true;
    return this.unsentBytes <= this.sendMax;
  }

  /** The peer has read everything. */
  drain(): void {
    this.unsentBytes = 0;
    if (!this.#wantsWritable) return;
    this.#wantsWritable = false;
    this.handler?.onWritable();
  }

  reset(errorCode: number): void {
    if (this.resetCode < 0 && !this.isGone) this.resetCode = errorCode;
  }

  stopSending(errorCode: number): void {
    if (this.stopCode < 0 && !this.hasPeerFin && !this.isGone) this.stopCode = errorCode;
  }

  consumed(bytes: number): void {
    this.consumedBytes += bytes;
    assert.ok(this.consumedBytes <= this.deliveredBytes, 'no more is given back than has come');
  }

  setPriority(urgency: number, isIncremental: boolean): void {
    this.priority = `u=${urgency}${isIncremental ? ', i' : ''}`;
  }

  /** The peer's bytes. They are overwritten after the call, as the socket's buffer is. */
  deliver(bytes: Uint8Array, isFin = false, isEarly = false): void {
    if (this.stopCode >= 0 || this.hasPeerFin || this.isGone) return;
    this.hasPeerFin = isFin;
    this.deliveredBytes += bytes.length;
    const memory = Buffer.from(bytes);
    this.handler?.onData(memory, isFin, isEarly);
    memory.fill(0xdd);
  }

  resetByPeer(code: number): void {
    if (this.hasPeerFin || this.stopCode >= 0 || this.isGone) return;
    this.hasPeerFin = true;
    this.handler?.onReset(code);
  }

  stopByPeer(code: number): void {
    if (this.resetCode >= 0 || this.isGone) return;
    this.resetCode = code;
    this.handler?.onStopSending(code);
  }

  /** Tells the handler that all is done, if it is. */
  settle(): void {
    const hasEnded = this.hasWrittenFin || this.resetCode >= 0;
    const hasPeerEnded = this.hasPeerFin || this.stopCode >= 0;
    if (this.isGone || !hasEnded || !hasPeerEnded || this.unsentBytes > 0) return;
    this.isGone = true;
    this.handler?.onClosed();
  }
}

const FACTS: QuicConnectionFacts = {
  version: 1,
  smoothedRttMs: 50,
  minRttMs: 50,
  congestionWindowBytes: 12_000,
  packetsSent: 0,
  packetsReceived: 0,
  packetsLost: 0,
  probeTimeouts: 0,
  bytesSent: 0,
  bytesReceived: 0,
  migrations: 0,
  keyUpdates: 0,
  isAddressValidatedByToken: false,
  datagramBytes: 0,
};

export class FakeQuic implements QuicConnection {
  readonly streams = new Map<number, FakeStream>();
  application: QuicApplication | null = null;
  readonly isServer: boolean;
  closed: { code: number; reason: string } | null = null;
  /** How many unidirectional streams the peer lets us open. */
  unidirectionalMax = 100;
  isHandshakeComplete = true;
  isHandshakeConfirmed = true;
  readonly datagramBytesMax = 0;
  onNewStream: (stream: FakeStream) => void = () => {};
  #opened = { bidirectional: 0, unidirectional: 0 };

  constructor(isServer: boolean) {
    this.isServer = isServer;
  }

  openStream(kind: QuicStreamKind, handler: QuicStreamHandler): QuicStream | undefined {
    const count = this.#opened[kind];
    if (kind === 'unidirectional' && count >= this.unidirectionalMax) return undefined;
    this.#opened[kind]++;
    const id = count * 4 + (kind === 'unidirectional' ? 2 : 0) + (this.isServer ? 1 : 0);
    const stream = new FakeStream(id, true);
    // What comes in is only from a peer that answers.
    stream.hasPeerFin = kind === 'unidirectional';
    stream.handler = handler;
    this.streams.set(id, stream);
    this.onNewStream(stream);
    return stream;
  }

  /** The stream of the peer's with this identifier, opened when it is not there yet. */
  peerStream(id: number): FakeStream {
    let stream = this.streams.get(id);
    if (stream === undefined) {
      stream = new FakeStream(id, false);
      stream.hasWrittenFin = stream.kind === 'unidirectional';
      this.streams.set(id, stream);
      stream.handler = this.application!.onStream(stream);
    }
    return stream;
  }

  sendDatagram(): boolean {
    return false;
  }

  close(errorCode: number, reason: string): void {
    this.closed ??= { code: errorCode, reason };
  }

  /** The connection ends for the application, by whoever it is. */
  end(reason: Partial<QuicCloseReason> = {}): void {
    const whole = {
      by: 'peer',
      isApplication: true,
      errorCode: 256,
      reason: '',
      ...reason,
    } as const;
    for (const stream of this.streams.values()) stream.isGone = true;
    this.application!.onClosed(whole);
  }

  settle(): void {
    for (const stream of this.streams.values()) stream.settle();
  }

  facts(): QuicConnectionFacts {
    return FACTS;
  }
}
