/** The origin of a sandbox: answers on loopback what a script says, over HTTP/1.1 and HTTP/2. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2Server,
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import type { AddressInfo, Server, Socket } from 'node:net';
import { owned } from '../../base/owned.ts';
import { makeSelfSignedCertificate } from '../../tls/self-signed.ts';
import { announcedBy, byName, writePieces } from './played-message.ts';
import type { PlayedAnswer, RequestScript } from './script.ts';

const LOOPBACK = '127.0.0.1';

const PLAIN_ANSWER: PlayedAnswer = {
  status: 200,
  headers: [['content-type', 'text/plain']],
  body: { framing: 'length', pieces: [8], missing: 0 },
};

/** Where it listens. */
export interface OriginPorts {
  /** HTTP/1.1 in plaintext. */
  readonly http1: number;
  /** HTTP/2 with prior knowledge, in plaintext. */
  readonly http2: number;
  /** Both, over TLS. */
  readonly secure: number;
}

export class ScriptedOrigin implements AsyncDisposable {
  readonly ports: OriginPorts;
  /** Whose answers are given: of the request with the same target, or else of the first. */
  scripts: readonly RequestScript[] = [];
  readonly #servers: readonly Server[];
  readonly #sockets = new Set<Socket>();

  static async listen(): Promise<ScriptedOrigin> {
    const { certificatePem, keyPem } = makeSelfSignedCertificate({
      names: ['localhost'],
      nowMs: Date.now(),
      keyType: 'ec',
    });
    const settings = { cert: certificatePem, key: keyPem, allowHTTP1: true };
    const servers = [createServer(), createHttp2Server(), createSecureServer(settings)] as const;
    const ports: number[] = [];
    for (const server of servers) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      server.once('error', reject);
      server.listen(0, LOOPBACK, resolve);
      await promise;
      ports.push((server.address() as AddressInfo).port);
    }
    const [http1 = 0, http2 = 0, secure = 0] = ports;
    return new ScriptedOrigin(servers, { http1, http2, secure });
  }

  private constructor(servers: readonly Server[], ports: OriginPorts) {
    this.#servers = servers;
    this.ports = ports;
    for (const server of servers) {
      server.on('connection', (socket: Socket) => {
        this.#sockets.add(socket);
        socket.on('close', () => this.#sockets.delete(socket));
        socket.on('error', () => {});
      });
      server.on('error', () => {});
      server.on('request', (request: AnyRequest, response: AnyResponse) => {
        const answer = this.#answerFor(request.url ?? '/') ?? PLAIN_ANSWER;
        const isWhole = this.#isAnsweredAtEnd(request.url ?? '/');
        request.on('error', () => {});
        response.on('error', () => {});
        const give = () => {
          const given = giveAnswer(response, answer, request.method ?? 'GET');
          // Whoever asked has gone.
          owned(given, () => response.destroy());
        };
        request.resume();
        if (isWhole) request.once('end', give);
        else give();
      });
    }
  }

  #scriptFor(target: string): RequestScript | undefined {
    return this.scripts.find(({ path }) => path === target) ?? this.scripts[0];
  }

  #answerFor(target: string): PlayedAnswer | null {
    return this.#scriptFor(target)?.answer ?? null;
  }

  /** Of a request that does not end the end would be waited for in vain. */
  #isAnsweredAtEnd(target: string): boolean {
    return (this.#scriptFor(target)?.body.missing ?? 0) === 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(
      this.#servers.map((server) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        server.close(() => resolve());
        return promise;
      }),
    );
  }
}

type AnyRequest = IncomingMessage | Http2ServerRequest;
type AnyResponse = ServerResponse | Http2ServerResponse;

async function giveAnswer(response: AnyResponse, answer: PlayedAnswer, method: string) {
  const { status, headers, body } = answer;
  const lines = [...headers, ...announcedBy(body)];
  if ('stream' in response) {
    if (response.stream.destroyed) return;
    response.stream.respond({ ':status': status, ...byName(lines) });
  } else {
    response.sendDate = false;
    response.writeHead(status, lines.flat());
  }
  if (method !== 'HEAD') {
    await writePieces(body, 'stream' in response ? response.stream : response);
  }
  response.end();
}
