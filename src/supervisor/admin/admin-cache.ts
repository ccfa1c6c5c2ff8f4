/** `/cache` of the admin endpoint: counts, lookups and purges. */
import type { PurgeSelector } from '../../cache/contract.ts';
import type { SluiceOptions } from '../../config/options.ts';
import { readMetrics } from '../../telemetry/metrics-reader.ts';
import type { PurgeRequest } from '../../worker/contract.ts';
import {
  type AdminAnswer,
  type AdminRequest,
  type AdminRoute,
  failure,
  success,
} from './admin-routes.ts';
import { type CacheControl, keyOfUrl } from './cache-control.ts';

/** Stored responses in one answer. */
const LIST_LIMIT = 100;
const LIST_LIMIT_MAX = 1_000;

export type CacheOptions = Pick<
  SluiceOptions,
  'cacheDirectory' | 'cacheSizeBytes' | 'cacheMemoryBytes'
>;

interface CacheSources {
  regions(): Uint8Array[];
  readonly cache: CacheControl;
  readonly cacheOptions: CacheOptions;
}

export function cacheRoutes(sources: CacheSources): AdminRoute[] {
  return [
    { path: '/cache', summary: 'what the cache holds', get: () => success(counts(sources)) },
    {
      path: '/cache/lookup',
      summary: '?url=URL: what is stored for it, and why not',
      get: ({ query }) => lookUp(query, sources),
    },
    {
      path: '/cache/list',
      summary: '?prefix=URL&limit=N&after=NEXT: what is stored, page by page',
      get: ({ query }) => list(query, sources),
    },
    {
      path: '/cache/purge',
      summary: 'removes a URL, a prefix, a host, a tag or all',
      keys: [...KINDS, 'soft'],
      post: ({ body }) => purge(body, sources),
    },
  ];
}

function counts(sources: CacheSources) {
  const metrics = readMetrics(sources.regions());
  const sum = (name: string, label = '') =>
    metrics
      .find(({ definition }) => definition.name === name)!
      .series.filter((one) => label === '' || one.labels.includes(label))
      .reduce((total, one) => total + one.value, 0);
  const { cacheDirectory, cacheSizeBytes, cacheMemoryBytes } = sources.cacheOptions;
  const isOnDisk = cacheDirectory !== null;
  const requests = metrics.find(({ definition }) => definition.name === 'sluice_requests_total')!;
  const outcomes: Record<string, number> = {};
  for (const { labels, value } of requests.series) {
    const outcome = labels.at(-1)!;
    outcomes[outcome] = (outcomes[outcome] ?? 0) + value;
  }
  return {
    directory: cacheDirectory,
    memory: {
      bytes: sum('sluice_cache_bytes'),
      bytesMax: cacheMemoryBytes,
      entries: sum('sluice_cache_entries'),
      evictions: sum('sluice_cache_evictions_total', 'memory'),
    },
    disk: isOnDisk
      ? {
          bytes: sum('sluice_cache_disk_bytes'),
          bytesMax: cacheSizeBytes,
          entries: sum('sluice_cache_disk_entries'),
          evictions: sum('sluice_cache_evictions_total', 'disk'),
          faults: sum('sluice_cache_faults_total'),
        }
      : null,
    requests: outcomes,
  };
}

async function lookUp(query: URLSearchParams, { cache }: CacheSources): Promise<AdminAnswer> {
  const wanted = query.get('url');
  if (wanted === null) return failure(400, 'add ?url=URL');
  const report = await cache.lookUp(wanted);
  if (report === null) return failure(400, 'url is not an absolute http or https URL');
  return success(report);
}

async function list(query: URLSearchParams, { cache }: CacheSources): Promise<AdminAnswer> {
  const limit = Number(query.get('limit') ?? LIST_LIMIT);
  if (!Number.isInteger(limit) || limit < 1 || limit > LIST_LIMIT_MAX) {
    return failure(400, `limit is 1 to ${LIST_LIMIT_MAX}`);
  }
  const url = query.get('prefix') ?? '';
  const prefix = url === '' ? '' : keyOfUrl(url);
  if (prefix === null) return failure(400, 'prefix is not the beginning of an http or https URL');
  const page = await cache.list({ prefix, limit, after: query.get('after') ?? '' });
  return page === null ? failure(503, 'no worker answered') : success(page);
}

async function purge(body: AdminRequest['body'], { cache }: CacheSources): Promise<AdminAnswer> {
  const parsed = parsePurge(body);
  if (typeof parsed === 'string') return failure(400, parsed);
  const count = await cache.purge(parsed, 'the admin endpoint');
  if (count === null) return failure(503, 'a worker did not answer: purge again');
  // What is found out bit by bit has no number.
  return success({ purged: count === -1 ? null : count, soft: parsed.soft });
}

const KINDS = ['url', 'prefix', 'host', 'tag', 'all'] as const;

/** What is wrong with it, or what to purge. */
function parsePurge(body: AdminRequest['body']): PurgeRequest | string {
  const { soft = false, ...rest } = body;
  if (typeof soft !== 'boolean') return 'soft is true or false';
  const names = Object.keys(rest);
  const kind = KINDS.find((known) => known === names[0]);
  if (names.length !== 1 || kind === undefined) {
    return `exactly one of ${KINDS.join(', ')} is needed, and soft may be added`;
  }
  const selector = selectorFrom(kind, rest[kind]);
  return typeof selector === 'string' ? selector : { selectors: [selector], soft };
}

function selectorFrom(kind: (typeof KINDS)[number], value: unknown): PurgeSelector | string {
  if (kind === 'all') return value === true ? { kind } : 'all is true';
  if (typeof value !== 'string' || value === '') return `${kind} is a string`;
  switch (kind) {
    case 'url': {
      const key = keyOfUrl(value);
      return key === null ? 'url is not an absolute http or https URL' : { kind: 'key', key };
    }
    case 'prefix': {
      const prefix = keyOfUrl(value);
      if (prefix === null)
        return 'prefix is not the beginning of an http or https URL with its host';
      return { kind, prefix };
    }
    case 'host':
      return /[/\s]/.test(value)
        ? 'host is a host name'
        : { kind, host: value.replace(/:\d+$/, '') };
    case 'tag':
      return /[\s,]/.test(value) ? 'tag is one tag' : { kind, tag: value };
  }
}
