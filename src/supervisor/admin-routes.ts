/**
 * What the admin endpoint offers as JSON: a table of paths, each with what GET reads and POST does.
 *
 * A POST must be application/json without Origin: no form and no script of a web page can send that
 * across origins without a preflight request, which is refused here like any OPTIONS.
 */

import type { IncomingMessage } from 'node:http';
import type { Report } from '../telemetry/log-event.ts';

/** Whatever is asked for is small; a larger request is a mistake. */
const BODY_BYTES_MAX = 65_536;

export interface AdminRequest {
  readonly path: string;
  readonly query: URLSearchParams;
  /** The JSON of a POST; undefined for GET. */
  readonly body: unknown;
}

export interface AdminAnswer {
  readonly status: number;
  /** Sent as JSON. */
  readonly body: unknown;
}

export type AdminHandler = (request: AdminRequest) => AdminAnswer | Promise<AdminAnswer>;

/** One path: exactly, or everything below it too when it ends with a slash. */
export interface AdminRoute {
  readonly path: string;
  /** What it is for, as the page of the endpoint says it. */
  readonly summary: string;
  readonly get?: AdminHandler;
  /** Changes something: it is written to the operator's log. */
  readonly post?: AdminHandler;
}

/** `{"error": WORDS}` with a status of 400 or above. */
export function failure(status: number, error: string): AdminAnswer {
  return { status, body: { error } };
}

export function success(body: unknown): AdminAnswer {
  return { status: 200, body };
}

export interface RoutedAnswer extends AdminAnswer {
  /** Value of the Allow field, with 405. */
  readonly allow?: string;
}

/** Answers a request for one of the routes; null when none has its path. Never rejects. */
export async function answerRoute(
  routes: readonly AdminRoute[],
  request: IncomingMessage,
  report: Report,
): Promise<RoutedAnswer | null> {
  const url = new URL(request.url ?? '/', 'http://admin');
  const route = routes.find(({ path }) =>
    path.endsWith('/') ? url.pathname.startsWith(path) : url.pathname === path,
  );
  if (route === undefined) return null;
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const handler = method === 'GET' ? route.get : method === 'POST' ? route.post : undefined;
  if (handler === undefined)
    return { ...failure(405, `only ${allowed(route)}`), allow: allowed(route) };
  try {
    const body = method === 'POST' ? await readJson(request) : undefined;
    const asked = { path: url.pathname, query: url.searchParams, body };
    const answer = await handler(asked);
    if (method === 'POST') {
      report(`admin: POST ${url.pathname}${url.search}: ${answer.status}`, {
        event: 'admin-write',
        fields: { path: url.pathname, status: answer.status },
      });
    }
    return answer;
  } catch (error) {
    if (error instanceof Refusal) return failure(error.status, error.message);
    report(`admin: ${method} ${url.pathname} failed: ${(error as Error).stack}`, {
      level: 'error',
      event: 'admin-failed',
    });
    return failure(500, 'it failed inside of sluice; see its log');
  }
}

function allowed(route: AdminRoute): string {
  const read = route.get === undefined ? [] : ['GET', 'HEAD'];
  return [...read, ...(route.post === undefined ? [] : ['POST'])].join(', ');
}

class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** An empty body is an empty object: many commands need no word more. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  const { origin, 'content-type': type = '' } = request.headers;
  if (origin !== undefined) throw new Refusal(403, 'requests of web pages are refused');
  if (!/^application\/json\s*(?:;|$)/i.test(type)) {
    throw new Refusal(415, 'write Content-Type: application/json');
  }
  const text = await readText(request);
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, 'not JSON');
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > BODY_BYTES_MAX) throw new Refusal(413, `at most ${BODY_BYTES_MAX} octets`);
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(400, 'the request broke off');
  }
  return Buffer.concat(parts).toString('utf8');
}
