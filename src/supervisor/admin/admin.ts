/**
 * The admin endpoint: metrics, statistics, health and the cache, for this machine. On loopback or a
 * UNIX socket, and only for requests that name such a host: a web page that points its own name at
 * 127.0.0.1 gets nothing. What writes is guarded further; see admin-routes.ts.
 */

import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { SluiceError } from '../../base/errors.ts';
import { after, type OnFault, owned, shownElsewhere } from '../../base/owned.ts';
import type { SocketAddress } from '../../base/socket-address.ts';
import { listeningAddress, openListeningSocket } from '../../native/sockets.ts';
import { prometheusContentType, prometheusText, statsObject } from '../../telemetry/exposition.ts';
import type { Report } from '../../telemetry/log-event.ts';
import { readMetrics } from '../../telemetry/metrics-reader.ts';
import type { StatsAnswer } from '../dashboard/answers.ts';
import { pagePolicy, servedFile } from '../dashboard/served-page.ts';
import { type Health, isServing } from '../health.ts';
import type { InheritedSockets } from '../inherited-sockets.ts';
import { listenError } from '../listeners.ts';
import type { SupervisorStatus } from '../supervisor-status.ts';
import type { PassableListener } from '../upgrade.ts';
import { type CacheOptions, cacheRoutes } from './admin-cache.ts';
import { type AdminRoute, adminTarget, answerRoute } from './admin-routes.ts';
import type { CacheControl } from './cache-control.ts';

/** Of a request's head and content; commands send both at once. */
const REQUEST_TIMEOUT_MS = 5_000;
/** Between the end of a server that nobody has ended and the next. Milliseconds. */
const RESTART_MS = 1_000;

export interface AdminSources {
  status(): SupervisorStatus;
  /** Whether sluice is alive. */
  health(): Health;
  /** Whether it can serve. */
  readiness(): Health;
  regions(): Uint8Array[];
  readonly cache: CacheControl;
  readonly cacheOptions: CacheOptions;
  /** What other parts of the supervisor offer. */
  readonly routes: readonly AdminRoute[];
  /** Asked of TCP clients, but for health and metrics; '' for none. */
  readonly token: string | null;
  /** One line for the operator, for everything that was changed. */
  readonly report: Report;
  /** Has what fails inside of sluice: the request is answered with status 500. */
  readonly onFault: OnFault;
}

export interface AdminServer {
  /** As bound. */
  readonly address: SocketAddress;
  /** What another process needs to go on listening there. */
  readonly listener: PassableListener;
  /** Another process listens there from now on; who has connected here is answered. */
  leave(): void;
  close(): void;
}

/** Throws UsageError that names --admin when the address cannot be had. */
export async function startAdminServer(
  wanted: SocketAddress,
  inherited: InheritedSockets,
  sources: AdminSources,
): Promise<AdminServer> {
  const listener = openAdminListener(wanted, inherited);
  let server = await listeningServer(listener.fds[0]!, sources);
  let isClosed = false;
  const restart = async () => {
    server = await listeningServer(openListeningSocket(listener.address), sources);
    watch();
  };
  // Nobody but us closes it: a server that ends by itself is started again.
  const watch = () => {
    server.once('close', () => {
      if (isClosed) return;
      sources.onFault(new Error('the admin server has ended'));
      after(RESTART_MS, restart, sources.onFault).unref();
    });
  };
  watch();
  const leave = () => {
    isClosed = true;
    server.close();
  };
  return {
    address: listener.address,
    listener,
    leave,
    close() {
      leave();
      server.closeAllConnections();
    },
  };
}

async function listeningServer(fd: number, sources: AdminSources): Promise<Server> {
  const routes = [...cacheRoutes(sources), ...sources.routes];
  const server = createServer((request, response) => {
    owned(answer(request, response, routes, sources), (error) => {
      sources.onFault(error);
      refuse(response);
    });
  });
  // Without these, Node would close the connection without a word.
  server.on('connect', (_request, socket) => {
    socket.on('error', shownElsewhere);
    socket.end(`HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\nConnection: close\r\n\r\n`);
  });
  server.on('error', sources.onFault);
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.listen({ fd });
  await once(server, 'listening');
  server.unref();
  return server;
}

/** For a request whose answer has failed inside of sluice. */
function refuse(response: ServerResponse): void {
  if (response.headersSent) response.destroy();
  else
    send(
      response,
      500,
      'application/json',
      '{"error":"it failed inside of sluice; see its log"}\n',
    );
}

function openAdminListener(wanted: SocketAddress, inherited: InheritedSockets): PassableListener {
  const passed = inherited.take(wanted);
  if (passed !== null) return { wanted, address: passed.bound, fds: passed.fds };
  try {
    const fd = openListeningSocket(wanted);
    // The kernel knows a long path by another name than the one it was given.
    const address = 'path' in wanted ? wanted : listeningAddress(fd);
    return { wanted, address, fds: [fd] };
  } catch (error) {
    if (error instanceof SluiceError) throw listenError('--admin', wanted, error.code);
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
  const target = adminTarget(request.url ?? '');
  if (target === null) {
    send(response, 400, 'application/json', '{"error":"not a request target"}\n');
    return;
  }
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  const file = isRead ? servedFile(target.path) : null;
  if (file !== null) {
    // It holds nothing: its scripts ask for all that it shows.
    response.setHeader('Content-Security-Policy', pagePolicy);
    response.setHeader('Referrer-Policy', 'no-referrer');
    response.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
    send(response, 200, file.type, file.text());
    return;
  }
  if (!isAuthorized(request, target.path, sources.token)) {
    response.setHeader('WWW-Authenticate', 'Bearer');
    const body = { error: 'the token of --admin-token-file is missing or wrong' };
    send(response, 401, 'application/json', `${JSON.stringify(body)}\n`);
    return;
  }
  const routed = await answerRoute(routes, target, request, sources.report);
  if (routed !== null) {
    if (routed.allow !== undefined) response.setHeader('Allow', routed.allow);
    send(response, routed.status, 'application/json', `${JSON.stringify(routed.body)}\n`);
  } else if (!isRead) {
    response.setHeader('Allow', 'GET, HEAD');
    send(response, 405, 'text/plain', 'Only GET and HEAD.\n');
  } else {
    answerPath(target.path, response, routes, sources);
  }
}

/** Load balancers and Prometheus need no secret; whoever reaches a UNIX socket was let there. */
const HEALTH_PATHS = ['/healthz', '/readyz'];
const OPEN_PATHS = [...HEALTH_PATHS, '/metrics'];

function isAuthorized(request: IncomingMessage, path: string, token: string | null): boolean {
  const isTcp = request.socket.remoteAddress !== undefined;
  if (token === null || !isTcp || OPEN_PATHS.includes(path)) return true;
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
    const body = { ...(sources.status() satisfies StatsAnswer), metrics };
    send(response, 200, 'application/json', `${JSON.stringify(body)}\n`);
  } else if (HEALTH_PATHS.includes(path)) {
    const health = path === '/readyz' ? sources.readiness() : sources.health();
    const status = isServing(health) ? 200 : 503;
    send(response, status, 'application/json', `${JSON.stringify(health)}\n`);
  } else {
    const offered = [
      '/',
      '/metrics',
      '/stats',
      ...HEALTH_PATHS,
      ...routes.map((route) => route.path),
    ];
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
