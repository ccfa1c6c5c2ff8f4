/** Answers the supervisor's questions about this worker's cache: purges, and what is stored and why. */
import type { Clock } from '../base/clock.ts';
import type { CollapseTable } from '../cache/collapse.ts';
import type { StoredResponse, StoreHit } from '../cache/contract.ts';
import { currentAgeMs, isFresh } from '../cache/freshness.ts';
import { ttlSeconds } from '../cache/reuse.ts';
import { storingWords } from '../cache/storing.ts';
import type { Passed, PassMemory } from '../proxy/pass-memory.ts';
import type { WorkerCache } from './cache.ts';
import type { CacheAnswer, CacheLookup, CacheQuestion, StoredVariant } from './contract.ts';

export interface CacheDeskInput {
  readonly cache: WorkerCache;
  readonly collapse: CollapseTable;
  readonly passMemory: PassMemory;
  readonly clock: Clock;
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
  input: CacheDeskInput,
  question: CacheQuestion,
): Promise<CacheAnswer> {
  const { cache, collapse } = input;
  switch (question.kind) {
    case 'purge': {
      let count = 0;
      for (const selector of question.selectors) {
        const purged = cache.store.purge(selector, question.soft, question.nowMs);
        collapse.releaseSelected(selector);
        count = purged === -1 || count === -1 ? -1 : count + purged;
      }
      return { kind: 'purged', count };
    }
    case 'follow':
      cache.follow();
      for (const selector of question.selectors) collapse.releaseSelected(selector);
      return { kind: 'followed' };
    case 'lookup':
      return { kind: 'found', lookup: await lookUp(input, question.key) };
  }
}

async function lookUp(input: CacheDeskInput, key: string): Promise<CacheLookup> {
  const { cache, collapse, passMemory, clock } = input;
  const nowMs = clock.wallMs();
  const inMemory = new Set((cache.store.peek(key) ?? []).map((hit) => hit.response));
  const hits = await new Promise<readonly StoreHit[]>((resolve) =>
    cache.store.lookup(key, resolve),
  );
  const refused = refusalOf(passMemory.recall(key), nowMs);
  return {
    variants: hits.map(({ response }) =>
      variantOf(response, inMemory.has(response) ? 'memory' : 'disk', nowMs),
    ),
    isBeingFetched: collapse.has(key),
    refused,
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
