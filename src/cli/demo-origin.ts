/** The demo's origin, a process of its own: a few pages that show what a cache and an edge do. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/** The listening socket that the demo has opened; after standard streams and the IPC channel. */
const LISTENING_FD = 4;

const SLOW_MS = 2_000;
const BIG_BYTES_DEFAULT = 10_000_000;
const BIG_BYTES_MAX = 10_000_000_000;

const HOME_PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>sluice demo</title>
<style>body{font:16px/1.5 system-ui;max-width:42em;margin:3em auto;padding:0 1em}</style>
<h1>sluice works</h1>
<p>This page came from the demo's origin, through sluice. The origin has a few more:</p>
<ul>
<li><a href="/cached">/cached</a> may be stored for 60 seconds: follow this link twice, and the time
  is the same. (A reload asks the origin.)
<li><a href="/slow">/slow</a> takes two seconds, and may not be stored.
<li><a href="/echo">/echo</a> shows the request as the origin received it, any method.
<li><a href="/big?bytes=1000000">/big?bytes=1000000</a> sends as many bytes as you ask for.
</ul>
<p>The <code>Cache-Status</code> header of every response says what the cache did.
`;

const server = createServer((request, response) => {
  const url = URL.parse(request.url ?? '/', 'http://origin');
  switch (url?.pathname) {
    case '/':
      return text(response, 'text/html; charset=utf-8', 'no-cache', HOME_PAGE);
    case '/cached':
      return text(response, 'text/plain', 'max-age=60', `Made at ${new Date().toISOString()}\n`);
    case '/slow':
      setTimeout(text, SLOW_MS, response, 'text/plain', 'no-store', 'At last.\n');
      return;
    case '/echo':
      return echo(request, response);
    case '/big':
      return big(response, Number(url.searchParams.get('bytes') ?? BIG_BYTES_DEFAULT));
    default:
      response.statusCode = 404;
      return text(response, 'text/plain', 'no-store', 'There is /, /cached, /slow, /echo, /big.\n');
  }
});

function text(response: ServerResponse, type: string, cacheControl: string, body: string): void {
  response.setHeader('Content-Type', type);
  response.setHeader('Cache-Control', cacheControl);
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.end(body);
}

/** The request's head, then its content as it comes. */
function echo(request: IncomingMessage, response: ServerResponse): void {
  let head = `${request.method} ${request.url} HTTP/${request.httpVersion}\n`;
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    head += `${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}\n`;
  }
  response.setHeader('Content-Type', 'text/plain');
  response.setHeader('Cache-Control', 'no-store');
  response.write(`${head}\n`);
  request.pipe(response);
}

function big(response: ServerResponse, bytes: number): void {
  if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > BIG_BYTES_MAX) {
    response.statusCode = 400;
    text(response, 'text/plain', 'no-store', `bytes is a number from 0 to ${BIG_BYTES_MAX}.\n`);
    return;
  }
  response.setHeader('Content-Type', 'application/octet-stream');
  response.setHeader('Cache-Control', 'max-age=60');
  response.setHeader('Content-Length', bytes);
  const block = Buffer.alloc(65_536, 'sluice ');
  let left = bytes;
  const sendMore = () => {
    while (left > 0) {
      const part = left < block.length ? block.subarray(0, left) : block;
      left -= part.length;
      if (!response.write(part)) {
        response.once('drain', sendMore);
        return;
      }
    }
    response.end();
  };
  sendMore();
}

server.listen({ fd: LISTENING_FD });

// Ctrl-C reaches every process of the terminal; the demo decides when we end.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
