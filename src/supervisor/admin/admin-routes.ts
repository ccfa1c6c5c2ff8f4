/**
 * What the admin endpoint offers as JSON: a table of paths, each with what GET reads and POST does.
 *
 * A POST must be application/json without Origin: no form and no script of a web page can send that
 * across origins without a preflight request, which is refused here like any OPTIONS.
 */

import type { IncomingMessage } from 'node:http';
import type { Report } from '../../telemetry/log-event.ts';

/** Whatever is asked for is small; a larger request is a mistake. */
const BODY_BYTES_MAX = 65_536;

/** Where a request goes, without its query. */
export interface AdminTarget {
  readonly path: string;
  readonly query: URLSearchParams;
}

export interface AdminRequest extends AdminTarget {
  /** The JSON object of a POST, with keys of the route only; empty for GET. */
  readonly body: Readonly<Record<string, unknown>>;
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
  /** Keys that the JSON object of a POST may have; none without it. */
  readonly keys?: readonly string[];
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

/** RFC 9112 §3.2.1: a path and a query; of visible characters, some more than RFC 3986 has. */
const ORIGIN_FORM = /^(\/[!-"$->@-~]*)(?:\?([!-"$-~]*))?$/;

/** RFC 9112 §3.2.2, for the hosts that the endpoint answers to. */
const ABSOLUTE_FORM = /^http:\/\/(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?(?=[/?]|$)/i;

/** Null for what is no request target, or another server's. */
export function adminTarget(text: string): AdminTarget | null {
  const rest = text.replace(ABSOLUTE_FORM, '');
  const match = ORIGIN_FORM.exec(rest.startsWith('/') || rest === text ? rest : `/${rest}`);
  if (match === null) return null;
  return { path: match[1]!, query: new URLSearchParams(match[2] ?? '') };
}

/**
 * Answers a request for one of the routes; null when none has its path. Rejects with what a handler
 * throws.
 */
export async function answerRoute(
  routes: readonly AdminRoute[],
  target: AdminTarget,
  request: IncomingMessage,
  report: Report,
): Promise<RoutedAnswer | null> {
  const route = routes.find(({ path }) =>
    path.endsWith('/') ? target.path.startsWith(path) : target.path === path,
  );
  if (route === undefined) return null;
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const handler = method === 'GET' ? route.get : method === 'POST' ? route.post : undefined;
  if (handler === undefined)
    return { ...failure(405, `only ${allowed(route)}`), allow: allowed(route) };
  try {
    const body = method === 'POST' ? await readObject(request, route.keys ?? []) : {};
    const answer = await handler({ ...target, body });
    if (method === 'POST') {
      report(`admin: POST ${target.path}: ${answer.status}`, {
        event: 'admin-write',
        fields: { path: target.path, status: answer.status },
      });
    }
    return answer;
  } catch (error) {
    if (error instanceof Refusal) return failure(error.status, error.message);
    throw error;
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

/**
 * An empty body is an empty object: many commands need no word more. What is no object, or has keys
 * that nobody would read, is refused here for all routes.
 */
async function readObject(
  request: IncomingMessage,
  keys: readonly string[],
): Promise<AdminRequest['body']> {
  const value = await readJson(request);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Refusal(400, 'the body is not a JSON object');
  }
  const unknown = Object.keys(value).find((key) => !keys.includes(key));
  if (unknown === undefined) return value as AdminRequest['body'];
  const known = keys.length === 0 ? 'no key' : keys.join(', ');
  throw new Refusal(400, `unknown key ${JSON.stringify(unknown.slice(0, 64))}; there is ${known}`);
}

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
      if (length > BODY_BYTES_MAX) throw new Refusal(413, `at most ${BODY_BYTES_MAX} bytes`);
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(400, 'the request broke off');
  }
  return Buffer.concat(parts).toString('utf8');
}
