/** An application that notes all and answers as a test wants. */
import type {
  QuicApplication,
  QuicCloseReason,
  QuicConnection,
  QuicStream,
  QuicStreamHandler,
  QuicStreamKind,
} from '../../../src/quic/application.ts';

/** What came of one stream. */
export class FakeStream implements QuicStreamHandler {
  stream: QuicStream | undefined;
  readonly chunks: Buffer[] = [];
  bytes = 0;
  isEnded = false;
  isEarly = false;
  resetCode: number | undefined;
  stopCode: number | undefined;
  isClosed = false;
  isConsuming = true;
  onWhole: ((stream: QuicStream, content: Buffer) => void) | undefined;
  writable: (() => void) | undefined;

  get content(): Buffer {
    return Buffer.concat(this.chunks);
  }

  onData(bytes: Uint8Array, isFin: boolean, isEarly: boolean): void {
    if (this.isEnded) throw new Error('content after the end');
    this.chunks.push(Buffer.from(bytes));
    this.bytes += bytes.length;
    this.isEnded = isFin;
    this.isEarly ||= isEarly;
    if (this.isConsuming) this.stream!.consumed(bytes.length);
    if (isFin) this.onWhole?.(this.stream!, this.content);
  }

  onReset(errorCode: number): void {
    this.resetCode = errorCode;
  }

  onStopSending(errorCode: number): void {
    this.stopCode = errorCode;
  }

  onWritable(): void {
    this.writable?.();
  }

  onClosed(): void {
    if (this.isClosed) throw new Error('closed twice');
    this.isClosed = true;
  }
}

export class FakeApplication implements QuicApplication {
  readonly connection: QuicConnection;
  readonly streams = new Map<number, FakeStream>();
  readonly datagrams: Buffer[] = [];
  isReady = false;
  isComplete = false;
  isConfirmed = false;
  earlyRefusals = 0;
  closed: QuicCloseReason | undefined;
  available: QuicStreamKind[] = [];
  /** Begins what the application does when it may. */
  begin: (() => void) | undefined;
  /** Answers a whole stream. */
  answer: ((stream: QuicStream, content: Buffer) => void) | undefined;

  constructor(connection: QuicConnection) {
    this.connection = connection;
  }

  onReady(): void {
    this.isReady = true;
    this.begin?.();
  }

  onStream(stream: QuicStream): QuicStreamHandler {
    const fake = new FakeStream();
    fake.stream = stream;
    fake.onWhole = (one, content) => this.answer?.(one, content);
    this.streams.set(stream.id, fake);
    return fake;
  }

  /** Opens a stream and sends all of it; undefined when it may not. */
  ask(content: Uint8Array, kind: QuicStreamKind = 'bidirectional'): FakeStream | undefined {
    const fake = new FakeStream();
    fake.stream = this.connection.openStream(kind, fake);
    if (fake.stream === undefined) return undefined;
    fake.stream.write([content], true);
    return fake;
  }

  onHandshakeComplete(): void {
    this.isComplete = true;
  }

  onHandshakeConfirmed(): void {
    this.isConfirmed = true;
  }

  onEarlyDataRefused(): void {
    this.earlyRefusals++;
  }

  onStreamsAvailable(kind: QuicStreamKind): void {
    this.available.push(kind);
  }

  onDatagram(bytes: Uint8Array): void {
    this.datagrams.push(Buffer.from(bytes));
  }

  onClosed(reason: QuicCloseReason): void {
    if (this.closed !== undefined) throw new Error('closed twice');
    this.closed = reason;
  }
}
