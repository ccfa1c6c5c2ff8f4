/** The far side of a tunnel: connects to the first address that answers, then carries bytes. */
import { SluiceError } from '../base/errors.ts';
import type { NativeBuffer } from '../native/memory.ts';
import type { SocketHandler, StreamSocket } from '../reactor/contract.ts';
import { addressesOf, type Target } from './destination.ts';

export interface OutboundHandler {
  onConnected(): void;
  /** At the start of the buffer, valid until the return. */
  onReceived(buffer: NativeBuffer, length: number): void;
  /** The far side sends no more. */
  onFarEnd(): void;
  /** What was written has gone, after `write` returned false. */
  onDrained(): void;
  /** The last call; with an error when it was not orderly, or never opened. */
  onGone(error: SluiceError | null): void;
}

/** Begins to connect to an IP address. */
export type ConnectTo = (
  address: { readonly host: string; readonly port: number },
  handler: SocketHandler,
) => StreamSocket;

export interface OutboundInput {
  readonly target: Target;
  readonly mayReach: (address: string) => boolean;
  readonly connect: ConnectTo;
  readonly timeoutMs: number;
  readonly handler: OutboundHandler;
}

export class Outbound implements SocketHandler {
  readonly #input: OutboundInput;
  readonly #timer: NodeJS.Timeout;
  #addresses: string[] = [];
  #socket: StreamSocket | null = null;
  #isOpen = false;
  #isOver = false;

  constructor(input: OutboundInput) {
    this.#input = input;
    this.#timer = setTimeout(() => this.#timeOut(), input.timeoutMs);
    addressesOf(input.target.host, input.mayReach, (error, addresses) => {
      if (this.#isOver) return;
      this.#addresses = [...addresses];
      if (error === null) this.#connectNext(null);
      else this.#finish(error);
    });
  }

  #connectNext(failure: SluiceError | null): void {
    const address = this.#addresses.shift();
    if (address === undefined) {
      this.#finish(failure);
      return;
    }
    const { connect, target } = this.#input;
    this.#socket = connect({ host: address, port: target.port }, this);
  }

  #timeOut(): void {
    if (this.#isOpen || this.#isOver) return;
    const { host, port } = this.#input.target;
    const why = `no connection to ${host} port ${port} in time`;
    this.#finish(new SluiceError('connect-timeout', why, { blame: 'upstream' }));
    this.#socket?.destroy();
  }

  #finish(error: SluiceError | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#input.handler.onGone(error);
  }

  // ------------------------------------------------------------------ toward the far side

  /** Returns false when it should wait for `onDrained`. Bytes are consumed in any case. */
  write(bytes: Uint8Array): boolean {
    return this.#socket?.write(bytes) ?? true;
  }

  end(): void {
    this.#socket?.shutdownWrite();
  }

  pause(): void {
    this.#socket?.pauseReading();
  }

  resume(): void {
    this.#socket?.resumeReading();
  }

  /** Breaks it off; no callback follows. */
  destroy(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#socket?.reset();
  }

  // ------------------------------------------------------------------ from the socket

  onConnect(): void {
    if (this.#isOver) return;
    this.#isOpen = true;
    clearTimeout(this.#timer);
    this.#input.handler.onConnected();
  }

  onData(buffer: NativeBuffer, length: number): void {
    if (!this.#isOver) this.#input.handler.onReceived(buffer, length);
  }

  onEnd(): void {
    if (!this.#isOver) this.#input.handler.onFarEnd();
  }

  onDrain(): void {
    if (!this.#isOver) this.#input.handler.onDrained();
  }

  onClose(error: SluiceError | null): void {
    if (this.#isOver) return;
    if (this.#isOpen) this.#finish(error);
    else this.#connectNext(error);
  }
}
