/** The cache of all workers as one: purges reach every worker, questions ask each. */

import type { ListQuery } from '../../cache/contract.ts';
import { keyOf } from '../../cache/rules/key.ts';
import { parseAuthority } from '../../http/authority.ts';
import type { Report } from '../../telemetry/log-event.ts';
import type {
  CacheAnswer,
  CacheLookup,
  ListedResponse,
  PurgeRequest,
} from '../../worker/contract.ts';
import type { AskWorker } from '../workers/worker-place.ts';

/** A worker that can be asked: null when it does not answer, undefined when it is not there. */
export type AskCache = AskWorker<'cache'>;

export interface CacheControlInput {
  /** The workers of now, by index. */
  workers(): AskCache[];
  /** Whether they share a directory, so that one purge is enough and the others only follow. */
  readonly isShared: boolean;
  /** One line for the operator. */
  readonly report: Report;
}

/** What all workers know of a URL. */
export interface UrlReport {
  readonly url: string;
  /** The cache key. */
  readonly key: string;
  /** One word and one sentence: what a plain GET would meet. */
  readonly state: 'fresh' | 'stale' | 'stored' | 'being-fetched' | 'not-stored' | 'unknown';
  readonly why: string;
  readonly workers: readonly ({ readonly worker: number } & CacheLookup)[];
}

export class CacheControl {
  readonly #input: CacheControlInput;

  constructor(input: CacheControlInput) {
    this.#input = input;
  }

  /**
   * Purges everywhere; resolves when no worker serves what was purged. With how many stored
   * responses went, -1 when that is not known, or null when a worker could not be reached. `by` says
   * in the log who wanted it.
   */
  async purge(request: PurgeRequest, by: string): Promise<number | null> {
    const before = await this.#countBefore(request);
    const purged = await this.#purge(request);
    const count = purged === -1 ? before : purged;
    const what = request.selectors.map(selectorText).join(', ');
    const how = request.soft ? 'soft purge' : 'purge';
    this.#input.report(`cache: ${how} of ${what} by ${by}: ${countText(count)}`, {
      event: 'purge',
    });
    return count;
  }

  /** What a directory holds goes bit by bit: it is counted before. -1 when that is not known. */
  async #countBefore({ selectors }: PurgeRequest): Promise<number> {
    if (!this.#input.isShared || selectors.every(({ kind }) => kind === 'key')) return -1;
    for (const ask of this.#input.workers()) {
      const answer = await ask({ kind: 'count', selectors });
      if (answer?.kind === 'counted') return answer.count;
    }
    return -1;
  }

  async #purge(request: PurgeRequest): Promise<number | null> {
    const workers = this.#input.workers();
    const question = { kind: 'purge', nowMs: Date.now(), ...request } as const;
    if (!this.#input.isShared) {
      const answers = await Promise.all(workers.map((ask) => ask(question)));
      return answers.reduce(addCount, 0);
    }
    let count: number | null = null;
    const apart = new Set<AskCache>();
    for (const [index, ask] of workers.entries()) {
      const answer = await ask(question);
      if (answer === undefined) continue;
      count = addCount(count ?? 0, answer);
      if (count === null) return null;
      // What a worker caches apart is its own: another has to purge what is on disk.
      if (answer?.kind === 'purged' && answer.isApart) {
        apart.add(ask);
        continue;
      }
      const others = workers.filter((other, i) => i !== index && !apart.has(other));
      const follow = { ...question, kind: 'follow' } as const;
      const followed = await Promise.all(others.map((other) => other(follow)));
      return followed.includes(null) ? null : count;
    }
    // When nobody serves, what is on disk would come back with the next worker.
    return count;
  }

  /** `after` is the `next` of the page before. Null when no worker answers. */
  async list(query: ListQuery): Promise<CacheList | null> {
    const after = Buffer.from(query.after, 'base64url').toString('latin1');
    const pages: Listed[] = [];
    for (const ask of this.#input.workers()) {
      const answer = await ask({ kind: 'list', ...query, after });
      if (answer?.kind !== 'listed') continue;
      pages.push(answer);
      if (this.#input.isShared) break;
    }
    if (pages.length === 0) return null;
    const { entries, next } = pages.length === 1 ? pages[0]! : mergedPages(pages);
    return { entries, next: next && Buffer.from(next, 'latin1').toString('base64url') };
  }

  async lookUp(url: string): Promise<UrlReport | null> {
    const key = keyOfUrl(url);
    if (key === null) return null;
    const answers = await Promise.all(
      this.#input.workers().map((ask) => ask({ kind: 'lookup', key })),
    );
    const workers = answers.flatMap((answer, worker) =>
      answer?.kind === 'found' ? [{ worker, ...answer.lookup }] : [],
    );
    return { url, key, ...conclusion(workers), workers };
  }
}

/** A page of what is stored, over all workers. */
export interface CacheList {
  readonly entries: readonly ListedResponse[];
  /** For the next page; null at the end. */
  readonly next: string | null;
}

type Listed = CacheAnswer & { readonly kind: 'listed' };

/** Pages of workers that each cache for themselves, in the order of keys: as far as all have come. */
function mergedPages(pages: readonly Listed[]): CacheList {
  const ends = pages.flatMap(({ next }) => next ?? []).sort();
  const [end] = ends;
  const entries = pages
    .flatMap((page) => page.entries)
    .filter(({ key }) => end === undefined || key <= end)
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return { entries, next: end ?? null };
}

function addCount(sum: number | null, answer: CacheAnswer | null | undefined): number | null {
  if (answer === undefined || sum === null) return sum;
  if (answer?.kind !== 'purged') return null;
  return answer.count === -1 || sum === -1 ? -1 : sum + answer.count;
}

function countText(count: number | null): string {
  if (count === null) return 'FAILED, a worker did not answer';
  if (count === -1) return 'done';
  return count === 1 ? '1 stored response' : `${count} stored responses`;
}

function selectorText(selector: PurgeRequest['selectors'][number]): string {
  switch (selector.kind) {
    case 'key':
      return JSON.stringify(selector.key);
    case 'prefix':
      return `prefix ${JSON.stringify(selector.prefix)}`;
    case 'host':
      return `host ${JSON.stringify(selector.host)}`;
    case 'tag':
      return `tag ${JSON.stringify(selector.tag)}`;
    case 'all':
      return 'everything';
  }
}

/** The cache key of an absolute http or https URL, path and query as they are; null for others. */
export function keyOfUrl(url: string): string | null {
  const match = /^(https?):\/\/([^/?#\s]+)((?:[/?][^#\s]*)?)(?:#\S*)?$/i.exec(url);
  if (match === null) return null;
  const [, scheme, written, target] = match;
  // No request can be for what is no authority: to purge it would look like a success.
  const authority = parseAuthority(written!);
  if (authority === null) return null;
  const path = target!.startsWith('?') ? `/${target}` : target!;
  return keyOf(scheme!.toLowerCase(), authority, path);
}

function conclusion(workers: readonly CacheLookup[]): Pick<UrlReport, 'state' | 'why'> {
  if (workers.length === 0) return { state: 'unknown', why: 'no worker answered' };
  const variants = workers.flatMap((one) => one.variants);
  const varies = variants.some((one) => Object.keys(one.vary).length > 0);
  const note = varies ? '; it depends on the request which variant is used (Vary)' : '';
  const fresh = variants.find((one) => one.isFresh);
  if (fresh !== undefined) {
    const { ttlSeconds, lifetimeSource } = fresh;
    return { state: 'fresh', why: `fresh for ${ttlSeconds} s more by ${lifetimeSource}${note}` };
  }
  const stale = variants[0];
  if (stale !== undefined) return { state: 'stale', why: `${staleReason(stale)}${note}` };
  if (workers.some((one) => one.isBeingFetched)) {
    return { state: 'being-fetched', why: 'a request for it is on its way to the origin' };
  }
  const refused = workers.flatMap((one) => one.refused ?? []).sort((a, b) => a.agoMs - b.agoMs)[0];
  const { stored, uncachedRoutes } = workers[0]!;
  if (stored.responses > 0) {
    const what = `${stored.responses} stored responses with ${stored.bytes} bytes in slices, `;
    return { state: 'stored', why: `${what}or by fields or cookies that its route's key has` };
  }
  if (refused === undefined) {
    const off = uncachedRoutes.length === 0 ? '' : ` (no cache on: ${uncachedRoutes.join(', ')})`;
    const why = `not asked for yet, or evicted, purged or invalidated since${off}`;
    return { state: 'not-stored', why };
  }
  const ago = Math.round(refused.agoMs / 1000);
  const why = `${refused.reason} (status ${refused.status}, ${ago} s ago)`;
  return { state: 'not-stored', why };
}

function staleReason(variant: CacheLookup['variants'][number]): string {
  if (variant.isMarkedStale) return 'stale since a soft purge; the origin is asked first';
  if (variant.ttlSeconds >= 0 && variant.lifetimeSeconds > 0) {
    return 'no-cache: the origin is asked first, every time';
  }
  if (variant.lifetimeSource === 'none') return 'without a lifetime: the origin is asked first';
  const since = -variant.ttlSeconds;
  return `stale for ${since} s by ${variant.lifetimeSource}; the origin is asked first`;
}
