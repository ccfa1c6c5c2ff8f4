/** What no part of the importer has said anything about: each piece gets its row all the same. */
import type { ImportReport } from '../report.ts';
import { ACCESS_DIRECTIVES } from './access.ts';
import { missing, needlessReason, remedyFor } from './known.ts';
import type { Directive, NginxFiles } from './parser.ts';

/** Of no effect where no route has asked for them: others take their place there. */
const UNUSED = new Set([
  'upstream',
  'add_header',
  'proxy_set_header',
  'grpc_set_header',
  'proxy_hide_header',
  'proxy_pass_header',
  'grpc_hide_header',
  'grpc_pass_header',
  'proxy_connect_timeout',
  'proxy_read_timeout',
  'grpc_connect_timeout',
  'grpc_read_timeout',
  'proxy_next_upstream',
  'proxy_next_upstream_tries',
  'proxy_ssl_trusted_certificate',
  'proxy_ssl_name',
  'proxy_ssl_verify',
  'proxy_cache',
  'proxy_intercept_errors',
  'proxy_redirect',
  'gzip',
  'gzip_types',
  'gzip_min_length',
  'brotli',
  'brotli_types',
  'brotli_min_length',
  'zstd',
  'zstd_types',
  'access_log',
  'log_format',
  'error_page',
  'limit_req_zone',
  'limit_conn_zone',
  'limit_req_status',
  'limit_req_dry_run',
  'underscores_in_headers',
  'ssl_protocols',
  'ssl_ciphers',
  'ssl_ecdh_curve',
  'ssl_early_data',
  'ssl_certificate',
  'ssl_certificate_key',
  'root',
  'index',
  'alias',
  'try_files',
  'proxy_cache_path',
  'proxy_cache_valid',
  'proxy_cache_key',
  'proxy_cache_use_stale',
  'proxy_cache_bypass',
  'proxy_no_cache',
]);

/** Their blocks hold values, no directives. */
const TABLES = new Set(['map', 'geo', 'types', 'split_clients', 'match']);

export function tellTheRest(
  top: readonly Directive[],
  { missing: gone, included }: NginxFiles,
  report: ImportReport,
): void {
  const all = withInner(top);
  const used = new Set(
    all.flatMap(({ name, args }) => {
      return name === 'map' || name === 'geo'
        ? []
        : [...args.join(' ').matchAll(/\$\{?(\w+)/g)].map((match) => match[1]!);
    }),
  );
  for (const directive of gone) missingFile(directive, report);
  report.imported(...included);
  tell(top, { report, used, around: null });
  report.sort([...included, ...gone, ...all].toSorted((a, b) => compare(a, b)));
}

function compare(a: Directive, b: Directive): number {
  return a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1;
}

function withInner(directives: readonly Directive[]): Directive[] {
  return directives.flatMap((one) => [one, ...withInner(one.block ?? [])]);
}

function missingFile(directive: Directive, report: ImportReport): void {
  const [pattern = ''] = directive.args;
  if (
    /mime\.types$|fastcgi_params$|fastcgi\.conf$|uwsgi_params$|scgi_params$|modules-enabled/.test(
      pattern,
    )
  ) {
    report.needless(directive, 'it is not there, and it is not about requests');
    return;
  }
  const remedy = 'import where the files of nginx are, or copy them beside the first one';
  report.leftOut(directive, { reason: 'there is no such file here', remedy, decides: true });
}

interface Rest {
  readonly report: ImportReport;
  /** Variables that something names. */
  readonly used: ReadonlySet<string>;
  /** The block, when it is left out as a whole. */
  readonly around: Directive | null;
}

function tell(directives: readonly Directive[], rest: Rest): void {
  const { report, used, around } = rest;
  for (const directive of directives) {
    const { name, block } = directive;
    const isTable = around !== null && TABLES.has(around.name);
    if (!report.has(directive)) {
      if (isTable) copy(around, directive, report);
      else tellOne(directive, report, used);
    }
    const inner = TABLES.has(name) || name === 'stream' || name === 'mail' ? directive : null;
    if (block !== null) tell(block, { ...rest, around: inner });
  }
}

/** A value of a table is as good as the table. */
function copy(table: Directive, value: Directive, report: ImportReport): void {
  const row = report.rows().find(({ place }) => place === table);
  if (row?.outcome === 'left out') {
    report.leftOut(value, { reason: row.reasons[0] ?? '', remedy: row.remedies[0] ?? '' });
  } else report.needless(value, row?.reasons[0] ?? '');
}

function tellOne(directive: Directive, report: ImportReport, used: ReadonlySet<string>): void {
  const { name, args } = directive;
  const needless = needlessReason(name);
  if (needless !== undefined) {
    report.needless(directive, needless);
    return;
  }
  if (name === 'client_max_body_size' && args[0] === '0') {
    report.needless(directive, 'there is no limit');
    return;
  }
  if (name === 'map' || name === 'geo') {
    const variable = (args.at(-1) ?? '').replace(/^\$/, '');
    if (variable === 'connection_upgrade') {
      report.needless(directive, 'sluice passes WebSockets on');
      return;
    }
    if (!used.has(variable)) {
      report.needless(directive, 'nothing uses it');
      return;
    }
  }
  if (UNUSED.has(name)) {
    report.needless(directive, 'nothing that is imported uses it');
    return;
  }
  const decides = ACCESS_DIRECTIVES.includes(name);
  const known = missing(name);
  if (known === undefined && !decides) {
    report.leftOut(directive, {
      reason: 'sluice import does not know it',
      remedy: remedyFor(name),
      decides: true,
    });
    return;
  }
  report.leftOut(directive, {
    reason: 'there is no such thing in sluice',
    remedy: remedyFor(name),
    decides: decides || known?.decides === true,
  });
}
