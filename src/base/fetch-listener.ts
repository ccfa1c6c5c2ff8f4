/** A function from Request to Response as a listener of Node's HTTP server. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

/** Node's own objects of a request, for what the Web's have no word for. */
export interface NodeExchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
}

export interface FetchListenerInput {
  fetch(request: Request, exchange: NodeExchange): Response | Promise<Response>;
  /** `exception`: what `fetch` throws is a 500. `body`: what its response's body throws breaks it off. */
  onError(error: unknown, stage: 'exception' | 'body'): void;
}

const WITHOUT_BODY = new Set(['GET', 'HEAD']);

/** Runs `fetch` for each request. */
export function fetchListener({ fetch, onError }: FetchListenerInput): RequestListener {
  return (incoming, outgoing) => {
    answer(fetch, { incoming, outgoing }).catch((error: unknown) => {
      // A client that has gone away is no fault of the app.
      if (outgoing.destroyed) return;
      onError(error, outgoing.headersSent ? 'body' : 'exception');
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(500, { 'content-type': 'text/plain' }).end('Internal Server Error\n');
    });
  };
}

async function answer(fetch: FetchListenerInput['fetch'], exchange: NodeExchange): Promise<void> {
  const { incoming, outgoing } = exchange;
  const aborter = new AbortController();
  outgoing.on('close', () => {
    if (!outgoing.writableFinished) aborter.abort();
  });
  const response = await fetch(requestOf(exchange, aborter.signal), exchange);
  if (!(response instanceof Response)) throw new TypeError(`no Response but ${typeof response}`);
  outgoing.statusCode = response.status;
  if (response.statusText !== '') outgoing.statusMessage = response.statusText;
  for (const [name, value] of response.headers) {
    if (name !== 'set-cookie') outgoing.setHeader(name, value);
  }
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) outgoing.setHeader('set-cookie', cookies);
  if (response.body === null || incoming.method === 'HEAD') {
    await response.body?.cancel();
    outgoing.end();
    return;
  }
  await send(response.body, outgoing);
}

async function send(body: ReadableStream<Uint8Array>, outgoing: ServerResponse): Promise<void> {
  const reader = body.getReader();
  const onClose = () => {
    reader.cancel().catch(() => {});
  };
  outgoing.on('close', onClose);
  outgoing.flushHeaders();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (!outgoing.write(value)) await drained(outgoing);
  }
  outgoing.off('close', onClose);
  outgoing.end();
}

/** Resolves when there is room again, or nobody reads any more. */
function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      outgoing.off('drain', go).off('close', go);
      resolve();
    };
    outgoing.on('drain', go).on('close', go);
  });
}

/** The URL is the client's: sluice says in X-Forwarded-Proto how it came. */
function requestOf(exchange: NodeExchange, signal: AbortSignal): Request {
  const { headers, method = 'GET', url = '/', rawHeaders } = exchange.incoming;
  const scheme = headers['x-forwarded-proto'] === 'https' ? 'https' : 'http';
  const base = `${scheme}://${headers.host ?? 'localhost'}`;
  const all = new Headers();
  for (let i = 0; i < rawHeaders.length; i += 2) all.append(rawHeaders[i]!, rawHeaders[i + 1]!);
  const body = WITHOUT_BODY.has(method) || !hasBody(exchange.incoming) ? null : bodyOf(exchange);
  // `duplex` is what the standard wants of a body that is a stream, and no type knows.
  const init = { method, headers: all, body, signal, duplex: 'half' };
  // What begins with two slashes is a path here, and no host.
  return new Request(url.startsWith('/') ? base + url : new URL(url, base), init as RequestInit);
}

/** RFC 9112 §6.3. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/**
 * Read as far as it is asked for. What is not read when the response has ended is thrown away, so that
 * the connection serves on.
 */
function bodyOf({ incoming, outgoing }: NodeExchange): ReadableStream<Uint8Array> {
  let isRead = false;
  const begin = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    isRead = true;
    incoming
      .on('data', (bytes: Uint8Array) => {
        controller.enqueue(bytes);
        incoming.pause();
      })
      .on('end', () => controller.close())
      .on('error', (error) => controller.error(error));
  };
  const leave = () => {
    if (isRead) incoming.removeAllListeners('data').removeAllListeners('end').resume();
  };
  outgoing.once('finish', leave);
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (!isRead) begin(controller);
        incoming.resume();
      },
      cancel: leave,
    },
    { highWaterMark: 0 },
  );
}
