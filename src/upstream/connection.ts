/**
 * One connection to an origin: connects, shakes hands when the scheme is https, then carries one
 * HTTP/1.1 exchange after another, or, when HTTP/2 was agreed on, many at once.
 */
import { assert } from '../base/assert.ts';
import { SluiceError } from '../base/errors.ts';
import type { RequestSender, ResponseHandler } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { Http1ClientConnection } from '../http1/client-connection.ts';
import type { Reactor } from '../reactor/reactor.ts';
import type { Timer } from '../reactor/timer-wheel.ts';
import type { TlsEngine } from '../tls/connection.ts';
import type { HandshakeRecord } from '../tls/contract.ts';
import { Channel, type ChannelHandler, type ChannelPool } from '../transport/channel.ts';
import { silentClientError, silentOriginError } from './exchange-time.ts';
import { Http2Session } from './http2-session.ts';
import type { UpstreamLimits } from './limits.ts';
import type { OriginTls } from './origin-tls.ts';
import { socketPathOf } from './server-names.ts';

/** Whether an origin is spoken to in HTTP/2: if TLS agrees on it, without asking (h2c), or never. */
export type OriginHttp2 = 'alpn' | 'prior-knowledge' | 'never';

export interface OriginConnectionOwner {
  /** The connection is ready for its first exchange. */
  onReady(connection: OriginConnection): void;
  /** HTTP/2: more exchanges may be started than before, perhaps. */
  onAvailable(connection: OriginConnection): void;
  /** The exchange is over and the connection can carry another. */
  onIdle(connection: OriginConnection): void;
  /** Gone; `error` says why when it never became ready. */
  onGone(connection: OriginConnection, error: SluiceError | null): void;
  onHandshake(record: HandshakeRecord): void;
}

export interface OriginConnectionInput {
  readonly reactor: Reactor;
  readonly channels: ChannelPool;
  readonly owner: OriginConnectionOwner;
  readonly limits: UpstreamLimits;
  /** IP address, or `unix:` and the path of a socket. */
  readonly address: string;
  readonly port: number;
  /** Bytes that come before anything else, TLS included; empty for none. */
  readonly preface: Uint8Array;
  readonly tls: OriginTls | null;
  readonly http2: OriginHttp2;
  /** Whether its first exchange may be early data, if a session allows it. */
  readonly isEarly: boolean;
  /** HTTP/2: how many exchanges the origin is known, or expected, to allow at once. */
  readonly exchangesExpected: number;
  readonly monotonicMs: () => number;
}

export class OriginConnection implements ChannelHandler {
  readonly #input: OriginConnectionInput;
  readonly #timer: Timer;
  /** Milliseconds of the current limit that are left when the timer fires. */
  #leftMs = 0;
  readonly #watched = new Watched(this);
  readonly #channel: Channel;
  readonly #http: Http1ClientConnection;
  #http2: Http2Session | null = null;
  #state: 'connecting' | 'idle' | 'busy' | 'shared' | 'closed' = 'connecting';
  #engine: TlsEngine | null = null;
  /** The handshake is open, and what is sent is early data. */
  #isEarly = false;
  #hasSession = false;
  #isTunnel = false;
  /** Of a tunnel: bytes and writes that have moved, in either direction; and at the last look. */
  #tunnelMoved = 0;
  #tunnelSeen = 0;
  #reported = false;
  /** Why it was closed for the time that it took. */
  #timedOut: SluiceError | null = null;
  /** Output that had not left when the timer fired last. */
  #pendingSeen = 0;
  /** Milliseconds for which nothing has moved, as far as the timer has fired. */
  #stillMs = 0;
  /** The client waits for a 100 (Continue) before it sends its content (RFC 9110 §10.1.1). */
  #awaitsContinue = false;

  constructor(input: OriginConnectionInput) {
    this.#input = input;
    this.#timer = input.reactor.timer(() => this.#onTimeout());
    this.#arm(input.limits.connectTimeoutMs);
    this.#channel = new Channel(input.channels, this);
    this.#http = new Http1ClientConnection({
      output: this.#channel,
      onMoved: () => this.#moved(),
    });
    try {
      this.#connect();
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      // A name or an address that nothing can be connected by. Its owner does not know us yet.
      input.reactor.defer(() => this.onClose(error));
    }
  }

  /** HTTP/2, which carries many exchanges at once; null for HTTP/1.1. Known when ready. */
  get http2(): Http2Session | null {
    return this.#http2;
  }

  #connect(): void {
    const { reactor, address: host, port, tls, preface, isEarly } = this.#input;
    const engine = tls === null ? null : tls.connect(this.#channel.tlsHandler(), isEarly);
    this.#engine = engine;
    const path = socketPathOf(host);
    const socket = reactor.connect(path === null ? { host, port } : { path }, this.#channel);
    // In the clear, before TLS: the PROXY protocol's place.
    if (preface.length > 0) socket.write(preface);
    this.#channel.attach(socket, engine);
    if (engine === null || !engine.isWritable) return;
    this.#isEarly = true;
    if (engine.earlyProtocol === 'h2') this.#startHttp2();
    else this.#state = 'idle';
  }

  /**
   * Whether what is sent now is early data: it may be replayed (RFC 8446 §8), and the origin may
   * answer 425 (RFC 8470 §5.2). True only from the start, and until the handshake is complete.
   */
  get isEarly(): boolean {
    return this.#isEarly;
  }

  /** Sends a request. The connection must be idle, or have room for another exchange. */
  start(head: RequestHead, handler: ResponseHandler): RequestSender {
    if (this.#http2 !== null) return this.#http2.start(head, handler);
    assert(this.#state === 'idle', 'an exchange starts on an idle connection');
    this.#state = 'busy';
    // The time to connect goes on until the handshake is complete.
    if (!this.#isEarly) this.#arm(this.#input.limits.responseTimeoutMs);
    this.#watched.handler = handler;
    this.#stillMs = 0;
    this.#awaitsContinue = head.expectContinue;
    return this.#http.start(head, this.#watched);
  }

  /** A limit of the exchange under way begins anew. */
  #moved(): void {
    this.#awaitsContinue = false;
    if (this.#state !== 'busy' || this.#isEarly || this.#isTunnel) return;
    this.#stillMs = 0;
    this.#arm(this.#limitMs);
  }

  get #limitMs(): number {
    const { responseTimeoutMs, readTimeoutMs } = this.#input.limits;
    return this.#http.isAnswered ? readTimeoutMs : responseTimeoutMs;
  }

  /** The exchange has ended in whatever way; called by its watcher. */
  exchangeEnded(): void {
    if (this.#state !== 'busy') return;
    if (!this.#hasSession) this.#keepSession();
    if (!this.#http.isReusable) {
      this.#channel.end();
      this.#arm(this.#input.limits.idleTimeoutMs);
      return;
    }
    this.#state = 'idle';
    this.#arm(this.#input.limits.idleTimeoutMs);
    this.#input.owner.onIdle(this);
  }

  /** A tunnel lives as long as its ends do, and use it. */
  becomeTunnel(): void {
    this.#isTunnel = true;
    this.#arm(this.#input.limits.tunnelTimeoutMs);
  }

  /** Whether a byte has moved since the last look. */
  #hasTunnelMoved(): boolean {
    const moved = this.#tunnelMoved + this.#channel.outputCount;
    const hasMoved = moved !== this.#tunnelSeen;
    this.#tunnelSeen = moved;
    return hasMoved;
  }

  /** Closes without further calls to an exchange. */
  close(): void {
    this.#channel.destroy();
  }

  /**
   * A limit begins anew. The timer never runs for longer than an idle connection is kept: moving it
   * to a later time costs next to nothing, moving it to an earlier one, at the end of each exchange,
   * would not.
   */
  #arm(limitMs: number): void {
    const delayMs = Math.min(limitMs, this.#input.limits.idleTimeoutMs);
    this.#leftMs = limitMs - delayMs;
    this.#timer.arm(delayMs);
  }

  #onTimeout(): void {
    if (this.#state === 'closed') return;
    if (this.#isTunnel) {
      if (this.#hasTunnelMoved()) this.#leftMs = this.#input.limits.tunnelTimeoutMs;
      else if (this.#leftMs <= 0) this.#timedOut = silentClientError();
    }
    if (this.#leftMs > 0) {
      this.#arm(this.#leftMs);
      return;
    }
    const isHttp = !this.#isEarly && !this.#isTunnel;
    if (this.#state === 'busy' && isHttp && this.#isClientsTurn()) {
      this.#arm(this.#limitMs);
      return;
    }
    this.#timedOut ??= timeoutError(this.#isEarly ? 'connecting' : this.#state);
    if (this.#state === 'idle') this.#keepSession();
    this.#channel.destroy();
  }

  /** Whether it is not the origin that the exchange waits for. Called when the time is up. */
  #isClientsTurn(): boolean {
    const { pendingBytes } = this.#channel;
    // A slow upload is no silence: the origin takes some of it.
    const isTaking = pendingBytes !== this.#pendingSeen;
    this.#pendingSeen = pendingBytes;
    if (isTaking || this.#http.isHeldUp) return true;
    if (pendingBytes > 0 || this.#http.isRequestSent || this.#awaitsContinue) return false;
    // The client's own time-outs end what has no response yet.
    if (!this.#http.isAnswered) return true;
    this.#stillMs += this.#limitMs;
    if (this.#stillMs < this.#input.limits.duplexTimeoutMs) return true;
    this.#timedOut = silentClientError();
    return false;
  }

  // ------------------------------------------------------------------ from the channel

  onOpen(): void {
    const { owner, limits } = this.#input;
    if (this.#isEarly) {
      this.#isEarly = false;
      if (this.#http2 === null) this.#arm(limits.responseTimeoutMs);
      else this.#timer.cancel();
      owner.onReady(this);
      return;
    }
    if (this.#isHttp2) {
      this.#timer.cancel();
      this.#startHttp2();
      owner.onReady(this);
      return;
    }
    this.#state = 'idle';
    // Whoever waited for it may have left: then it is kept like any unused connection.
    this.#timer.cancel();
    this.#arm(limits.idleTimeoutMs);
    owner.onReady(this);
  }

  /** Tickets come after the handshake, so it is asked for when a first exchange is over. */
  #keepSession(): void {
    if (!this.#engine?.isComplete) return;
    this.#hasSession = true;
    this.#input.tls?.keepSession(this.#engine);
  }

  get #isHttp2(): boolean {
    const { http2 } = this.#input;
    if (http2 === 'alpn') return this.#channel.tls?.selectedProtocol === 'h2';
    return http2 === 'prior-knowledge';
  }

  #startHttp2(): void {
    const { reactor, channels, limits, tls, monotonicMs, owner } = this.#input;
    this.#state = 'shared';
    this.#http2 = new Http2Session({
      reactor,
      channel: this.#channel,
      channels,
      limits: limits.http2,
      responseTimeoutMs: limits.responseTimeoutMs,
      readTimeoutMs: limits.readTimeoutMs,
      duplexTimeoutMs: limits.duplexTimeoutMs,
      scheme: tls === null ? 'http' : 'https',
      exchangesExpected: this.#input.exchangesExpected,
      monotonicMs,
      onAvailable: () => {
        if (!this.#isEarly) owner.onAvailable(this);
      },
      onExchangeEnd: () => {
        if (!this.#hasSession) this.#keepSession();
      },
    });
  }

  onBytes(bytes: Uint8Array): void {
    if (this.#http2 !== null) {
      this.#http2.receive(bytes);
      return;
    }
    this.#tunnelMoved += bytes.length;
    this.#http.receive(bytes);
    this.#moved();
    // Bytes that nobody asked for would be taken for the next response (response splitting).
    if (this.#state === 'idle' && !this.#http.isReusable) this.#channel.destroy();
  }

  onHandshakeEnd(record: HandshakeRecord): void {
    this.#input.owner.onHandshake(record);
  }

  onEnd(): void {
    if (this.#http2 !== null) this.#http2.onEndOfInput();
    else if (this.#state === 'busy') this.#http.onEndOfInput();
    else this.#channel.destroy();
  }

  onWritable(): void {
    if (this.#http2 === null) this.#http.onWritable();
    else this.#http2.onWritable();
  }

  onClose(error: SluiceError | null): void {
    const state = this.#state;
    this.#state = 'closed';
    this.#timer.cancel();
    const failure = this.#timedOut ?? error;
    if (this.#http2 !== null) this.#http2.onConnectionLost(failure ?? closedError());
    else if (state === 'busy') this.#http.onConnectionLost(failure ?? closedError());
    if (this.#reported) return;
    this.#reported = true;
    // Who has it already hears of it by its exchange.
    this.#input.owner.onGone(this, state === 'connecting' ? (failure ?? closedError()) : null);
  }
}

function closedError(): SluiceError {
  return new SluiceError('connection-closed', 'the origin closed the connection', {
    blame: 'upstream',
    retry: 'ifReused',
  });
}

function timeoutError(state: string): SluiceError {
  return state === 'connecting'
    ? new SluiceError('connect-timeout', 'the origin did not accept the connection in time', {
        blame: 'upstream',
        retry: 'always',
      })
    : silentOriginError();
}

/** Passes responses on and tells the connection when an exchange is over. */
class Watched implements ResponseHandler {
  /** Of the exchange under way. */
  handler: ResponseHandler | null = null;
  readonly #connection: OriginConnection;

  constructor(connection: OriginConnection) {
    this.#connection = connection;
  }

  onInformational(status: number, fields: FieldSection): void {
    this.handler?.onInformational(status, fields);
  }

  onHead(head: ResponseHead): void {
    this.handler?.onHead(head);
  }

  onContent(bytes: Uint8Array): void {
    this.handler?.onContent(bytes);
  }

  onEnd(trailers: FieldSection | null): void {
    const handler = this.handler;
    this.handler = null;
    handler?.onEnd(trailers);
    this.#connection.exchangeEnded();
  }

  onUpgrade(head: ResponseHead): void {
    this.#connection.becomeTunnel();
    this.handler?.onUpgrade(head);
  }

  onWritable(): void {
    this.handler?.onWritable();
  }

  onError(error: SluiceError): void {
    const handler = this.handler;
    this.handler = null;
    handler?.onError(error);
    this.#connection.exchangeEnded();
  }
}
