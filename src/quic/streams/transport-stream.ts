/** One stream: both directions' states (RFC 9000 §3), behind the application's {@link QuicStream}. */
import type { QuicStream, QuicStreamHandler, QuicStreamKind } from '../application.ts';
import type { StreamFrame } from '../wire/frame-reader.ts';
import { QuicFault, TransportErrorCode } from '../wire/transport-error.ts';
import { ReceiveBuffer } from './receive-buffer.ts';
import type { ReceiveWindow } from './receive-window.ts';
import type { Schedulable } from './scheduler.ts';
import { SendBuffer } from './send-buffer.ts';

/** What a stream asks of the table that it is in. */
export interface StreamOwner {
  readonly isHandshakeComplete: boolean;
  readonly gapsMax: number;
  readonly streamSendBytesMax: number;
  /** It has content to send. */
  schedule(stream: TransportStream): void;
  /** It will send no content any more. */
  unschedule(stream: TransportStream): void;
  /** It has a frame other than content to send. */
  needControl(stream: TransportStream): void;
  /** Its priority changed; see Scheduler.setPriority. */
  prioritize(stream: TransportStream, urgency: number, isIncremental: boolean): void;
  /** So many more bytes came of the connection's window. Throws a QuicFault beyond it. */
  admit(bytes: number): void;
  /** So many bytes of the connection's window have been used. */
  use(bytes: number): void;
  /** Both directions are over. */
  onDone(stream: TransportStream): void;
}

/** What becomes of a frame that is sent until it is acknowledged. */
type Sending = 'none' | 'pending' | 'sent' | 'acknowledged';

export interface StreamStart {
  readonly id: number;
  readonly kind: QuicStreamKind;
  readonly isOurs: boolean;
  /** The peer's limit for what we send. */
  readonly sendLimit: number;
  readonly window: ReceiveWindow;
}

const URGENCY_DEFAULT = 3;
const URGENCY_MAX = 7;
const NOTHING = new Uint8Array(0);

export class TransportStream implements QuicStream, Schedulable {
  readonly id: number;
  readonly kind: QuicStreamKind;
  readonly isOurs: boolean;
  readonly #owner: StreamOwner;
  handler: QuicStreamHandler | undefined;
  urgency = URGENCY_DEFAULT;
  isIncremental = false;
  isScheduled = false;
  /** Whether it is in the table's list of those with control frames, and of those to be told of room. */
  isInControl = false;
  isDone = false;

  readonly send: SendBuffer | undefined;
  /** The peer's limit for what we send. */
  sendLimit: number;
  resetState: Sending = 'none';
  resetCode = 0;
  #isWriterWaiting = false;

  readonly #receive: ReceiveBuffer | undefined;
  readonly window: ReceiveWindow;
  /** One more than the largest offset that has come. */
  #received = 0;
  /** -1: not known. */
  #finalSize = -1;
  #isReceiveOver: boolean;
  /** Bytes that count as used in the connection's window. */
  #used = 0;
  stopState: Sending = 'none';
  stopCode = 0;
  wantsWindow = false;
  /** Up to here bytes may have come in 0-RTT packets. */
  #earlyEnd = 0;

  constructor(owner: StreamOwner, start: StreamStart) {
    this.#owner = owner;
    this.id = start.id;
    this.kind = start.kind;
    this.isOurs = start.isOurs;
    this.sendLimit = start.sendLimit;
    this.window = start.window;
    const isTwoWay = start.kind === 'bidirectional';
    this.send = isTwoWay || start.isOurs ? new SendBuffer() : undefined;
    this.#receive = isTwoWay || !start.isOurs ? new ReceiveBuffer(owner.gapsMax) : undefined;
    this.#isReceiveOver = this.#receive === undefined;
  }

  // ---------------------------------------------------------------------------------- sending

  get unsentBytes(): number {
    return this.send === undefined ? 0 : this.send.written - this.send.sent;
  }

  write(parts: readonly Uint8Array[], isFin: boolean): boolean {
    const { send } = this;
    if (this.isDone || send === undefined || send.isFinWritten) return true;
    if (this.resetState !== 'none') return true;
    for (const part of parts) send.write(part);
    send.isFinWritten = isFin;
    this.scheduleIfSendable();
    this.#isWriterWaiting = this.unsentBytes >= this.#owner.streamSendBytesMax;
    return !this.#isWriterWaiting;
  }

  /** Whether content can be sent, as far as this stream's own limit goes. */
  get hasContent(): boolean {
    return (
      !this.isDone && this.resetState === 'none' && this.send?.canSend(this.sendLimit) === true
    );
  }

  scheduleIfSendable(): void {
    if (this.hasContent) this.#owner.schedule(this);
  }

  /** Whether the writer waits, and there is room again; said once. */
  takeWritable(): boolean {
    if (!this.#isWriterWaiting) return false;
    if (this.unsentBytes > this.#owner.streamSendBytesMax / 2) return false;
    this.#isWriterWaiting = false;
    return this.resetState === 'none';
  }

  onSendLimit(limit: number): void {
    if (limit <= this.sendLimit) return;
    this.sendLimit = limit;
    this.scheduleIfSendable();
  }

  reset(errorCode: number): void {
    const { send } = this;
    if (send === undefined || this.resetState !== 'none' || send.isDone || this.isDone) return;
    this.resetState = 'pending';
    this.resetCode = errorCode;
    send.clear();
    this.#owner.unschedule(this);
    this.#owner.needControl(this);
  }

  /** The final size that RESET_STREAM names. */
  get sentBytes(): number {
    return this.send?.sent ?? 0;
  }

  onContentAcknowledged(offset: number, length: number, isFin: boolean): void {
    if (this.send === undefined || this.resetState !== 'none') return;
    this.send.onAcknowledged(offset, length, isFin);
    if (this.send.isDone) this.#finishIfOver();
  }

  onContentLost(offset: number, length: number, isFin: boolean): void {
    if (this.send === undefined || this.resetState !== 'none') return;
    this.send.onLost(offset, length, isFin);
    this.scheduleIfSendable();
  }

  onResetAcknowledged(): void {
    this.resetState = 'acknowledged';
    this.#finishIfOver();
  }

  onResetLost(): void {
    if (this.resetState !== 'sent') return;
    this.resetState = 'pending';
    this.#owner.needControl(this);
  }

  /** STOP_SENDING came (RFC 9000 §3.5). */
  onStopSending(errorCode: number): void {
    if (this.send === undefined || this.send.isDone || this.resetState !== 'none') return;
    this.reset(errorCode);
    this.handler?.onStopSending(errorCode);
  }

  // -------------------------------------------------------------------------------- receiving

  onFrame(frame: StreamFrame, isEarly: boolean): void {
    const end = frame.offset + frame.bytes.length;
    this.#checkEnd(end, frame.isFin);
    if (this.#isReceiveOver) return;
    if (isEarly) this.#earlyEnd = Math.max(this.#earlyEnd, end, 1);
    if (this.stopState !== 'none') {
      this.#giveBack();
      if (this.#finalSize >= 0) this.#endReceiving();
      return;
    }
    if (!this.#receive!.put(frame.offset, frame.bytes, this)) {
      throw new QuicFault(TransportErrorCode.internalError, 'a stream has too many gaps');
    }
    const isAllThere = this.#receive!.delivered === this.#finalSize;
    if (isAllThere && !this.#isReceiveOver) this.onBytes(NOTHING, this.#finalSize);
  }

  /** Final sizes (RFC 9000 §4.5) and both flow controls (§4.1). */
  #checkEnd(end: number, isFin: boolean): void {
    const { finalSizeError, flowControlError } = TransportErrorCode;
    if (this.#finalSize >= 0 && (end > this.#finalSize || (isFin && end < this.#finalSize))) {
      throw new QuicFault(finalSizeError, 'a stream goes on beyond its end');
    }
    if (isFin && end < this.#received) {
      throw new QuicFault(finalSizeError, 'a stream ends before what has come');
    }
    if (end > this.window.limit) {
      throw new QuicFault(flowControlError, 'a stream goes beyond its window');
    }
    if (isFin) this.#finalSize = end;
    if (end <= this.#received) return;
    this.#owner.admit(end - this.#received);
    this.#received = end;
  }

  /** Content in order, from the buffer. */
  onBytes(bytes: Uint8Array, start: number): void {
    if (this.#isReceiveOver) return;
    const isFin = start + bytes.length === this.#finalSize;
    const isEarly = start < this.#earlyEnd && !this.#owner.isHandshakeComplete;
    if (isFin) this.#isReceiveOver = true;
    this.handler?.onData(bytes, isFin, isEarly);
    if (isFin) this.#finishIfOver();
  }

  consumed(bytes: number): void {
    if (this.isDone) return;
    const delivered = this.#receive?.delivered ?? 0;
    const more = Math.min(bytes, delivered - this.#used);
    if (more <= 0) return;
    this.#used += more;
    this.#owner.use(more);
    if (this.#finalSize >= 0 || this.stopState !== 'none') return;
    if (!this.window.use(more) || this.wantsWindow) return;
    this.wantsWindow = true;
    this.#owner.needControl(this);
  }

  stopSending(errorCode: number): void {
    if (this.isDone || this.#isReceiveOver || this.stopState !== 'none') return;
    this.stopCode = errorCode;
    this.stopState = 'pending';
    this.#receive!.clear();
    this.#giveBack();
    if (this.#finalSize >= 0) this.#endReceiving();
    else this.#owner.needControl(this);
  }

  onStopLost(): void {
    if (this.stopState !== 'sent' || this.#isReceiveOver) return;
    this.stopState = 'pending';
    this.#owner.needControl(this);
  }

  /** MAX_STREAM_DATA was lost: the present limit is told again. */
  onWindowLost(): void {
    if (this.#isReceiveOver || this.#finalSize >= 0 || this.stopState !== 'none') return;
    this.wantsWindow = true;
    this.#owner.needControl(this);
  }

  /** RESET_STREAM came (RFC 9000 §3.2). */
  onReset(errorCode: number, finalSize: number): void {
    this.#checkEnd(finalSize, true);
    if (this.#isReceiveOver) return;
    const isWanted = this.stopState === 'none';
    this.#giveBack();
    this.#isReceiveOver = true;
    this.#receive!.clear();
    if (isWanted) this.handler?.onReset(errorCode);
    this.#finishIfOver();
  }

  #endReceiving(): void {
    this.#isReceiveOver = true;
    this.#finishIfOver();
  }

  /** All that has come counts as used: nobody will use it. */
  #giveBack(): void {
    const rest = this.#received - this.#used;
    this.#used = this.#received;
    if (rest > 0) this.#owner.use(rest);
  }

  // ------------------------------------------------------------------------------------- both

  /** Whether content can still come. */
  get isReceiveOver(): boolean {
    return this.#isReceiveOver;
  }

  setPriority(urgency: number, isIncremental: boolean): void {
    const bounded = Math.min(Math.max(Math.trunc(urgency), 0), URGENCY_MAX);
    this.#owner.prioritize(this, bounded, isIncremental);
  }

  #finishIfOver(): void {
    if (this.isDone || !this.#isReceiveOver) return;
    const isSent =
      this.send === undefined || this.send.isDone || this.resetState === 'acknowledged';
    if (!isSent) return;
    this.isDone = true;
    this.#giveBack();
    this.#owner.onDone(this);
  }
}
