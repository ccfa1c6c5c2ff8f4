/** `sluice cache`: asks a running sluice about its cache, purges, or checks a directory. */
import { type IncomingMessage, request } from 'node:http';
import { UsageError } from '../base/errors.ts';
import { optionNamed } from '../config/option-table.ts';
import { isLoopback, parseEndpoint } from '../config/option-values.ts';
import type { Endpoint } from '../config/options.ts';
import { nearestWord } from '../config/suggestion.ts';

/** Where `sluice demo` has its admin endpoint. */
const ADMIN_DEFAULT = '127.0.0.1:8081';
const ANSWER_TIMEOUT_MS = 15_000;
const EXIT_OK = 0;
/** Something was found wrong, or not found. */
const EXIT_NO = 1;

const ACTIONS = ['status', 'lookup', 'purge', 'verify'] as const;
type Action = (typeof ACTIONS)[number];

const PURGE_FLAGS = ['url', 'prefix', 'host', 'tag'] as const;
/** Flags of each action; true for those with a value. */
const FLAGS: Record<Action, Record<string, boolean>> = {
  status: { admin: true, json: false },
  lookup: { admin: true, json: false },
  purge: {
    admin: true,
    json: false,
    soft: false,
    all: false,
    url: true,
    prefix: true,
    host: true,
    tag: true,
  },
  verify: { json: false },
};

interface CacheWords {
  readonly action: Action;
  readonly arguments: readonly string[];
  readonly flags: ReadonlyMap<string, string>;
}

/** Resolves with the exit code. Throws UsageError. */
export async function cacheCommand(words: readonly string[]): Promise<number> {
  const parsed = parse(words);
  switch (parsed.action) {
    case 'status':
      return status(parsed);
    case 'lookup':
      return lookUp(parsed);
    case 'purge':
      return purge(parsed);
    case 'verify':
      return verify(parsed);
  }
}

function parse(words: readonly string[]): CacheWords {
  const [first, ...rest] = words;
  const action = ACTIONS.find((known) => known === first);
  if (action === undefined) {
    const near = first === undefined ? undefined : nearestWord(first, ACTIONS);
    const problem = first === undefined ? 'nothing to do' : `unknown ${JSON.stringify(first)}`;
    const remedy =
      near === undefined ? `write one of ${ACTIONS.join(', ')}` : `did you mean ${near}?`;
    throw new UsageError(`cache: ${problem}`, remedy);
  }
  const known = FLAGS[action];
  const flags = new Map<string, string>();
  const names: string[] = [];
  for (let i = 0; i < rest.length; i++) {
    const word = rest[i]!;
    if (!word.startsWith('--')) {
      names.push(word);
      continue;
    }
    const equals = word.indexOf('=');
    const name = word.slice(2, equals === -1 ? undefined : equals);
    if (!Object.hasOwn(known, name)) {
      const near = nearestWord(name, Object.keys(known));
      const remedy = near === undefined ? 'see sluice --help' : `did you mean --${near}?`;
      throw new UsageError(`cache ${action}: unknown flag --${name}`, remedy);
    }
    const value = !known[name] ? '' : equals === -1 ? rest[++i] : word.slice(equals + 1);
    if (value === undefined) throw new UsageError(`--${name}: no value`, `write --${name} VALUE`);
    flags.set(name, value);
  }
  return { action, arguments: names, flags };
}

function onlyArgument(words: CacheWords, placeholder: string): string {
  const [value, ...more] = words.arguments;
  if (value !== undefined && more.length === 0) return value;
  const problem = value === undefined ? `no ${placeholder}` : 'too many words';
  throw new UsageError(`cache ${words.action}: ${problem}`, `write ${words.action} ${placeholder}`);
}

function refuseArguments(words: CacheWords, remedy: string): void {
  const [value] = words.arguments;
  if (value === undefined) return;
  throw new UsageError(`cache ${words.action}: unexpected ${JSON.stringify(value)}`, remedy);
}

// ------------------------------------------------------------------ the admin endpoint

function adminOf({ flags }: CacheWords): Endpoint {
  const text = flags.get('admin') ?? ADMIN_DEFAULT;
  const given = { text, place: '--admin', directory: '/' };
  const endpoint = parseEndpoint(optionNamed('admin')!, given);
  if (isLoopback(endpoint)) return endpoint;
  throw new UsageError(`--admin ${text}: not a loopback address`, 'write 127.0.0.1:PORT');
}

/** The JSON answer; throws UsageError when nobody answers or the request was refused. */
async function ask(words: CacheWords, path: string, body?: unknown): Promise<unknown> {
  const endpoint = adminOf(words);
  const where = 'path' in endpoint ? { socketPath: endpoint.path } : endpoint;
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const outgoing = request({
    ...where,
    path,
    method: body === undefined ? 'GET' : 'POST',
    headers: { host: 'localhost', 'content-type': 'application/json' },
    timeout: ANSWER_TIMEOUT_MS,
    agent: false,
  });
  outgoing.on('response', resolve).on('error', reject);
  outgoing.on('timeout', () => outgoing.destroy(new Error('no answer')));
  outgoing.end(body === undefined ? '' : JSON.stringify(body));
  let response: IncomingMessage;
  let text: string;
  try {
    response = await promise;
    text = Buffer.concat(await response.toArray()).toString('utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const address = words.flags.get('admin') ?? ADMIN_DEFAULT;
    const remedy = 'start sluice with --admin, and name the same address here with --admin';
    throw new UsageError(`no admin endpoint at ${address} (${code ?? message})`, remedy);
  }
  const isJson = response.headers['content-type'] === 'application/json';
  const answer: unknown = isJson ? JSON.parse(text) : { error: text.trim() };
  if (response.statusCode === 200) return answer;
  const { error } = answer as { error: string };
  throw new UsageError(`cache ${words.action}: ${error}`, 'see sluice --help');
}

function print({ flags }: CacheWords, answer: unknown, text: string): void {
  const isJson = flags.has('json');
  process.stdout.write(isJson ? `${JSON.stringify(answer, null, 2)}\n` : text);
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

async function status(words: CacheWords): Promise<number> {
  refuseArguments(words, 'write cache status');
  const counts = (await ask(words, '/cache')) as Counts;
  const { directory, memory, disk, requests } = counts;
  let text = tierText('memory', memory);
  if (disk !== null) {
    text += tierText('disk', disk);
    text += `           in ${directory}, ${disk.faults} faults\n`;
  }
  const answered = Object.values(requests).reduce((sum, count) => sum + count, 0);
  const outcomes = Object.entries(requests).map(([outcome, count]) => `${count} ${outcome}`);
  text += `requests   ${answered}${answered === 0 ? '' : `: ${outcomes.join(', ')}`}\n`;
  print(words, counts, text);
  return EXIT_OK;
}

function tierText(name: string, tier: Tier): string {
  const part = tier.bytesMax === 0 ? 0 : Math.round((tier.bytes / tier.bytesMax) * 100);
  const bytes = `${mebibytes(tier.bytes)} of ${mebibytes(tier.bytesMax)} MiB (${part} %)`;
  return `${name.padEnd(10)} ${tier.entries} responses, ${bytes}, ${tier.evictions} evicted\n`;
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
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

async function lookUp(words: CacheWords): Promise<number> {
  const url = onlyArgument(words, 'URL');
  const found = (await ask(words, `/cache/lookup?url=${encodeURIComponent(url)}`)) as Lookup;
  let text = `${found.key}\n${found.state}: ${found.why}\n`;
  for (const { worker, variants } of found.workers) {
    for (const variant of variants) text += variantText(worker, variant);
  }
  print(words, found, text);
  return found.state === 'fresh' || found.state === 'stale' ? EXIT_OK : EXIT_NO;
}

type Variant = Lookup['workers'][number]['variants'][number];

function variantText(worker: number, variant: Variant): string {
  const { status: code, tier, contentLength, part, ageSeconds, lifetimeSeconds } = variant;
  const what = part === null ? `${contentLength} octets` : part;
  const freshness = variant.isFresh ? 'fresh' : 'stale';
  let text = `\nworker ${worker}, ${tier}: ${code}, ${what}, stored ${variant.storedAt}\n`;
  text += `  ${freshness}: age ${ageSeconds} s of ${lifetimeSeconds} s (${variant.lifetimeSource})\n`;
  for (const [name, value] of Object.entries(variant.vary)) {
    text += `  for requests with ${value === null ? `no ${name}` : `${name}: ${value}`}\n`;
  }
  for (const [name, value] of Object.entries(variant.fields)) text += `  ${name}: ${value}\n`;
  return text;
}

// ------------------------------------------------------------------ purge

async function purge(words: CacheWords): Promise<number> {
  const { flags } = words;
  refuseArguments(words, 'write purge --url URL, or --prefix, --host, --tag, --all');
  const named = PURGE_FLAGS.filter((name) => flags.has(name));
  const all = flags.has('all');
  if (named.length + (all ? 1 : 0) !== 1) {
    throw new UsageError(
      'cache purge: what to purge is one flag',
      'write one of --url URL, --prefix URL, --host NAME, --tag TAG, --all',
    );
  }
  const wish = all ? { all: true } : { [named[0]!]: flags.get(named[0]!) };
  const soft = flags.has('soft');
  const answer = (await ask(words, '/cache/purge', { ...wish, soft })) as { purged: number | null };
  const verb = soft ? 'marked stale' : 'purged';
  const { purged } = answer;
  const text = purged === null ? `${verb}\n` : `${verb}: ${purged} stored responses\n`;
  print(words, answer, text);
  return EXIT_OK;
}

// ------------------------------------------------------------------ verify

async function verify(words: CacheWords): Promise<number> {
  const directory = onlyArgument(words, 'DIR');
  const { verifyDirectory } = await import('../cache/disk/verify.ts');
  const result = await verifyDirectory(directory).catch((error: Error) => {
    throw new UsageError(
      `cache verify ${JSON.stringify(directory)}: ${error.message}`,
      'name a directory that --cache-dir has named',
    );
  });
  const { responses, contentBytes, segments, bytesUsed, damaged } = result;
  let text = `${responses} stored responses with ${mebibytes(contentBytes)} MiB are whole; `;
  text += `${segments} segments and the index take ${mebibytes(bytesUsed)} MiB\n`;
  for (const { key, segment, what } of damaged) {
    text += `damaged: segment ${segment}: ${what}${key === '' ? '' : `: ${key}`}\n`;
  }
  print(words, result, text);
  return damaged.length === 0 ? EXIT_OK : EXIT_NO;
}
