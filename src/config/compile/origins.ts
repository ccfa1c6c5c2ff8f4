import { isIP } from 'node:net';
import { UsageError } from '../../base/errors.ts';
import { isHostName } from '../../base/host-names.ts';
import { CONTEXT_NAMES } from '../../handler/context.ts';
import { type HandlerOptions, plainHandler } from '../../handler/options.ts';
import { parseAuthority } from '../../http/authority.ts';
import { isAsciiOriginForm } from '../../http/made-text.ts';
import {
  type BalanceOptions,
  defaultGroupOptions,
  type HashKey,
  type HealthCheckOptions,
  type OriginGroupOptions,
  type OriginServerOptions,
} from '../../upstream/options.ts';
import { UNIX_PREFIX } from '../../upstream/server-names.ts';
import { checkAuthorities } from '../certificate.ts';
import { whyNoModule } from '../handler-module.ts';
import type { OriginOptions } from '../options.ts';
import type { OriginGroupEntry, OriginsEntry } from '../schema/origins.ts';
import type { CompileContext } from './context.ts';

export function compileOrigins(
  entries: OriginsEntry,
  context: CompileContext,
): OriginGroupOptions[] {
  const groups = Object.entries(entries).map(([name, entry]) =>
    compileGroup(name, entry, context.below(name)),
  );
  if (groups.length === 0) {
    context.refuse([], 'no group', 'write app: {servers: [http://127.0.0.1:3000]}');
  }
  return groups;
}

function compileGroup(
  name: string,
  entry: OriginGroupEntry,
  context: CompileContext,
): OriginGroupOptions {
  if (!/^[A-Za-z0-9][\w.-]{0,62}$/.test(name)) {
    const remedy = 'write up to 63 letters, digits, hyphens, dots or underscores';
    context.refuse([], 'not a name for a group', remedy);
  }
  const { slowStartMs, connectionsMax, queuedMax, requestsMax } = defaultGroupOptions;
  const handler = compileHandler(entry, context);
  const { servers, pathPrefix } =
    handler === null ? compileServers(entry, context) : handlerServers(name, handler.threads);
  const defaults = defaultGroupOptions;
  return {
    name,
    servers,
    handler,
    pathPrefix,
    balance: balanceOf(entry.balance),
    slowStartMs: entry['slow-start'] ?? slowStartMs,
    ...failureOptions(entry, context),
    timeouts: timeoutsOf(entry),
    connectionsMax: entry['connections-max'] ?? connectionsMax,
    queuedMax: entry['queued-max'] ?? queuedMax,
    requestsMax: entry['requests-max'] ?? requestsMax,
    resolve: resolveOf(entry, context),
    tls: tlsOf(entry, servers, context),
    proxyProtocol: entry['proxy-protocol'] ?? defaults.proxyProtocol,
  };
}

function compileServers(
  { servers = [], handler }: OriginGroupEntry,
  context: CompileContext,
): { servers: OriginServerOptions[]; pathPrefix: string } {
  if (servers.length === 0 && handler === undefined) {
    context.refuse(
      [],
      'no server',
      'write servers: [http://127.0.0.1:3000], or handler: ./site.ts',
    );
  }
  let prefix: string | undefined;
  const compiled = servers.map((written, i) => {
    const isBare = 'scheme' in written;
    const url: OriginOptions = isBare ? written : written.url;
    prefix ??= url.pathPrefix;
    if (url.pathPrefix !== prefix) {
      const problem = `another path than that of the first server, ${prefix || '/'}`;
      context.refuse(['servers', i], problem, 'write the same path, or make it a group of its own');
    }
    const { scheme, http2, host, port } = url;
    const { weight = 1, backup = false } = isBare ? {} : written;
    return { scheme, http2, host, port, weight, backup };
  });
  if (compiled.every(({ backup }) => backup) && compiled.length > 0) {
    context.refuse(['servers'], 'all of them are backup', 'leave backup out for one');
  }
  return { servers: compiled, pathPrefix: prefix ?? '' };
}

/** Null for servers elsewhere. */
function compileHandler(
  { handler, servers, 'proxy-protocol': proxyProtocol }: OriginGroupEntry,
  context: CompileContext,
): HandlerOptions | null {
  if (handler === undefined) return null;
  if (servers !== undefined) {
    context.refuse(['servers'], 'there is a handler', 'leave either out, or make it another group');
  }
  if (proxyProtocol !== undefined && proxyProtocol !== 'off') {
    context.refuse(['proxy-protocol'], 'a handler knows its client', 'leave it out');
  }
  const below = context.below('handler');
  const isFile = typeof handler === 'string';
  const {
    file,
    threads,
    memory,
    'busy-max': busyMsMax,
    env = {},
  } = isFile ? { file: handler } : handler;
  const why = whyNoModule(file);
  if (why !== null) below.refuse(isFile ? [] : ['file'], why, 'name a module, as ./site.ts');
  for (const name of Object.keys(env)) {
    if (!CONTEXT_NAMES.has(name)) continue;
    below.refuse(['env', name], 'the context has it by that name', 'choose another name');
  }
  return {
    file,
    threads: threads ?? plainHandler.threads,
    memoryBytes: memory ?? plainHandler.memoryBytes,
    busyMsMax: busyMsMax ?? plainHandler.busyMsMax,
    env,
  };
}

/** One for each thread; where it listens is known when there is a directory for its socket. */
function handlerServers(
  name: string,
  threads: number,
): { servers: OriginServerOptions[]; pathPrefix: string } {
  const servers = Array.from({ length: threads }, (_, thread) => ({
    ...{ scheme: 'http', http2: 'never', host: UNIX_PREFIX, port: 0, weight: 1, backup: false },
    label: `handler:${name}/${thread}`,
  })) satisfies OriginServerOptions[];
  return { servers, pathPrefix: '' };
}

const LOAD_FACTOR_DEFAULT = 1.25;

function balanceOf(balance: OriginGroupEntry['balance']): BalanceOptions {
  if (balance === undefined) return defaultGroupOptions.balance;
  if (balance === 'round-robin' || balance === 'least-connections') return { method: balance };
  const { 'hash-on': on = 'path', 'load-factor': loadFactor = LOAD_FACTOR_DEFAULT } =
    balance === 'consistent-hash' ? {} : balance['consistent-hash'];
  return { method: 'consistent-hash', key: hashKey(on), loadFactor };
}

function hashKey(on: string): HashKey {
  const colon = on.indexOf(':');
  if (colon === -1) return { on: on === 'client-address' ? 'client-address' : 'path' };
  const name = on.slice(colon + 1);
  if (on.startsWith('cookie:')) return { on: 'cookie', name };
  return { on: 'field', name: name.toLowerCase() };
}

function failureOptions(
  entry: OriginGroupEntry,
  context: CompileContext,
): Pick<OriginGroupOptions, 'healthCheck' | 'passiveHealth' | 'circuitBreaker' | 'retries'> {
  const { circuitBreaker } = defaultGroupOptions;
  const isHandler = entry.handler !== undefined;
  const passiveHealth = isHandler ? HANDLER_HEALTH : defaultGroupOptions.passiveHealth;
  const isPlain = isHandler && entry.retries === undefined;
  const retries = isPlain ? HANDLER_RETRIES : defaultGroupOptions.retries;
  const {
    'health-check': check = 'off',
    'passive-health': passive = {},
    'circuit-breaker': breaker = {},
    retries: again = {},
  } = entry;
  return {
    healthCheck: check === 'off' ? null : healthCheckOf(check, context.below('health-check')),
    passiveHealth: {
      failures: passive.failures ?? passiveHealth.failures,
      on5xx: passive['on-5xx'] ?? passiveHealth.on5xx,
      minRate: passive['min-rate'] ?? passiveHealth.minRate,
      ejectionMs: passive.ejection ?? passiveHealth.ejectionMs,
      ejectionMaxMs: passive['ejection-max'] ?? passiveHealth.ejectionMaxMs,
      ejectedShareMax: passive['ejected-share-max'] ?? passiveHealth.ejectedShareMax,
    },
    circuitBreaker: {
      failureShare: breaker['failure-share'] ?? circuitBreaker.failureShare,
      requestsMin: breaker['requests-min'] ?? circuitBreaker.requestsMin,
      windowMs: breaker.window ?? circuitBreaker.windowMs,
      openMs: breaker.open ?? circuitBreaker.openMs,
      trials: breaker.trials ?? circuitBreaker.trials,
    },
    retries: {
      retriesMax: again.max ?? retries.retriesMax,
      statuses: again.statuses ?? retries.statuses,
      budgetShare: again.budget ?? retries.budgetShare,
      budgetMin: again['budget-min'] ?? retries.budgetMin,
    },
  };
}

/** A thread that has ended is begun anew at once, and needs no time out of rotation. */
const HANDLER_HEALTH = { ...defaultGroupOptions.passiveHealth, failures: 0 };

/**
 * What has ended one thread would end the next: only a request that no thread has seen is sent to
 * another.
 */
const HANDLER_RETRIES = { ...defaultGroupOptions.retries, budgetShare: 0, budgetMin: 0 };

type HealthCheckEntry = Exclude<OriginGroupEntry['health-check'], 'off' | undefined>;

/** As the schema documents. */
const HEALTH_CHECK_DEFAULT: HealthCheckOptions = {
  intervalMs: 5_000,
  timeoutMs: 2_000,
  path: '',
  host: '',
  statuses: [[200, 399]],
  rise: 2,
  fall: 3,
};

function healthCheckOf(entry: HealthCheckEntry, context: CompileContext): HealthCheckOptions {
  const byDefault = HEALTH_CHECK_DEFAULT;
  const intervalMs = entry.interval ?? byDefault.intervalMs;
  if (intervalMs < 100) context.refuse(['interval'], 'too often', 'write 100ms or more');
  const statuses = entry.statuses?.map((written, i) => {
    const [first, last = first] = String(written).split('-').map(Number);
    if (last! < first!) {
      context.refuse(['statuses', i], 'a range that ends before it begins', 'write it as 200-299');
    }
    return [first!, last!] as const;
  });
  const { host = byDefault.host, path = byDefault.path } = entry;
  if (host !== '' && parseAuthority(host) === null) {
    context.refuse(['host'], 'no host', 'write it as example.org or example.org:8080');
  }
  if (path !== '' && !isAsciiOriginForm(path)) {
    context.refuse(['path'], 'no path', 'write blanks and other characters as %XX');
  }
  return {
    intervalMs,
    timeoutMs: entry.timeout ?? byDefault.timeoutMs,
    path,
    host,
    statuses: statuses ?? byDefault.statuses,
    rise: entry.rise ?? byDefault.rise,
    fall: entry.fall ?? byDefault.fall,
  };
}

function timeoutsOf({ timeouts = {} }: OriginGroupEntry): OriginGroupOptions['timeouts'] {
  const byDefault = defaultGroupOptions.timeouts;
  return {
    connectMs: timeouts.connect ?? byDefault.connectMs,
    responseMs: timeouts.response ?? byDefault.responseMs,
    idleMs: timeouts.idle ?? byDefault.idleMs,
    tunnelMs: timeouts.tunnel ?? byDefault.tunnelMs,
    queueMs: timeouts.queue ?? byDefault.queueMs,
    keepAliveMs: timeouts['keep-alive'] ?? byDefault.keepAliveMs,
  };
}

function resolveOf(
  { resolve = {} }: OriginGroupEntry,
  context: CompileContext,
): OriginGroupOptions['resolve'] {
  const { ttlMinMs, ttlMaxMs } = defaultGroupOptions.resolve;
  const servers = resolve.servers ?? [];
  for (const [i, server] of servers.entries()) {
    const address = /^(?:\[([^\]]+)\]|([^:]+))(?::\d{1,5})?$/.exec(server);
    if (isIP(server) !== 0 || isIP(address?.[1] ?? address?.[2] ?? '') !== 0) continue;
    context.refuse(['resolve', 'servers', i], 'not an IP address', 'write it as 10.0.0.53:53');
  }
  const min = resolve['ttl-min'] ?? ttlMinMs;
  const max = resolve['ttl-max'] ?? Math.max(ttlMaxMs, min);
  if (max < min) {
    context.refuse(['resolve', 'ttl-max'], 'below ttl-min', 'write a longer time');
  }
  return { ttlMinMs: min, ttlMaxMs: max, servers };
}

function tlsOf(
  { tls = {} }: OriginGroupEntry,
  servers: readonly OriginServerOptions[],
  context: CompileContext,
): OriginGroupOptions['tls'] {
  const below = context.below('tls');
  const caFile = tls.ca ?? '';
  if (caFile !== '') {
    try {
      checkAuthorities(below.given(['ca'], caFile), caFile);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      below.note(error.diagnostics);
    }
  }
  const name = tls['server-name'] ?? '';
  if (name !== '' && !isHostName(name) && isIP(name) === 0) {
    below.refuse(['server-name'], 'no name of a server', 'write it as app.internal, in ASCII');
  }
  const skips = tls['danger-skip-verification'] ?? false;
  if (skips) {
    below.warn(['danger-skip-verification'], "the origin's identity is not checked");
  }
  if (Object.keys(tls).length > 0 && servers.every(({ scheme }) => scheme === 'http')) {
    below.refuse([], 'no server has an https URL', 'write https://, or leave tls out');
  }
  return {
    verify: !skips,
    caFile,
    serverName: tls['server-name'] ?? '',
    earlyData: tls['early-data'] ?? false,
  };
}
