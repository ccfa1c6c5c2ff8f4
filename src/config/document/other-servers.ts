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

/** All keys that are named here: for a test that each is one. */
export const ownKeys: ReadonlySet<string> = new Set(Object.values(ours));
