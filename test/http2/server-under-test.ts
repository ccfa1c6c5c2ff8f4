/** A server connection whose output and events are recorded. */
import assert from 'node:assert/strict';
import type { SluiceError } from '../../src/base/errors.ts';
import type { Authority } from '../../src/http/authority.ts';
import type {
  PreparedResponse,
  RequestFacts,
  RequestHandler,
  ResponseSender,
} from '../../src/http/exchange.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import type { RequestHead } from '../../src/http/message.ts';
import { defaultHttp2Limits, type Http2Limits } from '../../src/http2/limits.ts';
import { Http2ServerConnection } from '../../src/http2/server-connection.ts';
import { FrameTeller, PREFACE, type ReadFrame, readFrames, settings } from './wire.ts';

export class RecordedRequest implements RequestHandler {
  readonly head: RequestHead;
  readonly sender: ResponseSender;
  readonly early: boolean;
  readonly content: Buffer[] = [];
  trailers: FieldSection | null | undefined;
  aborted: SluiceError | undefined;
  writableCount = 0;
  onAll: () => void = () => {};
  onPart: (bytes: Uint8Array) => void = () => {};
  onDrained: () => void = () => {};

  constructor(head: RequestHead, sender: ResponseSender, early: boolean) {
    this.head = head;
    this.sender = sender;
    this.early = early;
  }

  get text(): string {
    return Buffer.concat(this.content).toString('latin1');
  }

  // Every test checks the order of the contract: content, end; abort at any time, last.

  onContent(bytes: Uint8Array): void {
    assert.equal(this.trailers, undefined, 'content after the end');
    assert.equal(this.aborted, undefined, 'content after the abort');
    this.content.push(Buffer.from(bytes));
    this.onPart(bytes);
  }

  onEnd(trailers: FieldSection | null): void {
    assert.equal(this.trailers, undefined, 'a second end');
    assert.equal(this.aborted, undefined, 'an end after the abort');
    this.trailers = trailers;
    this.onAll();
  }

  onAbort(error: SluiceError): void {
    assert.equal(this.aborted, undefined, 'a second abort');
    this.aborted = error;
  }

  onWritable(): void {
    assert.equal(this.aborted, undefined, 'a call after the abort');
    this.writableCount++;
    this.onDrained();
  }
}

export interface ServerUnderTestOptions {
  readonly onRequest?: (request: RecordedRequest) => void;
  readonly limits?: Partial<Http2Limits>;
  readonly isCovered?: (authority: Authority, scheme: string) => boolean;
  /** Bytes that the output takes before it says stop. */
  readonly highWater?: number;
}

export class ServerUnderTest {
  readonly connection: Http2ServerConnection;
  readonly requests: RecordedRequest[] = [];
  readonly abuses: string[] = [];
  readonly refusals: string[] = [];
  readonly written: Buffer[] = [];
  nowMs = 0;
  ended = false;
  readingPaused = false;
  writes = 0;
  #waiting = 0;
  #teller = new FrameTeller();
  #told = 0;

  constructor(options: ServerUnderTestOptions = {}) {
    const highWater = options.highWater ?? Number.POSITIVE_INFINITY;
    this.connection = new Http2ServerConnection({
      sink: {
        onRequest: (head, sender, facts) => {
          const request = new RecordedRequest(head, sender, facts.early);
          this.requests.push(request);
          options.onRequest?.(request);
          return request;
        },
      },
      output: {
        write: (bytes) => {
          this.writes++;
          this.written.push(Buffer.from(bytes));
          this.#waiting += bytes.length;
          return this.#waiting <= highWater;
        },
        end: () => {
          this.ended = true;
        },
        reset: () => {
          this.ended = true;
        },
        pauseReading: () => {
          this.readingPaused = true;
        },
        resumeReading: () => {
          this.readingPaused = false;
        },
      },
      factsFor: (early) => facts(early),
      scheme: 'http',
      ...(options.isCovered === undefined ? {} : { isCovered: options.isCovered }),
      limits: { ...defaultHttp2Limits, ...options.limits },
      monotonicMs: () => this.nowMs,
      onAbuse: (kind) => this.abuses.push(kind),
      onRefused: (error) => this.refusals.push(`${error.code}: ${error.message}`),
    });
  }

  /** Sends the preface and the client's settings; forgets what the server says to that. */
  greet(...pairs: (readonly [number, number])[]): this {
    this.receive(PREFACE, settings(...pairs), Buffer.from([0, 0, 0, 4, 1, 0, 0, 0, 0]));
    this.frames();
    return this;
  }

  receive(...parts: Uint8Array[]): this {
    const bytes = Buffer.concat(parts);
    this.connection.receive(bytes, false);
    // The reactor reads into the same buffer again: whoever has kept a view of it is found out.
    bytes.fill(0xdd);
    return this;
  }

  /** The peer has read everything. */
  drain(): void {
    this.#waiting = 0;
    this.connection.onWritable();
  }

  /** The frames sent since the last call. */
  frames(): ReadFrame[] {
    const all = Buffer.concat(this.written);
    const fresh = all.subarray(this.#told);
    this.#told = all.length;
    return readFrames(fresh);
  }

  /** The same, in words. */
  told(): string[] {
    return this.frames().map((frame) => this.#teller.tell(frame));
  }

  fields(frame: ReadFrame): FieldSection {
    return this.#teller.fields(frame.payload);
  }
}

export function facts(early: boolean): RequestFacts {
  return {
    early,
    beganEarly: early,
    whenHandshakeEnds: (callback) => callback(true),
    remoteAddress: '127.0.0.1',
    peerAddress: '127.0.0.1',
    remotePort: 1,
    localAddress: '127.0.0.1',
    localPort: 2,
    tls: null,
  };
}

export function prepared(content: string, status = 200, ageSeconds = 7): PreparedResponse {
  return {
    status,
    fields: FieldSection.of(['content-type', 'text/plain'], ['x-origin', 'one']),
    content: Buffer.from(content, 'latin1'),
    ageSeconds,
  };
}

/** Answers a request, once it is whole, with its own content. */
export function echo(request: RecordedRequest): void {
  request.onAll = () => {
    const content = Buffer.concat(request.content);
    const fields = FieldSection.of(['content-type', 'text/plain']);
    request.sender.sendHead({ status: 200, fields, contentLength: content.length });
    request.sender.sendContent(content);
    request.sender.sendEnd(null);
  };
}
