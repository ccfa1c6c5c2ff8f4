/** Load on a TLS port: from h2load where it is installed, else from this process. */
import { spawn } from 'node:child_process';
import { Agent, request } from 'node:https';
import { findProgram } from '../../test/support/programs.ts';

const CONNECTIONS = 16;
/** Requests of one run of h2load, after which its figures are known: some tenths of a second. */
const REQUESTS_PER_RUN = 4_000;

export interface LoadFigures {
  readonly succeeded: number;
  /** Not answered, or answered with anything but 200. */
  readonly failed: number;
}

export interface Load {
  /** `h2load`, or in words what takes its place. */
  readonly name: string;
  readonly figures: LoadFigures;
  /** Resolves when all that runs has ended. */
  stop(): Promise<void>;
}

export function startLoad(port: number): Load {
  const path = findProgram('h2load');
  return path === null ? new OwnLoad(port) : new H2load(path, port);
}

/** Runs h2load again and again: what dies in one run is in its figures, and the next one connects. */
class H2load implements Load {
  readonly name = 'h2load';
  readonly figures = { succeeded: 0, failed: 0 };
  readonly #path: string;
  readonly #port: number;
  readonly #over: Promise<void>;
  #isStopping = false;

  constructor(path: string, port: number) {
    this.#path = path;
    this.#port = port;
    this.#over = this.#loop();
  }

  stop(): Promise<void> {
    this.#isStopping = true;
    return this.#over;
  }

  async #loop(): Promise<void> {
    while (!this.#isStopping) {
      const output = await this.#run();
      const [, succeeded] = /(\d+) succeeded/.exec(output) ?? [];
      const good = Number(/status codes: (\d+) 2xx/.exec(output)?.[1] ?? succeeded ?? 0);
      this.figures.succeeded += good;
      this.figures.failed += REQUESTS_PER_RUN - good;
    }
  }

  #run(): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const words = ['-n', REQUESTS_PER_RUN, '-c', CONNECTIONS, '-m', 4, '-t', 1].map(String);
    const child = spawn(this.#path, [...words, `https://127.0.0.1:${this.#port}/`], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let output = '';
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString();
    });
    child.once('close', () => resolve(output));
    return promise;
  }
}

/** Keeps as many connections busy as h2load does, by HTTP/1.1. */
class OwnLoad implements Load {
  readonly name = 'clients of the demo (h2load, from nghttp2-client, is not installed)';
  readonly figures = { succeeded: 0, failed: 0 };
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  readonly #lanes: Promise<void>[];
  readonly #port: number;
  #isStopping = false;

  constructor(port: number) {
    this.#port = port;
    this.#lanes = Array.from({ length: CONNECTIONS }, () => this.#lane());
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#lanes);
    this.#agent.destroy();
  }

  async #lane(): Promise<void> {
    while (!this.#isStopping) {
      const isGood = await this.#ask();
      this.figures[isGood ? 'succeeded' : 'failed']++;
    }
  }

  #ask(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const where = { host: '127.0.0.1', port: this.#port, servername: 'localhost', path: '/' };
    request({ ...where, agent: this.#agent, rejectUnauthorized: false }, (response) => {
      response.on('error', () => resolve(false));
      response.on('end', () => resolve(response.statusCode === 200)).resume();
    })
      .on('error', () => resolve(false))
      .end();
    return promise;
  }
}
