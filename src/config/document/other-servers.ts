/** Words of other servers' configurations, for those who come from there. */

/** Ours by theirs: nginx, HAProxy, Varnish and Traffic Server, in lower case without `-` and `_`. */
const ours: Readonly<Record<string, string>> = {
  acl: 'routes[].access',
  acls: 'routes[].access',
  addheader: 'routes[].response-headers',
  backend: 'origins',
  backends: 'origins',
  bind: 'listeners[].address',
  cert: 'hosts[].certificates',
  certificate: 'hosts[].certificates',
  check: 'origins.*.health-check',
  errorlog: 'logs',
  errorpage: 'routes[].error-pages',
  frontend: 'listeners',
  frontends: 'listeners',
  gzip: 'routes[].compression',
  headers: 'routes[].request-headers',
  keepalivetimeout: 'origins.*.timeouts.idle',
  limitreq: 'routes[].rate-limit',
  listen: 'listeners',
  location: 'routes',
  locations: 'routes',
  maxconn: 'origins.*.connections-max',
  maxconns: 'origins.*.connections-max',
  maxfails: 'origins.*.passive-health',
  pool: 'origins',
  port: 'listeners[].address',
  probe: 'origins.*.health-check',
  proxycachepath: 'cache.directory',
  proxypass: 'routes[].origin',
  proxysetheader: 'routes[].request-headers',
  remap: 'routes',
  resolver: 'origins.*.resolve',
  return: 'routes[].respond',
  server: 'hosts',
  servername: 'hosts[].names',
  ssl: 'hosts[].tls',
  sslcertificate: 'hosts[].certificates',
  sslcertificatekey: 'hosts[].certificates',
  sslciphers: 'hosts[].tls.ciphers',
  sslprotocols: 'hosts[].tls.min-version',
  timeout: 'origins.*.timeouts',
  ttl: 'routes[].cache.lifetime',
  upstream: 'origins',
  upstreams: 'origins',
  virtualhost: 'hosts',
  virtualhosts: 'hosts',
  workerprocesses: 'workers',
};

/** The key that does what the word does elsewhere; undefined when there is none. */
export function ownKeyFor(word: string): string | undefined {
  const plain = word.toLowerCase().replace(/[-_]/g, '');
  return Object.hasOwn(ours, plain) ? ours[plain] : undefined;
}

/** Words that mean another key only where it stands, by the end of the key that it is in. */
const within: readonly (readonly [section: RegExp, words: readonly string[], ours: string])[] = [
  [/\.match$/, ['path', 'prefix', 'location', 'url', 'uri', 'pathname'], 'path-prefix'],
  [/\.match$/, ['regex', 'regexp', 'pattern', 'path-regexp'], 'path-pattern'],
  [/\.match$/, ['server-name', 'domain', 'domains', 'authority'], 'hosts'],
  [/\.match$/, ['verb', 'verbs'], 'methods'],
  [/\.match$/, ['client', 'address', 'remote-addr', 'src', 'ip', 'source'], 'from'],
  [/^cache$/, ['path', 'dir', 'folder', 'root', 'storage', 'location'], 'directory'],
  [/^cache$/, ['max-size', 'maxsize', 'capacity', 'limit'], 'size'],
  [/^listeners\[\d+\]$/, ['port', 'bind', 'listen'], 'address'],
  [/\.redirect$/, ['url', 'location', 'target'], 'to'],
  [/\.redirect$|\.respond$/, ['code'], 'status'],
  [/\.respond$/, ['content', 'text'], 'body'],
];

/** The key of the same map that is meant by a word; undefined when there is none. */
export function ownKeyWithin(
  section: string,
  word: string,
  names: readonly string[],
): string | undefined {
  const plain = word.toLowerCase().replaceAll('_', '-');
  const found = within.find(([where, words]) => where.test(section) && words.includes(plain));
  return found !== undefined && names.includes(found[2]) ? found[2] : undefined;
}

/** All keys that are named here: for a test that each is one. */
export const ownKeys: ReadonlySet<string> = new Set(Object.values(ours));
