/**
 * The admin endpoint: metrics, statistics, health and the cache, for this machine. On loopback or a
 * UNIX socket, and only for requests that name such a host: a web page that points its own name at
 * 127.0.0.1 gets nothing. What writes is guarded further; see admin-routes.ts.
 */

import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { SluiceError } from '../base/errors.ts';
import type { Endpoint, SluiceOptions } from '../config/options.ts';
import { listeningEndpoint, openListeningSocket } from '../native/sockets.ts';
import { prometheusContentType, prometheusText, statsObject } from '../telemetry/exposition.ts';
import type { Report } from '../telemetry/log-event.ts';
import { readMetrics } from '../telemetry/metrics-reader.ts';
import { cacheRoutes } from './admin-cache.ts';
import { type AdminRoute, answerRoute } from './admin-routes.ts';
import type { CacheControl } from './cache-control.ts';
import { dashboardPage, dashboardPolicy } from './dashboard-page.ts';
import type { InheritedSockets } from './inherited-sockets.ts';
import { listenError } from './listeners.ts';
import type { SupervisorStatus } from './supervisor.ts';
import type { PassableListener } from './upgrade.ts';

/** Of a request's head and content; commands send both at once. */
const REQUEST_TIMEOUT_MS = 5_000;

export interface AdminSources {
  status(): SupervisorStatus;
  regions(): Uint8Array[];
  readonly cache: CacheControl;
  readonly cacheOptions: CacheOptions;
  /** What other parts of the supervisor offer. */
  readonly routes: readonly AdminRoute[];
  /** Asked of TCP clients, but for health and metrics; '' for none. */
  readonly token: string;
  /** One line for the operator, for everything that was changed. */
  readonly report: Report;
}

export type CacheOptions = Pick<
  SluiceOptions,
  'cacheDirectory' | 'cacheSizeBytes' | 'cacheMemoryBytes'
>;

export interface AdminServer {
  /** As bound. */
  readonly endpoint: Endpoint;
  /** What another process needs to go on listening there. */
  readonly listener: PassableListener;
  close(): void;
}

/** Throws UsageError that names --admin when the address cannot be had. */
export async function startAdminServer(
  wanted: Endpoint,
  inherited: InheritedSockets,
  sources: AdminSources,
): Promise<AdminServer> {
  const routes = [...cacheRoutes(sources), ...sources.routes];
  const server = createServer((request, response) => {
    void answer(request, response, routes, sources);
  });
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  const listener = openAdminListener(wanted, inherited);
  server.listen({ fd: listener.fds[0]! });
  await once(server, 'listening');
  server.unref();
  return {
    endpoint: listener.endpoint,
    listener,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function openAdminListener(wanted: Endpoint, inherited: InheritedSockets): PassableListener {
  const passed = inherited.take(wanted);
  if (passed !== null) return { wanted, endpoint: passed.bound, fds: passed.fds };
  try {
    const fd = openListeningSocket(wanted);
    return { wanted, endpoint: listeningEndpoint(fd), fds: [fd] };
  } catch (error) {
    if (error instanceof SluiceError) throw listenError('admin', wanted, error.code);
    throw error;
  }
}

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
  if (request.url === '/' && (request.method === 'GET' || request.method === 'HEAD')) {
    // It holds nothing: its script asks for all that it shows.
    response.setHeader('Content-Security-Policy', dashboardPolicy);
    response.setHeader('Referrer-Policy', 'no-referrer');
    send(response, 200, 'text/html; charset=utf-8', dashboardPage);
    return;
  }
  if (!isAuthorized(request, sources.token)) {
    response.setHeader('WWW-Authenticate', 'Bearer');
    const body = { error: 'the token of --admin-token-file is missing or wrong' };
    send(response, 401, 'application/json', `${JSON.stringify(body)}\n`);
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

/** Load balancers and Prometheus need no secret; whoever reaches a UNIX socket was let there. */
const OPEN_PATHS = ['/healthz', '/metrics'];

function isAuthorized(request: IncomingMessage, token: string): boolean {
  const isTcp = request.socket.remoteAddress !== undefined;
  if (token === '' || !isTcp || OPEN_PATHS.includes(request.url ?? '')) return true;
  const digest = (text: string) => createHash('sha256').update(text).digest();
  // Compared as digests: lengths and common beginnings take the same time.
  const given = request.headers.authorization ?? '';
  return timingSafeEqual(digest(given), digest(`Bearer ${token}`));
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
    const offered = ['/', '/metrics', '/stats', '/healthz', ...routes.map((route) => route.path)];
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
