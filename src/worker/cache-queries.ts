/** Answers the supervisor's questions about this worker's cache: purges, and what is stored and why. */

import type { Clock } from '../base/clock.ts';
import type { CollapseTable } from '../cache/collapse.ts';
import type {
  ListPage,
  ListQuery,
  PurgeSelector,
  StoredResponse,
  StoreHit,
} from '../cache/contract.ts';
import { isSelected } from '../cache/purge.ts';
import { currentAgeMs, isFresh } from '../cache/rules/freshness.ts';
import { targetKey } from '../cache/rules/key.ts';
import { ttlSeconds } from '../cache/rules/reuse.ts';
import { storingWords } from '../cache/rules/storing.ts';
import type { HitForMissMemory, Passed } from '../proxy/hit-for-miss-memory.ts';
import { keySuffixes } from '../proxy/route-table.ts';
import type { RouteOptions } from '../routing/route.ts';
import type { WorkerCache } from './cache.ts';
import type { CacheAnswer, CacheLookup, CacheQuestion, StoredVariant } from './contract.ts';

export interface CacheQueriesInput {
  readonly cache: WorkerCache;
  readonly collapse: CollapseTable;
  readonly hitForMissMemory: HitForMissMemory;
  readonly clock: Clock;
  readonly routes: readonly RouteOptions[];
}

/** Fields that say why a stored response is fresh, stale or what it is. */
const SHOWN_FIELDS = [
  'cache-control',
  'cdn-cache-control',
  'expires',
  'date',
  'last-modified',
  'etag',
  'vary',
  'content-type',
  'content-encoding',
  'surrogate-key',
  'cache-tag',
];

export async function answerCacheQuestion(
  input: CacheQueriesInput,
  question: CacheQuestion,
): Promise<CacheAnswer> {
  const { cache, collapse, routes } = input;
  switch (question.kind) {
    case 'purge': {
      let count = 0;
      for (const selector of selectorsByRules(question.selectors, routes)) {
        const purged = cache.store.purge(selector, question.soft, question.nowMs);
        collapse.releaseSelected(selector);
        count = purged === -1 || count === -1 ? -1 : count + purged;
      }
      return { kind: 'purged', count, isApart: cache.isApart };
    }
    case 'follow': {
      const selectors = selectorsByRules(question.selectors, routes);
      cache.follow(selectors, question.soft, question.nowMs);
      for (const selector of selectors) collapse.releaseSelected(selector);
      return { kind: 'followed' };
    }
    case 'count':
      return { kind: 'counted', count: await countSelected(input, question.selectors) };
    case 'lookup':
      return { kind: 'found', lookup: await lookUp(input, question.key) };
    case 'list':
      return list(input, question);
  }
}

/** A URL's key is what the rules of any route make of it. */
function selectorsByRules(
  selectors: readonly PurgeSelector[],
  routes: readonly RouteOptions[],
): PurgeSelector[] {
  return selectors.flatMap((selector): PurgeSelector[] =>
    selector.kind !== 'key'
      ? [selector]
      : keysOf(selector.key, routes).map((key) => ({ kind: 'key', key }) as const),
  );
}

/** `key` is by the default rules; the others begin with it, or with what rules leave of it. */
function keysOf(key: string, routes: readonly RouteOptions[]): string[] {
  const [, scheme, authority, path] = /^([a-z]+):\/\/([^/]*)((?:\/.*)?)$/s.exec(key) ?? [];
  if (path === undefined) return [key];
  const byRules = routes.map(({ cache }) => targetKey(scheme!, authority!, path, cache.key));
  return [...new Set([key, ...byRules])];
}

/** Stored responses that are looked at: a purge waits for it. */
const COUNTED_MAX = 10_000;
const COUNTED_AT_ONCE = 500;

/** -1 when there is too much to look through. */
async function countSelected(
  { cache }: CacheQueriesInput,
  selectors: readonly PurgeSelector[],
): Promise<number> {
  const [first] = selectors;
  const prefix = selectors.length === 1 && first!.kind === 'prefix' ? first!.prefix : '';
  let [count, seen, after] = [0, 0, ''];
  while (seen <= COUNTED_MAX) {
    const query = { prefix, after, limit: COUNTED_AT_ONCE };
    const page = await new Promise<ListPage>((resolve) => cache.store.list(query, resolve));
    for (const { key, response } of page.entries) {
      if (selectors.some((selector) => isSelected(selector, key, response.fields))) count++;
    }
    if (page.next === null) return count;
    seen += Math.max(page.entries.length, COUNTED_AT_ONCE / 10);
    after = page.next;
  }
  return -1;
}

async function list(input: CacheQueriesInput, query: ListQuery): Promise<CacheAnswer> {
  const { cache, clock } = input;
  const page = await new Promise<ListPage>((resolve) => cache.store.list(query, resolve));
  const nowMs = clock.wallMs();
  const entries = page.entries.map(({ key, response }) => {
    const { fields: _, tier: __, ...listed } = variantOf(response, 'memory', nowMs);
    return { key, ...listed };
  });
  return { kind: 'listed', entries, next: page.next };
}

async function lookUp(input: CacheQueriesInput, url: string): Promise<CacheLookup> {
  const { cache, collapse, hitForMissMemory, clock, routes } = input;
  const { store } = cache;
  const nowMs = clock.wallMs();
  const keys = keysOf(url, routes);
  // Routes that are chosen by more than the target store under keys of their own.
  const exact = keys.flatMap((key) => [
    key,
    ...keySuffixes(routes).flatMap((suffix) => (suffix === '' ? [] : [key + suffix])),
  ]);
  const variants: StoredVariant[] = [];
  for (const key of exact) {
    const inMemory = new Set((store.peek(key) ?? []).map((hit) => hit.response));
    const hits = await new Promise<readonly StoreHit[]>((resolve) => store.lookup(key, resolve));
    for (const { response } of hits) {
      variants.push(variantOf(response, inMemory.has(response) ? 'memory' : 'disk', nowMs));
    }
  }
  const measured = keys.map((key) => store.measure(key));
  const passed = keys.flatMap((key) => hitForMissMemory.recallTarget(key) ?? []);
  const last = passed.sort((a, b) => b.atMs - a.atMs)[0];
  return {
    keys,
    uncachedRoutes: routes.flatMap(({ name, cache: { enabled } }) => (enabled ? [] : [name])),
    stored: {
      responses: measured.reduce((sum, one) => sum + one.responses, 0),
      bytes: measured.reduce((sum, one) => sum + one.bytes, 0),
    },
    variants,
    isBeingFetched: exact.some((key) => collapse.has(key)),
    refused: refusalOf(last, nowMs),
  };
}

function refusalOf(passed: Passed | undefined, nowMs: number): CacheLookup['refused'] {
  if (passed === undefined || passed.decision === 'store') return null;
  const { decision, status, atMs } = passed;
  return { decision, reason: storingWords[decision], status, agoMs: nowMs - atMs };
}

function variantOf(
  response: StoredResponse,
  tier: StoredVariant['tier'],
  nowMs: number,
): StoredVariant {
  const { freshness, partial, fields } = response;
  const shown = SHOWN_FIELDS.flatMap((name) => {
    const value = fields.combined(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    status: response.status,
    tier,
    contentLength: response.contentLength,
    part: partial === null ? null : (fields.first('content-range') ?? ''),
    vary: Object.fromEntries(response.varyFields.map(([name, value]) => [name, value ?? null])),
    isFresh: isFresh(freshness, nowMs) && !freshness.directives.noCache,
    ageSeconds: Math.floor(currentAgeMs(freshness, nowMs) / 1000),
    lifetimeSeconds: Math.floor(freshness.lifetimeMs / 1000),
    ttlSeconds: ttlSeconds(response, nowMs),
    lifetimeSource: freshness.source,
    isMarkedStale: response.markedStaleMs > 0,
    fields: Object.fromEntries(shown),
    storedAt: new Date(response.responseTimeMs).toISOString(),
  };
}
