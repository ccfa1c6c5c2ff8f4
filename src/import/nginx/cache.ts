/** `proxy_cache` and its kin as what a route stores. */
import { Draft } from '../draft.ts';
import { type Directive, optionIn } from './parser.ts';
import { bytesOf, type Scope, secondsOf, sizeText, timeText } from './scope.ts';
import type { NginxState, RouteDraft } from './state.ts';

/** What makes a cache of ours act as nginx's, which stores nothing that it is not told to. */
export function importCache(scope: Scope, route: RouteDraft, state: NginxState): void {
  const zone = scope.last('proxy_cache');
  if (zone === undefined || zone.args[0] === 'off') {
    route.body.set('cache', Draft.of({ enabled: false }), ...(zone === undefined ? [] : [zone]));
    if (zone !== undefined) state.report.imported(zone);
    return;
  }
  state.report.imported(zone);
  const path = state.cacheZones.get(zone.args[0] ?? '');
  if (path === undefined) {
    const reason = `${zone.args[0]} is no keys_zone of a proxy_cache_path`;
    state.report.leftOut(zone, { reason, remedy: 'write it; until then nothing is stored' });
  }
  const cache = new Draft();
  const key = keyOf(scope, cache, state);
  const passes = bypassOf(scope, state);
  if (path === undefined || !key || passes) {
    route.body.set('cache', Draft.of({ enabled: false }), zone);
    return;
  }
  lifetimes(scope, cache, state);
  cache.set('heuristic', '0%').set('request-directives', false);
  cache.set('set-cookie', 'never');
  staleness(scope, cache, state, path);
  ignored(scope, state);
  route.body.set('cache', cache, zone);
}

/** Variables that are in our keys anyway. */
const KEY_VARIABLES =
  'scheme|proxy_host|request_method|host|http_host|server_name|request_uri|uri|is_args|args|query_string';
const PLAIN_KEY = new RegExp(`^(?:\\$(?:${KEY_VARIABLES})|[\\w|:.-])+$`);

/** False for a key that sluice cannot have: without a part of it one user would get another's answer. */
function keyOf(scope: Scope, cache: Draft, state: NginxState): boolean {
  const directive = scope.last('proxy_cache_key');
  if (directive === undefined) return true;
  const written = directive.args[0] ?? '';
  const parts = new Draft();
  const cookies = [...written.matchAll(/\$cookie_(\w+)/g)].map((match) => match[1]!);
  const headers = [...written.matchAll(/\$http_(\w+)/g)]
    .map((match) => match[1]!)
    .filter((name) => name !== 'host');
  const rest = written.replace(/\$cookie_\w+/g, '').replace(/\$http_(?!host)\w+/g, '');
  const hasPath = /\$(?:request_uri|uri)/.test(rest);
  if (!hasPath || (rest !== '' && !PLAIN_KEY.test(rest)) || written.includes('{')) {
    const remedy = 'write cache: {key: {query, headers, cookies}}; until then nothing is stored';
    state.report.leftOut(directive, { reason: 'sluice has no such key', remedy });
    return false;
  }
  if (!/\$(?:request_uri|args|query_string)/.test(rest)) parts.set('query', 'ignore');
  if (headers.length > 0)
    parts.set(
      'headers',
      headers.map((name) => name.replaceAll('_', '-')),
    );
  if (cookies.length > 0) parts.set('cookies', cookies);
  if (parts.size > 0) cache.set('key', parts, directive);
  state.report.imported(directive);
  return true;
}

/** Conditions under which nginx does not look, or does not store. */
function bypassOf(scope: Scope, state: NginxState): boolean {
  let isOff = false;
  for (const directive of [...scope.all('proxy_cache_bypass'), ...scope.all('proxy_no_cache')]) {
    const others = directive.args.filter((arg) => arg !== '$http_authorization' && arg !== '0');
    if (others.length === 0) {
      state.report.needless(
        directive,
        'answers to requests with Authorization are stored only when they say public (RFC 9111 §3.5)',
      );
      continue;
    }
    isOff = true;
    const reason = `a route cannot ask for ${others.join(', ')}, so that nothing is stored`;
    state.report.leftOut(directive, {
      reason,
      remedy: 'let the origin answer such requests with Cache-Control: private',
    });
  }
  return isOff;
}

function lifetimes(scope: Scope, cache: Draft, state: NginxState): void {
  const good: number[] = [];
  const bad = new Draft();
  const directives = scope.all('proxy_cache_valid');
  for (const directive of directives) {
    const seconds = secondsOf(directive.args.at(-1) ?? '');
    if (seconds === null) continue;
    const statuses = directive.args.slice(0, -1);
    state.report.imported(directive);
    for (const status of statuses.length === 0 ? ['200', '301', '302'] : statuses) {
      if (status === 'any') {
        for (const one of ['404', '410', '500', '502', '503', '504'])
          if (bad.get(one) === undefined) bad.set(one, timeText(seconds), directive);
        if (good.length === 0) good.push(seconds);
      } else if (/^[45]/.test(status)) bad.set(status, timeText(seconds), directive);
      else good.push(seconds);
    }
  }
  const lifetime = cache.at('lifetime');
  if (good.length > 0) lifetime.set('default', timeText(Math.min(...good)), ...directives);
  if (bad.size > 0) lifetime.set('negative', bad);
  if (new Set(good).size < 2) return;
  for (const directive of directives) {
    state.report.partly(directive, {
      reason: 'one lifetime for all but errors: the shortest',
      remedy: 'let the origin send Cache-Control',
    });
  }
}

function staleness(scope: Scope, cache: Draft, state: NginxState, path: Directive): void {
  const stale = scope.last('proxy_cache_use_stale');
  const background = scope.last('proxy_cache_background_update');
  const seconds = secondsOf(optionIn(path, 'inactive') ?? '10m') ?? 600;
  if (stale !== undefined) {
    state.report.imported(stale);
    const errors = stale.args.filter((arg) => arg !== 'updating' && arg !== 'off');
    if (errors.length > 0) cache.set('stale-if-error', timeText(seconds), stale);
    if (stale.args.includes('updating'))
      cache.set('stale-while-revalidate', timeText(seconds), stale);
  }
  if (background !== undefined) state.report.imported(background);
}

function ignored(scope: Scope, state: NginxState): void {
  const directive = scope.last('proxy_ignore_headers');
  if (directive === undefined) return;
  const reason = 'what the origin says about storing stands';
  const remedy =
    'cache: {lifetime: {override: TIME}} for lifetimes, cache: {set-cookie: always} for answers that set cookies, when they are the same for all';
  state.report.leftOut(directive, { reason, remedy });
}

/** The store itself: there is one. */
export function importStore(paths: readonly Directive[], root: Draft, state: NginxState): void {
  const [first, ...others] = paths;
  if (first === undefined) return;
  state.report.imported(first);
  const store = new Draft().set('directory', first.args[0] ?? '', first);
  const bytes = bytesOf(optionIn(first, 'max_size') ?? '');
  if (bytes !== null) store.set('size', sizeText(bytes), first);
  root.set('cache', store);
  for (const other of others) {
    state.report.partly(other, {
      reason: 'all routes share one store',
      remedy: 'raise cache.size to the sum',
    });
  }
}
