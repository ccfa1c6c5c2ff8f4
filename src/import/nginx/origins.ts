/** `upstream` and `proxy_pass` as groups of origins. */
import { Draft } from '../draft.ts';
import type { ImportReport } from '../report.ts';
import { type Directive, optionIn } from './parser.ts';
import { type Scope, secondsOf, timeText } from './scope.ts';

/** Where `proxy_pass` leads, taken apart. */
export interface ProxyTarget {
  readonly scheme: 'http' | 'https' | 'h2c';
  /** `backend`, `127.0.0.1:3000`, `unix:/path`. */
  readonly place: string;
  /** nginx's `$proxy_host`, which the origin gets as Host unless something else is said. */
  readonly host: string;
  /** What takes the place of the location's prefix; null when the path goes on as it is. */
  readonly uri: string | null;
}

/** Null for what is no URL. */
export function proxyTarget(url: string): ProxyTarget | null {
  const unix = /^(https?|grpcs?):\/\/(unix:([^:]+))(?::(.*))?$/.exec(url);
  if (unix !== null) {
    const uri = unix[4] === undefined || unix[4] === '' ? null : unix[4];
    return { scheme: schemeOf(unix[1]!), place: unix[2]!, host: 'localhost', uri };
  }
  const match = /^(https?|grpcs?):\/\/([^/?#]+)(|[/?#].*)$/.exec(url);
  if (match === null) return null;
  const [scheme = '', place = '', uri = ''] = match.slice(1);
  const usual = scheme.endsWith('s') ? ':443' : ':80';
  const host = place.endsWith(usual) ? place.slice(0, -usual.length) : place;
  return { scheme: schemeOf(scheme), place, host, uri: uri === '' ? null : uri };
}

function schemeOf(written: string): ProxyTarget['scheme'] {
  if (written === 'grpc') return 'h2c';
  return written === 'http' ? 'http' : 'https';
}

export class Groups {
  readonly #report: ImportReport;
  readonly #upstreams: ReadonlyMap<string, Directive>;
  /** By all that is said of it: two with the same settings are one. */
  readonly #bySettings = new Map<string, string>();
  readonly #drafts = new Map<string, Draft>();

  constructor(upstreams: ReadonlyMap<string, Directive>, report: ImportReport) {
    this.#upstreams = upstreams;
    this.#report = report;
  }

  /** The name of the group for a target, with the settings that hold where it is asked. */
  group(target: ProxyTarget, scope: Scope): string {
    const upstream = this.#upstreams.get(target.place);
    const draft =
      upstream === undefined ? singleServer(target) : this.#ofUpstream(upstream, target);
    this.#timeouts(draft, scope);
    this.#retries(draft, scope);
    if (target.scheme === 'https') this.#tls(draft, scope, target);
    const settings = JSON.stringify([target.place, draft.plain()]);
    const known = this.#bySettings.get(settings);
    if (known !== undefined) return known;
    const base = target.place
      .replace(/^unix:.*\//, '')
      .replace(/[^A-Za-z0-9.-]+/g, '-')
      .replace(/^-|-$/g, '');
    let name = base === '' ? 'origin' : base;
    for (let i = 2; this.#drafts.has(name); i++) name = `${base}-${i}`;
    this.#bySettings.set(settings, name);
    this.#drafts.set(name, draft);
    return name;
  }

  get drafts(): ReadonlyMap<string, Draft> {
    return this.#drafts;
  }

  #ofUpstream(upstream: Directive, target: ProxyTarget): Draft {
    const draft = new Draft();
    this.#report.imported(upstream);
    const block = upstream.block ?? [];
    const servers = block.filter(({ name }) => name === 'server');
    const used = servers.filter((server) => {
      if (!server.args.includes('down')) return true;
      this.#report.needless(server, 'it is down, so that it is not among the servers');
      return false;
    });
    draft.set(
      'servers',
      used.map((server) => this.#server(server, target)),
    );
    this.#failures(draft, { args: used.flatMap(({ args }) => args.slice(1)) });
    for (const directive of block) this.#upstreamDirective(directive, draft);
    return draft;
  }

  #server(server: Directive, target: ProxyTarget): Draft {
    const [address = '', ...options] = server.args;
    const draft = new Draft().set('url', serverUrl(target.scheme, withPort(address)), server);
    this.#report.imported(server);
    for (const option of options) {
      const [key, value = ''] = option.split('=');
      if (key === 'weight') draft.set('weight', Number(value));
      else if (key === 'backup') draft.set('backup', true);
      else if (key === 'slow_start' || key === 'service' || key === 'route' || key === 'drain') {
        this.#report.partly(server, {
          reason: `${option} is left out`,
          remedy: key === 'slow_start' ? 'slow-start of the group' : 'set it by hand',
        });
      }
    }
    return draft;
  }

  /** What nginx says for each server, and we for a group. */
  #failures(draft: Draft, options: Pick<Directive, 'args'>): void {
    const failures = optionIn(options, 'max_fails');
    const seconds = secondsOf(optionIn(options, 'fail_timeout') ?? '');
    if (failures !== undefined) draft.at('passive-health').set('failures', Number(failures));
    if (seconds !== null && seconds > 0) {
      draft.at('passive-health').set('ejection', timeText(seconds));
    }
    const most = optionIn(options, 'max_conns');
    if (most !== undefined && Number(most) > 0) draft.set('connections-max', Number(most));
  }

  #upstreamDirective(directive: Directive, draft: Draft): void {
    const { name, args } = directive;
    const report = this.#report;
    if (name === 'server') return;
    if (name === 'least_conn') draft.set('balance', 'least-connections', directive);
    else if (name === 'ip_hash') {
      draft.set('balance', consistentHash('client-address'), directive);
    } else if (name === 'hash') {
      const key = hashKey(args[0] ?? '');
      if (key === null) {
        const remedy =
          'balance: {consistent-hash: {hash-on: path, client-address, header:NAME or cookie:NAME}}';
        report.leftOut(directive, { reason: `no hash on ${args[0]}`, remedy });
        return;
      }
      draft.set('balance', consistentHash(key), directive);
    } else if (name === 'keepalive_timeout') {
      const seconds = secondsOf(args[0] ?? '');
      if (seconds === null || seconds === 0) {
        report.needless(directive, 'idle connections are closed after 4 s');
        return;
      }
      draft.at('timeouts').set('keep-alive', timeText(seconds), directive);
    } else if (
      ['keepalive', 'keepalive_requests', 'keepalive_time', 'zone', 'random'].includes(name)
    ) {
      report.needless(
        directive,
        'sluice keeps connections to origins, and its workers know of each other',
      );
      return;
    } else {
      report.leftOut(directive, {
        reason: 'sluice has nothing of this kind',
        remedy: 'see origins in the reference',
      });
      return;
    }
    report.imported(directive);
  }

  #timeouts(draft: Draft, scope: Scope): void {
    const keys: readonly (readonly [string, readonly string[], number])[] = [
      ['proxy_connect_timeout', ['connect'], 60],
      ['grpc_connect_timeout', ['connect'], 60],
      ['proxy_read_timeout', ['response', 'idle', 'tunnel'], 60],
      ['grpc_read_timeout', ['response', 'idle'], 60],
    ];
    for (const [name, ours] of keys) {
      const directive = scope.last(name);
      const seconds = directive === undefined ? null : secondsOf(directive.args[0] ?? '');
      if (directive === undefined || seconds === null || seconds === 0) continue;
      const places = [directive];
      for (const key of ours) {
        const text = timeText(seconds, key === 'connect' ? 'short' : 'long');
        draft.at('timeouts').set(key, text, ...places);
      }
      this.#report.imported(directive);
    }
  }

  #retries(draft: Draft, scope: Scope): void {
    const tries = scope.last('proxy_next_upstream_tries');
    const when = scope.last('proxy_next_upstream');
    if (tries !== undefined && Number(tries.args[0]) > 0) {
      draft.at('retries').set('max', Math.min(9, Number(tries.args[0]) - 1), tries);
      this.#report.imported(tries);
    }
    if (when === undefined) return;
    this.#report.imported(when);
    if (when.args.includes('off')) draft.at('retries').set('max', 0, when);
    const statuses = when.args
      .map((arg) => /^http_(\d{3})$/.exec(arg)?.[1])
      .filter((one) => one !== undefined);
    if (statuses.length > 0) draft.at('retries').set('statuses', statuses.map(Number), when);
    if (when.args.includes('non_idempotent')) {
      const remedy =
        'none: a request that may do something twice is not repeated (RFC 9110 §9.2.2)';
      this.#report.partly(when, { reason: 'non_idempotent is left out', remedy });
    }
  }

  #tls(draft: Draft, scope: Scope, target: ProxyTarget): void {
    const report = this.#report;
    const ca = scope.last('proxy_ssl_trusted_certificate');
    const name = scope.last('proxy_ssl_name');
    const verify = scope.last('proxy_ssl_verify');
    if (ca !== undefined) {
      draft.at('tls').set('ca', ca.args[0] ?? '', ca);
      report.imported(ca);
    }
    if (name !== undefined && /^[\w.-]+$/.test(name.args[0] ?? '')) {
      draft.at('tls').set('server-name', name.args[0]!, name);
      report.imported(name);
    }
    if (verify?.args[0] === 'on') report.needless(verify, 'sluice verifies always');
    else {
      const remedy = `tls: {ca: FILE} of the group, if no public authority vouches for ${target.place}`;
      const place = verify ?? scope.last('proxy_pass') ?? scope.last('grpc_pass');
      if (place !== undefined) {
        report.partly(place, {
          reason: 'nginx did not verify the certificate of the origin, sluice does',
          remedy,
        });
      }
    }
  }
}

function singleServer(target: ProxyTarget): Draft {
  return new Draft().set('servers', [serverUrl(target.scheme, target.place)]);
}

function serverUrl(scheme: ProxyTarget['scheme'], place: string): string {
  return place.startsWith('unix:') ? place : `${scheme}://${place}`;
}

/** Without one it is 80, whatever the scheme. */
function withPort(address: string): string {
  return address.startsWith('unix:') || /:\d+$/.test(address) ? address : `${address}:80`;
}

function consistentHash(key: string): Draft {
  return Draft.of({ 'consistent-hash': Draft.of({ 'hash-on': key }) });
}

function hashKey(written: string): string | null {
  if (/^\$(?:binary_)?remote_addr$/.test(written)) return 'client-address';
  if (/^\$(?:scheme\$proxy_host\$)?(?:request_)?uri$/.test(written)) return 'path';
  const header = /^\$http_(\w+)$/.exec(written)?.[1];
  if (header !== undefined) return `header:${header.replaceAll('_', '-')}`;
  const cookie = /^\$cookie_(\w+)$/.exec(written)?.[1];
  return cookie === undefined ? null : `cookie:${cookie}`;
}
