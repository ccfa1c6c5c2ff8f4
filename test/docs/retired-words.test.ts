/**
 * Words that were replaced by those of other proxies and of the RFCs stay out of what users read: keys,
 * flags, help, metrics, documents and messages. CHANGELOG.md has the table of old and new words; pages of
 * docs/adr/ tell what was true when they were written.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { optionTable } from '../../src/config/option-table.ts';
import { commandLineReference, helpText } from '../../src/config/reference.ts';
import { configurationSchema } from '../../src/config/schema/configuration.ts';
import { type MetricDefinition, metricTable } from '../../src/telemetry/metric-table.ts';

const root = new URL('../../', import.meta.url);

interface RetiredWord {
  readonly pattern: RegExp;
  readonly instead: string;
  /** Sentences that have it; each must be found. */
  readonly samples: readonly string[];
}

/** Words that have no good use in any text for users. */
const retired: readonly RetiredWord[] = [
  { pattern: /\boctets?\b/i, instead: 'bytes', samples: ['at most 4 octets'] },
  { pattern: /\bcapsules?\b/i, instead: 'incident', samples: ['sluice capsules list'] },
  { pattern: /\bfuses?\b|\bblown\b/i, instead: 'automatic rollback', samples: ['--fuses off'] },
  { pattern: /\bfleets?\b/i, instead: 'cluster', samples: ['the fleet’s Redis'] },
  { pattern: /\bre-?arm(?:s|ed)?\b/i, instead: 'enable', samples: ['rearm ja4', 're-armed'] },
  {
    pattern: /\bis armed\b|\bare armed\b/i,
    instead: 'enabled',
    samples: ['the observer is armed'],
  },
  {
    pattern: /\bobservers?\b[^.|]{0,30}\bcut off\b/i,
    instead: 'disabled',
    samples: ['observer ja4 is cut off after 5 faults'],
  },
  {
    pattern: /\b(?:is|are|puts?|keys?|active) (?:(?:it|them) )?in force\b/i,
    instead: 'applied, active',
    samples: ['the new options are in force', 'have it put in force', 'puts them in force'],
  },
  {
    pattern: /\btaken back\b|\btakes? (?:it|them) back\b/i,
    instead: 'rolled back',
    samples: ['or taken back with the reason', 'puts it in force, or takes it back'],
  },
  { pattern: /\btaken in\b/i, instead: 'reloaded', samples: ['files are taken in within seconds'] },
  {
    pattern: /\b(?:made|opened?|opens it|begun|written|compiles?|dated) anew\b/i,
    instead: 'regenerated, reopened, emptied',
    samples: ['made anew when it expires', 'opens it anew', 'the cache is begun anew'],
  },
  {
    pattern: /\b(?:is|are) left alone\b|\bleaves? (?:it|them) alone\b/i,
    instead: 'out of rotation, marked down',
    samples: ['a server that is left alone'],
  },
  { pattern: /\basked nothing\b/i, instead: 'gets no requests', samples: ['it is asked nothing'] },
  { pattern: /\basked again\b/i, instead: 'retried', samples: ['the request is asked again'] },
  {
    pattern:
      /\bis ill\b|\b(?:origins?|servers?|statuses) (?:that )?are well\b|\bdoes well\b|\bbody: *"?well\b/i,
    instead: 'unhealthy, healthy, ok',
    samples: ['when the origin is ill', 'whether origins are well', 'respond: {body: well}'],
  },
  {
    pattern: /\bTLS (?:that )?(?:is )?not ended\b|\bTLS that another server ends\b/i,
    instead: 'TLS passthrough',
    samples: ['TLS that is not ended here', 'TLS is not ended here'],
  },
  {
    pattern: /\broom for (?:cached|another|it|a shared)\b|\bno room\b|\bhas room\b/i,
    instead: 'capacity, space',
    samples: ['Room for cached responses', 'the disk has no room'],
  },
  { pattern: /\blaid over\b/i, instead: 'overrides', samples: ['flags are laid over the file'] },
  {
    pattern: /\b(?:stands?|stood|standing) still\b/i,
    instead: 'hangs, blocked event loop',
    samples: ['a worker that stands still', 'has stood still for 3 s'],
  },
  { pattern: /\bthrow-away\b|\blaborator/i, instead: 'sandbox instance', samples: ['laboratory'] },
  { pattern: /\bon a desk\b/i, instead: 'offline', samples: ['look for a cause on a desk'] },
  {
    pattern: /\bfield (?:lines?|sections?)\b/i,
    instead: 'headers',
    samples: ['too many field lines', 'the field section'],
  },
  {
    pattern: /\b(?:[Rr]equest|[Rr]esponse)[- ]fields?\b|\bmatch\.fields\b|\b[Hh]eader fields?\b/,
    instead: 'headers',
    samples: ['request-fields: {}', 'response fields', 'match.fields'],
  },
  {
    pattern: /\b(?:content|transfer) codings?\b|\bcodings\b|\b(?:each|one) coding\b/i,
    instead: 'encoding',
    samples: ['a transfer coding', 'Each coding is a variant', 'Codings, the most wanted first'],
  },
  {
    pattern: /\b(?:request|response) content\b|\b(?:with|without|no) content\b/,
    instead: 'body',
    samples: ['bytes of response content', 'a safe method without content'],
  },
  { pattern: /--trial\b|\btried on one worker\b/i, instead: 'canary', samples: ['--trial 10s'] },
  { pattern: /\bsluice drain\b/i, instead: 'sluice stop', samples: ['run sluice drain'] },
  {
    pattern: /\b(?:whoever|nobody|somebody)\b/i,
    instead: 'a client, no client',
    samples: ['nobody'],
  },
  {
    pattern:
      /\b(?:trusted-proxies-field|refused-paths|retries\.attempts)\b|\bretries: *\{ ?attempts\b/,
    instead: 'trusted-proxies-header, excluded-paths, retries.max',
    samples: [
      'trusted-proxies-field: forwarded',
      'refused-paths: [/buy]',
      'retries: {attempts: 2}',
    ],
  },
  { pattern: /--axes\b/, instead: '--dimensions', samples: ['triage FILE --axes features'] },
  {
    pattern:
      /\b(?:too-many-fields|bad-field-name|underscore-in-field|(?:unknown|length-and)-coding|coding-in-1\.0|unexpected-content|cache-content-damaged)\b/,
    instead: 'the code with headers, transfer-encoding or body',
    samples: ['`bad-field-name`', '`length-and-coding`', '`coding-in-1.0`', '`unexpected-content`'],
  },
  {
    pattern: /\blast word (?:on|counts)\b/i,
    instead: 'the last one wins',
    samples: ['the last word on a name'],
  },
];

/** `FILE:LINE: WORD`, for what is found in a text. */
function found(place: string, text: string): string[] {
  return text.split('\n').flatMap((line, i) =>
    retired.flatMap(({ pattern, instead }) => {
      const match = pattern.exec(line);
      return match === null ? [] : [`${place}:${i + 1}: "${match[0]}"; write ${instead}`];
    }),
  );
}

/** Links to tests carry the names of the tests, and code is shown as it is. */
function proseOf(page: string): string {
  return page
    .replace(/\[[^\]\n]*\]\([^)\n]*(?:\.test\.ts|\/vectors\/[^)\n]*)\)/g, '')
    .replace(/\]\([^)\n]*\)/g, '')
    .replace(/^\| `[\w.]+-[\w.-]+`(?=[, |])/gm, '|')
    .replace(/```(?:js|mjs|ts)[^\n]*\n[\s\S]*?```/g, (fence) => fence.replace(/[^\n]/g, ''));
}

const pages = [
  ...['README.md', 'ARCHITECTURE.md', 'SECURITY.md', 'docs/tutorial.md'],
  ...['how-to', 'explanation', 'reference', 'development', 'examples'].flatMap((folder) =>
    readdirSync(new URL(`docs/${folder}/`, root)).map((name) => `docs/${folder}/${name}`),
  ),
];

test('each retired word is found where it is written', () => {
  for (const { pattern, samples } of retired) {
    for (const sample of samples) assert.match(sample, pattern);
  }
  assert.equal(found('a page', 'At most 4 octets.\nThe fleet.').length, 2);
});

test('no document has a retired word', () => {
  assert.ok(pages.length > 50);
  const mistakes = pages.flatMap((file) =>
    found(file, proseOf(readFileSync(new URL(file, root), 'utf8'))),
  );
  assert.deepEqual(mistakes, []);
});

test('no key, flag, help text or metric has a retired word', () => {
  const texts = {
    'a flag': optionTable.map((option) => JSON.stringify(option, null, 1)).join('\n'),
    'sluice --help': helpText(),
    'the reference of flags': commandLineReference(),
    'the schema': JSON.stringify(configurationSchema, null, 1),
    'a metric': Object.values<MetricDefinition>(metricTable)
      .map(({ name, help }) => `${name}: ${help}`)
      .join('\n'),
  };
  const mistakes = Object.entries(texts).flatMap(([place, text]) => found(place, text));
  assert.deepEqual(mistakes, []);
});

/** Texts in quotes with a blank in them, outside of comments: what a program may say to people. */
function messagesOf(source: string): string {
  return source
    .split('\n')
    .map((line) => {
      if (/^\s*(?:\/\/|\*|\/\*)|^import |^} from /.test(line)) return '';
      const texts = line.match(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`/g) ?? [];
      return texts.filter((text) => text.includes(' ')).join(' ');
    })
    .join('\n');
}

test('no message of the program has a retired word', () => {
  const sources = readdirSync(new URL('src/', root), { recursive: true, encoding: 'utf8' });
  const files = sources.filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'));
  assert.ok(files.length > 200);
  const mistakes = files.flatMap((file) => {
    const text = readFileSync(new URL(`src/${file}`, root), 'utf8');
    return found(`src/${file}`, messagesOf(text));
  });
  assert.deepEqual(mistakes, []);
  assert.match(messagesOf("  report('the worker stood still');"), /stood still/);
});

test('no error code has a retired word', () => {
  const codes = ['errors.md', 'error-log.md'].flatMap((page) => {
    const text = readFileSync(new URL(`docs/reference/${page}`, root), 'utf8');
    return [...text.matchAll(/^\| (`[^|]*) \|/gm)].map((row) => row[1]!);
  });
  assert.ok(codes.length > 150, `${codes.length} rows`);
  const words = /(?:^|[-`])(?:fields?|coding|octets?|capsule|fuses?|fleet|fields)(?=[-`])/;
  assert.match('`bad-field-name`', words);
  // A log line's own fields are called so.
  assert.deepEqual(
    codes.filter((code) => words.test(code) && code !== '`fields`'),
    [],
  );
});
