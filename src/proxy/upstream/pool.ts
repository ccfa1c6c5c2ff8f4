/**
 * Connections to one origin: kept alive, reused last-in first-out (the youngest is the least likely
 * to be closing), bounded in number, with a bounded queue for those who must wait.
 */
import { SluiceError } from '../../base/errors.ts';
import type { Reactor } from '../../reactor/reactor.ts';
import type { HandshakeRecord } from '../../tls/contract.ts';
import type { ChannelPool } from '../channel.ts';
import { OriginConnection, type OriginConnectionOwner, type TlsConnector } from './connection.ts';
import type { UpstreamLimits } from './limits.ts';
import type { Resolver } from './resolver.ts';

/** Who asked for a connection. Exactly one of the two calls is made, perhaps at once. */
export interface ConnectionWaiter {
  onConnection(connection: OriginConnection, reused: boolean): void;
  onConnectionFailure(error: SluiceError): void;
}

/** What the pool reports for counting. */
export interface PoolObserver {
  onConnectionOpened(): void;
  onConnectionReused(): void;
  onConnectionClosed(): void;
  onHandshake(record: HandshakeRecord): void;
}

export interface OriginPoolInput {
  readonly reactor: Reactor;
  readonly channels: ChannelPool;
  readonly resolver: Resolver;
  readonly host: string;
  readonly port: number;
  readonly tls: TlsConnector | null;
  readonly limits: UpstreamLimits;
  readonly monotonicMs: () => number;
  readonly observer: PoolObserver;
}

interface Queued {
  readonly waiter: ConnectionWaiter;
  readonly sinceMs: number;
}

export class OriginPool implements OriginConnectionOwner {
  readonly #input: OriginPoolInput;
  readonly #idle: OriginConnection[] = [];
  readonly #open = new Set<OriginConnection>();
  /** Waiters for whom a connection is on its way, and those for whom there is no room yet. */
  #queue: Queued[] = [];
  #connecting = 0;
  #draining = false;

  constructor(input: OriginPoolInput) {
    this.#input = input;
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** Gives a connection to the waiter, at once when one is idle. `fresh` never reuses one. */
  acquire(waiter: ConnectionWaiter, fresh: boolean): void {
    const idle = fresh ? undefined : this.#idle.pop();
    if (idle !== undefined) {
      this.#input.observer.onConnectionReused();
      waiter.onConnection(idle, true);
      return;
    }
    const { limits, monotonicMs } = this.#input;
    if (this.#queue.length >= limits.queuedMax) {
      waiter.onConnectionFailure(noConnection('too many requests wait for the origin'));
      return;
    }
    this.#queue.push({ waiter, sinceMs: monotonicMs() });
    this.#openMore();
  }

  /** Withdraws a request for a connection; its waiter hears nothing more. */
  withdraw(waiter: ConnectionWaiter): void {
    this.#queue = this.#queue.filter((queued) => queued.waiter !== waiter);
  }

  /**
   * Fails those that have waited too long for room. A connection on its way has a time-out of its
   * own, which says more about the origin. Called now and then by the worker.
   */
  expireQueue(): void {
    const deadlineMs = this.#input.monotonicMs() - this.#input.limits.queueTimeoutMs;
    while (this.#queue.length > this.#connecting && this.#queue[0]!.sinceMs < deadlineMs) {
      this.#queue.shift()!.waiter.onConnectionFailure(noConnection('the origin is overloaded'));
    }
  }

  /** Closes idle connections now and the others as they become idle. */
  drain(): void {
    this.#draining = true;
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  #openMore(): void {
    const { limits, resolver, host } = this.#input;
    while (
      this.#connecting < this.#queue.length &&
      this.#open.size + this.#connecting < limits.connectionsMax
    ) {
      this.#connecting++;
      resolver.resolve(host, (error, addresses) => {
        this.#connecting--;
        if (error !== null) this.#failFirst(error);
        else this.#openOne(addresses);
      });
    }
  }

  #openOne(addresses: readonly string[]): void {
    const { reactor, channels, limits, port, tls, observer } = this.#input;
    observer.onConnectionOpened();
    this.#connecting++;
    new OriginConnection({ owner: this, reactor, channels, limits, addresses, port, tls });
  }

  #failFirst(error: SluiceError): void {
    this.#queue.shift()?.waiter.onConnectionFailure(error);
  }

  // ------------------------------------------------------------------ from connections

  onReady(connection: OriginConnection): void {
    this.#connecting--;
    this.#open.add(connection);
    this.#offer(connection, false);
  }

  onIdle(connection: OriginConnection): void {
    this.#offer(connection, true);
  }

  #offer(connection: OriginConnection, reused: boolean): void {
    const next = this.#queue.shift();
    if (next !== undefined) {
      if (reused) this.#input.observer.onConnectionReused();
      next.waiter.onConnection(connection, reused);
      return;
    }
    if (this.#draining || this.#idle.length >= this.#input.limits.idleMax) {
      connection.close();
      return;
    }
    this.#idle.push(connection);
  }

  onGone(connection: OriginConnection, error: SluiceError | null): void {
    const index = this.#idle.indexOf(connection);
    if (index !== -1) this.#idle.splice(index, 1);
    if (this.#open.delete(connection)) {
      this.#input.observer.onConnectionClosed();
    } else {
      this.#connecting--;
      this.#input.observer.onConnectionClosed();
      if (error !== null) this.#failFirst(error);
    }
    this.#openMore();
  }

  onHandshake(record: HandshakeRecord): void {
    this.#input.observer.onHandshake(record);
  }
}

function noConnection(message: string): SluiceError {
  return new SluiceError('no-connection-available', message, { blame: 'internal' });
}
