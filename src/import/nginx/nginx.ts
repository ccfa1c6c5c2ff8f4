/** `sluice import nginx FILE`: an nginx.conf, with all that it includes, as one file of ours. */
import { dirname, resolve } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { Draft } from '../draft.ts';
import type { Imported, Importer } from '../importer.ts';
import { ImportReport } from '../report.ts';
import { rangeOf } from './access.ts';
import { importStore } from './cache.ts';
import { importHosts, importListeners } from './hosts.ts';
import { importLogs } from './logs.ts';
import { Groups } from './origins.ts';
import { type Directive, optionIn, readNginx } from './parser.ts';
import { Scope } from './scope.ts';
import { addServerRoutes } from './server-routes.ts';
import { instancesOf, type NginxServer, schemesOf, serverOf } from './servers.ts';
import type { NginxState } from './state.ts';
import { tellTheRest } from './the-rest.ts';

export const nginxImporter: Importer = { title: 'nginx', input: 'FILE', read };

function read(path: string): Imported {
  const files = readNginx(path);
  const top = files.directives;
  const http = top.filter(({ name }) => name === 'http').flatMap(({ block }) => block ?? []);
  // A file of conf.d has no http around it.
  const isPart = http.length === 0;
  const inside = isPart ? top : http;
  const around = new Scope([inside, top]);
  const servers = inside
    .filter(({ name }) => name === 'server')
    .map((one) => serverOf(one, around));
  if (servers.length === 0) {
    throw new UsageError(
      `${path}: there is no server in it`,
      'name the nginx.conf, or a file of conf.d',
    );
  }
  const report = new ImportReport();
  const root = new Draft();
  const addresses = trustedProxies(servers, root, report);
  const state: NginxState = {
    report,
    directory: dirname(resolve(path)),
    groups: new Groups(
      named(inside, 'upstream', (one) => one.args[0]),
      report,
    ),
    rateZones: named(inside, 'limit_req_zone', zoneOf),
    cacheZones: named(
      inside,
      'proxy_cache_path',
      (one) => optionIn(one, 'keys_zone')?.split(':')[0],
    ),
    isAddressUnknown: addresses,
    closedServers: new Map(),
  };
  fill(root, { servers, around, top, inside, state });
  tellTheRest(top, files, report);
  return { draft: root, report };
}

interface Parts {
  readonly servers: readonly NginxServer[];
  readonly around: Scope;
  readonly top: readonly Directive[];
  readonly inside: readonly Directive[];
  readonly state: NginxState;
}

function fill(root: Draft, { servers, around, top, inside, state }: Parts): void {
  const { report, groups } = state;
  const workers = top.find(({ name }) => name === 'worker_processes');
  if (workers !== undefined && /^\d+$/.test(workers.args[0] ?? '')) {
    root.set('workers', Math.min(256, Math.max(1, Number(workers.args[0]))), workers);
    report.imported(workers);
  }
  const shared = withSharedSockets(servers, report);
  root.set('listeners', importListeners(shared, around, state));
  const hosts = importHosts(shared, state, state.closedServers);
  if (hosts.length > 0) root.set('hosts', hosts);
  const routes: Draft[] = [];
  for (const instance of instancesOf(shared)) addServerRoutes(instance, state, routes);
  importNames(shared, state);
  const origins = new Draft();
  for (const [name, draft] of groups.drafts) origins.set(name, draft);
  if (origins.size > 0) root.set('origins', origins);
  else root.set('origin', 'http://127.0.0.1:1');
  root.set('routes', [guard(), ...routes]);
  const paths = inside.filter(({ name }) => name === 'proxy_cache_path');
  if (routes.some((route) => isCached(route))) importStore(paths, root, state);
  const logs = importLogs(around, shared, state);
  if (logs.length > 0) root.set('logs', logs);
}

function isCached(route: Draft): boolean {
  const cache = route.get('cache');
  return cache instanceof Draft && cache.get('enabled') !== false;
}

/**
 * Line ends are told from other characters by nginx's expressions and ours in different ways, and `..`
 * leads out of a path that has been put before another: a path that can be read so is refused.
 */
function guard(): Draft {
  const match = Draft.of({ 'path-pattern': '[\\x00-\\x1f\\x7f]|/\\.\\.(?:/|$)' });
  match.note('A path that can be read as one with .. or with control characters is refused (400).');
  return new Draft()
    .set('name', 'no way out')
    .set('match', match)
    .set('respond', Draft.of({ status: 400 }));
}

/**
 * A route cannot ask for a listener. A server with sockets of its own would be reached by its name at
 * those of others, so it is left out.
 */
function withSharedSockets(servers: readonly NginxServer[], report: ImportReport): NginxServer[] {
  const main = new Map<string, string>();
  return servers.filter((server) => {
    for (const scheme of schemesOf(server)) {
      const own = server.listens.filter(({ isTls }) => isTls === (scheme === 'https'));
      const sockets = [...new Set(own.map(({ socket }) => socket))].toSorted().join(' ');
      const usual = main.get(scheme) ?? sockets;
      main.set(scheme, usual);
      if (usual === sockets) continue;
      const reason = `it listens at ${sockets}, others at ${usual}: a route cannot ask for the port`;
      report.leftOut(server.directive, {
        reason,
        remedy: 'run a second sluice for it',
        decides: true,
      });
      return false;
    }
    return true;
  });
}

function importNames(servers: readonly NginxServer[], { report }: NginxState): void {
  const named = new Set(
    instancesOf(servers)
      .filter(({ hosts }) => hosts.length > 0)
      .map(({ server }) => server),
  );
  const usesNames = (server: NginxServer) =>
    named.has(server) || schemesOf(server).includes('https');
  for (const server of servers) {
    const { scope, otherNames } = server;
    for (const directive of scope.own('server_name')) {
      const others = directive.args.filter((name) => otherNames.includes(name));
      const wild = directive.args.filter((name) => /^\*?\./.test(name));
      if (others.length > 0) {
        const remedy = 'list the names in match: {hosts}; until then they are the default server’s';
        report.leftOut(directive, {
          reason: `no names here: ${others.join(' ')}`,
          remedy,
          decides: true,
        });
      } else if (wild.length > 0) {
        const remedy = 'add a name as *.a.example.org for each level';
        report.partly(directive, {
          reason: `${wild.join(' ')} is for one more label, not for several`,
          remedy,
        });
      } else if (usesNames(server)) report.imported(directive);
      else
        report.needless(
          directive,
          'it is the default server, which gets every name that no other has',
        );
    }
  }
}

/** What says that the client's address is not known to us; null when all is well. */
function trustedProxies(
  servers: readonly NginxServer[],
  root: Draft,
  report: ImportReport,
): Directive | null {
  const from = new Map<Directive, string | null>();
  let header: Directive | undefined;
  for (const { scope } of servers) {
    for (const one of scope.all('set_real_ip_from')) {
      from.set(one, one.args[0] === 'unix:' ? 'localhost' : rangeOf(one.args[0] ?? ''));
    }
    header ??= scope.last('real_ip_header');
  }
  const [first] = from.keys();
  if (first === undefined) return null;
  const ranges = [...from.values()].filter((range) => range !== null);
  const known = header?.args[0]?.toLowerCase() ?? 'x-real-ip';
  const all = [...from.keys(), ...(header === undefined ? [] : [header])];
  if (known === 'proxy_protocol') {
    report.imported(...all);
    return null;
  }
  if (known !== 'x-forwarded-for' || ranges.length < from.size) {
    const remedy =
      'trusted-proxies with trusted-proxies-header: have the balancers write X-Forwarded-For';
    for (const one of all)
      report.leftOut(one, {
        reason: `the client is not read from ${known}`,
        remedy,
        decides: true,
      });
    return first;
  }
  root.set('trusted-proxies', ranges, ...from.keys());
  report.imported(...all);
  return null;
}

function named(
  directives: readonly Directive[],
  name: string,
  key: (directive: Directive) => string | undefined,
): ReadonlyMap<string, Directive> {
  const own = directives.filter((one) => one.name === name);
  return new Map(own.map((one) => [key(one) ?? '', one]));
}

function zoneOf(directive: Directive): string | undefined {
  return optionIn(directive, 'zone')?.split(':')[0];
}
