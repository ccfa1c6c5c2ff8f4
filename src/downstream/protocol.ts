/** The protocol cores behind one face, for the connection that drives whichever ALPN has settled. */
import { SluiceError } from '../base/errors.ts';
import type { Authority } from '../http/authority.ts';
import type { RequestFacts, RequestSink } from '../http/exchange.ts';
import { Http1ServerConnection } from '../http1/server-connection.ts';
import type { Http2Abuse } from '../http2/limits.ts';
import { Http2ServerConnection } from '../http2/server-connection.ts';
import type { Channel, ChannelPool } from '../transport/channel.ts';
import { http2Output } from '../transport/http2-output.ts';
import type { DownstreamLimits } from './limits.ts';

export interface ServerProtocol {
  /** HTTP/1: rises with each request; HTTP/2 keeps account of its streams itself. */
  readonly requestCount: number;
  /** HTTP/1: the response to the request whose content is read has begun. */
  readonly isAnswered: boolean;
  /** The connection is open: HTTP/2 sends its settings without waiting for the client's. */
  start(): void;
  receive(bytes: Uint8Array, early: boolean): void;
  onWritable(): void;
  onEndOfInput(): void;
  onConnectionLost(error: SluiceError | null): void;
  /** Finishes what is under way, answers what is on its way, and closes with that. */
  drain(): void;
  /** After `drain`: does not wait any more for who has asked for nothing. */
  endIdle(): void;
  /** After `drain`: it has been idle for too long. */
  timeOutIdle(): void;
  /** Ends what the protocol itself sees to have taken too long. Called once per sweep. */
  sweep(nowMs: number, limits: DownstreamLimits): void;
  /** A head or a request's content takes too long: 408 where that can be said, then the end. */
  timeOut(): void;
  /**
   * What it waits for: a request (`idle`), the rest of a head, a request's content, or us
   * (`answering`).
   */
  readonly phase: 'idle' | 'head' | 'content' | 'answering';
}

export interface ProtocolInput {
  readonly sink: RequestSink;
  readonly output: Channel;
  readonly channels: ChannelPool;
  readonly scheme: 'http' | 'https';
  /** Alt-Svc of responses that have none; null for none. */
  readonly announced: string | null;
  readonly factsFor: (early: boolean) => RequestFacts;
  readonly monotonicMs: () => number;
  /** For refusals, which are responses of our own. */
  readonly dateNow: () => string;
  readonly onRefused: (error: SluiceError) => void;
  /** What never became a request was refused, with this status or 0 for none. */
  readonly onBadRequest: (code: string, status: number, contentBytes: number) => void;
  /** HTTP/2: the client did something too often, and the connection ended for it. */
  readonly onAbuse: (kind: Http2Abuse) => void;
  /** HTTP/2: whether the connection may be used for the authority (RFC 9113 §9.1.1). */
  readonly isCovered: (authority: Authority, scheme: string) => boolean;
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
  }

  endIdle(): void {
    if (this.#core.isIdle) this.#output.end();
  }

  timeOutIdle(): void {
    this.endIdle();
  }

  sweep(): void {}

  timeOut(): void {
    this.#core.timeOut();
  }

  get requestCount(): number {
    return this.#core.requestCount;
  }

  get isAnswered(): boolean {
    return this.#core.isAnswered;
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
  readonly #output: Channel;
  readonly #startedMs: number;
  #isDraining = false;
  readonly requestCount = 0;
  readonly isAnswered = false;

  constructor(input: ProtocolInput) {
    const output = http2Output(input.output, input.channels, () => this.#core.flush());
    this.#core = new Http2ServerConnection({ ...input, output });
    this.#output = input.output;
    this.#startedMs = input.monotonicMs();
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
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#core.shutdown();
  }

  /** The second time it waits no more for requests that are on their way. */
  endIdle(): void {
    this.drain();
    this.#core.shutdown();
  }

  timeOutIdle(): void {}

  sweep(nowMs: number, limits: DownstreamLimits): void {
    // While the connection itself waits for the client its time-out is the connection's.
    const isConnectionSending = this.#output.pendingBytes > 0;
    const sendMs = isConnectionSending ? Number.POSITIVE_INFINITY : limits.sendTimeoutMs;
    this.#core.expireStreams(nowMs, sendMs, limits.contentTimeoutMs, limits);
    if (!this.#core.awaitsSettingsAck) return;
    if (nowMs - this.#startedMs >= limits.settingsTimeoutMs) this.#core.failForSettings();
  }

  /** A frame that never ends: nothing on the connection can go on. */
  timeOut(): void {
    this.#output.reset();
  }

  get phase(): ServerProtocol['phase'] {
    if (this.#core.isIdle) return 'idle';
    if (this.#core.isInsideFrame) return 'head';
    return 'answering';
  }
}

function goneError(): SluiceError {
  return new SluiceError('connection-closed', 'the client closed the connection', {
    blame: 'downstream',
  });
}
