/**
 * A stream socket of the reactor. Registered once, edge-triggered: the kernel tells when something
 * becomes possible, and the socket remembers it until a call says otherwise.
 *
 * The handler is called only from the dispatcher's turn, never from inside a method of the socket.
 */

import type { Blame, SluiceError } from '../base/errors.ts';
import type { TcpFigure } from '../base/tcp-figures.ts';
import { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from '../native/epoll.ts';
import { connectionError, Errno } from '../native/errno.ts';
import type { NativeBuffer } from '../native/memory.ts';
import type { ConnectionAddress } from '../native/socket-address.ts';
import {
  bytesAcknowledged,
  closeDescriptor,
  localAddress,
  peek,
  receive,
  resetOnClose,
  sendBytes,
  sendNative,
  shutdownSending,
  takeSocketError,
  tcpFigure,
} from '../native/sockets.ts';
import type { SocketHandler, StreamSocket } from './contract.ts';
import type { Dispatcher, WatchedDescriptor } from './dispatcher.ts';
import {
  BYTES_AT_ONCE_MAX,
  BYTES_AT_ONCE_MIN,
  COPIED_WRITE_BYTES_MAX,
  OUTPUT_HIGH_WATER_BYTES,
  READ_BYTES_PER_TURN_MAX,
  RECEIVE_BYTES,
} from './limits.ts';
import { OutputQueue } from './output-queue.ts';

const EDGES = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
const HANGUPS = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
const READABLES = EPOLLIN | HANGUPS;
const WRITABLES = EPOLLOUT | EPOLLHUP | EPOLLERR;

/** What a new socket is made of. */
export interface SocketInput {
  readonly dispatcher: Dispatcher;
  /** -1 when there is none because connecting failed at once. */
  readonly fd: number;
  readonly blame: Blame;
  readonly connecting: boolean;
  readonly remoteAddress: ConnectionAddress | string;
  readonly remotePort: number;
  /** -1: asked from the kernel when first needed. */
  readonly localPort: number;
}

export class ReactorSocket implements StreamSocket, WatchedDescriptor {
  readonly generation: number;
  readonly #slot: number;
  readonly #dispatcher: Dispatcher;
  readonly #fd: number;
  readonly #blame: Blame;
  readonly #remote: ConnectionAddress | string;
  readonly remotePort: number;
  #localPort: number;
  #handler: SocketHandler | null = null;
  #output: OutputQueue | null = null;
  #bytesAtOnce = BYTES_AT_ONCE_MIN;
  #connecting: boolean;
  #closed = false;
  /** Input waits, or may wait: nothing has said that there is none since the last edge. */
  #readable = false;
  /** The peer's end has been announced: a short read no longer means that input is drained. */
  #hangup = false;
  #paused = false;
  #queued = false;
  /** The end of input has been reported. */
  #ended = false;
  #shutdownAsked = false;
  #shutdownDone = false;
  #drainOwed = false;
  /** The negative errno with which sending broke; input may still be waiting. 0 for none. */
  #broken = 0;
  #error: SluiceError | null = null;

  constructor(input: SocketInput) {
    const { slot, generation } = input.dispatcher.takeSlot();
    this.generation = generation;
    this.#slot = slot;
    this.#dispatcher = input.dispatcher;
    this.#fd = input.fd;
    this.#blame = input.blame;
    this.#remote = input.remoteAddress;
    this.remotePort = input.remotePort;
    this.#localPort = input.localPort;
    this.#connecting = input.connecting;
    input.dispatcher.fillSlot(slot, this);
  }

  /** For the reactor: from now on `handler` is told. Begins to watch the descriptor. */
  attach(handler: SocketHandler): void {
    this.#handler = handler;
    if (!this.#closed) this.#dispatcher.epoll.add(this.#fd, EDGES, this.#slot, this.generation);
  }

  /** For the reactor: connecting failed before there was anything to watch. */
  attachFailed(handler: SocketHandler, errno: number): void {
    this.#handler = handler;
    this.#fail(errno);
  }

  /** For the reactor: there is no such address to connect to. */
  attachFaulty(handler: SocketHandler, fault: SluiceError): void {
    this.#handler = handler;
    this.#close(fault);
  }

  get pendingBytes(): number {
    return this.#output === null ? 0 : this.#output.bytes;
  }

  get takenBytes(): number {
    return this.#closed ? 0 : bytesAcknowledged(this.#fd);
  }

  tcpFigure(figure: TcpFigure): number {
    return this.#closed ? -1 : tcpFigure(this.#fd, figure);
  }

  get bytesAtOnce(): number {
    return this.#bytesAtOnce;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get remoteAddress(): string {
    if (this.#connecting) return '';
    return typeof this.#remote === 'string' ? this.#remote : this.#remote.text;
  }

  get localAddress(): string {
    return this.#closed ? '' : localAddress(this.#fd).text;
  }

  get localPort(): number {
    if (this.#localPort < 0 && !this.#closed) this.#localPort = localAddress(this.#fd).port;
    return Math.max(0, this.#localPort);
  }

  // ------------------------------------------------------------------ output

  writeNative(buffer: NativeBuffer, length: number, more = false): boolean {
    if (length === 0 || !this.#mayWrite()) return true;
    let sent = 0;
    if (this.#canSendNow()) {
      sent = this.#taken(sendNative(this.#fd, buffer, length, more));
      if (sent === length) return true;
    }
    if (this.#broken !== 0) return true;
    return this.#keep(buffer.bytes.subarray(0, length), sent);
  }

  write(bytes: Uint8Array): boolean {
    const { length } = bytes;
    if (length <= COPIED_WRITE_BYTES_MAX) {
      if (!this.#mayWrite() || length === 0) return true;
      if (!this.#canSendNow()) return this.#keep(bytes, 0);
      const { scratch } = this.#dispatcher;
      scratch.bytes.set(bytes, 0);
      return this.writeNative(scratch, length);
    }
    if (!this.#mayWrite()) return true;
    const sent = this.#canSendNow() ? this.#taken(sendBytes(this.#fd, bytes)) : 0;
    if (this.#broken !== 0) return true;
    if (sent === length) {
      if (length >= this.#bytesAtOnce) this.#bytesAtOnce = Math.min(2 * length, BYTES_AT_ONCE_MAX);
      return true;
    }
    this.#bytesAtOnce = BYTES_AT_ONCE_MIN;
    return this.#keep(bytes, sent);
  }

  /**
   * Output for a connection that can take none is dropped: its owner hears of the end in a later
   * turn, and may have something to say until then.
   */
  #mayWrite(): boolean {
    return !this.#closed && this.#broken === 0 && !this.#shutdownAsked;
  }

  #canSendNow(): boolean {
    return !this.#connecting && (this.#output === null || this.#output.bytes === 0);
  }

  /** How much of a send the kernel took; notes when it broke. */
  #taken(result: number): number {
    if (result >= 0) return result;
    if (result !== -Errno.EAGAIN && result !== -Errno.EINTR) this.#breakOutput(result);
    return 0;
  }

  #keep(bytes: Uint8Array, offset: number): boolean {
    this.#output ??= new OutputQueue(this.#dispatcher.chunks);
    this.#output.append(bytes, offset);
    if (this.#output.bytes <= OUTPUT_HIGH_WATER_BYTES) return true;
    this.#drainOwed = true;
    return false;
  }

  /**
   * The peer takes no more. What it sent before that still counts (an origin may answer early and
   * close), so the connection ends when its input has been read.
   */
  #breakOutput(negativeErrno: number): void {
    this.#broken = negativeErrno;
    this.#output?.clear();
    this.#readable = true;
    this.#hangup = true;
    this.#requeue();
  }

  shutdownWrite(): void {
    if (this.#closed || this.#shutdownAsked) return;
    this.#shutdownAsked = true;
    if (this.#connecting || this.pendingBytes > 0 || this.#broken !== 0) return;
    this.#finishSending();
  }

  #finishSending(): void {
    this.#shutdownDone = true;
    const status = shutdownSending(this.#fd);
    if (status < 0) this.#breakOutput(status);
    else if (this.#ended) this.#close(null);
  }

  // ------------------------------------------------------------------ input

  pauseReading(): void {
    this.#paused = true;
  }

  resumeReading(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#readable && !this.#closed) this.#requeue();
  }

  #requeue(): void {
    if (this.#queued) return;
    this.#queued = true;
    this.#dispatcher.requeue(this);
  }

  // ------------------------------------------------------------------ closing

  destroy(): void {
    if (!this.#closed) this.#close(null);
  }

  reset(): void {
    if (this.#closed) return;
    if (this.#fd >= 0) resetOnClose(this.#fd);
    this.#close(null);
  }

  #fail(errno: number): void {
    this.#close(connectionError(errno, this.#blame, this.#connecting));
  }

  #close(error: SluiceError | null): void {
    this.#closed = true;
    this.#error = error;
    this.#output?.clear();
    if (this.#fd >= 0) closeDescriptor(this.#fd);
    this.#dispatcher.releaseSlot(this.#slot);
    if (this.#handler !== null) this.#dispatcher.defer(() => this.#handler!.onClose(this.#error));
  }

  // ------------------------------------------------------------------ from the dispatcher

  onEvents(events: number): void {
    if (this.#connecting && !this.#finishConnecting(events)) return;
    if ((events & HANGUPS) !== 0) this.#hangup = true;
    if ((events & READABLES) !== 0) this.#readable = true;
    if ((events & WRITABLES) !== 0 && this.#output !== null && this.#output.bytes > 0) {
      this.#flush();
    }
    if (!this.#closed && this.#readable) this.#read();
    if (!this.#closed && (events & EPOLLERR) !== 0) this.#onErrorEvent();
  }

  onTurn(): void {
    this.#queued = false;
    if (this.#closed) return;
    if (this.#broken !== 0 && (this.#ended || this.#paused)) this.#onErrorEvent();
    else if (this.#readable) this.#read();
  }

  /** Nobody at the other end has done anything wrong. */
  shed(error: SluiceError): void {
    this.#dispatcher.onShortage(error);
    if (!this.#closed) this.#close(error);
  }

  /** Returns whether the socket is connected. */
  #finishConnecting(events: number): boolean {
    const errno = takeSocketError(this.#fd);
    if (errno !== 0) {
      this.#fail(errno);
      return false;
    }
    if ((events & EPOLLOUT) === 0) return false;
    this.#connecting = false;
    this.#handler!.onConnect();
    if (this.#closed) return false;
    if (this.pendingBytes === 0 && this.#shutdownAsked && !this.#shutdownDone) {
      this.#finishSending();
    }
    return !this.#closed;
  }

  #flush(): void {
    const output = this.#output!;
    const status = output.send(this.#fd);
    if (status < 0) {
      this.#breakOutput(status);
      return;
    }
    if (output.bytes > 0) return;
    if (this.#drainOwed) {
      this.#drainOwed = false;
      this.#handler!.onDrain();
    }
    const drained = !this.#closed && output.bytes === 0 && this.#broken === 0;
    if (drained && this.#shutdownAsked && !this.#shutdownDone) this.#finishSending();
  }

  #read(): void {
    const { receiveBuffer } = this.#dispatcher;
    let budget = READ_BYTES_PER_TURN_MAX;
    while (!this.#paused && !this.#closed && !this.#ended) {
      if (budget <= 0) {
        this.#requeue();
        return;
      }
      const count = receive(this.#fd, receiveBuffer, RECEIVE_BYTES);
      if (count > 0) {
        // A stream that gives less than was asked for is drained (epoll(7)), unless its end nears.
        const drained = count < RECEIVE_BYTES && !this.#hangup;
        if (drained) this.#readable = false;
        this.#handler!.onData(receiveBuffer, count);
        if (drained) return;
        budget -= count;
      } else if (count === 0) {
        this.#onEndOfInput();
        return;
      } else if (count === -Errno.EAGAIN) {
        this.#readable = false;
        if (this.#broken !== 0) this.#fail(-this.#broken);
        return;
      } else if (count !== -Errno.EINTR) {
        this.#fail(-count);
        return;
      }
    }
  }

  #onEndOfInput(): void {
    this.#readable = false;
    this.#ended = true;
    if (this.#broken !== 0) {
      this.#fail(-this.#broken);
      return;
    }
    if (this.#shutdownDone) {
      // Both sides have ended: the last call must not come before this one's handler has returned.
      this.#handler!.onEnd();
      if (!this.#closed) this.#close(null);
      return;
    }
    this.#handler!.onEnd();
  }

  /**
   * The kernel reports an error, and nothing reads: reading is paused, or has come to the end. With
   * input still waiting, its reader will find the error behind it.
   */
  #onErrorEvent(): void {
    if (!this.#ended && !this.#paused) return;
    if (!this.#ended) {
      const waiting = peek(this.#fd, this.#dispatcher.receiveBuffer);
      if (waiting > 0) return;
      if (waiting < 0 && waiting !== -Errno.EAGAIN) {
        this.#fail(-waiting);
        return;
      }
    }
    const errno = this.#broken !== 0 ? -this.#broken : takeSocketError(this.#fd);
    if (errno !== 0) this.#fail(errno);
  }
}
