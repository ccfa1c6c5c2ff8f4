/**
 * What comes before a connection's own protocol: the PROXY header by which a load balancer says
 * whose connection it is, and the server name by which TLS may go elsewhere without being ended
 * here. Once that is known the filter chain steps back, and passes every event on.
 */
import { SluiceError } from '../../base/errors.ts';
import type { NativeBuffer } from '../../native/memory.ts';
import type { SocketHandler, StreamSocket } from '../../reactor/contract.ts';
import { type ProxiedPeer, readProxyHeader } from '../../transport/proxy-protocol.ts';

/** A connection that the worker keeps an eye on. */
export interface WatchedConnection {
  /** Closes it when what it is doing takes too long. Called once per sweep. */
  sweep(nowMs: number): void;
  /** Finishes what is under way, answers what is on its way, and closes with that. */
  drain(): void;
  /** The drain's grace is over: whoever has asked for nothing by now is closed. */
  endIdle(): void;
  /** The drain's time is up. */
  breakOff(): void;
}

/** What decides where a connection goes, from its first bytes. */
export interface ListenerFilter {
  /**
   * `held`: all bytes since the step began. Null when more are needed; else how many of them were
   * the step's own. Throws SluiceError when the connection cannot go on.
   */
  decide(held: Buffer): { readonly used: number } | null;
  /** The peer sends no more before it was decided. Throws, or returns as `decide` does. */
  decideAtEnd(held: Buffer): { readonly used: number };
}

export interface FilterChainInput {
  readonly socket: StreamSocket;
  readonly filters: readonly ListenerFilter[];
  /** Milliseconds for all filters together. */
  readonly timeoutMs: number;
  readonly openedMs: number;
  /** All filters are decided: what handles the socket from here. */
  readonly open: () => SocketHandler;
  /** The connection ended before it was opened; null when the peer or a drain ended it. */
  readonly onClosed: (chain: FilterChain, error: SluiceError | null) => void;
}

export class FilterChain implements SocketHandler, WatchedConnection {
  readonly #input: FilterChainInput;
  #next: SocketHandler | null = null;
  #step = 0;
  #held: Buffer = Buffer.alloc(0);
  #failure: SluiceError | null = null;

  constructor(input: FilterChainInput) {
    this.#input = input;
  }

  /** Accepted sockets never connect. */
  onConnect(): void {}

  onData(buffer: NativeBuffer, length: number): void {
    if (this.#next !== null) {
      this.#next.onData(buffer, length);
      return;
    }
    if (this.#failure !== null) return;
    this.#held = Buffer.concat([this.#held, buffer.bytes.subarray(0, length)]);
    this.#advance((step, held) => step.decide(held));
    if (this.#next !== null) this.#deliver(buffer);
  }

  onEnd(): void {
    if (this.#next === null) this.#advance((step, held) => step.decideAtEnd(held));
    this.#next?.onEnd();
  }

  onDrain(): void {
    this.#next?.onDrain();
  }

  onClose(error: SluiceError | null): void {
    if (this.#next === null) this.#input.onClosed(this, this.#failure);
    else this.#next.onClose(error);
  }

  #advance(ask: (step: ListenerFilter, held: Buffer) => { readonly used: number } | null): void {
    const { filters, open } = this.#input;
    try {
      for (; this.#step < filters.length; this.#step++) {
        const decision = ask(filters[this.#step]!, this.#held);
        if (decision === null) return;
        this.#held = this.#held.subarray(decision.used);
      }
      this.#next = open();
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      this.#fail(error);
    }
  }

  /** What came with the first bytes is the next one's, as if it had just arrived. */
  #deliver(buffer: NativeBuffer): void {
    const held = this.#held;
    this.#held = Buffer.alloc(0);
    const room = buffer.bytes.length;
    for (let at = 0; at < held.length && !this.#input.socket.isClosed; at += room) {
      const piece = held.subarray(at, at + room);
      buffer.bytes.set(piece);
      this.#next!.onData(buffer, piece.length);
    }
  }

  #fail(error: SluiceError): void {
    this.#failure = error;
    this.#input.socket.destroy();
  }

  sweep(nowMs: number): void {
    const { openedMs, timeoutMs } = this.#input;
    if (this.#next !== null || this.#failure !== null || nowMs - openedMs < timeoutMs) return;
    this.#fail(
      refused(
        'front-timeout',
        'the connection did not send its PROXY header or ClientHello in time',
      ),
    );
  }

  /** What it is about to say may be a request. */
  drain(): void {}

  endIdle(): void {
    if (this.#next === null) this.#input.socket.destroy();
  }

  breakOff(): void {
    if (this.#next === null) this.#input.socket.reset();
  }
}

const refused = (code: string, message: string): SluiceError =>
  new SluiceError(code, message, { blame: 'downstream' });

/** Reads the PROXY header, which must be there, or may be; hears who connected if it says so. */
export class ProxyHeaderFilter implements ListenerFilter {
  readonly #required: boolean;
  readonly #onPeer: (peer: ProxiedPeer) => void;

  constructor(required: boolean, onPeer: (peer: ProxiedPeer) => void) {
    this.#required = required;
    this.#onPeer = onPeer;
  }

  decide(held: Buffer): { readonly used: number } | null {
    const header = readProxyHeader(held);
    switch (header.kind) {
      case 'incomplete':
        return null;
      case 'absent':
        if (!this.#required) return { used: 0 };
        throw refused('proxy-header-missing', 'the connection does not begin with a PROXY header');
      case 'invalid':
        throw refused('proxy-header-invalid', `in the PROXY header ${header.reason}`);
      case 'header':
        if (header.peer !== null) this.#onPeer(header.peer);
        return { used: header.length };
    }
  }

  decideAtEnd(): never {
    throw refused('proxy-header-missing', 'the connection ended before a whole PROXY header');
  }
}
