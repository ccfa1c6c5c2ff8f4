/** Bodies that follow from their path, so that each byte of each answer can be checked. */
import { createCipheriv, createHash } from 'node:crypto';
import { Agent, get as getHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import { patience, sleep, until, within } from '../support/waiting.ts';

/** Longest body. Beyond 64 KiB it takes several fragments on disk. */
const BODY_BYTES_MAX = 200_000;

/** The body that belongs to a path: its length and its bytes follow from the path alone. */
export function bodyOf(path: string): Buffer {
  const seed = createHash('sha256').update(path).digest();
  const length = seed.readUInt32BE(0) % BODY_BYTES_MAX;
  const stream = createCipheriv('aes-256-ctr', seed, seed.subarray(0, 16));
  return stream.update(Buffer.alloc(length));
}

export type Verdict = 'right' | 'refused' | 'cut' | 'wrong';

export interface Asked {
  readonly verdict: Verdict;
  /** 0 when there was no response. */
  readonly status: number;
  readonly why: string;
}

/**
 * Asks once, without repeating. `right`: 200 and every byte is the path's. `refused`: an error that
 * says so, or no response. `cut`: a body that the client sees is not whole. `wrong`: whole, and not
 * the path's.
 */
export function ask(port: number, path: string, agent?: Agent): Promise<Asked> {
  const { promise, resolve } = Promise.withResolvers<Asked>();
  const options = {
    port,
    host: '127.0.0.1',
    path,
    headers: { Host: 'a.example' },
    agent: agent ?? false,
  };
  const request = getHttp(options, (response) => {
    const pieces: Buffer[] = [];
    const { statusCode: status = 0 } = response;
    response.on('data', (piece: Buffer) => pieces.push(piece));
    response.on('error', (error) => resolve({ verdict: 'cut', status, why: error.message }));
    response.on('end', () => resolve(judge(response, path, Buffer.concat(pieces))));
  });
  request.setTimeout(patience(20_000), () => request.destroy(new Error('no answer in time')));
  request.on('error', (error) => resolve({ verdict: 'refused', status: 0, why: error.message }));
  return promise;
}

function judge(response: IncomingMessage, path: string, body: Buffer): Asked {
  const { statusCode: status = 0 } = response;
  if (!response.complete) return { verdict: 'cut', status, why: `${body.length} bytes` };
  if (status !== 200)
    return { verdict: 'refused', status, why: String(response.headers['proxy-status']) };
  const isRight = body.equals(bodyOf(path));
  return { verdict: isRight ? 'right' : 'wrong', status, why: `${body.length} bytes` };
}

export function countOf(answers: readonly Asked[], verdict: Verdict): number {
  return answers.filter((one) => one.verdict === verdict).length;
}

/** How each answer that was not right went wrong, with how often. */
export function faultsIn(answers: readonly Asked[]): string {
  const counts = new Map<string, number>();
  for (const { verdict, status, why } of answers) {
    if (verdict === 'right') continue;
    const text = `${verdict} ${status} ${why}`;
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...counts].map(([text, count]) => `${count} × ${text}`).join('\n');
}

/** Answers as the path says; paths that begin with /kept are stored for an hour. */
export function answerWithBody(request: IncomingMessage, response: ServerResponse): void {
  const path = request.url!;
  const body = bodyOf(path);
  response.setHeader('Cache-Control', path.startsWith('/kept') ? 'max-age=3600' : 'no-store');
  // Half of them of unknown length.
  if (body.length % 2 === 0) response.setHeader('Content-Length', body.length);
  response.end(body);
}

/** A generator of numbers from 0 to `below` - 1; the same for the same seed. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** FUZZ_SEED, or one of the moment's; the test prints it. */
export function seedOf(t: TestContext): number {
  const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`FUZZ_SEED=${seed}`);
  return seed;
}

export interface Clients {
  readonly count: number;
  /** The path of the next request. */
  readonly path: () => string;
  /** Before each request. Unit: milliseconds. */
  readonly pauseMs: () => number;
  /** Requests of one connection; there is a new one after them. */
  readonly perConnection?: number;
}

/** So that there are new connections all the time, too. */
const REQUESTS_PER_CONNECTION = 40;

/** Clients that ask without end, each on one connection that it keeps; none repeats a request. */
export class KeptClients implements AsyncDisposable {
  readonly answers: Asked[] = [];
  #isOn = true;
  readonly #done: Promise<unknown>;

  constructor(port: number, clients: Clients) {
    const lanes = Array.from({ length: clients.count }, () => this.#ask(port, clients));
    this.#done = Promise.all(lanes);
  }

  /** Resolves when so many more have been answered. */
  async more(count: number): Promise<void> {
    const goal = this.answers.length + count;
    await until(() => this.answers.length >= goal, `${count} more answers`);
  }

  async end(): Promise<readonly Asked[]> {
    this.#isOn = false;
    await within(this.#done, 'the clients to end');
    return this.answers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  async #ask(port: number, clients: Clients): Promise<void> {
    const { path, pauseMs, perConnection = REQUESTS_PER_CONNECTION } = clients;
    while (this.#isOn) {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      for (let i = 0; i < perConnection && this.#isOn; i++) {
        this.answers.push(await ask(port, path(), agent));
        await sleep(pauseMs());
      }
      agent.destroy();
    }
  }
}
