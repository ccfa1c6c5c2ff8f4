/**
 * One fetch per key for all processes that share a directory: leases in shared memory say who
 * fetches what; the others read long content from its segment while it is written, and wait for
 * short content until it can be looked up.
 */
import { BoundedMap } from '../../../base/bounded-map.ts';
import type {
  CrossWorkerFetches,
  CrossWorkerWaiter,
  FetchClaim,
  FetchLease,
} from '../../contract.ts';
import type { InvalidationEpochs } from '../../invalidation-epochs.ts';
import {
  type HeldPlace,
  type Lease,
  type LeaseTable,
  leaseKeyOf,
  type Sight,
} from '../../leases.ts';
import { loadResponse } from '../../rules/stored-response.ts';
import type { DiskFill } from '../disk-fill.ts';
import type { IndexEntry } from '../index/index-entry.ts';
import { decodeHead, objectName } from '../segments/record.ts';
import type { SegmentFiles } from '../segments/segment-files.ts';
import { RemoteFill } from './remote-fill.ts';

/** How often the leases of other processes are checked while a request waits. */
const LOOK_MS = 3;
/** How often a process renews the leases of its fetches. */
const ALIVE_MS = 5_000;
/**
 * How long to wait for a body that cannot be read yet: a second less than a request waits for
 * another one of its own process (collapse.ts), so that one fetch then serves all that wait.
 */
const WAIT_MS = 4_000;
/** How long requests for this key then do not wait for other workers. */
const IMPATIENT_MS = 10_000;
/** Memory for keys that are not waited for: of 100 characters each, 650. */
export const IMPATIENT_BYTES_MAX = 262_144;

export interface SharedFetchesHost {
  readonly leases: LeaseTable;
  readonly epochs: InvalidationEpochs;
  readonly files: SegmentFiles;
  /** As it is committed now, by any process. */
  entry(name: Buffer): IndexEntry | undefined;
  /** What this process has stored under the key is not in the index yet. */
  isUnlisted(key: string): boolean;
  /** Milliseconds since the epoch. */
  now(): number;
}

interface Own {
  readonly lease: Lease;
  /** The first fill since the claim: what others may read. */
  fill: DiskFill | null;
  isEnded: boolean;
}

interface Watch {
  readonly key: string;
  /** The key's when it began: what is removed since must not be answered with. */
  readonly generation: number;
  readonly place: HeldPlace;
  readonly waiter: CrossWorkerWaiter;
  readonly sinceMs: number;
  isReading: boolean;
  remote: RemoteFill | null;
}

export class SharedFetches implements CrossWorkerFetches {
  readonly #host: SharedFetchesHost;
  readonly #own = new Map<string, Own>();
  readonly #watches = new Set<Watch>();
  readonly #impatient = new BoundedMap<number>(IMPATIENT_BYTES_MAX);
  #timer: NodeJS.Timeout | null = null;
  #saidAliveMs = 0;
  #closed = false;

  constructor(host: SharedFetchesHost) {
    this.#host = host;
  }

  versionOf(key: string): number {
    return this.#host.leases.versionOf(leaseKeyOf(key));
  }

  claim(key: string, version: number): FetchClaim {
    const { leases, epochs, now } = this.#host;
    const untilMs = this.#impatient.get(key);
    if (untilMs !== undefined) {
      if (now() < untilMs) return { kind: 'none' };
      this.#impatient.delete(key);
    }
    if (this.#closed || this.#own.has(key)) return { kind: 'none' };
    const claim = leases.claim(leaseKeyOf(key), epochs.ofTarget(key), version);
    switch (claim.kind) {
      case 'granted':
        return { kind: 'granted', lease: this.#grant(key, claim.lease) };
      case 'held':
        return { kind: 'held', wait: (waiter) => this.#watch(key, claim.place, waiter) };
      default:
        return claim;
    }
  }

  // ------------------------------------------------------------------ own fetches

  #grant(key: string, lease: Lease): FetchLease {
    const own: Own = { lease, fill: null, isEnded: false };
    this.#own.set(key, own);
    return {
      pass: () => {
        lease.pass();
        this.#forget(key, own);
      },
      end: () => {
        own.isEnded = true;
        if (!this.#host.isUnlisted(key)) this.#end(key, own);
      },
    };
  }

  #end(key: string, own: Own): void {
    own.lease.end();
    this.#forget(key, own);
  }

  #forget(key: string, own: Own): void {
    if (this.#own.get(key) === own) this.#own.delete(key);
  }

  /** A fill has its head in its segment, or more of its content. */
  publish(fill: DiskFill): void {
    const own = this.#own.get(fill.key);
    if (own === undefined || own.isEnded) return;
    if (own.fill === null) {
      own.fill = fill;
      const { segment, head, seed, response } = fill;
      const length = response.contentLength;
      own.lease.fills({ segment, headLength: head.length, seed, length });
    }
    if (own.fill === fill) own.lease.hasFlushed(fill.flushed);
  }

  /** Another process reads the fill, or waits for it. */
  isWanted(fill: DiskFill): boolean {
    const own = this.#own.get(fill.key);
    return own !== undefined && !own.isEnded && own.lease.isWanted;
  }

  /** What this process has stored under the key can be looked up by others. */
  noteListed(key: string): void {
    const own = this.#own.get(key);
    if (own?.isEnded) this.#end(key, own);
  }

  keepAlive(): void {
    const nowMs = this.#host.now();
    if (nowMs - this.#saidAliveMs < ALIVE_MS) return;
    this.#saidAliveMs = nowMs;
    for (const { lease } of this.#own.values()) lease.isGoingOn();
  }

  // ------------------------------------------------------------------ others' fetches

  #watch(key: string, place: HeldPlace, waiter: CrossWorkerWaiter): void {
    const sinceMs = this.#host.now();
    const generation = this.#host.epochs.ofTarget(key);
    const state = { isReading: false, remote: null };
    this.#watches.add({ key, generation, place, waiter, sinceMs, ...state });
    place.want();
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => this.#lookAtAll(), LOOK_MS);
    this.#timer.unref();
  }

  #lookAtAll(): void {
    for (const watch of [...this.#watches]) {
      if (watch.remote !== null) {
        if (watch.remote.hasReaders) watch.place.want();
        this.#follow(watch, watch.remote);
      } else if (watch.waiter.isGone) {
        this.#watches.delete(watch);
      } else {
        watch.place.want();
        this.#look(watch, watch.place.look());
      }
    }
    if (this.#watches.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #look(watch: Watch, sight: Sight): void {
    const { key, waiter, sinceMs } = watch;
    if (sight.kind === 'passed') {
      this.#watches.delete(watch);
      waiter.onPassed();
    } else if (sight.kind === 'over' || this.#isOutdated(watch)) {
      this.#watches.delete(watch);
      waiter.onOver();
    } else if (sight.kind === 'filling') {
      if (!watch.isReading) this.#readHead(watch, sight);
    } else if (this.#host.now() - sinceMs > WAIT_MS) {
      this.#impatient.set(key, this.#host.now() + IMPATIENT_MS);
      this.#watches.delete(watch);
      waiter.onOver();
    }
  }

  #isOutdated({ key, generation }: Watch): boolean {
    return this.#host.epochs.ofTarget(key) !== generation;
  }

  #readHead(watch: Watch, sight: Sight & { readonly kind: 'filling' }): void {
    const { key, waiter } = watch;
    watch.isReading = true;
    this.#host.files.read(sight.segment, 0, sight.headLength, (bytes) => {
      if (this.#closed || waiter.isGone) return;
      const head = bytes === null ? undefined : decodeHead(bytes);
      const isOther = head === undefined || head.key !== key || head.seed !== sight.seed;
      if (isOther || this.#isOutdated(watch)) {
        // It has ended meanwhile, and the next look tells how.
        watch.isReading = false;
        return;
      }
      const facts = { ...head.facts, markedStaleMs: 0 };
      const { varyFields, partial, decided } = head;
      const response = loadResponse({
        facts,
        varyFields,
        contentLength: sight.length,
        partial,
        decided,
      });
      watch.remote = new RemoteFill(response, this.#host.files, sight);
      waiter.onHit(watch.remote);
    });
  }

  /** Tells those who read a remote fill how far it has come. */
  #follow(watch: Watch, remote: RemoteFill): void {
    const sight = watch.place.look();
    if (sight.kind === 'filling' && sight.segment === remote.segment) {
      remote.advance(sight.flushed);
      return;
    }
    this.#watches.delete(watch);
    const entry = this.#host.entry(objectName(watch.key, remote.response));
    const isStored = entry?.contentSegment === remote.segment && entry.seed === remote.seed;
    if (isStored) remote.complete(entry.contentLength);
    else remote.fail(new Error('the fetch of another process broke off'));
    watch.waiter.onOver();
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    for (const { remote, waiter } of this.#watches) {
      remote?.fail(new Error('the cache is closed'));
      waiter.onOver();
    }
    this.#watches.clear();
    for (const { lease } of this.#own.values()) lease.end();
    this.#own.clear();
  }
}
