/**
 * docs/reference/limits.md: every named limit with its default, unit and reason, read from the source
 * where it is declared, so that the page cannot say anything else.
 */
import { readFileSync } from 'node:fs';
import { defaultHttp2Limits } from '../src/http2/limits.ts';

/** A table of limits: an interface whose members are documented, and the object of defaults. */
interface LimitTable {
  readonly heading: string;
  readonly intro: string;
  readonly file: string;
  readonly interfaceName: string;
  readonly defaultsName: string;
}

/** Constants of several files under one heading; `names` empty: all that a file declares. */
interface ConstantGroup {
  readonly heading: string;
  readonly intro: string;
  readonly constants: readonly (readonly [file: string, ...names: string[]])[];
}

const tables: readonly (LimitTable | ConstantGroup)[] = [
  {
    heading: 'Connections from clients',
    intro: 'Per worker.',
    file: 'downstream/limits.ts',
    interfaceName: 'DownstreamLimits',
    defaultsName: 'defaultDownstreamLimits',
  },
  {
    heading: 'Descriptors',
    intro:
      'For a worker whose RLIMIT_NOFILE is lower than its limits need; a warning at the ' +
      'start says so.',
    constants: [
      ['worker/descriptors.ts', 'DESCRIPTORS_KEPT'],
      ['worker/shortages.ts', 'SHORTAGE_LINE_MS'],
    ],
  },
  {
    heading: 'Tunnels',
    intro: 'Per worker: of CONNECT, and of TLS passthrough.',
    file: 'tunnel/limits.ts',
    interfaceName: 'TunnelLimits',
    defaultsName: 'defaultTunnelLimits',
  },
  {
    heading: 'Handlers',
    intro: 'Per handler; what an operator sets is in the configuration, under `handler`.',
    file: 'handler/limits.ts',
    interfaceName: 'HandlerLimits',
    defaultsName: 'defaultHandlerLimits',
  },
  {
    heading: 'HTTP/1.1 messages',
    intro: 'For messages of clients and of origins.',
    file: 'http1/limits.ts',
    interfaceName: 'Http1Limits',
    defaultsName: 'defaultHttp1Limits',
  },
  {
    heading: 'HTTP/2 connections',
    intro: 'Per connection.',
    file: 'http2/limits.ts',
    interfaceName: 'Http2Limits',
    defaultsName: 'defaultHttp2Limits',
  },
  {
    heading: 'QUIC connections',
    intro:
      'Per connection, and at the end of the list per worker. These limits and those of HTTP/3 matter\n' +
      'with `--http3 on`.',
    file: 'quic/limits.ts',
    interfaceName: 'QuicLimits',
    defaultsName: 'defaultQuicLimits',
  },
  {
    heading: 'HTTP/3 connections',
    intro: 'Per connection.',
    file: 'http3/limits.ts',
    interfaceName: 'Http3Limits',
    defaultsName: 'defaultHttp3Limits',
  },
  {
    heading: 'Requests',
    intro: '',
    constants: [
      ['http/authority.ts', 'AUTHORITY_BYTES_MAX'],
      ['base/host-names.ts', 'HOST_NAME_BYTES_MAX'],
      ['http/ranges.ts', 'RANGES_MAX'],
      ['cache/rules/range.ts', 'PARTS_MAX'],
      ['proxy/request/forwarding.ts', 'VIA_OWN_MAX'],
      ['proxy/reply/assembled-reply.ts', 'BROKEN_PARTS_MAX', 'SHORT_PARTS_MAX'],
      ['proxy/reply/slices.ts', 'SLICES_LOOKED_FOR_MAX'],
    ],
  },
  {
    heading: 'Routes',
    intro: '',
    constants: [
      ['routing/pattern.ts', 'PATTERN_PATH_CHARACTERS_MAX', 'PATTERN_CHARACTERS_MAX'],
      ['routing/path.ts', 'READINGS_MAX', 'READING_CHARACTERS_MAX'],
      ['routing/rate-table.ts', 'RATE_TABLE_SLOTS'],
      ['routing/error-pages.ts', 'ERROR_PAGE_BYTES_MAX'],
      ['config/compile/routes.ts', 'DELAY_MAX_MS'],
      ['config/document/substitutions.ts', 'VALUE_FILE_BYTES_MAX'],
      ['proxy/leftover.ts', 'LEFTOVER_BYTES_MAX', 'LEFTOVER_MS_MAX'],
      ['proxy/reply/encoder.ts', 'FLUSH_AFTER_MS', 'ENCODERS_MAX', 'GZIP_LEVEL', 'BROTLI_QUALITY'],
      ['proxy/reply/encoder.ts', 'ZSTD_LEVEL', 'BROTLI_WINDOW_BITS'],
    ],
  },
  {
    heading: 'Connections to the origin',
    intro: 'Per worker.',
    file: 'upstream/limits.ts',
    interfaceName: 'UpstreamLimits',
    defaultsName: 'defaultUpstreamLimits',
  },
  {
    heading: 'Connections to the origin over HTTP/2',
    intro: 'Per connection, in addition to those above. All others are the same as for clients.',
    file: 'upstream/http2-limits.ts',
    interfaceName: 'UpstreamHttp2Limits',
    defaultsName: 'defaultUpstreamHttp2Limits',
  },
  {
    heading: 'Retries and names',
    intro: '',
    constants: [
      ['upstream/held-content.ts', 'HELD_CONTENT_BYTES_MAX'],
      [
        'upstream/resolver.ts',
        ...['SYSTEM_TTL_MS', 'FAILURE_TTL_MS', 'QUESTION_TIMEOUT_MS', 'QUESTION_TRIES'],
      ],
      ['upstream/origin-tls.ts', 'ORIGIN_SESSIONS_MAX', 'LIFETIME_SECONDS_DEFAULT'],
      ['upstream/shared-health.ts', 'SHARED_HEALTH_ENTRIES', 'PROBES_MAX', 'ENTRY_KEPT_SECONDS'],
    ],
  },
  {
    heading: 'TLS and early data',
    intro: '',
    constants: [
      [
        'tls/host-options.ts',
        ...['EARLY_DATA_BYTES_DEFAULT', 'EARLY_DATA_IN_FLIGHT_BYTES_DEFAULT'],
      ],
      ['tls/server-host.ts', 'SKIPPED_EARLY_DATA_BYTES_MIN'],
      ['tls/server-host.ts', 'SEALED_BYTES_PER_BYTE_MAX'],
      ['tls/server-host.ts', 'SKIPPED_EARLY_DATA_BYTES_MAX'],
      ['tls/ticket-ring.ts'],
      ['supervisor/ticket-key-rotator.ts', 'TICKET_KEY_POLL_MS'],
      ['tls/cluster.ts', 'HELD_INPUT_BYTES_MAX'],
      ['cluster/strike-keys.ts', 'CLOCK_BACK_MS_MAX'],
      ['cluster/register.ts', 'QUESTIONS_MAX', 'CLOCK_LOOK_MS'],
      ['cluster/ticket-key-sync.ts', 'SHARED_KEYS_POLL_MS'],
      ['cluster/key-state.ts', 'KEY_LEAD_MS'],
      [
        'tls/early-data/strike-register.ts',
        ...['FRESHNESS_WINDOW_MS', 'GENERATION_MS', 'STRIKE_SLOTS', 'PROBES_MAX'],
        ...['LOOKS_MAX', 'SPENT_CELLS'],
      ],
    ],
  },
  {
    heading: 'Records of handshakes',
    intro: 'Per worker.',
    constants: [
      ['tls/client-hello.ts', 'CLIENT_HELLO_BYTES_MAX', 'CLIENT_HELLO_FLIGHT_BYTES_MAX'],
      ['worker/handshakes/handshake-log.ts', 'FAILURE_LINES_PER_SECOND'],
      ['worker/failure-table.ts', 'FAILURE_KINDS_MAX', 'FAILURE_VALUES_MAX'],
    ],
  },
  {
    heading: 'Tables whose keys peers choose',
    intro:
      'Per worker. Bounded in bytes, whatever the texts are: two for each character and 192 for an\n' +
      'entry (`src/base/bounded-map.ts`). The oldest entry is removed first, and one that takes more\n' +
      'than a quarter of the bound is not kept.',
    constants: [
      ['http/authority.ts', 'AUTHORITIES_KEPT_BYTES_MAX'],
      ['downstream/host-guard.ts', 'UNKNOWN_HOSTS_KEPT_BYTES_MAX'],
      ['downstream/authority-check.ts', 'AUTHORITY_CHECK_KEPT_BYTES_MAX'],
      ['base/address-range.ts', 'ADDRESSES_KEPT_BYTES_MAX'],
      ['routing/compression.ts', 'CHOICES_KEPT_BYTES_MAX'],
      ['routing/rate-limit.ts', 'TAGS_KEPT_BYTES_MAX', 'KEPT_CHARACTERS_MAX'],
      ['proxy/hit-for-miss-memory.ts', 'HIT_FOR_MISS_BYTES_MAX', 'HIT_FOR_MISS_KEY_CHARACTERS_MAX'],
      ['cache/disk/shared/shared-fetches.ts', 'IMPATIENT_BYTES_MAX'],
    ],
  },
  {
    heading: 'Certificates',
    intro: 'In the supervisor, once for all workers.',
    constants: [
      ['supervisor/certificates/certificate-renewer.ts', 'CERTIFICATE_POLL_MS'],
      ['supervisor/certificates/ocsp-fetch.ts', 'OCSP_TIMEOUT_MS', 'OCSP_RESPONSE_BYTES_MAX'],
      [
        'supervisor/certificates/stapler.ts',
        ...['STATUS_RETRY_MS_MIN', 'STATUS_RETRY_MS_MAX'],
        ...['STATUS_VALIDITY_UNSAID_MS', 'STATUS_RENEWAL_MS_MAX'],
      ],
    ],
  },
  {
    heading: 'Observers of handshakes',
    intro:
      'Per worker and observer. A disabled observer is [enabled ' +
      'again](features.md#observers) by hand.',
    file: 'worker/handshakes/observer-limits.ts',
    interfaceName: 'ObserverLimits',
    defaultsName: 'defaultObserverLimits',
  },
  {
    heading: 'Plugins',
    intro: 'Per worker.',
    file: 'plugin/limits.ts',
    interfaceName: 'PluginLimits',
    defaultsName: 'defaultPluginLimits',
  },
  {
    heading: 'What a plugin may be',
    intro: 'A plugin that is more is refused with the configuration.',
    constants: [
      ['plugin/source.ts', 'PLUGIN_MODULES_MAX', 'PLUGIN_BYTES_MAX'],
      ['plugin/plugin-trial.ts', 'TRIAL_MS', 'TRIAL_MEMORY_MIB'],
      ['plugin/plugin-set.ts', 'CLOSE_CALLS'],
    ],
  },
  {
    heading: 'Collapsing',
    intro: 'Per worker: requests that wait for the fetch of another request.',
    file: 'cache/collapse.ts',
    interfaceName: 'CollapseLimits',
    defaultsName: 'defaultCollapseLimits',
  },
  {
    heading: 'The cache',
    intro:
      'Its size is `--cache-size`. A response longer than an eighth of a worker’s memory is not kept\n' +
      'there. On disk (and in what workers share) one longer than a quarter of the capacity is not kept.',
    constants: [
      ['proxy/proxy.ts', 'CONTENT_AT_ONCE_MAX'],
      ['proxy/hit-for-miss-memory.ts', 'HIT_FOR_MISS_MS'],
      ['cache/memory/ram-store.ts', 'VARIANTS_MAX'],
      ['cache/parts.ts', 'PART_SLOTS', 'GAPS_MAX'],
      ['cache/rules/rules.ts'],
      ['proxy/forwarded-request.ts', 'ROUNDS_MAX'],
      ['cache/content.ts', 'WHOLE_BYTES_MAX', 'DETACHED_WINDOW_BYTES'],
      ['cache/rules/vary.ts', 'VARY_NAMES_MAX'],
      ['cache/rules/validation.ts', 'ENTITY_TAGS_MAX'],
      ['cache/purge.ts', 'TAGS_MAX'],
    ],
  },
  {
    heading: 'The disk tier',
    intro: '',
    constants: [
      [
        'cache/disk/disk-fill.ts',
        ...['SHARED_BYTES_MAX', 'WAITING_BYTES_HIGH', 'WAITING_BYTES_LOW', 'WAITING_BYTES_MAX'],
      ],
      ['cache/disk/segments/record-reader.ts', 'TOGETHER_BYTES_MAX', 'READ_LATELY_MAX'],
      ['cache/disk/disk-store.ts', 'COHERENCE_MS'],
      ['cache/disk/limits.ts', 'DESCRIPTORS_MAX', 'READ_MS_MAX', 'REOPEN_MS'],
      ['cache/disk/segments/segment-writer.ts', 'PAUSE_AFTER_ERROR_MS'],
      [
        'cache/disk/index/purge-log.ts',
        'PURGES_KEPT_MAX',
        'PURGE_LOG_BYTES_MAX',
        'PURGE_PREFIXES_BYTES_MAX',
      ],
      ['cache/disk/listing.ts', 'HEADS_MAX'],
      ['cache/disk/shared/shared-fetches.ts', 'LOOK_MS', 'ALIVE_MS', 'WAIT_MS', 'IMPATIENT_MS'],
      ['cache/leases.ts', 'LEASE_SLOTS', 'LEASE_PROBES_MAX', 'SILENT_MS'],
    ],
  },
  {
    heading: 'Work and memory per turn',
    intro: 'Per worker: bounds on what one peer can use at a time.',
    constants: [
      ['reactor/limits.ts'],
      ['transport/channel.ts', 'CORK_BYTES', 'CONGESTED_BYTES', 'CIPHERTEXT_BYTES'],
    ],
  },
  {
    heading: 'Workers',
    intro: '',
    file: 'supervisor/workers/restart-policy.ts',
    interfaceName: 'RestartPolicy',
    defaultsName: 'defaultRestartPolicy',
  },
  {
    heading: 'Workers that do not answer',
    intro: 'In addition to `--watchdog`, which ends a worker that hangs.',
    constants: [
      ['supervisor/faults/watchdog.ts', 'SUSPECT_MS', 'LOOKS'],
      [
        'supervisor/workers/worker-process.ts',
        ...['ANSWER_TIMEOUT_MS', 'RECONFIGURE_TIMEOUT_MS', 'KILL_GRACE_MS'],
      ],
      ['supervisor/reload.ts', 'LOOK_MS', 'FIRST_TRIES'],
    ],
  },
  {
    heading: 'The trace recorder',
    intro: 'Per worker.',
    constants: [['tls/trace-layout.ts', 'TRACE_SLOTS', 'TRACE_SLOT_WORDS', 'TRACE_IDENTITY_BYTES']],
  },
  {
    heading: 'Incidents',
    intro: 'Incidents beyond the limits are dropped, and counted in `sluice_incidents_total`.',
    file: 'triage/options.ts',
    interfaceName: 'IncidentLimits',
    defaultsName: 'defaultIncidentLimits',
  },
  {
    heading: 'Features that are disabled automatically',
    intro: '',
    file: 'supervisor/faults/feature-rollback.ts',
    interfaceName: 'RollbackLimits',
    defaultsName: 'defaultRollbackLimits',
  },
  {
    heading: 'Suspects of a death',
    intro: 'And how they are reported.',
    constants: [
      [
        'supervisor/faults/rollback-driver.ts',
        ...['SUSPECT_CHANGE_MS', 'STEPS_KEPT', 'WEBHOOK_TIMEOUT_MS'],
      ],
    ],
  },
  {
    heading: 'Refused ClientHellos',
    intro: '',
    file: 'supervisor/faults/hello-blocklist.ts',
    interfaceName: 'RefusalLimits',
    defaultsName: 'defaultRefusalLimits',
  },
  {
    heading: 'Logs',
    intro: 'Per worker and log.',
    file: 'telemetry/line-log.ts',
    interfaceName: 'LineLogLimits',
    defaultsName: 'defaultLineLogLimits',
  },
  {
    heading: 'Error log',
    intro: 'Per process. Events beyond the limit are one line with their number.',
    file: 'telemetry/flood-gate.ts',
    interfaceName: 'FloodLimits',
    defaultsName: 'defaultFloodLimits',
  },
];

interface Limit {
  readonly name: string;
  readonly value: unknown;
  readonly text: string;
}

export async function limitsPage(): Promise<string> {
  const sections: string[] = [];
  for (const table of tables) {
    const limits =
      'constants' in table ? table.constants.flatMap(constantsOf) : await limitsOf(table);
    sections.push(section(table.heading, table.intro, limits));
  }
  return `# Limits

<!-- Written by \`npm run docs\` from the tables in src/; see tools/limits-page.ts. -->

Everything that grows or waits has a limit with a name. Those that are flags are in
[command-line.md](command-line.md); the others have the values below, which this version does not
let you change. What happens at a limit is said beside it, with the [error code](errors.md) or status
that clients see. Bytes are 8 bits, ms are milliseconds; a name without a unit is a count.

${sections.join('\n')}`;
}

function section(heading: string, intro: string, limits: readonly Limit[]): string {
  const rows = limits.map(({ name, value, text }) => {
    const [shown, unit] = shownValue(name, value, text);
    return `| \`${name}\` | ${shown} | ${unit} | ${text} |`;
  });
  return `## ${heading}

${intro === '' ? '' : `${intro}\n\n`}| name | default | unit | what it bounds, and why so |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}

// -------------------------------------------------------------------- tables of limits

async function limitsOf(table: LimitTable): Promise<Limit[]> {
  const source = sourceOf(table.file);
  const module = await import(`../src/${table.file}`);
  const defaults = module[table.defaultsName] as Record<string, unknown>;
  const names = Object.keys(defaults);
  const meanings = membersOf(source, table.interfaceName);
  const comment = commentBefore(source, `export const ${table.defaultsName}`);
  const reasons = reasonsOf(comment, [...names, ...budgetNames(defaults.budgets)]);
  return names.flatMap((name): Limit[] => {
    const text = [meanings.get(name), reasons.get(name)].filter(Boolean).join(' ');
    if (name === 'budgets') return budgets(defaults.budgets, reasons);
    if (name === 'protocol') return otherHttp2Limits(defaults.protocol, reasons);
    // A table within a table has a section of its own.
    if (typeof defaults[name] === 'object') return [];
    if (text === '') throw new Error(`${table.file}: ${name} has no words`);
    return [{ name, value: defaults[name], text: sentence(text) }];
  });
}

function budgetNames(value: unknown): string[] {
  return value === undefined ? [] : Object.keys(value as object);
}

function budgets(value: unknown, reasons: ReadonlyMap<string, string>): Limit[] {
  const table = value as Record<string, { burst: number; perSecond: number }>;
  return Object.entries(table).map(([kind, budget]) => ({
    name: kind,
    value: budget,
    text: reasons.get(kind) ?? 'Frames of this kind.',
  }));
}

/** Limits of HTTP/2 that are not those of connections with clients. */
function otherHttp2Limits(value: unknown, reasons: ReadonlyMap<string, string>): Limit[] {
  const meanings = membersOf(sourceOf('http2/limits.ts'), 'Http2Limits');
  const usual: Readonly<Record<string, unknown>> = { ...defaultHttp2Limits };
  return Object.entries(value as Record<string, unknown>)
    .filter(([name, limit]) => limit !== usual[name])
    .map(([name, limit]) => {
      const text = [meanings.get(name), reasons.get(name)].filter(Boolean).join(' ');
      return { name, value: limit, text };
    });
}

/** Documented members of an interface: what each bounds. A comment counts for those that follow. */
function membersOf(source: string, interfaceName: string): Map<string, string> {
  const start = source.indexOf(`interface ${interfaceName} {`);
  const body = source.slice(start, source.indexOf('\n}', start));
  const members = new Map<string, string>();
  let text = '';
  for (const match of body.matchAll(/\/\*\*(.*?)\*\/|readonly (\w+)\??:/gs)) {
    if (match[2] === undefined) text = plainText(match[1]!);
    else members.set(match[2], text);
  }
  return members;
}

/** What a comment calls several limits. */
const together: Readonly<Record<string, readonly string[]>> = {
  Windows: [
    ...['streamWindowBytes', 'connectionWindowBytes'],
    ...['streamWindowBytesMax', 'connectionWindowBytesMax'],
  ],
};

/**
 * The reasons in the comment of a table of defaults, which has the form `name: reason. name and
 * name: reason.`, with a note in parentheses after a name, or such a note in place of a reason.
 */
function reasonsOf(comment: readonly string[], names: readonly string[]): Map<string, string> {
  const one = `(?:${[...names, ...Object.keys(together)].join('|')})`;
  const list = `${one}(?:(?:, | and )${one})*`;
  const head = new RegExp(`(?<![\\w-])(${list})(?:: | (\\([^)]*\\))[:.] ?)`, 'g');
  const reasons = new Map<string, string>();
  for (const paragraph of comment) {
    const heads = [...paragraph.matchAll(head)];
    heads.forEach((match, index) => {
      const text = paragraph.slice(match.index + match[0].length, heads[index + 1]?.index).trim();
      const reason = [sentence(text), match[2]].filter(Boolean).join(' ');
      for (const name of match[1]!.split(/, | and /)) {
        for (const each of together[name] ?? [name]) reasons.set(each, reason);
      }
    });
  }
  return reasons;
}

/** Names of programs keep their small letter. */
function sentence(text: string): string {
  const isProgram = /^(?:nginx|nghttp2|libuv)\b/.test(text);
  return isProgram ? text : text.charAt(0).toUpperCase() + text.slice(1);
}

// -------------------------------------------------------------------- constants

function constantsOf([file, ...names]: readonly [string, ...string[]]): Limit[] {
  const source = sourceOf(file);
  const declared = [...source.matchAll(/^(?:export )?const ([A-Z][A-Z_]+) = ([^;]+);/gm)];
  const values = new Map<string, number>();
  for (const [, name, expression] of declared) values.set(name!, numberOf(expression!, values));
  const shown = names.length > 0 ? names : declared.map((match) => match[1]!);
  return shown.map((name) => {
    const value = values.get(name);
    const text = commentBefore(source, `const ${name} =`).join(' ');
    if (value === undefined || Number.isNaN(value) || text === '') {
      throw new Error(`${file}: ${name} is no documented constant`);
    }
    return { name, value, text };
  });
}

/** Sums, products and powers of numbers and of constants declared before. NaN for all else. */
function numberOf(expression: string, known: ReadonlyMap<string, number>): number {
  const operand = (text: string) =>
    /^[\d_.]+$/.test(text) ? Number(text.replaceAll('_', '')) : (known.get(text) ?? Number.NaN);
  const power = (text: string) =>
    text
      .split(' ** ')
      .map(operand)
      .reduce((a, b) => a ** b);
  const product = (text: string) =>
    text
      .split(' * ')
      .map(power)
      .reduce((a, b) => a * b);
  return expression
    .split(' + ')
    .map(product)
    .reduce((a, b) => a + b);
}

// -------------------------------------------------------------------- text

function sourceOf(file: string): string {
  return readFileSync(new URL(`../src/${file}`, import.meta.url), 'utf8');
}

/** Paragraphs of the comment that ends right before a declaration; none when there is none. */
function commentBefore(source: string, declaration: string): string[] {
  const before = source.slice(0, source.indexOf(declaration)).replace(/export $/, '');
  const match = /\/\*\*((?:(?!\*\/).)*)\*\/\s*$/s.exec(before);
  return match === null ? [] : match[1]!.split(/\n \*\n/).map(plainText);
}

/** A comment as one line that a table can hold. */
function plainText(comment: string): string {
  const text = comment
    .replace(/^\s*\* ?/gm, '')
    .replace(/\s+/g, ' ')
    .trim();
  return text.replace(/\{@link (\w+)\}/g, '`$1`').replaceAll('|', '\\|');
}

function shownValue(name: string, value: unknown, text: string): [shown: string, unit: string] {
  if (typeof value === 'object' && value !== null && 'burst' in value) {
    const { burst, perSecond } = value as { burst: number; perSecond: number };
    return [`${burst} + ${perSecond}/s`, 'frames'];
  }
  const shown = (value as number).toLocaleString('en-US');
  const words = name
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toUpperCase()
    .split('_');
  if (words.includes('BYTES') || text.startsWith('Bytes')) return [shown, 'bytes'];
  if (words.includes('MS')) return [shown, 'ms'];
  if (words.includes('SECONDS')) return [shown, 's'];
  return [shown, words.includes('LENGTH') ? 'characters' : ''];
}
