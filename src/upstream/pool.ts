/**
 * Connections to one address of an origin: kept alive, reused last-in first-out (the youngest is the
 * least likely to be closing), bounded in number, with a bounded queue for those who must wait. A
 * connection that speaks HTTP/2 is given to many at once, and another is opened when it has no room.
 */

import { SluiceError } from '../base/errors.ts';
import type { ClientFacts } from '../http/client-facts.ts';
import type { RequestHead } from '../http/message.ts';
import type { Reactor } from '../reactor/reactor.ts';
import type { HandshakeRecord } from '../tls/contract.ts';
import type { ChannelPool } from '../transport/channel.ts';
import { OriginConnection, type OriginConnectionOwner, type OriginHttp2 } from './connection.ts';
import type { ConnectionLimit } from './connection-limit.ts';
import type { Crowd, CrowdFacts } from './crowd.ts';
import type { UpstreamLimits } from './limits.ts';
import type { OriginTls } from './origin-tls.ts';

/** As much of a connection as is used by who asked for one. */
export type GivenConnection = Pick<OriginConnection, 'isEarly' | 'start'>;

/** Who asked for a connection. Exactly one of the two calls is made, perhaps at once. */
export interface ConnectionWaiter {
  /** As the origin shall receive it. */
  readonly head: RequestHead;
  /** Null for requests of our own. */
  readonly client: ClientFacts | null;
  /** It does no harm when it is replayed: it may be early data. */
  readonly mayBeEarly: boolean;
  /** It may hold a connection for as long as its client likes; see open-ended-share.ts. */
  readonly isOpenEnded: boolean;
  onConnection(connection: GivenConnection, reused: boolean): void;
  onConnectionFailure(error: SluiceError): void;
}

/** What the pool reports for counting. */
export interface PoolObserver {
  onConnectionOpened(): void;
  onConnectionReused(): void;
  onConnectionClosed(): void;
  onHandshake(record: HandshakeRecord): void;
  /** Requests wait, or are refused, because all connections are in use. */
  onCrowd(facts: CrowdFacts): void;
}

export interface OriginPoolInput {
  readonly reactor: Reactor;
  readonly channels: ChannelPool;
  /** IP address, or `unix:` and the path of a socket. */
  readonly address: string;
  readonly port: number;
  /** What each connection begins with; empty for nothing. */
  readonly preface: Uint8Array;
  /** Offers HTTP/2 by ALPN when `http2` is `alpn`. */
  readonly tls: OriginTls | null;
  readonly http2: OriginHttp2;
  /** Shared with the other pools of the address. */
  readonly connectionLimit: ConnectionLimit;
  readonly crowd: Crowd;
  readonly limits: UpstreamLimits;
  readonly monotonicMs: () => number;
  readonly observer: PoolObserver;
}

interface Queued {
  readonly waiter: ConnectionWaiter;
  readonly sinceMs: number;
  /** No connection that has carried an exchange will do. */
  readonly fresh: boolean;
}

export class OriginPool implements OriginConnectionOwner {
  readonly #input: OriginPoolInput;
  readonly #idle: OriginConnection[] = [];
  readonly #open = new Set<OriginConnection>();
  /** Those of the open ones that speak HTTP/2. */
  readonly #shared: OriginConnection[] = [];
  /**
   * How many exchanges a new connection is expected to carry: 1 for HTTP/1.1. Until the first
   * handshake tells, one connection is opened and everybody waits for it.
   */
  #exchangesExpected: number;
  /** Waiters for whom a connection is on its way, and those for whom there is no room yet. */
  #queue: Queued[] = [];
  #connecting = 0;
  /** Of those that are connecting: carry an exchange already, as early data, and no other. */
  readonly #taken = new Set<OriginConnection>();
  #draining = false;

  constructor(input: OriginPoolInput) {
    this.#input = input;
    const { http2, limits } = input;
    if (http2 === 'never') this.#exchangesExpected = 1;
    else if (http2 === 'alpn') this.#exchangesExpected = Number.POSITIVE_INFINITY;
    else this.#exchangesExpected = limits.http2.exchangesExpected;
  }

  get openCount(): number {
    return this.#open.size;
  }

  get idleCount(): number {
    return this.#idle.length;
  }

  /** Nothing is open, on its way or waited for. */
  get isUnused(): boolean {
    return this.#open.size + this.#connecting + this.#queue.length === 0;
  }

  /** Gives a connection to the waiter, at once when one is idle. `fresh` never reuses one. */
  acquire(waiter: ConnectionWaiter, fresh: boolean): void {
    const shared = fresh ? undefined : this.#shared.find(hasRoom);
    if (shared !== undefined) {
      this.#give(waiter, shared);
      return;
    }
    const idle = fresh ? undefined : this.#idle.pop();
    if (idle !== undefined) {
      this.#input.observer.onConnectionReused();
      waiter.onConnection(idle, true);
      return;
    }
    const { limits, monotonicMs } = this.#input;
    this.#queue.push({ waiter, sinceMs: monotonicMs(), fresh });
    this.openMore();
    if (this.#waitingForAnother <= limits.queuedMax || this.#queue.at(-1)?.waiter !== waiter)
      return;
    this.#queue.pop();
    this.#input.crowd.noteRefused();
    waiter.onConnectionFailure(tooManyWait());
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
    while (this.#queue.length > this.#onTheirWay && this.#queue[0]!.sinceMs < deadlineMs) {
      this.#queue.shift()!.waiter.onConnectionFailure(waitedTooLong());
    }
  }

  /** Closes idle connections now and the others as they become idle. */
  drain(): void {
    this.#draining = true;
    for (const connection of this.#shared) connection.http2!.closeWhenIdle();
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  /** Closes a connection that nobody uses, so that another pool of the address can open one. */
  closeIdle(): boolean {
    const idle = this.#idle.shift();
    idle?.close();
    return idle !== undefined;
  }

  /** Connections that speak HTTP/2 take nothing new, and close when they are idle. */
  closeShared(): void {
    for (const connection of this.#shared) connection.http2!.closeWhenIdle();
  }

  /** Opens what the queue is worth, as far as there is room. */
  openMore(): void {
    const { connectionLimit } = this.#input;
    while (this.#onTheirWay < this.#connectionsWanted && connectionLimit.take(this))
      this.#openOne();
  }

  /** Connections that will be for those who wait. */
  get #onTheirWay(): number {
    return this.#connecting - this.#taken.size;
  }

  /** Those who wait because no more connections may be open. */
  get crowdCount(): number {
    return this.#input.connectionLimit.isFull ? Math.max(0, this.#waitingForAnother) : 0;
  }

  /** Exchanges that a connection carries at once, as far as the origin has told. */
  get exchangesKnown(): number {
    return Number.isFinite(this.#exchangesExpected) ? this.#exchangesExpected : 1;
  }

  /** Those who wait beyond what the connections on their way will carry. */
  get #waitingForAnother(): number {
    return this.#queue.length - this.#onTheirWay * this.#exchangesEach;
  }

  /** Exchanges that one connection is expected to carry, also while nobody knows. */
  get #exchangesEach(): number {
    if (Number.isFinite(this.#exchangesExpected)) return this.#exchangesExpected;
    return this.#input.limits.http2.exchangesExpected;
  }

  #openOne(): void {
    const { observer, tls } = this.#input;
    observer.onConnectionOpened();
    this.#connecting++;
    const exchangesExpected = this.#exchangesEach;
    const early = tls?.allowsEarlyData
      ? this.#queue.findIndex(({ waiter }) => waiter.mayBeEarly)
      : -1;
    const isEarly = early !== -1;
    const input = { ...this.#input, exchangesExpected, isEarly, owner: this };
    const connection = new OriginConnection(input);
    if (!connection.isEarly) return;
    const [{ waiter }] = this.#queue.splice(early, 1) as [Queued];
    if (connection.http2 === null) this.#taken.add(connection);
    waiter.onConnection(connection, false);
  }

  /** Connections on their way that the queue is worth. */
  get #connectionsWanted(): number {
    const { length } = this.#queue;
    return length === 0 ? 0 : Math.max(1, Math.ceil(length / this.#exchangesExpected));
  }

  /** A connection did not come about: those who waited for it alone have waited in vain. */
  #failSome(error: SluiceError): void {
    const isLast = this.#connecting === 0 && this.#open.size === 0;
    const count = isLast ? this.#queue.length : 1;
    const failed = this.#exchangesExpected === 1 ? 1 : count;
    for (const { waiter } of this.#queue.splice(0, failed)) waiter.onConnectionFailure(error);
  }

  #give(waiter: ConnectionWaiter, connection: OriginConnection): void {
    const { wasUsed } = connection.http2!;
    if (wasUsed) this.#input.observer.onConnectionReused();
    waiter.onConnection(connection, wasUsed);
  }

  // ------------------------------------------------------------------ from connections

  onReady(connection: OriginConnection): void {
    this.#connecting--;
    this.#open.add(connection);
    const { http2 } = connection;
    if (http2 === null) {
      this.#exchangesExpected = 1;
      if (!this.#taken.delete(connection)) this.#offer(connection, false);
    } else {
      this.#shared.push(connection);
      this.onAvailable(connection);
      if (this.#draining) http2.closeWhenIdle();
    }
    this.openMore();
  }

  onAvailable(connection: OriginConnection): void {
    this.#exchangesExpected = Math.max(1, connection.http2!.exchangesMax);
    if (this.#queue.length === 0) return;
    while (hasRoom(connection)) {
      const { wasUsed } = connection.http2!;
      const index = this.#queue.findIndex(({ fresh }) => !fresh || !wasUsed);
      if (index === -1) break;
      this.#give(this.#queue.splice(index, 1)[0]!.waiter, connection);
    }
    this.openMore();
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
    const sharedIndex = this.#shared.indexOf(connection);
    if (sharedIndex !== -1) this.#shared.splice(sharedIndex, 1);
    this.#input.observer.onConnectionClosed();
    if (!this.#open.delete(connection)) {
      this.#connecting--;
      this.#taken.delete(connection);
      if (error !== null) this.#failSome(error);
    }
    this.openMore();
    this.#input.connectionLimit.give();
  }

  onHandshake(record: HandshakeRecord): void {
    this.#input.observer.onHandshake(record);
  }
}

function hasRoom(connection: OriginConnection): boolean {
  return connection.http2!.available > 0;
}

export function tooManyWait(): SluiceError {
  return noConnection('too many requests wait for the origin');
}

export function waitedTooLong(): SluiceError {
  return noConnection('the origin is overloaded');
}

function noConnection(message: string): SluiceError {
  return new SluiceError('no-connection-available', message, { blame: 'internal' });
}
