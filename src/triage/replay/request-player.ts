/** Sends the request of a script, as a client of ours that trusts anybody. */
import { Agent, type ClientRequest, request as requestOverHttp } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { request as requestOverTls, Agent as SecureAgent } from 'node:https';
import { isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { owned } from '../../base/owned.ts';
import { slowdown } from '../../base/slowdown.ts';
import { NO_AUTHORITY, parseAuthority } from '../../http/authority.ts';
import type { PlayTarget } from '../sandbox.ts';
import { announcedBy, type BodySink, byName, writePieces } from './played-message.ts';
import type { PlayedBody, PlayedOutcome, RequestScript } from './script.ts';

/** Longer than a server on this machine takes for anything but hanging. */
const ANSWER_TIMEOUT_MS = 3_000;

type Answer = Pick<PlayedOutcome, 'result'> & { readonly received: readonly string[] };

const CLOSED: Answer = { result: 'closed', received: [] };
const REFUSED: Answer = { result: 'refused', received: [] };

export async function playRequest(
  script: RequestScript,
  target: PlayTarget,
  signal: AbortSignal,
): Promise<PlayedOutcome> {
  const startedAtMs = performance.now();
  const client =
    script.version === '2' ? new Http2Client(script, target) : new Http1Client(script, target);
  let sent = 0;
  let answer: Answer = CLOSED;
  try {
    while (sent < script.times) {
      signal.throwIfAborted();
      answer = await inTime(client.ask());
      sent++;
      if (answer.result !== 'answered') break;
    }
  } finally {
    client.destroy();
  }
  const { result, received } = answer;
  const durationMs = Math.round(performance.now() - startedAtMs);
  return { result, alert: '', flightsSent: sent, received, durationMs };
}

async function inTime(answer: Promise<Answer>): Promise<Answer> {
  const timer = new AbortController();
  const late: Promise<Answer> = sleep(ANSWER_TIMEOUT_MS * slowdown(), null, {
    signal: timer.signal,
  }).then(
    () => ({ result: 'silent', received: [] }),
    () => CLOSED,
  );
  const first = await Promise.race([answer, late]);
  timer.abort();
  return first;
}

/** A client that stops in the middle waits. Of a connection that ends before the answer tells. */
function sendBody(body: PlayedBody, to: BodySink): void {
  const end = () => {
    if (body.missing === 0 && !to.destroyed) to.end();
  };
  owned(writePieces(body, to).then(end), end);
}

/** What the server is to be shown as the name that it is asked for. */
function serverNameOf({ authority }: RequestScript): string {
  const { address } = parseAuthority(authority) ?? NO_AUTHORITY;
  return isIP(address) === 0 ? address : '';
}

class Http1Client {
  readonly #script: RequestScript;
  readonly #target: PlayTarget;
  readonly #agent: Agent | SecureAgent;

  constructor(script: RequestScript, target: PlayTarget) {
    this.#script = script;
    this.#target = target;
    const settings = { keepAlive: true, maxSockets: 1 };
    const secure = { ...settings, ALPNProtocols: ['http/1.1'] };
    this.#agent = script.tls ? new SecureAgent(secure) : new Agent(settings);
  }

  ask(): Promise<Answer> {
    const { method, path, headers, body, authority, tls } = this.#script;
    const { host, port, plainPort } = this.#target;
    const framing =
      body.framing === 'chunked' ? [['transfer-encoding', 'chunked']] : announcedBy(body);
    const lines = [['host', authority], ...headers, ...framing].flat();
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const settings = { host, method, path, headers: lines, agent: this.#agent };
    const request = tls
      ? requestOverTls({
          ...settings,
          port,
          rejectUnauthorized: false,
          servername: serverNameOf(this.#script),
        })
      : requestOverHttp({ ...settings, port: plainPort ?? port });
    request.on('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'ECONNREFUSED' ? REFUSED : CLOSED);
    });
    request.on('response', (response) => {
      let length = 0;
      const received = () => [`HTTP/1.1 ${response.statusCode}`, `${length} bytes`];
      response.on('data', (bytes: Buffer) => {
        length += bytes.length;
      });
      response.on('end', () => resolve({ result: 'answered', received: received() }));
      response.on('error', () => resolve({ result: 'closed', received: received() }));
    });
    request.on('upgrade', ({ statusCode }, socket) => {
      socket.destroy();
      resolve({ result: 'answered', received: [`HTTP/1.1 ${statusCode}`] });
    });
    request.on('close', () => resolve(CLOSED));
    this.#send(request);
    return promise;
  }

  #send(request: ClientRequest): void {
    const { body } = this.#script;
    request.setNoDelay(true);
    if (body.pieces.length > 0) request.flushHeaders();
    sendBody(body, request);
  }

  destroy(): void {
    this.#agent.destroy();
  }
}

class Http2Client {
  readonly #script: RequestScript;
  readonly #session: ClientHttp2Session;
  #isRefused = false;

  constructor(script: RequestScript, { host, port, plainPort }: PlayTarget) {
    this.#script = script;
    const place = script.tls ? `https://${host}:${port}` : `http://${host}:${plainPort ?? port}`;
    this.#session = connectHttp2(place, {
      rejectUnauthorized: false,
      servername: serverNameOf(script),
    });
    this.#session.on('error', (error: NodeJS.ErrnoException) => {
      this.#isRefused = error.code === 'ECONNREFUSED';
    });
  }

  ask(): Promise<Answer> {
    const { method, path, headers, body, authority, tls } = this.#script;
    const session = this.#session;
    const gone = () => (this.#isRefused ? REFUSED : CLOSED);
    if (session.destroyed || session.closed) return Promise.resolve(gone());
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const fields = {
      ':method': method,
      ':scheme': tls ? 'https' : 'http',
      ':authority': authority,
      ':path': path,
      ...byName([...headers, ...announcedBy(body)]),
    };
    const stream = session.request(fields, { endStream: body.framing === 'none' });
    let status = '';
    let length = 0;
    stream.on('response', (response) => {
      status = `HTTP/2 ${response[':status']}`;
    });
    stream.on('data', (bytes: Buffer) => {
      length += bytes.length;
    });
    const received = () => (status === '' ? [] : [status, `${length} bytes`]);
    stream.on('end', () => {
      if (status !== '') resolve({ result: 'answered', received: received() });
    });
    stream.on('error', () => {});
    // The session says after its streams why it has ended.
    stream.on('close', () => setImmediate(() => resolve({ ...gone(), received: received() })));
    if (body.framing !== 'none') sendBody(body, stream);
    return promise;
  }

  destroy(): void {
    this.#session.destroy();
  }
}
