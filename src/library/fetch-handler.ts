/** A `(request) => Response` function as a handler of Node's HTTP server. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';

/** A handler of the Fetch model: what Hono's, Remix's and others' `fetch` is. */
export type WebHandler = (request: Request) => Response | Promise<Response>;

const WITHOUT_BODY = new Set(['GET', 'HEAD']);

/** Runs `handler` for each request. What it throws is a 500, and goes to `onError`. */
export function requestListener(
  handler: WebHandler,
  onError: (error: unknown) => void,
): RequestListener {
  return (incoming, outgoing) => {
    answer(handler, incoming, outgoing).catch((error: unknown) => {
      // A client that has gone away is no fault of the app.
      if (outgoing.destroyed) return;
      onError(error);
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(500, { 'content-type': 'text/plain' }).end('Internal Server Error\n');
    });
  };
}

async function answer(
  handler: WebHandler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const aborter = new AbortController();
  outgoing.on('close', () => {
    if (!outgoing.writableFinished) aborter.abort();
  });
  const response = await handler(requestOf(incoming, aborter.signal));
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
function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request {
  const { headers, method = 'GET', url = '/', rawHeaders } = incoming;
  const scheme = headers['x-forwarded-proto'] === 'https' ? 'https' : 'http';
  const base = `${scheme}://${headers.host ?? 'localhost'}`;
  const all = new Headers();
  for (let i = 0; i < rawHeaders.length; i += 2) all.append(rawHeaders[i]!, rawHeaders[i + 1]!);
  const body = WITHOUT_BODY.has(method) ? null : Readable.toWeb(incoming);
  // `duplex` is what the standard wants of a body that is a stream, and no type knows.
  const init = { method, headers: all, body, signal, duplex: 'half' };
  // What begins with two slashes is a path here, and no host.
  return new Request(url.startsWith('/') ? base + url : new URL(url, base), init as RequestInit);
}
