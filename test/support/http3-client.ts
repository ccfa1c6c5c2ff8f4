/** A client of HTTP/3 for tests: the core's connection in the other role, with what came of each request. */
import type { Blame, SluiceError } from '../../src/base/errors.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import { readResponse } from '../../src/http/response-fields.ts';
import { Http3Connection } from '../../src/http3/connection.ts';
import { defaultHttp3Limits, type Http3Limits } from '../../src/http3/limits.ts';
import type { Http3Role, MessageStream, MessageUser } from '../../src/http3/message-stream.ts';
import type { QpackDecoder } from '../../src/http3/qpack/decoder.ts';
import type { QuicConnection } from '../../src/quic/application.ts';
import { data } from '../http3/wire.ts';

export interface Http3Asking {
  readonly method?: string;
  readonly path?: string;
  readonly authority?: string;
  readonly fields?: readonly (readonly [string, string])[];
  /** All of the content, and the end after it; null for neither: the test sends it. */
  readonly content?: Uint8Array | null;
  readonly trailers?: FieldSection;
  /** CONNECT's `:protocol` (RFC 9220). */
  readonly protocol?: string;
}

/** One request of ours, and what came back. */
export class Http3Answer implements MessageUser {
  readonly stream: MessageStream;
  readonly isHead: boolean;
  readonly interim: number[] = [];
  status = 0;
  fields = FieldSection.of();
  readonly chunks: Buffer[] = [];
  trailers: FieldSection | null | undefined;
  error: SluiceError | undefined;
  /** When the head and the end came, by the test's own clock. */
  headMs = -1;
  endMs = -1;
  readonly #nowMs: () => number;

  constructor(stream: MessageStream, isHead: boolean, nowMs: () => number) {
    this.stream = stream;
    this.isHead = isHead;
    this.#nowMs = nowMs;
  }

  get content(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get isWhole(): boolean {
    return this.trailers !== undefined;
  }

  /** It has ended, well or not. */
  get isOver(): boolean {
    return this.isWhole || this.error !== undefined;
  }

  onHead(status: number, fields: FieldSection): void {
    this.status = status;
    this.fields = fields;
    this.headMs = this.#nowMs();
  }

  onContent(bytes: Uint8Array): void {
    this.chunks.push(Buffer.from(bytes));
  }

  onRemoteEnd(trailers: FieldSection | null): void {
    this.trailers = trailers;
    this.endMs = this.#nowMs();
  }

  onReset(error: SluiceError): void {
    this.error = error;
  }

  onWritable(): void {}

  send(content: string, isFin = false): void {
    this.stream.write([data(content)], isFin);
  }
}

export class Http3TestClient implements Http3Role {
  readonly connection: Http3Connection;
  readonly blame: Blame = 'upstream';
  readonly refusals: string[] = [];
  /** The request that the server's GOAWAY names, each time. */
  readonly goaways: number[] = [];
  readonly #answers = new Map<MessageStream, Http3Answer>();
  readonly #nowMs: () => number;

  constructor(quic: QuicConnection, nowMs: () => number, limits: Partial<Http3Limits> = {}) {
    this.#nowMs = nowMs;
    this.connection = new Http3Connection(this, {
      quic,
      isServer: false,
      limits: { ...defaultHttp3Limits, ...limits },
      monotonicMs: nowMs,
      grease: 7,
      onAbuse: (kind) => this.refusals.push(`abuse: ${kind}`),
      onGone: () => {},
      onRefused: (error) => this.refusals.push(`${error.code}: ${error.message}`),
    });
  }

  /** Undefined when the server lets us open no more now. */
  ask(asking: Http3Asking = {}): Http3Answer | undefined {
    const { method = 'GET', path = '/', authority = 'example.com', content } = asking;
    const { connection } = this;
    const stream = connection.openRequest();
    if (stream === undefined) return undefined;
    const answer = new Http3Answer(stream, method === 'HEAD', this.#nowMs);
    stream.user = answer;
    this.#answers.set(stream, answer);
    const { encoder } = connection;
    encoder.begin(stream.id);
    encoder.field(':method', method);
    if (asking.protocol !== undefined) encoder.field(':protocol', asking.protocol);
    encoder.field(':scheme', 'https');
    encoder.field(':authority', authority);
    encoder.field(':path', path);
    for (const [name, value] of asking.fields ?? []) encoder.field(name, value);
    const isWhole = content === undefined && asking.trailers === undefined;
    stream.write([connection.headersFrame()], isWhole);
    if (isWhole) connection.onLocalEnd(stream);
    else if (content !== null) this.#sendRest(stream, content, asking.trailers);
    return answer;
  }

  #sendRest(stream: MessageStream, content?: Uint8Array, trailers?: FieldSection): void {
    const { connection } = this;
    const parts = content === undefined ? [] : [data(Buffer.from(content).toString('latin1'))];
    if (trailers !== undefined) {
      connection.encoder.begin(stream.id);
      connection.encoder.section(trailers, '');
      parts.push(Buffer.from(connection.headersFrame()));
    }
    stream.write(parts, true);
    connection.onLocalEnd(stream);
  }

  /** Wants nothing more of a request (RFC 9114 §4.1.1). */
  cancel(answer: Http3Answer): void {
    this.connection.resetStream(answer.stream, 0x10c);
  }

  onHead(stream: MessageStream, decoder: QpackDecoder): void {
    const answer = this.#answers.get(stream)!;
    const head = readResponse(decoder.fields);
    if (head === null) this.connection.streamError(stream, 'a malformed response');
    else if (head.status < 200) answer.interim.push(head.status);
    else {
      stream.takeContent();
      stream.expectedBytes = answer.isHead || head.status === 304 ? 0 : head.contentLength;
      answer.onHead(head.status, head.fields);
    }
  }

  onHeadTooLong(stream: MessageStream): void {
    this.connection.streamError(stream, 'headers beyond the limit');
  }

  takeWaitingHead(): void {}

  onPriorityUpdate(): void {}

  onGoaway(id: number): void {
    this.goaways.push(id);
  }

  onCapacityChange(): void {}
}
