/**
 * `/cache` of the admin endpoint: counts, lookups and purges, as JSON.
 *
 * A purge must be a POST of application/json without Origin: no form and no script of a web page can
 * send that across origins without a preflight request, which is refused here like any OPTIONS.
 */
import type { IncomingMessage } from 'node:http';
import type { PurgeSelector } from '../cache/contract.ts';
import { readMetrics } from '../telemetry/metrics-reader.ts';
import type { PurgeWish } from '../worker/contract.ts';
import type { AdminSources } from './admin.ts';
import { keyOfUrl } from './cache-control.ts';

/** A purge names one thing. */
const BODY_BYTES_MAX = 65_536;

export interface CacheAnswerBody {
  readonly status: number;
  readonly allow?: string;
  readonly body: unknown;
}

/** Answers a request whose path is /cache or below it. Never rejects. */
export async function answerCache(
  request: IncomingMessage,
  sources: AdminSources,
): Promise<CacheAnswerBody> {
  const url = new URL(request.url ?? '/', 'http://admin');
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  switch (url.pathname) {
    case '/cache':
      return method === 'GET' ? { status: 200, body: counts(sources) } : wrongMethod('GET, HEAD');
    case '/cache/lookup':
      return method === 'GET' ? lookUp(url, sources) : wrongMethod('GET, HEAD');
    case '/cache/purge':
      return method === 'POST' ? purge(request, sources) : wrongMethod('POST');
    default:
      return failure(404, 'there is /cache, /cache/lookup?url=URL and /cache/purge');
  }
}

function failure(status: number, error: string): CacheAnswerBody {
  return { status, body: { error } };
}

function wrongMethod(allow: string): CacheAnswerBody {
  return { ...failure(405, `only ${allow}`), allow };
}

function counts(sources: AdminSources) {
  const metrics = readMetrics(sources.regions());
  const sum = (name: string, label = '') =>
    metrics
      .find(({ definition }) => definition.name === name)!
      .series.filter((one) => label === '' || one.labels.includes(label))
      .reduce((total, one) => total + one.value, 0);
  const { cacheDirectory, cacheSizeBytes, cacheMemoryBytes } = sources.cacheOptions;
  const isOnDisk = cacheDirectory !== '';
  const requests = metrics.find(({ definition }) => definition.name === 'sluice_requests_total')!;
  const outcomes: Record<string, number> = {};
  for (const { labels, value } of requests.series) {
    const outcome = labels.at(-1)!;
    outcomes[outcome] = (outcomes[outcome] ?? 0) + value;
  }
  return {
    directory: isOnDisk ? cacheDirectory : null,
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

async function lookUp(url: URL, { cache }: AdminSources): Promise<CacheAnswerBody> {
  const wanted = url.searchParams.get('url');
  if (wanted === null) return failure(400, 'add ?url=URL');
  const report = await cache.lookUp(wanted);
  if (report === null) return failure(400, 'url is not an absolute http or https URL');
  return { status: 200, body: report };
}

async function purge(request: IncomingMessage, { cache }: AdminSources): Promise<CacheAnswerBody> {
  const { origin, 'content-type': type = '' } = request.headers;
  if (origin !== undefined) return failure(403, 'requests of web pages are refused');
  if (!/^application\/json\s*(?:;|$)/i.test(type)) {
    return failure(415, 'write Content-Type: application/json');
  }
  const text = await readBody(request);
  if (text === null) return failure(413, `at most ${BODY_BYTES_MAX} octets`);
  const wish = parsePurge(text);
  if (typeof wish === 'string') return failure(400, wish);
  const count = await cache.purge(wish, 'the admin endpoint');
  if (count === null) return failure(503, 'a worker did not answer: purge again');
  // What is found out bit by bit has no number.
  return { status: 200, body: { purged: count === -1 ? null : count, soft: wish.soft } };
}

/** Null when it is too long or breaks off. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > BODY_BYTES_MAX) return null;
      parts.push(part);
    }
  } catch {
    return null;
  }
  return Buffer.concat(parts).toString('utf8');
}

const KINDS = ['url', 'prefix', 'host', 'tag', 'all'] as const;

/** What is wrong with it, or the wish. */
export function parsePurge(text: string): PurgeWish | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'not JSON';
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'not an object';
  const { soft = false, ...rest } = value as Record<string, unknown>;
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
