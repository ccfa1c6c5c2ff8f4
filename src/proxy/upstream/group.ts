/** A group of origins that stand in for each other, as the exchanges see it. */
import type { ConnectionWaiter, OriginPool } from './pool.ts';

export interface OriginGroup {
  readonly name: string;
  /** Host and, unless it is the scheme's default, port: for requests that name none. */
  readonly authority: string;
  /** Put before every path; '' for none. */
  readonly pathPrefix: string;
  /** Gives a connection to the waiter, perhaps at once. `fresh` never reuses one. */
  acquire(waiter: ConnectionWaiter, fresh: boolean): void;
  /** As `acquire`, one that speaks HTTP/1.1. */
  acquireHttp1(waiter: ConnectionWaiter, fresh: boolean): void;
  /** Withdraws a request for a connection; its waiter hears nothing more. */
  withdraw(waiter: ConnectionWaiter): void;
  /** Fails those that have waited too long. Called now and then by the worker. */
  sweep(): void;
  drain(): void;
}

/** All groups of one worker. */
export interface Origins {
  readonly groups: ReadonlyMap<string, OriginGroup>;
  /** For requests that no route sends elsewhere. */
  readonly byDefault: OriginGroup;
}

export class PoolGroup implements OriginGroup {
  readonly name: string;
  readonly authority: string;
  readonly pathPrefix: string;
  readonly #pool: OriginPool;

  constructor(name: string, authority: string, pathPrefix: string, pool: OriginPool) {
    this.name = name;
    this.authority = authority;
    this.pathPrefix = pathPrefix;
    this.#pool = pool;
  }

  acquire(waiter: ConnectionWaiter, fresh: boolean): void {
    this.#pool.acquire(waiter, fresh);
  }

  acquireHttp1(waiter: ConnectionWaiter, fresh: boolean): void {
    this.#pool.acquireHttp1(waiter, fresh);
  }

  withdraw(waiter: ConnectionWaiter): void {
    this.#pool.withdraw(waiter);
  }

  sweep(): void {
    this.#pool.expireQueue();
  }

  drain(): void {
    this.#pool.drain();
  }
}
