/** HTTP/2 toward clients: requests in, responses out. */

import { readLatin1 } from '../base/bytes.ts';
import type { SluiceError } from '../base/errors.ts';
import { hasLengthFault } from '../http/content-length.ts';
import type { ContentLimits } from '../http/content-watch.ts';
import { type CoverageCheck, CoveredAuthority } from '../http/covered-authority.ts';
import type { RequestFacts, RequestSink } from '../http/exchange.ts';
import { type Priority, parsePriority } from '../http/priority.ts';
import { RequestReader } from '../http/request-fields.ts';
import { readTrailers } from '../http/response-fields.ts';
import { Connection } from './connection.ts';
import type { RoleHandler } from './frame-connection.ts';
import type { Http2Output } from './frame-writer.ts';
import { defaultHttp2Limits, type Http2Abuse, type Http2Limits } from './limits.ts';
import { CONNECTION_PREFACE, ErrorCode, SettingId } from './protocol.ts';
import { ServerExchange } from './server-exchange.ts';
import type { Stream } from './stream.ts';
import { StreamState } from './stream-state.ts';

export interface Http2ServerOptions {
  readonly sink: RequestSink;
  readonly output: Http2Output;
  /**
   * What the connection knows about a request; `early`: its first byte was early data. The object
   * may be the same for all requests of which `early` is false.
   */
  readonly factsFor: (early: boolean) => RequestFacts;
  /** The connection's own scheme, for requests without one (CONNECT). */
  readonly scheme: 'http' | 'https';
  /**
   * Whether this connection may be used for the authority (RFC 9113 §9.1.1), as asked with the
   * scheme; others get 421. Absent: for all.
   */
  readonly isCovered?: CoverageCheck;
  /** Alt-Svc of responses that have none (RFC 7838); null or absent: none. */
  readonly announced?: string | null;
  readonly limits?: Http2Limits;
  readonly monotonicMs: () => number;
  /** Date of answers of our own (RFC 9110 §6.6.1); absent: they have none. */
  readonly dateNow?: () => string;
  /** The peer did something too often or too large, and the connection ended: for counters. */
  readonly onAbuse?: (kind: Http2Abuse) => void;
  /** The peer broke a rule, and a stream or the connection ended for it. */
  readonly onRefused?: (error: SluiceError) => void;
  /**
   * A request was malformed, or answered here: nothing else tells of it. `status` is 0 when its
   * stream was reset, and `code` empty when the status says it all.
   */
  readonly onBadRequest?: (code: string, status: number, contentBytes: number) => void;
}

const ignore = (): void => {};
const NO_BYTES = new Uint8Array(0);

export class Http2ServerConnection implements RoleHandler {
  readonly connection: Connection;
  readonly #options: Http2ServerOptions;
  readonly #reader = new RequestReader('2');
  readonly #covered: CoveredAuthority;
  /** PRIORITY_UPDATE frames that came before their stream's HEADERS (RFC 9218 §7.1). */
  #earlyPriorities: Map<number, Priority> | null = null;

  constructor(options: Http2ServerOptions) {
    const limits = options.limits ?? defaultHttp2Limits;
    this.#options = options;
    this.#covered = new CoveredAuthority(options.isCovered);
    this.connection = new Connection(this, {
      role: 'server',
      output: options.output,
      limits,
      monotonicMs: options.monotonicMs,
      settings: serverSettings(limits),
      preface: NO_BYTES,
      expectedPreface: CONNECTION_PREFACE,
      onAbuse: options.onAbuse ?? ignore,
      onRefused: options.onRefused ?? ignore,
    });
  }

  /** Sends our settings now, rather than with the answer to the first bytes received. */
  start(): void {
    this.connection.start();
  }

  /** Bytes from the client; `early`: they are early data. Never throws for what they hold. */
  receive(bytes: Uint8Array, early: boolean): void {
    this.connection.receive(bytes, early);
  }

  /** Call after `output.requestFlush`, before the turn ends. */
  flush(): void {
    this.connection.flush();
  }

  onWritable(): void {
    this.connection.onWritable();
  }

  onEndOfInput(): void {
    this.connection.onEndOfInput();
  }

  onConnectionLost(error: SluiceError): void {
    this.connection.onConnectionLost(error);
  }

  /**
   * Closes in order: GOAWAY, requests on their way arrive, a second GOAWAY names the last, the
   * output ends when all are answered. A second call does not wait for requests on their way.
   */
  shutdown(): void {
    this.connection.shutdown();
  }

  /** Milliseconds that some stream's content has waited for the client; 0 when none does. */
  oldestStalledMs(nowMs: number): number {
    return this.connection.oldestStalledMs(nowMs);
  }

  /**
   * Ends streams whose response has waited `sendMs` for the client, or of whose request's content
   * nothing came for `contentMs`. Call now and then.
   */
  expireStreams(nowMs: number, sendMs: number, contentMs: number, pace?: ContentLimits): void {
    this.connection.expireStreams(nowMs, sendMs, contentMs, pace);
  }

  /** Ends the connection: `awaitsSettingsAck` has been true for too long. */
  failForSettings(): void {
    this.connection.failForSettings();
  }

  get openStreams(): number {
    return this.connection.streams.size;
  }

  /** No request is open, and none has begun to arrive. */
  get isIdle(): boolean {
    return this.connection.streams.size === 0 && !this.connection.isInsideFrame;
  }

  /**
   * A frame other than DATA, or a field block, has begun and not ended: the time-out for slow heads
   * applies.
   */
  get isInsideFrame(): boolean {
    return this.connection.isInsideFrame;
  }

  /** The client has not acknowledged our settings yet (RFC 9113 §6.5.3). */
  get awaitsSettingsAck(): boolean {
    return !this.connection.hasSettingsAck;
  }

  get isClosed(): boolean {
    return this.connection.isClosed;
  }

  // ------------------------------------------------------------------ from the connection

  onOpen(streamId: number, endStream: boolean, early: boolean): void {
    const { connection } = this;
    const priority = this.#takeEarlyPriority(streamId);
    if (connection.decoder.isTooLarge) {
      if (connection.spend('stream-errors')) this.#answerAlone(streamId, 431, endStream);
      return;
    }
    const reader = this.#reader;
    const { fields } = connection.decoder;
    const head = reader.read(fields, endStream, this.#options.scheme, true);
    if (head === null) {
      this.#options.onBadRequest?.('http2-protocol-error', 0, 0);
      connection.streamError(streamId, ErrorCode.PROTOCOL_ERROR, `malformed: ${reader.failure}`);
      return;
    }
    if (reader.hasUnknownExpectation) {
      this.#answerAlone(streamId, 417, endStream);
      return;
    }
    if (!this.#covered.covers(head.authority, head.scheme)) {
      this.#answerAlone(streamId, 421, endStream);
      return;
    }
    const stream = connection.openStream(streamId, priority ?? reader.priority);
    stream.expectedBytes = head.contentLength;
    const { announced = null } = this.#options;
    const exchange = new ServerExchange(connection, stream, head.method === 'HEAD', announced);
    stream.user = exchange;
    stream.isRemoteEnded = endStream;
    exchange.begin(this.#options.sink.onRequest(head, exchange, this.#options.factsFor(early)));
    if (endStream) exchange.onRemoteEnd(null);
  }

  /** Trailers: they end the stream, or the request is malformed (RFC 9113 §8.1). */
  onFieldSection(stream: Stream, endStream: boolean): void {
    const { connection } = this;
    const trailers = readTrailers(connection.decoder.fields);
    const isTooLarge = connection.decoder.isTooLarge;
    if (trailers === null || !endStream || isTooLarge || hasLengthFault(stream, true)) {
      connection.streamError(stream.id, ErrorCode.PROTOCOL_ERROR, 'malformed trailers');
      return;
    }
    connection.remoteEnd(stream, trailers);
  }

  onCapacityChange(): void {}

  onPong(): void {}

  onPriorityUpdate(streamId: number, value: Uint8Array): void {
    const priority = parsePriority(readLatin1(value, 0, value.length));
    const { connection } = this;
    const stream = connection.streams.get(streamId);
    if (stream !== undefined) {
      connection.sender.schedule.reprioritize(stream, priority);
    } else if (streamId > connection.lastStreamId) {
      this.#earlyPriorities ??= new Map();
      if (this.#earlyPriorities.size < connection.limits.earlyPrioritiesMax) {
        this.#earlyPriorities.set(streamId, priority);
      }
    }
  }

  // ------------------------------------------------------------------ inside

  #takeEarlyPriority(streamId: number): Priority | undefined {
    const priorities = this.#earlyPriorities;
    if (priorities === null) return undefined;
    const priority = priorities.get(streamId);
    // Identifiers rise: what is kept for lower ones can never be used.
    for (const id of priorities.keys()) if (id <= streamId) priorities.delete(id);
    if (priorities.size === 0) this.#earlyPriorities = null;
    return priority;
  }

  /** A response of the connection's own, without content; nothing more of the request is taken. */
  #answerAlone(streamId: number, status: number, endStream: boolean): void {
    const { connection } = this;
    const { encoder } = connection;
    this.#options.onBadRequest?.('', status, 0);
    encoder.begin();
    encoder.field(':status', String(status));
    const date = this.#options.dateNow?.();
    if (date !== undefined) encoder.field('date', date);
    encoder.field('content-length', '0');
    connection.writer.headers(streamId, encoder.block.bytes, encoder.block.length, true);
    if (endStream) connection.streams.recordClosed(streamId, StreamState.CLOSED_BY_END);
    else connection.refuseAnswered(streamId);
  }
}

function serverSettings(limits: Http2Limits): number[] {
  return [
    SettingId.MAX_CONCURRENT_STREAMS,
    limits.streamsConcurrentMax,
    SettingId.INITIAL_WINDOW_SIZE,
    limits.streamWindowBytes,
    SettingId.MAX_HEADER_LIST_SIZE,
    limits.fieldSectionBytesMax,
    SettingId.ENABLE_CONNECT_PROTOCOL,
    1,
    SettingId.NO_RFC7540_PRIORITIES,
    1,
  ];
}
