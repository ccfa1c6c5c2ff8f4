/**
 * HTTP/2 on one connection to an origin: many exchanges at once, each with its own time-out; a PING
 * when the origin has long been silent; an orderly end when nothing is left to do.
 */
import { SluiceError } from '../base/errors.ts';
import { configuredAuthority, NO_AUTHORITY } from '../http/authority.ts';
import type { RequestSender, ResponseHandler } from '../http/exchange.ts';
import type { RequestHead } from '../http/message.ts';
import { Http2ClientConnection } from '../http2/client-connection.ts';
import type { Timer } from '../reactor/timer-wheel.ts';
import type { Channel, ChannelPool } from '../transport/channel.ts';
import { http2Output, type OutputChannel } from '../transport/http2-output.ts';
import { type ExchangeTimes, Http2Exchange } from './http2-exchange.ts';
import type { UpstreamHttp2Limits } from './http2-limits.ts';

type SweepTimer = Pick<Timer, 'arm' | 'cancel'>;

export interface Http2SessionInput extends ExchangeTimes {
  readonly reactor: { timer(callback: () => void): SweepTimer };
  readonly channel: OutputChannel & Pick<Channel, 'destroy'>;
  readonly channels: Pick<ChannelPool, 'atEndOfTurn'>;
  readonly limits: UpstreamHttp2Limits;
  /** The origin's own scheme: what clients used is in X-Forwarded-Proto. */
  readonly scheme: 'http' | 'https';
  /** How many exchanges the origin is expected to allow at once, until it says so. */
  readonly exchangesExpected: number;
  readonly monotonicMs: () => number;
  /** More exchanges may be started than before, perhaps. */
  readonly onAvailable: () => void;
  /** One has ended. */
  readonly onExchangeEnd: () => void;
}

const NEVER = -1;

export class Http2Session {
  readonly monotonicMs: () => number;
  readonly #input: Http2SessionInput;
  readonly #core: Http2ClientConnection;
  readonly #timer: SweepTimer;
  readonly #exchanges = new Set<Http2Exchange>();
  #startedCount = 0;
  #receivedMs: number;
  #pingedMs = NEVER;
  #idleSinceMs: number;
  #endedMs = NEVER;
  #closesWhenIdle = false;
  #isUnanswered = false;

  constructor(input: Http2SessionInput) {
    this.#input = input;
    this.monotonicMs = input.monotonicMs;
    this.#core = new Http2ClientConnection({
      output: http2Output(input.channel, input.channels, () => this.#core.flush()),
      limits: input.limits.protocol,
      monotonicMs: input.monotonicMs,
      streamsExpected: input.exchangesExpected,
      onAvailable: input.onAvailable,
    });
    this.#receivedMs = input.monotonicMs();
    this.#idleSinceMs = this.#receivedMs;
    this.#timer = input.reactor.timer(() => this.#sweep());
    this.#timer.arm(input.limits.sweepIntervalMs);
  }

  /** How many exchanges may be started now: none while the origin's sign of life is awaited. */
  get available(): number {
    return this.#pingedMs === NEVER && !this.#closesWhenIdle ? this.#core.availableStreams : 0;
  }

  /** How many exchanges may run at once, as far as the origin has said. */
  get exchangesMax(): number {
    return this.#core.streamsConcurrentMax;
  }

  get wasUsed(): boolean {
    return this.#startedCount > 0;
  }

  /** Sends a request; only while `available` is not 0. */
  start(head: RequestHead, handler: ResponseHandler): RequestSender {
    this.#startedCount++;
    const exchange = new Http2Exchange(this, head, handler);
    this.#exchanges.add(exchange);
    // For HTTP/1.0 requests that named none, Host has been made up.
    const authority =
      head.authority === NO_AUTHORITY
        ? configuredAuthority(head.fields.first('host')!)
        : head.authority;
    const { scheme } = this.#input;
    const sent = { ...head, authority, scheme };
    exchange.begin(this.#core.start(sent, head.contentLength, exchange));
    return exchange;
  }

  /** An exchange is over, in whatever way. */
  exchangeEnded(exchange: Http2Exchange): void {
    if (!this.#exchanges.delete(exchange)) return;
    this.#input.onExchangeEnd();
    if (this.#exchanges.size > 0) return;
    this.#idleSinceMs = this.monotonicMs();
    if (this.#closesWhenIdle) this.#core.shutdown();
  }

  /** Takes no more exchanges, and closes when the running ones have ended. */
  closeWhenIdle(): void {
    this.#closesWhenIdle = true;
    if (this.#exchanges.size === 0) this.#core.shutdown();
  }

  // ------------------------------------------------------------------ from the channel

  receive(bytes: Uint8Array): void {
    this.#receivedMs = this.monotonicMs();
    const wasSuspect = this.#pingedMs !== NEVER;
    this.#pingedMs = NEVER;
    this.#core.receive(bytes);
    if (wasSuspect) this.#input.onAvailable();
  }

  onWritable(): void {
    this.#core.onWritable();
  }

  onEndOfInput(): void {
    this.#core.onEndOfInput();
  }

  /** The connection is gone: an exchange without a response may be tried on another. */
  onConnectionLost(reason: SluiceError): void {
    this.#timer.cancel();
    const error = this.#isUnanswered ? unansweredError() : reason;
    const { code, message, blame } = error;
    this.#core.onConnectionLost(
      new SluiceError(code, message, { blame, retry: 'ifReused', cause: error }),
    );
  }

  // ------------------------------------------------------------------ time

  #sweep(): void {
    const { limits, channel } = this.#input;
    const nowMs = this.monotonicMs();
    this.#timer.arm(limits.sweepIntervalMs);
    if (this.#core.isClosed) {
      if (this.#endedMs === NEVER) this.#endedMs = nowMs;
      if (nowMs - this.#endedMs >= limits.lingerTimeoutMs) channel.destroy();
      return;
    }
    for (const exchange of this.#exchanges) exchange.expire(nowMs, this.#input);
    if (this.#exchanges.size === 0) {
      if (nowMs - this.#idleSinceMs >= limits.idleTimeoutMs) this.#core.shutdown();
    } else if (this.#pingedMs !== NEVER) {
      if (nowMs - this.#pingedMs < limits.pongTimeoutMs) return;
      this.#isUnanswered = true;
      channel.destroy();
    } else if (nowMs - this.#receivedMs >= limits.pingAfterMs) {
      this.#pingedMs = nowMs;
      this.#core.ping();
    }
  }
}

function unansweredError(): SluiceError {
  return new SluiceError('connection-timed-out', 'the origin does not answer any more', {
    blame: 'upstream',
  });
}
