/** The app that is given to `edge`, whatever it is, as a server of Node that listens for us. */
import { createServer, type Server as HttpServer, type RequestListener } from 'node:http';
import type { Server, Socket } from 'node:net';
import { fetchListener } from '../base/fetch-listener.ts';
import { hostAndPort } from '../base/socket-address.ts';

/** A handler of the Fetch model: what Hono's, Remix's and others' `fetch` is. */
export type WebHandler = (request: Request) => Response | Promise<Response>;

/** As much of Fastify as is used. */
export interface FastifyLike {
  readonly server: unknown;
  ready(): unknown;
  close(): unknown;
}

/** As much of Koa as is used. */
export interface KoaLike {
  callback(): (...args: never[]) => unknown;
}

/** As much of Hono, and of the default export of a worker, as is used. */
export interface FetchLike {
  readonly fetch: (request: Request) => Response | Promise<Response>;
}

/** As much of Next.js as is used. */
export interface NextLike {
  prepare(): Promise<unknown>;
  getRequestHandler(): (...args: never[]) => unknown;
}

/**
 * What can be served: a server of `node:http` (which need not listen), a Fastify, Koa, Hono or Next
 * app, a listener of `node:http` such as an Express app, or a function from Request to Response.
 */
export type App =
  | Server
  | FastifyLike
  | KoaLike
  | FetchLike
  | NextLike
  // Express' types and those of others are not the same as Node's: the arguments are not compared.
  | ((request: never, response: never, ...more: never[]) => unknown)
  | WebHandler;

/** How a function is called: with a request and a response of Node, or with a Request. */
export type HandlerKind = 'node' | 'fetch';

export interface AppServer {
  /** URL of the origin, or `unix:` and a path. */
  readonly origin: string;
  /** Closes what was opened here, after what runs. */
  close(): Promise<void>;
}

const has = <K extends string>(app: unknown, ...names: K[]): app is Record<K, unknown> =>
  app !== null && names.every((name) => name in (app as object));

const isFunctionOf = (app: unknown, name: string): boolean =>
  has(app, name) && typeof app[name] === 'function';

/** Has the app listen at the path of a UNIX socket, unless it listens already. */
export async function listenFor(
  app: App,
  path: string,
  kind: HandlerKind | undefined,
): Promise<AppServer> {
  const { server, close } = await serverOf(app, kind);
  const address = server.listening ? server.address() : null;
  if (address !== null) return { origin: originOf(address), close: async () => {} };
  server.on('connection', asLoopback);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return { origin: `unix:${path}`, close };
}

function originOf(address: NonNullable<ReturnType<Server['address']>>): string {
  if (typeof address === 'string') return `unix:${address}`;
  // One that listens at all addresses is reached at this one.
  const isAny = address.address === '::' || address.address === '0.0.0.0';
  return `http://${hostAndPort(isAny ? '127.0.0.1' : address.address, address.port)}`;
}

/**
 * Frameworks ask a connection for its address to know whether its `X-Forwarded-For` may be trusted, and
 * those of UNIX sockets have none: `trust proxy: 'loopback'` is to hold for them.
 */
function asLoopback(socket: Socket): void {
  const own = { remoteAddress: '127.0.0.1', remoteFamily: 'IPv4', remotePort: 0 };
  for (const [name, value] of Object.entries(own)) {
    Object.defineProperty(socket, name, { value, configurable: true });
  }
}

interface Closable {
  readonly server: Server;
  close(): Promise<void>;
}

async function serverOf(app: App, kind: HandlerKind | undefined): Promise<Closable> {
  if (isFunctionOf(app, 'listen') && has(app, 'listening')) return closable(app as Server);
  if (isFunctionOf(app, 'ready') && has(app, 'server')) {
    const fastify = app as FastifyLike;
    await fastify.ready();
    const close = async () => {
      await fastify.close();
    };
    return { server: fastify.server as Server, close };
  }
  if (isFunctionOf(app, 'getRequestHandler')) {
    const next = app as NextLike;
    await next.prepare();
    return closable(createServer(next.getRequestHandler() as RequestListener));
  }
  if (isFunctionOf(app, 'callback')) {
    return closable(createServer((app as KoaLike).callback() as RequestListener));
  }
  if (typeof app === 'function') return closable(createServer(listenerOf(app, kind)));
  if (isFunctionOf(app, 'fetch')) {
    const fetchLike = app as FetchLike;
    return closable(createServer(webListener((request) => fetchLike.fetch(request))));
  }
  throw new TypeError(
    'edge(app): not a server, a Fastify, Koa, Hono, Express or Next app, nor a function',
  );
}

/** A function of one argument, or of none, takes a Request; one of more, Node's request and response. */
function listenerOf(app: object, kind: HandlerKind | undefined): RequestListener {
  const { length } = app as (...args: unknown[]) => unknown;
  const isFetch = kind === undefined ? length < 2 : kind === 'fetch';
  return isFetch ? webListener(app as WebHandler) : (app as RequestListener);
}

function webListener(handler: WebHandler): RequestListener {
  return fetchListener({ fetch: (request) => handler(request), onError: warn });
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}

function closable(server: Server): Closable {
  return {
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        (server as Partial<HttpServer>).closeIdleConnections?.();
      }),
  };
}
