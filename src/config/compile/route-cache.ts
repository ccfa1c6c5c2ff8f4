import type { KeyRules } from '../../cache/rules/key.ts';
import { type CachePolicy, defaultCachePolicy } from '../../cache/rules/policy.ts';
import {
  type CacheRules,
  defaultCacheRules,
  SLICE_BYTES_MAX,
  SLICE_BYTES_MIN,
} from '../../cache/rules/rules.ts';
import type { RouteCacheEntry } from '../schema/route-cache.ts';
import type { CompileContext } from './context.ts';

export function compileRouteCache(entry: RouteCacheEntry, context: CompileContext): CacheRules {
  const { enabled = true, slices: sliceBytes = 0 } = entry;
  if (sliceBytes !== 0 && (sliceBytes < SLICE_BYTES_MIN || sliceBytes > SLICE_BYTES_MAX)) {
    const bounds = `${SLICE_BYTES_MIN / 1024}KiB to ${SLICE_BYTES_MAX / 2 ** 20}MiB`;
    context.refuse(['slices'], 'no length for slices', `write ${bounds}, or 0`);
  }
  return {
    enabled,
    policy: policyOf(entry, context),
    key: keyOf(entry.key ?? {}, context),
    sliceBytes,
  };
}

function policyOf(entry: RouteCacheEntry, context: CompileContext): CachePolicy {
  const { lifetime = {} } = entry;
  const { min: lifetimeMinMs = 0, max: lifetimeMaxMs = null, negative = 0 } = lifetime;
  if (lifetimeMaxMs !== null && lifetimeMinMs > lifetimeMaxMs) {
    context.refuse(['lifetime', 'min'], 'above max', 'change one of them');
  }
  const byStatus = typeof negative === 'number' ? {} : negative;
  for (const status of Object.keys(byStatus)) {
    if (/^[1-5]\d\d$/.test(status)) continue;
    context.refuse(['lifetime', 'negative', status], 'no status', 'write one such as 404');
  }
  const base = defaultCachePolicy;
  return {
    ...base,
    targetedFields: lowerCase(entry['targeted-headers']) ?? base.targetedFields,
    heuristicFraction: entry.heuristic ?? base.heuristicFraction,
    lifetimeDefaultMs: lifetime.default ?? base.lifetimeDefaultMs,
    lifetimeMinMs,
    lifetimeMaxMs,
    lifetimeOverrideMs: lifetime.override ?? base.lifetimeOverrideMs,
    negativeLifetimeMs: typeof negative === 'number' ? negative : base.negativeLifetimeMs,
    negativeLifetimesMs: byStatus,
    pinMs: entry.pin ?? base.pinMs,
    setCookie: entry['set-cookie'] ?? base.setCookie,
    honourRequestDirectives: entry['request-directives'] ?? base.honourRequestDirectives,
    staleIfErrorMs: entry['stale-if-error'] ?? base.staleIfErrorMs,
    staleWhileRevalidateMs: entry['stale-while-revalidate'] ?? base.staleWhileRevalidateMs,
    selectByLanguage: entry['select-by-language'] ?? base.selectByLanguage,
    storePartial: entry.partial ?? base.storePartial,
  };
}

type KeyEntry = NonNullable<RouteCacheEntry['key']>;

function keyOf(entry: KeyEntry, context: CompileContext): KeyRules {
  const base = defaultCacheRules.key;
  return {
    query: queryOf(entry.query ?? 'keep', context),
    sortQuery: entry['sort-query'] ?? base.sortQuery,
    normalisePercentEncoding: entry['normalise-percent-encoding'] ?? base.normalisePercentEncoding,
    headers: lowerCase(entry.headers) ?? base.headers,
    cookies: entry.cookies ?? base.cookies,
  };
}

function queryOf(
  query: NonNullable<KeyEntry['query']>,
  context: CompileContext,
): KeyRules['query'] {
  if (query === 'keep') return 'all';
  if (query === 'ignore') return 'none';
  const { only, without } = query;
  if ((only === undefined) === (without === undefined)) {
    context.refuse(['key', 'query'], 'neither or both of only and without', 'write one of them');
  }
  return only === undefined ? { without: without ?? [] } : { keep: only };
}

function lowerCase(names: readonly string[] | undefined): string[] | undefined {
  return names?.map((name) => name.toLowerCase());
}
