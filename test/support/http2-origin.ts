/** Origins that speak HTTP/2: Node's own server, with or without TLS. */
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { within } from './waiting.ts';

export type StreamHandler = (stream: ServerHttp2Stream, fields: IncomingHttpHeaders) => void;

export class Http2Origin implements AsyncDisposable {
  readonly server: Http2Server;
  readonly sessions: ServerHttp2Session[] = [];
  /** The fields of every request, in the order in which they came. */
  readonly seen: IncomingHttpHeaders[] = [];
  readonly #scheme: string;

  constructor(server: Http2Server, scheme: string, handler: StreamHandler) {
    this.server = server;
    this.#scheme = scheme;
    server.on('session', (session) => {
      this.sessions.push(session);
      session.on('error', () => {});
    });
    server.on('sessionError', () => {});
    server.on('stream', (stream: ServerHttp2Stream, fields: IncomingHttpHeaders) => {
      this.seen.push(fields);
      stream.on('error', () => {});
      handler(stream, fields);
    });
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** To be given as `--origin`. */
  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}`;
  }

  asked(path: string): IncomingHttpHeaders[] {
    return this.seen.filter((fields) => fields[':path'] === path);
  }

  /** Connections open now. */
  get open(): number {
    return this.sessions.filter((session) => !session.destroyed).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.server.close(() => resolve());
    for (const session of this.sessions) session.destroy();
    await promise;
  }
}

export async function startH2cOrigin(
  handler: StreamHandler,
  options: ServerOptions = {},
): Promise<Http2Origin> {
  return listening(new Http2Origin(createServer(options), 'h2c', handler));
}

export async function startHttp2Origin(
  certificate: { readonly certificatePem: string; readonly keyPem: string },
  handler: StreamHandler,
  options: { readonly allowHTTP1?: boolean } & ServerOptions = {},
): Promise<Http2Origin> {
  const { certificatePem: cert, keyPem: key } = certificate;
  return listening(
    new Http2Origin(createSecureServer({ cert, key, ...options }), 'https', handler),
  );
}

async function listening(origin: Http2Origin): Promise<Http2Origin> {
  const { promise, resolve } = Promise.withResolvers<void>();
  origin.server.listen(0, '127.0.0.1', resolve);
  await within(promise, 'an HTTP/2 origin to listen');
  return origin;
}
