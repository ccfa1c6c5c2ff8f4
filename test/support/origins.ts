/** Origins: well-behaved ones that remember what they were asked, and raw ones that misbehave. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { type Message, readMessage } from './messages.ts';
import { within } from './waiting.ts';

/** One request as the origin received it. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly rawHeaders: readonly string[];
  /** Bytes of content so far, all of them once `complete`. */
  contentBytes: number;
  /** SHA-256 of the content, hexadecimal, once complete. */
  contentHash: string;
  trailers: NodeJS.Dict<string>;
  complete: boolean;
  /** `performance.now()` when its head had arrived. */
  readonly atMs: number;
}

export type OriginHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  seen: SeenRequest,
) => void;

export class Origin implements AsyncDisposable {
  readonly server: Server;
  readonly seen: SeenRequest[] = [];
  readonly #scheme: string;

  constructor(server: Server, scheme: string, handler: OriginHandler) {
    this.server = server;
    this.#scheme = scheme;
    server.keepAliveTimeout = 60_000;
    const onRequest = (request: IncomingMessage, response: ServerResponse) => {
      handler(request, response, this.#remember(request));
    };
    server.on('request', onRequest);
    server.on('checkContinue', onRequest);
    server.on('clientError', (_error, socket) => socket.destroy());
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}`;
  }

  /** Requests whose target is `url`, or begins with it when it ends in `*`. */
  asked(url: string): SeenRequest[] {
    const prefix = url.endsWith('*') ? url.slice(0, -1) : null;
    return this.seen.filter((one) =>
      prefix === null ? one.url === url : one.url.startsWith(prefix),
    );
  }

  #remember(request: IncomingMessage): SeenRequest {
    const hash = createHash('sha256');
    const seen: SeenRequest = {
      method: request.method!,
      url: request.url!,
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      contentBytes: 0,
      contentHash: '',
      trailers: {},
      complete: false,
      atMs: performance.now(),
    };
    request.on('data', (bytes: Buffer) => {
      seen.contentBytes += bytes.length;
      hash.update(bytes);
    });
    request.on('end', () => {
      seen.contentHash = hash.digest('hex');
      seen.trailers = request.trailers;
      seen.complete = true;
    });
    request.on('error', () => {});
    this.seen.push(seen);
    return seen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.server.close(() => resolve());
    await promise;
  }
}

/** At a port of its own where none is given. */
export async function startOrigin(handler: OriginHandler, port = 0): Promise<Origin> {
  const origin = new Origin(createServer(), 'http', handler);
  await listening(origin.server, port);
  return origin;
}

export async function startSecureOrigin(
  certificate: { readonly certificatePem: string; readonly keyPem: string },
  handler: OriginHandler,
): Promise<Origin> {
  const { certificatePem: cert, keyPem: key } = certificate;
  const origin = new Origin(createSecureServer({ cert, key }), 'https', handler);
  await listening(origin.server);
  return origin;
}

async function listening(
  server: { listen(port: number, host: string, done: () => void): unknown },
  port = 0,
) {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(port, '127.0.0.1', resolve);
  await within(promise, 'an origin to listen');
}

/** An origin that is only a socket: the test says what it does with each request's bytes. */
export class RawOrigin implements AsyncDisposable {
  readonly server = createTcpServer({ allowHalfOpen: true });
  /** Complete requests in the order in which they were seen, over all connections. */
  readonly seen: Message[] = [];
  /** All bytes of each connection. */
  readonly received: string[] = [];
  readonly #sockets = new Set<Socket>();

  /**
   * `onRequest` is called for each complete request, with how many that connection has carried.
   * `onConnection` is called at accept.
   */
  constructor(
    onRequest: (socket: Socket, request: Message, count: number) => void,
    onConnection: (socket: Socket) => void = () => {},
  ) {
    this.server.on('connection', (socket) => {
      this.#sockets.add(socket);
      const index = this.received.push('') - 1;
      let offset = 0;
      let count = 0;
      socket.setNoDelay(true);
      socket.on('data', (bytes) => {
        this.received[index] += bytes.toString('latin1');
        for (;;) {
          const message = readMessage(this.received[index]!, offset, false);
          if (message === undefined) break;
          offset = message.end;
          this.seen.push(message);
          onRequest(socket, message, ++count);
        }
      });
      socket.on('end', () => socket.end());
      socket.on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
      onConnection(socket);
    });
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Connections open now. */
  get open(): number {
    return this.#sockets.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.server.close(() => resolve());
    await promise;
  }
}

export async function startRawOrigin(
  ...handlers: ConstructorParameters<typeof RawOrigin>
): Promise<RawOrigin> {
  const origin = new RawOrigin(...handlers);
  await listening(origin.server);
  return origin;
}

/** A port on which nothing listens: one that was just let go. */
export async function unusedPort(): Promise<number> {
  const server = createTcpServer();
  await listening(server);
  const { port } = server.address() as AddressInfo;
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  await promise;
  return port;
}
