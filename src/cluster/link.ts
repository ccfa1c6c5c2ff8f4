/**
 * One connection to the Redis (or Valkey) of a cluster, which comes and goes. Nothing waits for it:
 * without it commands fail at once.
 */
import type { Redis } from 'ioredis';
import { after, type OnFault, owned } from '../base/owned.ts';
import type { Report } from '../telemetry/log-event.ts';
import { refusalIn } from './redis-faults.ts';

/** Milliseconds between two tries to connect, at most. */
const RECONNECT_MS_MAX = 1_000;
const RECONNECT_MS_MIN = 50;

/** How long a connection attempt may take. */
const CONNECT_TIMEOUT_MS = 2_000;

const ENDED_AT_ONCE =
  'it ends the connection without an answer, as one does that has all its clients (maxclients)';

export interface LinkInput {
  readonly url: string;
  /** Called when commands can be sent, with the name of this run of the server. */
  onUp(runId: string): void;
  onDown(): void;
  /** One line for the operator, without the password. */
  readonly report: Report;
  /** Has what fails inside of sluice; the connection is tried again. */
  readonly onFault: OnFault;
}

export class ClusterLink implements Disposable {
  readonly #input: LinkInput;
  #redis: Redis | null = null;
  #runId = '';
  #isUp = false;
  /** Of the last failed try, so that it is told once. */
  #toldFault = '';
  #isClosed = false;

  constructor(input: LinkInput) {
    this.#input = input;
    this.#openSoon();
  }

  /** Where it leads, for people: no name, no password. */
  get place(): string {
    return URL.parse(this.#input.url)?.host ?? '';
  }

  /** What keeps it from being opened is ours; it is tried again like a server that is away. */
  #openSoon(): void {
    owned(this.#open(), (error) => {
      this.#input.onFault(error);
      const again = () => this.#isClosed || this.#openSoon();
      after(RECONNECT_MS_MAX, again, this.#input.onFault).unref();
    });
  }

  async #open(): Promise<void> {
    // Loaded here, so that it costs nothing where there is no cluster.
    const { Redis: RedisClient } = await import('ioredis');
    if (this.#isClosed) return;
    const redis = new RedisClient(this.#input.url, {
      connectTimeout: CONNECT_TIMEOUT_MS,
      // What cannot be asked now is not asked later: nobody would wait for the answer.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: (tries) =>
        Math.min(RECONNECT_MS_MIN * 2 ** Math.min(tries, 8), RECONNECT_MS_MAX),
    });
    this.#redis = redis;
    redis.on('ready', () => owned(this.#greet(redis), this.#input.onFault));
    redis.on('close', () => {
      // An error that is sent as the connection begins is lost when it ends at the same moment.
      if (!this.#isUp && this.#toldFault === '') this.#tellFault(new Error(ENDED_AT_ONCE));
      this.#fallDown('the connection has ended');
    });
    redis.on('error', (error: Error) => this.#tellFault(error));
  }

  /** Asks who the server is before anything else is asked of it. */
  async #greet(redis: Redis): Promise<void> {
    try {
      const information = await redis.info();
      if (this.#isClosed || redis.status !== 'ready') return;
      this.#runId = /^run_id:(\w+)/m.exec(information)?.[1] ?? '';
      if (this.#runId === '') throw new Error('INFO names no run_id');
      this.#isUp = true;
      this.#toldFault = '';
      this.#input.report(`cluster: connected to ${this.place}`, { event: 'cluster-back' });
      this.#warnOfEviction(information);
      this.#input.onUp(this.#runId);
    } catch (error) {
      this.#tellFault(error as Error);
      redis.disconnect(true);
    }
  }

  /** What is evicted before its time is a ClientHello that may be replayed. */
  #warnOfEviction(information: string): void {
    const policy = /^maxmemory_policy:([\w-]+)/m.exec(information)?.[1] ?? 'noeviction';
    const memory = Number(/^maxmemory:(\d+)/m.exec(information)?.[1] ?? 0);
    if (memory === 0 || policy === 'noeviction') return;
    this.#input.report(
      `cluster: ${this.place} forgets keys when its memory is full (maxmemory-policy ${policy}), and ` +
        'with them which early data was accepted; set it to noeviction',
    );
  }

  #fallDown(why: string): void {
    this.#runId = '';
    if (!this.#isUp) return;
    this.#isUp = false;
    if (this.#isClosed) return;
    this.#reportAway(`${why}; early data is refused until it is back`);
    this.#input.onDown();
  }

  #tellFault(error: Error): void {
    const { code } = error as NodeJS.ErrnoException;
    const refusal = refusalIn(error);
    const fault = refusal?.kind ?? (code ?? error.message).replace(/\s+/g, ' ');
    if (this.#isClosed || fault === this.#toldFault) return;
    this.#toldFault = fault;
    if (refusal === null) {
      this.#reportAway(`${fault}; tried again and again`);
      return;
    }
    const { kind, text } = refusal;
    this.#input.report(`cluster: ${this.place} answers ${kind}: ${text}; tried again and again`, {
      level: 'warning',
      event: 'cluster-refuses',
      fields: { answer: kind },
    });
  }

  #reportAway(why: string): void {
    const { place } = this;
    this.#input.report(`cluster: ${place}: ${why}`, {
      level: 'warning',
      event: 'cluster-away',
      fields: { place },
    });
  }

  /** For commands, only while it is up; null otherwise. */
  get redis(): Redis | null {
    return this.#isUp ? this.#redis : null;
  }

  /** Another one after every start of the server, and after a failover; '' while it is down. */
  get runId(): string {
    return this.#runId;
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#isUp = false;
    this.#redis?.disconnect();
  }
}
