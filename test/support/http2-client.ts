/** Node's own HTTP/2 client, with what a test wants to know of each stream. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
} from 'node:http2';
import { until, within } from './waiting.ts';

export interface Answer {
  readonly status: number;
  readonly fields: IncomingHttpHeaders;
  readonly content: string;
  readonly trailers: IncomingHttpHeaders;
}

export class Http2Stream {
  readonly stream: ClientHttp2Stream;
  fields: IncomingHttpHeaders | null = null;
  trailers: IncomingHttpHeaders = {};
  readonly interim: number[] = [];
  content = '';
  /** The peer has ended its side in order. */
  hasEnded = false;
  isClosed = false;
  readonly #finished = Promise.withResolvers<void>();

  constructor(stream: ClientHttp2Stream) {
    this.stream = stream;
    stream.on('headers', (fields) => this.interim.push(fields[':status'] ?? 0));
    stream.on('response', (fields) => {
      this.fields = fields;
    });
    stream.on('trailers', (fields) => {
      this.trailers = fields;
    });
    stream.on('data', (bytes: Buffer) => {
      this.content += bytes.toString('latin1');
    });
    stream.on('end', () => {
      this.hasEnded = true;
      this.#finished.resolve();
    });
    stream.on('error', () => {});
    stream.on('close', () => {
      this.isClosed = true;
      this.#finished.resolve();
    });
  }

  /** As RFC 9113 §7 names it; `NO_ERROR` for streams that ended well. */
  get errorCode(): string {
    return ERROR_CODES[this.stream.rstCode] ?? String(this.stream.rstCode);
  }

  async head(): Promise<IncomingHttpHeaders> {
    return until(() => {
      if (this.fields === null && this.isClosed) throw new Error(`reset: ${this.errorCode}`);
      return this.fields ?? undefined;
    }, 'a response');
  }

  /** Until the answer is complete; rejects when it is broken off. */
  async answer(timeoutMs?: number): Promise<Answer> {
    await within(this.#finished.promise, 'an answer', timeoutMs);
    const { fields } = this;
    if (!this.hasEnded || fields === null) throw new Error(`broken off: ${this.errorCode}`);
    return {
      status: Number(fields[':status']),
      fields,
      content: this.content,
      trailers: this.trailers,
    };
  }

  async closed(): Promise<string> {
    await until(() => this.isClosed, 'the stream to close');
    return this.errorCode;
  }

  async until(text: string): Promise<void> {
    await until(() => this.content.includes(text), `${JSON.stringify(text)} to arrive`);
  }
}

/** By their numbers (RFC 9113 §7). */
const ERROR_CODES = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
];

export class Http2Client implements Disposable {
  readonly session: ClientHttp2Session;
  /** Error codes of GOAWAY frames. */
  readonly goaways: number[] = [];
  isClosed = false;

  private constructor(session: ClientHttp2Session) {
    this.session = session;
    session.on('error', () => {});
    session.on('goaway', (code) => this.goaways.push(code));
    session.on('close', () => {
      this.isClosed = true;
    });
  }

  /** Connects and waits for the server's settings. `url` as `https://localhost:1234`. */
  static async open(
    url: string,
    options: ClientSessionOptions | SecureClientSessionOptions = {},
  ): Promise<Http2Client> {
    const session = connect(url, { rejectUnauthorized: false, ...options });
    const client = new Http2Client(session);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    session.once('remoteSettings', () => resolve());
    session.once('error', reject);
    await within(promise, `HTTP/2 with ${url}`);
    return client;
  }

  /** Begins a request; its content, if any, is written to `stream`. */
  begin(fields: OutgoingHttpHeaders, endStream: boolean): Http2Stream {
    return new Http2Stream(this.session.request(fields, { endStream }));
  }

  async get(path: string, fields: OutgoingHttpHeaders = {}): Promise<Answer> {
    return this.begin({ ':path': path, ...fields }, true).answer();
  }

  async post(path: string, content: string | Buffer, fields: OutgoingHttpHeaders = {}) {
    const stream = this.begin({ ':method': 'POST', ':path': path, ...fields }, false);
    stream.stream.end(content);
    return stream.answer();
  }

  [Symbol.dispose](): void {
    this.session.destroy();
  }
}
