/**
 * All connections to one address: the usual ones, those that must speak HTTP/1.1, and, where each
 * connection begins with a PROXY header, those of each client, which nobody else may use.
 */

import type { ClientFacts } from '../http/client-facts.ts';
import type { OriginConnectionInput, OriginHttp2 } from './connection.ts';
import { ConnectionLimit } from './connection-limit.ts';
import { Crowd } from './crowd.ts';
import { OpenEndedShare, openEndedPlaces, type PlaceRequest } from './open-ended-share.ts';
import type { OriginTls } from './origin-tls.ts';
import {
  type ConnectionWaiter,
  OriginPool,
  type OriginPoolInput,
  tooManyWait,
  waitedTooLong,
} from './pool.ts';

export interface EndpointPoolInput
  extends Omit<OriginPoolInput, 'preface' | 'connectionLimit' | 'crowd'> {
  /** As `tls`, for connections that must speak HTTP/1.1; needed unless `http2` is `never`. */
  readonly tlsForHttp1: OriginTls | null;
  /** What a connection for this client begins with; null when all may share connections. */
  readonly prefaceFor: ((client: ClientFacts | null) => Uint8Array) | null;
}

/** Client pools that are looked at for having become unused, each time one is added. */
const LOOKED_AT_PER_ADDITION = 2;

const NOTHING = new Uint8Array(0);

export class EndpointPool {
  readonly #input: EndpointPoolInput;
  readonly #connectionLimit: ConnectionLimit;
  /** Null when no connection is shared. */
  readonly #shared: OriginPool | null;
  /** For what only HTTP/1.1 can do, where the origin speaks HTTP/2 as well; made when needed. */
  #http1Only: OriginPool | null = null;
  /** By protocol and client. */
  readonly #byClient = new Map<string, OriginPool>();
  readonly #crowd: Crowd;
  /** Of those that share HTTP/2 connections, and of those that have one each. */
  readonly #sharing: OpenEndedShare;
  readonly #holding: OpenEndedShare;
  readonly #openEndedCrowd: Crowd;
  #draining = false;

  constructor(input: EndpointPoolInput) {
    this.#input = input;
    const { limits, observer } = input;
    const { connectionsMax, connectionsKeptPercent: kept, queuedMax } = limits;
    this.#connectionLimit = new ConnectionLimit(connectionsMax);
    const tell = observer.onCrowd.bind(observer);
    this.#crowd = new Crowd('all', connectionsMax, tell);
    this.#openEndedCrowd = new Crowd('open-ended', openEndedPlaces(connectionsMax, kept), tell);
    const admit = (request: PlaceRequest) => this.#acquire(request);
    const placesOf = (each: number) => openEndedPlaces(connectionsMax * each, kept);
    const sharedPlaces = () => placesOf(this.#shared?.exchangesKnown ?? 1);
    this.#sharing = new OpenEndedShare(queuedMax, sharedPlaces, admit);
    this.#holding = new OpenEndedShare(queuedMax, () => placesOf(1), admit);
    this.#shared = input.prefaceFor === null ? this.#makePool(NOTHING, false) : null;
  }

  /** For a connection that is nobody's but the caller's, and of no client. */
  get connectionInput(): Omit<OriginConnectionInput, 'owner'> {
    const { limits, prefaceFor } = this.#input;
    const preface = prefaceFor === null ? NOTHING : prefaceFor(null);
    const { exchangesExpected } = limits.http2;
    return { ...this.#input, preface, exchangesExpected, isEarly: false };
  }

  /** Connections open or on their way. */
  get connectionCount(): number {
    return this.#connectionLimit.takenCount;
  }

  get idleCount(): number {
    let count = 0;
    for (const pool of this.#pools()) count += pool.idleCount;
    return count;
  }

  /**
   * Gives a connection to the waiter, at once when one is idle. `fresh` never reuses one; `http1`
   * gives one that speaks HTTP/1.1: to switch protocols (RFC 9110 §7.8), or because the origin wants
   * it so (RFC 9113 §7, HTTP_1_1_REQUIRED).
   */
  acquire(waiter: ConnectionWaiter, fresh: boolean, http1: boolean): void {
    const request = { waiter, fresh, http1 };
    if (!waiter.isOpenEnded) {
      this.#acquire(request);
      return;
    }
    const isHeld = http1 && this.#input.http2 !== 'never';
    const share = isHeld ? this.#holding : this.#sharing;
    if (share.enter(request, this.#input.monotonicMs())) return;
    this.#openEndedCrowd.noteRefused();
    waiter.onConnectionFailure(tooManyWait());
  }

  /** It is complete, or does not hold a connection any more. */
  settle(waiter: ConnectionWaiter): void {
    this.#sharing.leave(waiter);
    this.#holding.leave(waiter);
  }

  #acquire({ waiter, fresh, http1 }: PlaceRequest): void {
    const isHttp1 = http1 && this.#input.http2 !== 'never';
    if (this.#shared === null) {
      this.#poolOf(waiter.client, isHttp1).acquire(waiter, fresh);
    } else if (isHttp1) {
      this.#http1Only ??= this.#makePool(NOTHING, true);
      this.#http1Only.acquire(waiter, fresh);
    } else {
      this.#shared.acquire(waiter, fresh);
    }
  }

  /** Withdraws a request for a connection; its waiter hears nothing more. */
  withdraw(waiter: ConnectionWaiter): void {
    this.settle(waiter);
    for (const pool of this.#pools()) pool.withdraw(waiter);
  }

  /** Called about once a second. */
  expireQueue(): void {
    const { monotonicMs, limits } = this.#input;
    const nowMs = monotonicMs();
    let waiting = 0;
    for (const pool of this.#pools()) waiting += pool.crowdCount;
    this.#crowd.look(nowMs, waiting);
    const shares = [this.#sharing, this.#holding];
    const openEnded = shares.reduce((sum, { waitingCount }) => sum + waitingCount, 0);
    this.#openEndedCrowd.look(nowMs, openEnded);
    for (const pool of this.#pools()) pool.expireQueue();
    for (const share of shares) {
      const expired = share.takeExpired(nowMs - limits.queueTimeoutMs);
      for (const waiter of expired) waiter.onConnectionFailure(waitedTooLong());
      share.admitMore();
    }
  }

  /** Closes the connections that nobody uses now, and shared ones when they are idle. */
  closeIdle(): void {
    for (const pool of this.#pools()) {
      while (pool.closeIdle());
      pool.closeShared();
    }
  }

  drain(): void {
    this.#draining = true;
    for (const pool of this.#pools()) pool.drain();
  }

  *#pools(): Generator<OriginPool> {
    if (this.#shared !== null) yield this.#shared;
    if (this.#http1Only !== null) yield this.#http1Only;
    yield* this.#byClient.values();
  }

  #poolOf(client: ClientFacts | null, isHttp1: boolean): OriginPool {
    const address = client === null ? '' : `${client.remoteAddress} ${client.remotePort}`;
    const key = `${isHttp1} ${address}`;
    let pool = this.#byClient.get(key);
    if (pool === undefined) {
      this.#forgetUnused();
      pool = this.#makePool(this.#input.prefaceFor!(client), isHttp1);
    } else {
      this.#byClient.delete(key);
    }
    // The one used last is the last of the map.
    this.#byClient.set(key, pool);
    return pool;
  }

  /** Looks at those that have not been used for the longest time. */
  #forgetUnused(): void {
    let looked = 0;
    for (const [key, pool] of this.#byClient) {
      this.#byClient.delete(key);
      if (pool.isUnused) this.#connectionLimit.remove(pool);
      else this.#byClient.set(key, pool);
      if (++looked === LOOKED_AT_PER_ADDITION) return;
    }
  }

  #makePool(preface: Uint8Array, isHttp1: boolean): OriginPool {
    const { tls, tlsForHttp1, http2 } = this.#input;
    const protocol: { tls: OriginTls | null; http2: OriginHttp2 } = isHttp1
      ? { tls: tlsForHttp1, http2: 'never' }
      : { tls, http2 };
    const pool = new OriginPool({
      ...this.#input,
      ...protocol,
      preface,
      connectionLimit: this.#connectionLimit,
      crowd: this.#crowd,
    });
    this.#connectionLimit.add(pool);
    if (this.#draining) pool.drain();
    return pool;
  }
}
