/** HTTP/3 toward clients: requests in, responses out. */

import type { Blame, SluiceError } from '../base/errors.ts';
import type { ContentLimits } from '../http/content-watch.ts';
import { type CoverageCheck, CoveredAuthority } from '../http/covered-authority.ts';
import type { RequestFacts, RequestSink } from '../http/exchange.ts';
import type { RequestHead } from '../http/message.ts';
import { PRIORITY_DEFAULT, type Priority, parsePriority } from '../http/priority.ts';
import { RequestReader } from '../http/request-fields.ts';
import type { QuicApplication, QuicConnection } from '../quic/application.ts';
import { Http3Connection } from './connection.ts';
import { defaultHttp3Limits, type Http3Abuse, type Http3Limits } from './limits.ts';
import type { Http3Role, MessageStream } from './message-stream.ts';
import { Http3ErrorCode } from './protocol.ts';
import type { QpackDecoder } from './qpack/decoder.ts';
import { Http3ServerExchange, prioritize } from './server-exchange.ts';

export interface Http3ServerOptions {
  readonly quic: QuicConnection;
  readonly sink: RequestSink;
  /**
   * What the connection knows about a request; `early`: its first byte was early data. The object
   * may be the same for all requests of which `early` is false.
   */
  readonly factsFor: (early: boolean) => RequestFacts;
  /**
   * Whether this connection may be used for the authority (RFC 9114 §3.3), as asked with the scheme;
   * others get 421. Absent: for all.
   */
  readonly isCovered?: CoverageCheck;
  readonly limits?: Http3Limits;
  readonly monotonicMs: () => number;
  /**
   * Calls back when all has been read that came together. By then it is known whether a head whose
   * end is not there yet stands alone: many clients send the end in a frame of its own. Absent: a head
   * is handed up at once.
   */
  readonly atEndOfTurn?: (body: () => void) => void;
  /** A number of chance below 2^32; 0 when absent. */
  readonly grease?: number;
  /** Date of answers of our own (RFC 9110 §6.6.1); absent: they have none. */
  readonly dateNow?: () => string;
  /** The peer did something too often or too large, and the connection ended: for counters. */
  readonly onAbuse?: (kind: Http3Abuse) => void;
  /** The peer broke a rule, and a stream or the connection ended for it. */
  readonly onRefused?: (error: SluiceError) => void;
  /**
   * A request was malformed, or answered here: nothing else tells of it. `status` is 0 when its
   * stream was reset, and `code` empty when the status says it all.
   */
  readonly onBadRequest?: (code: string, status: number, contentBytes: number) => void;
  /** QUIC has told that the connection is over, whoever ended it. Once, and last. */
  readonly onGone?: () => void;
}

/** A head that is handed up when it is known whether the message ends with it. */
interface WaitingHead {
  readonly head: RequestHead;
  readonly priority: Priority;
}

const ignore = (): void => {};

export class Http3ServerConnection implements Http3Role {
  readonly connection: Http3Connection;
  readonly blame: Blame = 'downstream';
  readonly #options: Http3ServerOptions;
  readonly #reader = new RequestReader('3');
  readonly #waiting = new Map<MessageStream, WaitingHead>();
  #isTurnAwaited = false;
  readonly #covered: CoveredAuthority;
  /** PRIORITY_UPDATE frames that came before their stream (RFC 9218 §7.2). */
  #earlyPriorities: Map<number, Priority> | null = null;

  constructor(options: Http3ServerOptions) {
    this.#options = options;
    this.#covered = new CoveredAuthority(options.isCovered);
    this.connection = new Http3Connection(this, {
      quic: options.quic,
      isServer: true,
      limits: options.limits ?? defaultHttp3Limits,
      monotonicMs: options.monotonicMs,
      grease: options.grease ?? 0,
      onAbuse: options.onAbuse ?? ignore,
      onRefused: options.onRefused ?? ignore,
      onGone: options.onGone ?? ignore,
    });
  }

  /** What QUIC is to call. */
  get application(): QuicApplication {
    return this.connection;
  }

  /**
   * Closes in order: GOAWAY, requests on their way arrive, a second GOAWAY names the last (`sweep`),
   * the connection closes when all are answered. A second call does not wait for requests on their way.
   */
  shutdown(): void {
    this.connection.shutdown();
  }

  /** The first of these steps, however often it is called. */
  drain(): void {
    if (!this.connection.isDraining) this.connection.shutdown();
  }

  /**
   * Call now and then: ends streams whose response has waited `sendMs` for the client, or of whose
   * request's content nothing came for `contentMs`, and takes the next step of a shutdown.
   */
  sweep(nowMs: number, sendMs: number, contentMs: number, pace?: ContentLimits): void {
    this.connection.expireStreams(nowMs, sendMs, contentMs, pace);
    this.connection.sweepShutdown(nowMs);
  }

  get openStreams(): number {
    return this.connection.streams.size;
  }

  /** No request is open. */
  get isIdle(): boolean {
    return this.connection.streams.size === 0;
  }

  get isClosed(): boolean {
    return this.connection.isClosed;
  }

  // ------------------------------------------------------------------ from the connection

  onHead(stream: MessageStream, decoder: QpackDecoder): void {
    if (decoder.isTooLarge) {
      if (this.connection.spend('stream-errors')) this.#answerAlone(stream, 431);
      return;
    }
    const reader = this.#reader;
    const head = reader.read(decoder.fields, stream.isAtFin, 'https', true);
    if (head === null) {
      this.#options.onBadRequest?.('http3-message-error', 0, 0);
      this.connection.streamError(stream, `malformed: ${reader.failure}`);
    } else if (reader.hasUnknownExpectation) this.#answerAlone(stream, 417);
    else if (!this.#covered.covers(head.authority, head.scheme)) this.#answerAlone(stream, 421);
    else if (this.#isEndUncertain(head, stream)) {
      stream.isHeadWaiting = true;
      this.#waiting.set(stream, { head, priority: reader.priority });
      this.#awaitTurn();
    } else this.#begin(stream, head, reader.priority);
  }

  onHeadTooLong(stream: MessageStream): void {
    if (this.connection.spend('stream-errors')) this.#answerAlone(stream, 431);
  }

  takeWaitingHead(stream: MessageStream): void {
    const waiting = this.#waiting.get(stream);
    this.#waiting.delete(stream);
    stream.isHeadWaiting = false;
    if (waiting === undefined || stream.isClosed) return;
    const { head, priority } = waiting;
    const whole = { ...head, contentLength: 0, expectContinue: false };
    this.#begin(stream, stream.isAtFin ? whole : head, priority);
  }

  onPriorityUpdate(streamId: number, value: string): void {
    const priority = parsePriority(value);
    const { connection } = this;
    const stream = connection.streams.get(streamId);
    if (stream !== undefined) {
      if (stream.user instanceof Http3ServerExchange) {
        stream.user.reprioritize(priority);
        return;
      }
    } else if (streamId < connection.nextRequestId) return;
    // Its head has not come: this says more than the head will (RFC 9218 §7).
    this.#earlyPriorities ??= new Map();
    if (this.#earlyPriorities.size < connection.limits.earlyPrioritiesMax) {
      this.#earlyPriorities.set(streamId, priority);
    }
  }

  onGoaway(): void {}

  onCapacityChange(): void {}

  // ------------------------------------------------------------------ inside

  /** No content is announced, and the end has not come with the head: it may be right behind. */
  #isEndUncertain(head: RequestHead, stream: MessageStream): boolean {
    if (this.#options.atEndOfTurn === undefined) return false;
    return head.contentLength < 0 && head.method !== 'CONNECT' && stream.isAtEnd && !stream.isAtFin;
  }

  #awaitTurn(): void {
    if (this.#isTurnAwaited) return;
    this.#isTurnAwaited = true;
    this.#options.atEndOfTurn?.(() => {
      this.#isTurnAwaited = false;
      for (const stream of [...this.#waiting.keys()]) {
        stream.isAtFin = false;
        this.takeWaitingHead(stream);
        stream.goOn();
      }
      this.connection.afterReceiving();
    });
  }

  #begin(stream: MessageStream, head: RequestHead, requested: Priority): void {
    const { connection } = this;
    const priority = this.#takeEarlyPriority(stream.id) ?? requested;
    if (priority !== PRIORITY_DEFAULT) prioritize(stream, priority);
    stream.takeContent();
    stream.expectedBytes = head.contentLength;
    const exchange = new Http3ServerExchange(connection, stream, head.method === 'HEAD', priority);
    stream.user = exchange;
    const facts = this.#options.factsFor(stream.isEarly);
    exchange.begin(this.#options.sink.onRequest(head, exchange, facts));
  }

  #takeEarlyPriority(streamId: number): Priority | undefined {
    const priority = this.#earlyPriorities?.get(streamId);
    if (priority !== undefined) this.#earlyPriorities?.delete(streamId);
    return priority;
  }

  /** A response of the connection's own, without content; nothing more of the request is taken. */
  #answerAlone(stream: MessageStream, status: number): void {
    const { connection } = this;
    const { encoder } = connection;
    this.#options.onBadRequest?.('', status, 0);
    encoder.begin(stream.id);
    encoder.field(':status', String(status));
    const date = this.#options.dateNow?.();
    if (date !== undefined) encoder.field('date', date);
    encoder.field('content-length', '0');
    stream.write([connection.headersFrame()], true);
    connection.onLocalEnd(stream);
    // RFC 9114 §4.1: H3_NO_ERROR says that the response is whole.
    stream.stopReading(Http3ErrorCode.NO_ERROR);
    connection.closeIfEnded(stream);
  }
}
