/** HTTP/2 toward origins: requests out, responses in. */
import { assert } from '../base/assert.ts';
import type { SluiceError } from '../base/errors.ts';
import { hasLengthFault } from '../http/content-length.ts';
import type { ResponseHandler } from '../http/exchange.ts';
import type { RequestHead } from '../http/message.ts';
import { PRIORITY_DEFAULT } from '../http/priority.ts';
import { readResponse, readTrailers } from '../http/response-fields.ts';
import { Http2ClientExchange } from './client-exchange.ts';
import { Connection } from './connection.ts';
import type { RoleHandler } from './frame-connection.ts';
import type { Http2Output } from './frame-writer.ts';
import { defaultHttp2Limits, type Http2Abuse, type Http2Limits } from './limits.ts';
import { CONNECTION_PREFACE, ErrorCode, SettingId, STREAM_ID_MAX } from './protocol.ts';
import type { Stream } from './stream.ts';

export interface Http2ClientOptions {
  readonly output: Http2Output;
  readonly limits?: Http2Limits;
  readonly monotonicMs: () => number;
  /** Exchanges that may run at once until the origin's settings say how many. */
  readonly streamsExpected?: number;
  readonly onAbuse?: (kind: Http2Abuse) => void;
  /** The origin broke a rule, and a stream or the connection ended for it. */
  readonly onRefused?: (error: SluiceError) => void;
  /** `availableStreams` may have changed: a stream closed, settings or GOAWAY came. */
  readonly onAvailable?: () => void;
  /** The answer to `ping`. */
  readonly onPong?: () => void;
}

/** RFC 9113 §6.5.2 advises servers to allow this many at least. */
const STREAMS_EXPECTED = 100;

const ignore = (): void => {};
const NO_BYTES = new Uint8Array(0);

export class Http2ClientConnection implements RoleHandler {
  readonly connection: Connection;
  readonly #onAvailable: () => void;
  readonly #onPong: () => void;
  readonly #streamsExpected: number;

  constructor(options: Http2ClientOptions) {
    this.#streamsExpected = options.streamsExpected ?? STREAMS_EXPECTED;
    const limits = options.limits ?? defaultHttp2Limits;
    this.#onAvailable = options.onAvailable ?? ignore;
    this.#onPong = options.onPong ?? ignore;
    this.connection = new Connection(this, {
      role: 'client',
      output: options.output,
      limits,
      monotonicMs: options.monotonicMs,
      settings: clientSettings(limits),
      preface: CONNECTION_PREFACE,
      expectedPreface: NO_BYTES,
      onAbuse: options.onAbuse ?? ignore,
      onRefused: options.onRefused ?? ignore,
    });
  }

  /**
   * Begins an exchange; only while `availableStreams` is not 0. `contentLength`: bytes of content
   * that will be sent, 0 for none, -1 when that is not known. A CONNECT request has no content but
   * what the tunnel carries, whatever its length says. `sendEnd` must be called in every case.
   */
  start(head: RequestHead, contentLength: number, handler: ResponseHandler): Http2ClientExchange {
    assert(this.availableStreams > 0, 'a stream is available');
    const { connection } = this;
    connection.start();
    const isConnect = head.method === 'CONNECT';
    const hasContent = contentLength !== 0 || isConnect;
    const streamId = connection.lastStreamId === 0 ? 1 : connection.lastStreamId + 2;
    connection.lastStreamId = streamId;
    const stream = connection.openStream(streamId, PRIORITY_DEFAULT);
    const request = { method: head.method, hasContent };
    const exchange = new Http2ClientExchange(connection, stream, request, handler);
    stream.user = exchange;
    stream.isLocalEnded = !hasContent;
    this.#sendHead(streamId, head, isConnect ? -1 : contentLength, !hasContent);
    connection.afterSending();
    return exchange;
  }

  /** Bytes from the origin. Never throws for what they hold. */
  receive(bytes: Uint8Array): void {
    this.connection.receive(bytes, false);
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

  /** Takes no more exchanges; the output ends when the open ones have. */
  shutdown(): void {
    this.connection.shutdown();
  }

  /** Asks the origin for a sign of life: `onPong` when it comes. */
  ping(): void {
    this.connection.ping();
  }

  oldestStalledMs(nowMs: number): number {
    return this.connection.oldestStalledMs(nowMs);
  }

  /** How many exchanges may be started now. */
  get availableStreams(): number {
    const { connection } = this;
    const { isClosed, isDraining, hasPeerGoaway, lastStreamId } = connection;
    if (isClosed || isDraining || hasPeerGoaway || lastStreamId >= STREAM_ID_MAX) return 0;
    return Math.max(0, this.streamsConcurrentMax - connection.streams.size);
  }

  /** How many exchanges may run at once (SETTINGS_MAX_CONCURRENT_STREAMS). */
  get streamsConcurrentMax(): number {
    const { connection } = this;
    const allowed = connection.hasPeerSettings
      ? connection.peer.streamsConcurrentMax
      : this.#streamsExpected;
    return Math.min(allowed, connection.limits.streamsConcurrentMax);
  }

  /** The origin takes extended CONNECT (RFC 8441 §3). False until its settings have come. */
  get allowsExtendedConnect(): boolean {
    return this.connection.peer.allowsExtendedConnect;
  }

  get openStreams(): number {
    return this.connection.streams.size;
  }

  get isClosed(): boolean {
    return this.connection.isClosed;
  }

  // ------------------------------------------------------------------ from the connection

  onOpen(): void {
    assert(false, 'an origin cannot open a stream');
  }

  onFieldSection(stream: Stream, endStream: boolean): void {
    const { connection } = this;
    const exchange = stream.user as Http2ClientExchange;
    if (connection.decoder.isTooLarge) {
      this.#malformed(stream, 'the headers are too large');
      return;
    }
    if (stream.hasHead) {
      const trailers = readTrailers(connection.decoder.fields);
      if (trailers === null || !endStream || hasLengthFault(stream, true)) {
        this.#malformed(stream, 'malformed trailers');
      } else connection.remoteEnd(stream, trailers);
      return;
    }
    const head = readResponse(connection.decoder.fields);
    // Interim responses are answered by nothing, so that they must not come without end.
    if (head !== null && head.status < 200 && !connection.spend('empty-frames')) return;
    if (head === null || !exchange.onHead(head, endStream)) {
      this.#malformed(stream, 'a malformed response');
    } else if (endStream && !stream.isClosed) connection.remoteEnd(stream, null);
  }

  onPriorityUpdate(): void {
    assert(false, 'PRIORITY_UPDATE goes to servers only');
  }

  onCapacityChange(): void {
    this.#onAvailable();
  }

  onPong(): void {
    this.#onPong();
  }

  // ------------------------------------------------------------------ inside

  #malformed(stream: Stream, message: string): void {
    this.connection.streamError(stream.id, ErrorCode.PROTOCOL_ERROR, message);
  }

  /** RFC 9113 §8.3.1; CONNECT: §8.5, and RFC 8441 §4 when it names a protocol. */
  #sendHead(streamId: number, head: RequestHead, contentLength: number, endStream: boolean): void {
    const { encoder, writer } = this.connection;
    encoder.begin();
    encoder.field(':method', head.method);
    if (head.method !== 'CONNECT' || head.upgrade !== '') {
      if (head.method === 'CONNECT') encoder.field(':protocol', head.upgrade);
      encoder.field(':scheme', head.scheme);
      encoder.field(':path', head.path);
    }
    encoder.field(':authority', head.authority.text);
    encoder.section(head.fields, 'content-length');
    // A content-length of 0 says something only where content could be expected.
    if (contentLength > 0 || (contentLength === 0 && head.fields.has('content-length'))) {
      encoder.field('content-length', String(contentLength));
    }
    writer.headers(streamId, encoder.block.bytes, encoder.block.length, endStream);
  }
}

function clientSettings(limits: Http2Limits): number[] {
  return [
    SettingId.ENABLE_PUSH,
    0,
    SettingId.INITIAL_WINDOW_SIZE,
    limits.streamWindowBytes,
    SettingId.MAX_HEADER_LIST_SIZE,
    limits.fieldSectionBytesMax,
    SettingId.NO_RFC7540_PRIORITIES,
    1,
  ];
}
