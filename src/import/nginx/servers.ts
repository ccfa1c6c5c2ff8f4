/** Servers of nginx: where they listen, which names they have, and which of them gets a request. */
import type { Directive } from './parser.ts';
import type { Scope } from './scope.ts';

export interface Listen {
  /** Null for the one that nginx adds when none is written. */
  readonly directive: Directive | null;
  /** As our files write it: `0.0.0.0:80`, `[::]:80`, `unix:/path`. */
  readonly address: string;
  /** 0 for a UNIX socket. */
  readonly port: number;
  /** What two servers must have in common to share a socket: all addresses of a port are one. */
  readonly socket: string;
  readonly words: readonly string[];
  readonly isTls: boolean;
  readonly isDefault: boolean;
}

export interface NginxServer {
  readonly directive: Directive;
  readonly block: readonly Directive[];
  readonly scope: Scope;
  readonly listens: readonly Listen[];
  /** In our spelling. */
  readonly names: readonly string[];
  /** Names that are no names to us: regular expressions, `www.example.*`. */
  readonly otherNames: readonly string[];
}

export function serverOf(directive: Directive, around: Scope): NginxServer {
  const block = directive.block ?? [];
  const scope = around.inside(block);
  const listens = scope.own('listen').map((one) => listenOf(one, scope));
  const written = scope.own('server_name').flatMap(({ args }) => args);
  const names = written.flatMap(namesOf);
  return {
    directive,
    block,
    scope,
    listens: listens.filter((one) => one !== null).concat(listens.length === 0 ? [USUAL] : []),
    names: names.filter((name) => isName(name)),
    otherNames: written.filter((name) => /^~|[^*]\*|^\*(?!\.)|\*.*\*/.test(name)),
  };
}

const USUAL: Listen = {
  directive: null,
  address: '0.0.0.0:80',
  port: 80,
  socket: '*:80',
  words: [],
  isTls: false,
  isDefault: false,
};

/** `.example.org` is two names. */
function namesOf(name: string): string[] {
  const lower = name.toLowerCase().replace(/\.$/, '');
  return lower.startsWith('.') ? [lower.slice(1), `*${lower}`] : [lower];
}

function isName(name: string): boolean {
  return /^(?:\*\.)?(?!-)[a-z0-9-]+(?:\.[a-z0-9-]+)*$|^\d+(?:\.\d+){3}$|^\[[0-9a-f:]+\]$/.test(
    name,
  );
}

function listenOf(directive: Directive, scope: Scope): Listen | null {
  const [where = '', ...words] = directive.args;
  const common = {
    directive,
    words,
    isTls: words.includes('ssl') || scope.isOn('ssl'),
    isDefault: words.includes('default_server') || words.includes('default'),
  };
  if (where.startsWith('unix:')) return { ...common, address: where, port: 0, socket: where };
  const match = /^(?:(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d+))?)$/.exec(where);
  if (match === null) return null;
  const isPort = /^\d+$/.test(match[1]!) && match[2] === undefined;
  const host = isPort ? '*' : match[1]!;
  const port = Number(isPort ? match[1] : (match[2] ?? 80));
  const isAny = host === '*' || host === '0.0.0.0' || host === '[::]';
  return {
    ...common,
    address: `${host === '*' ? '0.0.0.0' : host}:${port}`,
    port,
    socket: `${isAny ? '*' : host}:${port}`,
  };
}

export type Scheme = 'http' | 'https';

/** One server for some of its names, as the routes of our file must have it: in this order. */
export interface Instance {
  readonly server: NginxServer;
  /** Empty for all that no other has. */
  readonly hosts: readonly string[];
  /** '' for both. */
  readonly scheme: Scheme | '';
}

export function schemesOf({ listens }: NginxServer): Scheme[] {
  const schemes = listens.map(({ isTls }): Scheme => (isTls ? 'https' : 'http'));
  return [...new Set(schemes)];
}

/**
 * Exact names, then those with `*`, the longest first, then the default server; as nginx looks for them.
 */
export function instancesOf(servers: readonly NginxServer[]): Instance[] {
  const all = new Set(servers.flatMap(schemesOf));
  const schemeOf = (server: NginxServer): Scheme | '' => {
    const own = schemesOf(server);
    return own.length === all.size ? '' : own[0]!;
  };
  const found: Instance[] = [];
  const add = (server: NginxServer, hosts: readonly string[]) => {
    if (hosts.length > 0) found.push({ server, hosts, scheme: schemeOf(server) });
  };
  const isWild = (name: string) => name.startsWith('*.');
  const wild = servers.flatMap(({ names }) => names.filter(isWild));
  const defaults = new Map([...all].map((scheme) => [scheme, defaultServer(servers, scheme)]));
  const isDefault = (server: NginxServer) => {
    return schemesOf(server).every((scheme) => defaults.get(scheme) === server);
  };
  for (const server of servers) {
    const exact = server.names.filter((name) => !isWild(name));
    // A default server takes its own names in the end, unless others' `*` would take them before.
    const isTaken = exact.some((name) => wild.some((one) => isBelow(name, one)));
    if (!isDefault(server) || isTaken) add(server, exact);
  }
  const byLength = servers
    .flatMap((server) => server.names.filter(isWild).map((name) => ({ server, name })))
    .toSorted((a, b) => b.name.length - a.name.length);
  for (const { server, name } of byLength) if (!isDefault(server)) add(server, [name]);
  const last = new Set(defaults.values());
  for (const server of last) {
    const schemes = [...all].filter((scheme) => defaults.get(scheme) === server);
    const scheme = schemes.length === all.size ? '' : schemes[0]!;
    found.push({ server, hosts: [], scheme });
  }
  return found;
}

function isBelow(name: string, wild: string): boolean {
  return name.endsWith(wild.slice(1));
}

/** nginx's: the one that says so, else the first. */
export function defaultServer(servers: readonly NginxServer[], scheme: Scheme): NginxServer {
  const own = servers.filter((server) => schemesOf(server).includes(scheme));
  const isTls = scheme === 'https';
  const said = own.find(({ listens }) => {
    return listens.some((listen) => listen.isDefault && listen.isTls === isTls);
  });
  return said ?? own[0]!;
}
