/**
 * The admin endpoint: metrics, statistics, health and the cache, for this machine. On loopback or a
 * UNIX socket, and only for requests that name such a host: a web page that points its own name at
 * 127.0.0.1 gets nothing. What writes is guarded further; see admin-routes.ts.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Endpoint, SluiceOptions } from '../config/options.ts';
import { prometheusContentType, prometheusText, statsObject } from '../telemetry/exposition.ts';
import { readMetrics } from '../telemetry/metrics-reader.ts';
import { cacheRoutes } from './admin-cache.ts';
import { type AdminRoute, answerRoute } from './admin-routes.ts';
import type { CacheControl } from './cache-control.ts';
import { listenError } from './listeners.ts';
import type { SupervisorStatus } from './supervisor.ts';

export interface AdminSources {
  status(): SupervisorStatus;
  regions(): Uint8Array[];
  readonly cache: CacheControl;
  readonly cacheOptions: CacheOptions;
  /** What other parts of the supervisor offer. */
  readonly routes: readonly AdminRoute[];
  /** One line for the operator, for everything that was changed. */
  report(message: string): void;
}

export type CacheOptions = Pick<
  SluiceOptions,
  'cacheDirectory' | 'cacheSizeBytes' | 'cacheMemoryBytes'
>;

export interface AdminServer {
  /** As bound. */
  readonly endpoint: Endpoint;
  close(): void;
}

/** Throws UsageError that names --admin when the address cannot be had. */
export async function startAdminServer(
  endpoint: Endpoint,
  sources: AdminSources,
): Promise<AdminServer> {
  const routes = [...cacheRoutes(sources), ...sources.routes];
  const server = createServer((request, response) => {
    void answer(request, response, routes, sources);
  });
  server.requestTimeout = 5_000;
  await listen(server, endpoint);
  server.unref();
  const address = server.address();
  const bound =
    isTcp(address) && !('path' in endpoint) ? { ...endpoint, port: address.port } : endpoint;
  return {
    endpoint: bound,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function isTcp(address: ReturnType<Server['address']>): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}

function listen(server: Server, endpoint: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(listenError('admin', endpoint, errorCodes[error.code ?? ''] ?? String(error.code)));
    });
    server.listen(endpoint, () => resolve());
  });
}

const errorCodes: Record<string, string> = {
  EADDRINUSE: 'address-in-use',
  EACCES: 'address-forbidden',
  EADDRNOTAVAIL: 'address-unavailable',
};

const LOCAL_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i;

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  routes: readonly AdminRoute[],
  sources: AdminSources,
): Promise<void> {
  const host = request.headers.host;
  if (host !== undefined && host !== '' && !LOCAL_HOST.test(host)) {
    send(response, 403, 'text/plain', 'The admin endpoint answers to localhost only.\n');
    return;
  }
  const routed = await answerRoute(routes, request, sources.report);
  if (routed !== null) {
    if (routed.allow !== undefined) response.setHeader('Allow', routed.allow);
    send(response, routed.status, 'application/json', `${JSON.stringify(routed.body)}\n`);
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    send(response, 405, 'text/plain', 'Only GET and HEAD.\n');
  } else {
    answerPath(request.url?.split('?')[0] ?? '/', response, routes, sources);
  }
}

function answerPath(
  path: string,
  response: ServerResponse,
  routes: readonly AdminRoute[],
  sources: AdminSources,
): void {
  if (path === '/metrics') {
    send(response, 200, prometheusContentType, prometheusText(readMetrics(sources.regions())));
  } else if (path === '/stats') {
    const metrics = statsObject(readMetrics(sources.regions()));
    const body = { ...sources.status(), metrics };
    send(response, 200, 'application/json', `${JSON.stringify(body)}\n`);
  } else if (path === '/healthz') {
    const { state, workers } = sources.status();
    const isServing = state === 'running' && workers.some((one) => one.state === 'running');
    send(response, isServing ? 200 : 503, 'text/plain', isServing ? 'ok\n' : `${state}\n`);
  } else {
    const offered = ['/metrics', '/stats', '/healthz', ...routes.map((route) => route.path)];
    const body = { error: `there is ${offered.join(', ')}` };
    send(response, 404, 'application/json', `${JSON.stringify(body)}\n`);
  }
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(body);
}
