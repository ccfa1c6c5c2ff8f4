/** Rates, compression and error pages of a location. */
import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ERROR_PAGE_BYTES_MAX } from '../../routing/error-pages.ts';
import { Draft } from '../draft.ts';
import { type Directive, optionIn } from './parser.ts';
import { bytesOf, type Scope, sizeText } from './scope.ts';
import type { NginxState, RouteDraft } from './state.ts';

export function importRates(scope: Scope, route: RouteDraft, state: NginxState): void {
  if (scope.isOn('limit_req_dry_run')) return;
  const [first, ...others] = scope.all('limit_req');
  if (first !== undefined) importRate(first, scope, route, state);
  for (const other of others) {
    const reason = 'a route has one rate';
    const remedy = 'write the stricter one of them as rate-limit';
    state.report.leftOut(other, { reason, remedy, decides: true });
  }
  for (const directive of scope.all('limit_conn')) {
    const remedy = 'listeners: connections-per-client, or rate-limit of the route';
    state.report.leftOut(directive, {
      reason: 'no limit of connections by route',
      remedy,
      decides: true,
    });
  }
}

function importRate(
  directive: Directive,
  scope: Scope,
  route: RouteDraft,
  state: NginxState,
): void {
  const zone = state.rateZones.get(optionIn(directive, 'zone') ?? '');
  const rate = /^(\d+)r\/([sm])$/.exec((zone && optionIn(zone, 'rate')) ?? '');
  const key = keyOf(zone?.args[0] ?? '');
  if (zone === undefined || rate === null || key === null) {
    const reason = zone === undefined ? 'its zone is not defined' : `no limit by ${zone.args[0]}`;
    const remedy = 'rate-limit: {requests-per-second: N, burst: N, key: address or header:NAME}';
    state.report.leftOut(directive, { reason, remedy, decides: true });
    if (zone !== undefined) state.report.leftOut(zone, { reason, remedy, decides: true });
    return;
  }
  const perSecond = Number(rate[1]) / (rate[2] === 'm' ? 60 : 1);
  const limit = new Draft().set('requests-per-second', Number(perSecond.toFixed(4)), zone);
  limit.set('burst', Number(optionIn(directive, 'burst') ?? 0), directive);
  if (key !== 'address') limit.set('key', key);
  route.body.set('rate-limit', limit);
  state.report.imported(zone);
  const isDelayed =
    optionIn(directive, 'burst') !== undefined && !directive.args.includes('nodelay');
  if (isDelayed) {
    state.report.partly(directive, {
      reason: 'what is within the burst is not held back',
      remedy: 'lower burst, if the origin needs an even pace',
    });
  } else state.report.imported(directive);
  const status = scope.last('limit_req_status');
  if (status === undefined || status.args[0] === '429') {
    if (status !== undefined) state.report.needless(status, 'it is 429');
  } else state.report.partly(status, { reason: 'the status is 429', remedy: 'none' });
}

function keyOf(written: string): string | null {
  if (/^\$(?:binary_)?remote_addr$/.test(written)) return 'address';
  const header = /^\$http_(\w+)$/.exec(written)?.[1];
  return header === undefined ? null : `header:${header.replaceAll('_', '-')}`;
}

export function importCompression(scope: Scope, route: RouteDraft, state: NginxState): void {
  const encodings: string[] = [];
  const places: Directive[] = [];
  for (const [name, encoding] of [
    ['zstd', 'zstd'],
    ['brotli', 'br'],
    ['gzip', 'gzip'],
  ] as const) {
    const directive = scope.last(name);
    if (directive === undefined) continue;
    state.report.imported(directive);
    if (directive.args[0] !== 'on') continue;
    encodings.push(encoding);
    places.push(directive);
  }
  if (encodings.length === 0) return;
  const compression = new Draft().set('encodings', encodings);
  const length = scope.last('gzip_min_length');
  const types = scope.all('gzip_types', 'brotli_types', 'zstd_types');
  state.report.imported(...types);
  const bytes = bytesOf(length?.args[0] ?? '20') ?? 20;
  compression.set('min-size', sizeText(bytes), ...(length === undefined ? [] : [length]));
  if (length !== undefined) state.report.imported(length);
  const written = types.flatMap(({ args }) => args).map((type) => (type === '*' ? '*/*' : type));
  const all = [...new Set(['text/html', ...written])];
  compression.set('types', all.includes('*/*') ? ['*/*'] : all, ...types);
  route.body.set('compression', compression, ...places);
}

/** Pages from files; where they lie is said by a location, or by the server. */
export function importErrorPages(
  scope: Scope,
  route: RouteDraft,
  state: NginxState,
  fileOf: (uri: string) => string | null,
): void {
  const directives = scope.all('error_page');
  const pages = new Draft();
  for (const directive of directives) {
    const uri = directive.args.at(-1) ?? '';
    const statuses = directive.args.slice(0, -1).filter((arg) => /^[45]\d\d$/.test(arg));
    const changes = directive.args.some((arg) => arg.startsWith('='));
    const file = uri.startsWith('/') && !uri.includes('$') ? fileOf(uri) : null;
    if (changes || file === null || !isPage(file)) {
      const reason = changes
        ? 'the status stays'
        : file === null
          ? `${uri} is no file of a root`
          : `${file} is not there`;
      const remedy = 'error-pages: {404: FILE}, a file of at most 256 KiB';
      state.report.leftOut(directive, { reason, remedy });
      continue;
    }
    for (const status of statuses) pages.set(status, file, directive);
    state.report.imported(directive);
  }
  const intercept = scope.last('proxy_intercept_errors');
  if (intercept !== undefined) state.report.imported(intercept);
  if (pages.size === 0) return;
  if (intercept?.args[0] === 'on') pages.set('intercept', true, intercept);
  route.body.set('error-pages', pages);
}

function isPage(file: string): boolean {
  return existsSync(file) && statSync(file).isFile() && statSync(file).size <= ERROR_PAGE_BYTES_MAX;
}

/** Of a path below a `root` or `alias`. */
export function fileBelow(
  scope: Scope,
  uri: string,
  prefix: string,
  directory: string,
): string | null {
  const alias = scope.last('alias');
  if (alias !== undefined)
    return resolve(directory, alias.args[0] ?? '', `.${uri.slice(prefix.length)}`);
  const root = scope.last('root');
  return root === undefined ? null : join(resolve(directory, root.args[0] ?? ''), uri);
}
