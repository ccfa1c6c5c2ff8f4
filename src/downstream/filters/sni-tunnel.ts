/** TLS that is not ended here: its bytes go both ways between a client and another server. */
import type { SluiceError } from '../../base/errors.ts';
import type { NativeBuffer } from '../../native/memory.ts';
import type { SocketHandler, StreamSocket } from '../../reactor/contract.ts';
import type { Target } from '../../tunnel/destination.ts';
import type { TunnelLimits } from '../../tunnel/limits.ts';
import { type ConnectTo, Outbound, type OutboundHandler } from '../../tunnel/outbound.ts';
import type { TunnelTable, WatchedTunnel } from '../../tunnel/tunnel-table.ts';
import type { WatchedConnection } from './filter-chain.ts';

/** What the tunnels of one worker share. */
export interface SniTunnels {
  readonly connect: ConnectTo;
  readonly table: TunnelTable;
  readonly limits: TunnelLimits;
  readonly monotonicMs: () => number;
}

export interface SniTunnelInput {
  readonly socket: StreamSocket;
  readonly target: Target;
  /** Sent before the client's bytes: a PROXY header, or nothing. */
  readonly preamble: Uint8Array;
  readonly shared: SniTunnels;
  readonly onClosed: (tunnel: SniTunnel, error: SluiceError | null) => void;
}

export class SniTunnel implements SocketHandler, OutboundHandler, WatchedTunnel, WatchedConnection {
  progress = 0;
  readonly #input: SniTunnelInput;
  readonly #outbound: Outbound;
  /** What the client has sent until there is somewhere to send it: its ClientHello and little else. */
  #held: Buffer[] = [];
  #isOpen = false;
  #clientEnded = false;
  #failure: SluiceError | null = null;

  constructor(input: SniTunnelInput) {
    const { shared, target } = input;
    this.#input = input;
    this.#outbound = new Outbound({
      target,
      // The operator has named it: private addresses are what it is for.
      mayReach: () => true,
      connect: shared.connect,
      timeoutMs: shared.limits.tunnelConnectTimeoutMs,
      handler: this,
    });
    shared.table.add(this, shared.monotonicMs());
  }

  // ------------------------------------------------------------------ from the client

  /** Accepted sockets never connect. */
  onConnect(): void {}

  onData(buffer: NativeBuffer, length: number): void {
    this.progress++;
    const bytes = buffer.bytes.subarray(0, length);
    if (!this.#isOpen) {
      this.#held.push(Buffer.from(bytes));
      this.#input.socket.pauseReading();
    } else if (!this.#outbound.write(bytes)) {
      this.#input.socket.pauseReading();
    }
  }

  onEnd(): void {
    this.#clientEnded = true;
    if (this.#isOpen) this.#outbound.end();
  }

  onDrain(): void {
    this.#outbound.resume();
  }

  onClose(error: SluiceError | null): void {
    const { shared, onClosed } = this.#input;
    this.#outbound.destroy();
    shared.table.remove(this);
    onClosed(this, this.#failure ?? error);
  }

  // ------------------------------------------------------------------ from the far side

  onConnected(): void {
    const { socket, preamble } = this.#input;
    this.#isOpen = true;
    if (preamble.length > 0) this.#outbound.write(preamble);
    for (const bytes of this.#held.splice(0)) this.#outbound.write(bytes);
    socket.resumeReading();
    if (this.#clientEnded) this.#outbound.end();
  }

  onReceived(buffer: NativeBuffer, length: number): void {
    this.progress++;
    if (!this.#input.socket.writeNative(buffer, length)) this.#outbound.pause();
  }

  onFarEnd(): void {
    this.#input.socket.shutdownWrite();
  }

  onDrained(): void {
    this.#input.socket.resumeReading();
  }

  onGone(error: SluiceError | null): void {
    this.#failure ??= error;
    if (error === null) this.#input.socket.shutdownWrite();
    else this.#input.socket.reset();
  }

  // ------------------------------------------------------------------ its end

  /** The table of tunnels looks after it. */
  sweep(): void {}

  /** It says nothing that could be finished: it goes on until the drain's time is up. */
  drain(): void {}

  endIdle(): void {}

  breakOff(): void {
    this.#input.socket.reset();
  }
}
