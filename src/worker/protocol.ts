/** The protocol cores behind one face, for the connection that drives whichever ALPN has settled. */
import { SluiceError } from '../base/errors.ts';
import type { RequestFacts, RequestSink } from '../http/exchange.ts';
import { Http1ServerConnection } from '../http1/server-connection.ts';
import { Http2ServerConnection } from '../http2/server-connection.ts';
import type { Channel } from '../proxy/channel.ts';

export interface ServerProtocol {
  /** The connection is open: HTTP/2 sends its settings without waiting for the client's. */
  start(): void;
  receive(bytes: Uint8Array, early: boolean): void;
  onWritable(): void;
  onEndOfInput(): void;
  onConnectionLost(error: SluiceError | null): void;
  /** Finishes what is under way and closes. */
  drain(): void;
  /**
   * What it waits for: a request (`idle`), the rest of a head, a request's content, the client to
   * take content that its flow-control windows hold back, or us (`answering`).
   */
  readonly phase: 'idle' | 'head' | 'content' | 'stalled' | 'answering';
}

export interface ProtocolInput {
  readonly sink: RequestSink;
  readonly output: Channel;
  readonly scheme: 'http' | 'https';
  readonly factsFor: (early: boolean) => RequestFacts;
  readonly monotonicMs: () => number;
  readonly onRefused: (error: SluiceError) => void;
}

export function http1Protocol(input: ProtocolInput): ServerProtocol {
  return new Http1Protocol(input);
}

class Http1Protocol implements ServerProtocol {
  readonly #core: Http1ServerConnection;
  readonly #output: Channel;

  constructor(input: ProtocolInput) {
    this.#core = new Http1ServerConnection(input);
    this.#output = input.output;
  }

  start(): void {}

  receive(bytes: Uint8Array, early: boolean): void {
    this.#core.receive(bytes, early);
  }

  onWritable(): void {
    this.#core.onWritable();
  }

  onEndOfInput(): void {
    this.#core.onEndOfInput();
  }

  onConnectionLost(error: SluiceError | null): void {
    this.#core.onConnectionLost(error);
  }

  drain(): void {
    this.#core.closeAfterResponse();
    if (this.#core.isIdle) this.#output.end();
  }

  get phase(): ServerProtocol['phase'] {
    if (this.#core.isIdle) return 'idle';
    if (this.#core.isReadingHead) return 'head';
    return this.#core.isReadingContent ? 'content' : 'answering';
  }
}

export function http2Protocol(input: ProtocolInput): ServerProtocol {
  return new Http2Protocol(input);
}

class Http2Protocol implements ServerProtocol {
  readonly #core: Http2ServerConnection;
  readonly #monotonicMs: () => number;

  constructor(input: ProtocolInput) {
    this.#core = new Http2ServerConnection(input);
    this.#monotonicMs = input.monotonicMs;
  }

  start(): void {
    this.#core.start();
  }

  receive(bytes: Uint8Array, early: boolean): void {
    this.#core.receive(bytes, early);
  }

  onWritable(): void {
    this.#core.onWritable();
  }

  onEndOfInput(): void {
    this.#core.onEndOfInput();
  }

  onConnectionLost(error: SluiceError | null): void {
    this.#core.onConnectionLost(error ?? goneError());
  }

  drain(): void {
    this.#core.shutdown();
  }

  get phase(): ServerProtocol['phase'] {
    if (this.#core.isIdle) return 'idle';
    if (this.#core.isInsideFrame) return 'head';
    if (this.#core.oldestStalledMs(this.#monotonicMs()) > 0) return 'stalled';
    return this.#core.awaitsContent ? 'content' : 'answering';
  }
}

function goneError(): SluiceError {
  return new SluiceError('connection-closed', 'the client closed the connection', {
    blame: 'downstream',
  });
}
