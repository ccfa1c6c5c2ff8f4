/** `sluice cache`: asks a running sluice about its cache, purges, or checks a directory. */
import { UsageError } from '../base/errors.ts';
import {
  type ActionArguments,
  onlyArgument,
  parseActionArguments,
  printAnswer,
  refuseArguments,
} from './action-arguments.ts';
import { askAdmin } from './admin-client.ts';
import type { Command } from './command.ts';

const EXIT_OK = 0;
/** Something was found wrong, or not found. */
const EXIT_NO = 1;

const PURGE_FLAGS = ['url', 'prefix', 'host', 'tag'] as const;
/** True for flags with a value. */
const FLAGS = {
  status: { admin: true, json: false },
  list: { admin: true, json: false, prefix: true, limit: true, after: true },
  lookup: { admin: true, json: false },
  purge: {
    admin: true,
    json: false,
    soft: false,
    'fail-if-none': false,
    all: false,
    url: true,
    prefix: true,
    host: true,
    tag: true,
  },
  verify: { json: false },
};

export const cacheCommand: Command = { flags: FLAGS, run };

type CacheArguments = ActionArguments<keyof typeof FLAGS>;

/** Resolves with the exit code. Throws UsageError. */
async function run(args: readonly string[]): Promise<number> {
  const parsed = parseActionArguments('cache', FLAGS, args);
  switch (parsed.action) {
    case 'status':
      return status(parsed);
    case 'list':
      return list(parsed);
    case 'lookup':
      return lookUp(parsed);
    case 'purge':
      return purge(parsed);
    case 'verify':
      return verify(parsed);
  }
}

// ------------------------------------------------------------------ status

interface Tier {
  readonly bytes: number;
  readonly bytesMax: number;
  readonly entries: number;
  readonly evictions: number;
  readonly faults?: number;
}

interface Counts {
  readonly directory: string | null;
  readonly memory: Tier;
  readonly disk: Tier | null;
  readonly requests: Readonly<Record<string, number>>;
}

async function status(args: CacheArguments): Promise<number> {
  refuseArguments(args, 'write cache status');
  const counts = (await askAdmin(args, '/cache')) as Counts;
  const { directory, memory, disk, requests } = counts;
  const lines = [tierText('memory', memory)];
  if (disk !== null) {
    lines.push(tierText('disk', disk));
    lines.push(`           in ${directory}, ${disk.faults} faults`);
  }
  const answered = Object.values(requests).reduce((sum, count) => sum + count, 0);
  const outcomes = Object.entries(requests).map(([outcome, count]) => `${count} ${outcome}`);
  lines.push(`requests   ${answered}${answered === 0 ? '' : `: ${outcomes.join(', ')}`}`);
  printAnswer(args, counts, lines);
  return EXIT_OK;
}

function tierText(name: string, tier: Tier): string {
  const part = tier.bytesMax === 0 ? 0 : Math.round((tier.bytes / tier.bytesMax) * 100);
  const bytes = `${mebibytes(tier.bytes)} of ${mebibytes(tier.bytesMax)} MiB (${part} %)`;
  return `${name.padEnd(10)} ${tier.entries} responses, ${bytes}, ${tier.evictions} evicted`;
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

// ------------------------------------------------------------------ list

interface Listed {
  readonly entries: readonly {
    readonly key: string;
    readonly status: number;
    readonly contentLength: number;
    readonly part: string | null;
    readonly isFresh: boolean;
    readonly ttlSeconds: number;
  }[];
  readonly next: string | null;
}

async function list(args: CacheArguments): Promise<number> {
  refuseArguments(args, 'write cache list --prefix URL');
  const query = new URLSearchParams();
  for (const name of ['prefix', 'limit', 'after']) {
    const value = args.flags.get(name);
    if (value !== undefined) query.set(name, value);
  }
  const page = (await askAdmin(args, `/cache/list?${query}`)) as Listed;
  const lines: string[] = [];
  for (const { key, status: code, contentLength, part, isFresh, ttlSeconds } of page.entries) {
    const freshness = isFresh ? `fresh for ${ttlSeconds} s` : 'stale';
    // What rules and slices add to a key follows a line feed.
    const name = key.replaceAll('\n', ' | ').replaceAll('\r', '-');
    lines.push(name, `  ${code}, ${part ?? `${contentLength} bytes`}, ${freshness}`);
  }
  if (page.next !== null) lines.push(`more: --after ${page.next}`);
  if (lines.length === 0) lines.push('nothing is stored');
  printAnswer(args, page, lines);
  return EXIT_OK;
}

// ------------------------------------------------------------------ lookup

interface Lookup {
  readonly key: string;
  readonly state: string;
  readonly why: string;
  readonly workers: readonly {
    readonly worker: number;
    readonly variants: readonly {
      readonly status: number;
      readonly tier: string;
      readonly contentLength: number;
      readonly part: string | null;
      readonly vary: Readonly<Record<string, string | null>>;
      readonly isFresh: boolean;
      readonly ageSeconds: number;
      readonly lifetimeSeconds: number;
      readonly lifetimeSource: string;
      readonly fields: Readonly<Record<string, string>>;
      readonly storedAt: string;
    }[];
  }[];
}

async function lookUp(args: CacheArguments): Promise<number> {
  const url = onlyArgument(args, 'URL');
  const found = (await askAdmin(args, `/cache/lookup?url=${encodeURIComponent(url)}`)) as Lookup;
  const lines = [found.key, `${found.state}: ${found.why}`];
  for (const { worker, variants } of found.workers) {
    for (const variant of variants) lines.push(...variantLines(worker, variant));
  }
  printAnswer(args, found, lines);
  const isStored = found.state === 'fresh' || found.state === 'stale' || found.state === 'stored';
  return isStored ? EXIT_OK : EXIT_NO;
}

type Variant = Lookup['workers'][number]['variants'][number];

function variantLines(worker: number, variant: Variant): string[] {
  const { status: code, tier, contentLength, part, ageSeconds, lifetimeSeconds } = variant;
  const what = part === null ? `${contentLength} bytes` : part;
  const freshness = variant.isFresh ? 'fresh' : 'stale';
  const lines = ['', `worker ${worker}, ${tier}: ${code}, ${what}, stored ${variant.storedAt}`];
  lines.push(
    `  ${freshness}: age ${ageSeconds} s of ${lifetimeSeconds} s (${variant.lifetimeSource})`,
  );
  for (const [name, value] of Object.entries(variant.vary)) {
    lines.push(`  for requests with ${value === null ? `no ${name}` : `${name}: ${value}`}`);
  }
  for (const [name, value] of Object.entries(variant.fields)) lines.push(`  ${name}: ${value}`);
  return lines;
}

// ------------------------------------------------------------------ purge

async function purge(args: CacheArguments): Promise<number> {
  const { flags } = args;
  refuseArguments(args, 'write purge --url URL, or --prefix, --host, --tag, --all');
  const named = PURGE_FLAGS.filter((name) => flags.has(name));
  const all = flags.has('all');
  if (named.length + (all ? 1 : 0) !== 1) {
    throw new UsageError(
      'cache purge: what to purge is one flag',
      'write one of --url URL, --prefix URL, --host NAME, --tag TAG, --all',
    );
  }
  const selector = all ? { all: true } : { [named[0]!]: flags.get(named[0]!) };
  const soft = flags.has('soft');
  const answer = (await askAdmin(args, '/cache/purge', { ...selector, soft })) as {
    purged: number | null;
  };
  const { purged } = answer;
  printAnswer(args, answer, [purgedText(purged, soft)]);
  return purged === 0 && flags.has('fail-if-none') ? EXIT_NO : EXIT_OK;
}

/** Null: they are known when they are asked for. */
function purgedText(count: number | null, soft: boolean): string {
  const verb = soft ? 'marked stale' : 'purged';
  if (count === null) return `${verb}: all that match, which are counted when they are met`;
  if (count === 0) return `${verb}: nothing, because nothing that is stored matches`;
  return `${verb}: ${count === 1 ? '1 stored response' : `${count} stored responses`}`;
}

// ------------------------------------------------------------------ verify

async function verify(args: CacheArguments): Promise<number> {
  const directory = onlyArgument(args, 'DIR');
  const { verifyDirectory } = await import('../cache/disk/index/verify.ts');
  let result: ReturnType<typeof verifyDirectory>;
  try {
    result = verifyDirectory(directory);
  } catch (error) {
    throw new UsageError(
      `cache verify ${JSON.stringify(directory)}: ${(error as Error).message}`,
      'name a directory that --cache-dir has named',
    );
  }
  const { responses, contentBytes, segments, bytesUsed, damaged } = result;
  const whole = `${responses} stored responses with ${mebibytes(contentBytes)} MiB are whole; `;
  const lines = [`${whole}${segments} segments and the index take ${mebibytes(bytesUsed)} MiB`];
  for (const { key, segment, what } of damaged) {
    const where = segment === 0 ? '' : `segment ${segment}: `;
    lines.push(`damaged: ${where}${what}${key === '' ? '' : `: ${key}`}`);
  }
  printAnswer(args, result, lines);
  return damaged.length === 0 ? EXIT_OK : EXIT_NO;
}
