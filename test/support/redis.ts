/** A Redis of the test's own, which it may pause, kill and restart. */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { BEGINNING_KEY, FLEET_WINDOW_MS } from '../../src/fleet/strike-keys.ts';
import { ended, start } from './programs.ts';
import { temporaryDirectory } from './temporary.ts';
import { freePort, until } from './waiting.ts';

export class RunningRedis implements AsyncDisposable {
  readonly port: number;
  readonly password = randomBytes(8).toString('hex');
  #server: ReturnType<typeof start> | null = null;

  constructor(port: number) {
    this.port = port;
  }

  get url(): string {
    return `redis://:${this.password}@127.0.0.1:${this.port}/0`;
  }

  /** Starts the server, again after `kill`. It remembers nothing. */
  async start(): Promise<void> {
    const words = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', ''];
    words.push('--appendonly', 'no', '--dir', temporaryDirectory(), '--requirepass', this.password);
    this.#server = start('redis-server', words, { stdio: 'ignore' });
    await until(() => this.ask((redis) => redis.ping()).catch(() => false), 'redis to answer');
  }

  /** One short conversation. */
  async ask<T>(body: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(this.url, { lazyConnect: true, retryStrategy: () => null });
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
      await redis.set(BEGINNING_KEY, `${runId} ${Date.now() - 2 * FLEET_WINDOW_MS}`);
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

export async function startRedis(): Promise<RunningRedis> {
  const redis = new RunningRedis(await freePort());
  await redis.start();
  return redis;
}
