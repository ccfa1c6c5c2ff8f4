/** An HTTP/3 server connection on a QUIC connection without packets. */
import type { Authority } from '../../src/http/authority.ts';
import { defaultHttp3Limits, type Http3Limits } from '../../src/http3/limits.ts';
import { Http3ServerConnection } from '../../src/http3/server-connection.ts';
import { facts, RecordedRequest } from '../http2/server-under-test.ts';
import { FakeQuic, type FakeStream } from './fake-quic.ts';
import {
  ERROR,
  firstVarint,
  type ReadFrame,
  readFrames,
  SectionTeller,
  settings,
  TYPE,
} from './wire.ts';

export interface Http3UnderTestOptions {
  readonly onRequest?: (request: RecordedRequest) => void;
  readonly limits?: Partial<Http3Limits>;
  readonly isCovered?: (authority: Authority, scheme: string) => boolean;
  /** Heads wait for the end of a turn: `endTurn`. */
  readonly hasTurns?: boolean;
  /** The client's decoder of QPACK. */
  readonly tableBytesMax?: number;
  readonly blockedStreamsMax?: number;
  /** Unidirectional streams that the client lets us open. */
  readonly unidirectionalMax?: number;
}

/** Streams of a client: its control stream and QPACK's two. */
export const CONTROL = 2;
export const ENCODER = 6;
export const DECODER = 10;

export class Http3UnderTest {
  readonly quic = new FakeQuic(true);
  readonly server: Http3ServerConnection;
  readonly requests: RecordedRequest[] = [];
  readonly abuses: string[] = [];
  readonly refusals: string[] = [];
  readonly badRequests: string[] = [];
  readonly teller: SectionTeller;
  nowMs = 0;
  #endOfTurn: (() => void)[] = [];

  constructor(options: Http3UnderTestOptions = {}) {
    const { tableBytesMax = 0, blockedStreamsMax = 0 } = options;
    this.quic.unidirectionalMax = options.unidirectionalMax ?? 100;
    this.teller = new SectionTeller(tableBytesMax, blockedStreamsMax);
    this.server = new Http3ServerConnection({
      quic: this.quic,
      sink: {
        onRequest: (head, sender, { early }) => {
          const request = new RecordedRequest(head, sender, early);
          this.requests.push(request);
          options.onRequest?.(request);
          return request;
        },
      },
      factsFor: (early) => facts(early),
      ...(options.isCovered === undefined ? {} : { isCovered: options.isCovered }),
      ...(options.hasTurns === true
        ? { atEndOfTurn: (body: () => void) => this.#endOfTurn.push(body) }
        : {}),
      limits: { ...defaultHttp3Limits, ...options.limits },
      monotonicMs: () => this.nowMs,
      onAbuse: (kind) => this.abuses.push(kind),
      onRefused: (error) => this.refusals.push(`${error.code}: ${error.message}`),
      onBadRequest: (code, status) => this.badRequests.push(`${code} ${status}`),
    });
    this.quic.application = this.server.application;
    this.server.application.onReady();
  }

  /** The client's streams and settings. */
  greet(...pairs: readonly (readonly [number, number])[]): this {
    this.control(Buffer.from([0]), settings(...pairs));
    this.stream(ENCODER).deliver(Buffer.from([2]));
    this.stream(DECODER).deliver(Buffer.from([3]));
    return this;
  }

  stream(id: number): FakeStream {
    return this.quic.peerStream(id);
  }

  control(...parts: readonly Uint8Array[]): void {
    this.stream(CONTROL).deliver(Buffer.concat(parts));
  }

  /** Bytes of a request's stream; the last part ends it when `isFin`. */
  ask(id: number, parts: readonly Uint8Array[], isFin = true): FakeStream {
    const stream = this.stream(id);
    stream.deliver(Buffer.concat(parts), isFin);
    return stream;
  }

  endTurn(): void {
    const bodies = this.#endOfTurn;
    this.#endOfTurn = [];
    for (const body of bodies) body();
  }

  /** Frames of a stream, control streams without their type. */
  frames(id: number): ReadFrame[] {
    const stream = this.quic.streams.get(id)!;
    return readFrames(stream.kind === 'unidirectional' ? stream.bytes.subarray(1) : stream.bytes);
  }

  /** What the server has said on a stream, in words. */
  told(id: number): string[] {
    const stream = this.quic.streams.get(id);
    if (stream === undefined) return [];
    const lines: string[] = [];
    let content = 0;
    const tellContent = () => {
      if (content > 0) lines.push(`DATA ${content}`);
      content = 0;
    };
    for (const { type, payload } of stream.isOurs ? [] : this.frames(id)) {
      if (type === TYPE.DATA) content += payload.length;
      else {
        tellContent();
        const fields = type === TYPE.HEADERS ? this.teller.fields(payload, id) : null;
        const status = fields?.first(':status');
        lines.push(type === TYPE.HEADERS ? `HEADERS ${status ?? 'trailers'}` : `frame ${type}`);
      }
    }
    tellContent();
    if (stream.kind === 'bidirectional' && stream.hasWrittenFin) lines.push('FIN');
    if (stream.resetCode >= 0) lines.push(`RESET ${ERROR[stream.resetCode] ?? stream.resetCode}`);
    if (stream.stopCode >= 0) lines.push(`STOP ${ERROR[stream.stopCode] ?? stream.stopCode}`);
    return lines;
  }

  /** How the connection was ended, or ''. */
  get ending(): string {
    const { closed } = this.quic;
    return closed === null ? '' : (ERROR[closed.code] ?? String(closed.code));
  }

  /** What GOAWAY frames name. */
  get goaways(): number[] {
    const frames = this.frames(3).filter(({ type }) => type === TYPE.GOAWAY);
    return frames.map(({ payload }) => firstVarint(payload));
  }
}
