/** A Redis of the test's own, which it may pause, kill and restart. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { BEGINNING_KEY, CLUSTER_WINDOW_MS } from '../../src/cluster/strike-keys.ts';
import { ended, start } from './programs.ts';
import { temporaryDirectory } from './temporary.ts';
import { freePort, until } from './waiting.ts';

/** PEM files. */
export interface RedisTls {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly authorityFile: string;
}

export class RunningRedis implements AsyncDisposable {
  readonly port: number;
  /** Null for a server without TLS. */
  readonly #tls: RedisTls | null;
  readonly password = randomBytes(8).toString('hex');
  #server: ReturnType<typeof start> | null = null;

  constructor(port: number, tls: RedisTls | null = null) {
    this.port = port;
    this.#tls = tls;
  }

  get url(): string {
    if (this.#tls !== null) return `rediss://:${this.password}@localhost:${this.port}/0`;
    return `redis://:${this.password}@127.0.0.1:${this.port}/0`;
  }

  /** Starts the server, again after `kill`. It remembers nothing. */
  async start(): Promise<void> {
    const port = String(this.port);
    const words = ['--bind', '127.0.0.1', '--save', ''];
    if (this.#tls === null) words.push('--port', port);
    else words.push('--port', '0', '--tls-port', port, ...tlsWords(this.#tls));
    words.push('--appendonly', 'no', '--dir', temporaryDirectory(), '--requirepass', this.password);
    this.#server = start('redis-server', words, { stdio: 'ignore' });
    await until(() => this.ask((redis) => redis.ping()).catch(() => false), 'redis to answer');
  }

  /** One short conversation. */
  async ask<T>(body: (redis: Redis) => Promise<T>): Promise<T> {
    const ca = this.#tls === null ? undefined : readFileSync(this.#tls.authorityFile);
    const redis = new Redis(this.url, {
      lazyConnect: true,
      retryStrategy: () => null,
      ...(ca === undefined ? {} : { tls: { ca } }),
    });
    redis.on('error', () => {});
    try {
      await redis.connect();
      return await body(redis);
    } finally {
      redis.disconnect();
    }
  }

  /** As if the register had begun more than a window ago. */
  async ripen(): Promise<void> {
    await this.ask(async (redis) => {
      const runId = /^run_id:(\w+)/m.exec(await redis.info('server'))![1];
      await redis.set(BEGINNING_KEY, `${runId} ${Date.now() - 2 * CLUSTER_WINDOW_MS}`);
    });
  }

  pause(): void {
    this.#server!.kill('SIGSTOP');
  }

  resume(): void {
    this.#server!.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    this.#server?.kill('SIGKILL');
    if (this.#server !== null) await ended(this.#server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

function tlsWords({ certificateFile, keyFile, authorityFile }: RedisTls): string[] {
  const files = ['--tls-cert-file', certificateFile, '--tls-key-file', keyFile];
  return [...files, '--tls-ca-cert-file', authorityFile, '--tls-auth-clients', 'no'];
}

export async function startRedis(): Promise<RunningRedis> {
  const redis = new RunningRedis(await freePort());
  await redis.start();
  return redis;
}
