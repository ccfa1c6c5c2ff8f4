/** A fake wire between an HTTP/1 client core and a server core, for tests. */

import type { RequestFacts, RequestSink } from '../../src/http/exchange.ts';
import { Http1ClientConnection } from '../../src/http1/client-connection.ts';
import type { Http1Limits } from '../../src/http1/limits.ts';
import type { MessageError } from '../../src/http1/message-error.ts';
import type { Http1Output } from '../../src/http1/output.ts';
import { Http1ServerConnection } from '../../src/http1/server-connection.ts';

/** One direction: bytes written wait here until they are moved. */
export class Pipe implements Http1Output {
  readonly buffer = Buffer.alloc(2_048);
  readonly bytesAtOnce = 131_072;
  isEnded = false;
  isReset = false;
  /** Whether the owner of this output wants to read (its peer's bytes). */
  isReading = true;
  #waiting: Buffer = Buffer.alloc(0);
  readonly #highWater: number;

  constructor(highWater = Number.POSITIVE_INFINITY) {
    this.#highWater = highWater;
  }

  get waitingBytes(): number {
    return this.#waiting.length;
  }

  /** All that waits, as text, taken. */
  take(): string {
    return this.takeBytes(this.#waiting.length).toString('latin1');
  }

  takeBytes(count: number): Buffer {
    const taken = this.#waiting.subarray(0, count);
    this.#waiting = this.#waiting.subarray(count);
    return taken;
  }

  write(bytes: Uint8Array): boolean {
    if (!this.isEnded && !this.isReset) this.#waiting = Buffer.concat([this.#waiting, bytes]);
    return this.#waiting.length <= this.#highWater;
  }

  reserve(length: number): number {
    return length <= this.buffer.length ? 0 : -1;
  }

  commit(end: number): boolean {
    return this.write(this.buffer.subarray(0, end));
  }

  end(): void {
    this.isEnded = true;
  }

  reset(): void {
    this.isReset = true;
    this.#waiting = Buffer.alloc(0);
  }

  pauseReading(): void {
    this.isReading = false;
  }

  resumeReading(): void {
    this.isReading = true;
  }
}

export function facts(early = false): RequestFacts {
  return {
    early,
    beganEarly: early,
    whenHandshakeEnds: (callback) => callback(true),
    remoteAddress: '192.0.2.1',
    peerAddress: '192.0.2.1',
    remotePort: 1,
    localAddress: '127.0.0.1',
    localPort: 80,
    tls: null,
  };
}

export interface TestServer {
  readonly connection: Http1ServerConnection;
  readonly output: Pipe;
  readonly refusals: MessageError[];
  /** Hands text to the connection, in memory that is overwritten afterwards. */
  receive(text: string, early?: boolean): void;
}

export function testServer(
  sink: RequestSink,
  output: Pipe = new Pipe(),
  limits?: Http1Limits,
): TestServer {
  const refusals: MessageError[] = [];
  const connection = new Http1ServerConnection({
    sink,
    output,
    scheme: 'http',
    factsFor: facts,
    onRefused: (error) => refusals.push(error),
    ...(limits === undefined ? {} : { limits }),
  });
  const receive = (text: string, early = false): void => {
    const bytes = Buffer.from(text, 'latin1');
    connection.receive(bytes, early);
    bytes.fill(0xaa);
  };
  return { connection, output, refusals, receive };
}

export interface TestClient {
  readonly connection: Http1ClientConnection;
  readonly output: Pipe;
  receive(text: string): void;
}

export function testClient(output: Pipe = new Pipe()): TestClient {
  const connection = new Http1ClientConnection({ output });
  const receive = (text: string): void => {
    const bytes = Buffer.from(text, 'latin1');
    connection.receive(bytes);
    bytes.fill(0xaa);
  };
  return { connection, output, receive };
}
