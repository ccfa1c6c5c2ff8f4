/**
 * Where the effect of each key is shown: by file and by the title of the test, or by what the title
 * begins with. `key as word`: what the test has in the place of the key's name, an option or a flag.
 */
export const whereShown: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'src/acme/order.test.ts': {
    'the account has an address, and is bound to one of before where that is wanted': [
      'acme as email',
      'acme.email',
      'acme.external-account.key-id as keyId',
      'acme.external-account.key as secret',
    ],
    'a profile is asked for by its name; of another one those that there are are told': [
      'acme.profile',
    ],
  },
  'src/config/acme.test.ts': {
    'flags make a host of all names, which has a stand-in until a certificate is issued': [
      'acme-name',
    ],
  },
  'src/supervisor/certificates/acme-keeper.test.ts': {
    'wildcards are proved by the program that makes DNS records, which sees them go': [
      'acme.challenges',
      'acme.dns-command as dnsCommand',
    ],
  },
  'src/config/compile/route-match.test.ts': {
    'the condition ${path} takes what it says, and leaves the rest': [
      'routes[].match.host-pattern',
      'routes[].match.ignore-case',
      'routes[].match.headers.*',
      'routes[].match.headers.*.exact',
      'routes[].match.headers.*.prefix',
      'routes[].match.headers.*.suffix',
      'routes[].match.headers.*.contains',
      'routes[].match.headers.*.pattern',
      'routes[].match.headers.*.ignore-case',
      'routes[].match.cookies.*',
      'routes[].match.query.*',
      'routes[].match.ports',
      'routes[].match.websocket',
      'routes[].match.tls.versions',
      'routes[].match.tls.server-names',
      'routes[].match.tls.client-certificate',
      'routes[].match.not',
    ],
  },
  'src/supervisor/listeners.test.ts': {
    'are there for each worker at the port of TCP where http3 is on, and are announced': [
      'http3',
      'listeners[].http3',
    ],
    'are announced by the port, lifetime and mode of alt-svc': [
      'listeners[].alt-svc',
      'listeners[].alt-svc.mode',
      'listeners[].alt-svc.port',
      'listeners[].alt-svc.lifetime',
    ],
  },
  'src/http/content-watch.test.ts': {
    'request-body off: whoever is not silent goes on': ['timeouts.request-body'],
  },
  'src/config/compile/field-edits.test.ts': {
    'the change of ${message} headers by ${name} is made where it says so, and nowhere else': [
      'routes[].request-headers.cookies.remove as cookies',
      'routes[].request-headers.cookies.set.* as cookies',
      'routes[].request-headers.when.match as when',
      'routes[].request-headers.when.share as share',
      'routes[].request-headers.when.hours as hours',
      'routes[].request-headers.else as else',
      'routes[].response-headers.cookies.remove as cookies',
      'routes[].response-headers.cookies.set.* as cookies',
      'routes[].response-headers.when.match as when',
      'routes[].response-headers.when.share as share',
      'routes[].response-headers.when.hours as hours',
      'routes[].response-headers.when.status as status',
      'routes[].response-headers.when.response-headers.* as response-headers',
      'routes[].response-headers.else as else',
    ],
  },
  'src/config/secure-transport.test.ts': {
    'requests without TLS are led to https, at its port, before any route': [
      'redirect-to-https as redirect-to-https',
      'hosts[].redirect-to-https as redirect-to-https',
    ],
    'browsers are told of https over TLS alone, in the words of RFC 6797': [
      'hosts[].hsts',
      'hosts[].hsts.max-age',
      'hosts[].hsts.include-subdomains',
      'hosts[].hsts.preload',
    ],
  },
  'src/routing/compression.test.ts': {
    'only content that gains by it, and that nobody forbids to transform, is compressed': [
      'routes[].compression.min-size as minBytes',
    ],
  },
  'src/upstream/circuit-breaker.test.ts': {
    'failures of different windows do not add up': ['origins.*.circuit-breaker.window as windowMs'],
    'after its time so many requests try as are set, and close it when all succeed': [
      'origins.*.circuit-breaker.open as openMs',
      'origins.*.circuit-breaker.trials',
    ],
  },
  'src/upstream/endpoint.test.ts': {
    'each ejection lasts longer than the one before, up to ejection-max': [
      'origins.*.passive-health.ejection-max',
    ],
  },
  'src/supervisor/certificates/certificate-renewer.test.ts': {
    'the status is asked for where stapling is on, and of nobody where it is off': [
      'hosts[].tls.ocsp-stapling as ocspStapling',
    ],
  },
  'src/supervisor/faults/feature-rollback.test.ts': {
    'how many are too many, and how far apart they may be, is as set': [
      'auto-disable.window as windowMs',
      'auto-disable-window as windowMs',
    ],
  },
  'src/supervisor/log-rotation.test.ts': {
    'a file is moved away when its time is over, once, and not when it is empty': [
      'logs[].rotate.every as everyMs',
    ],
    'old files but the latest are compressed': ['logs[].rotate.gzip'],
    'a file is moved away when it is large enough, and no more are kept than said': [
      'logs[].rotate.keep',
    ],
  },
  'src/supervisor/ticket-key-rotator.test.ts': {
    'that sluice makes itself allow early data at once, and turn by the schedule': [
      'tls.ticket-rotation as ticketRotationMs',
    ],
  },
  'src/telemetry/log-filter.test.ts': {
    '${JSON.stringify(filter)} takes what it names and leaves': [
      'logs[].filter.host as hosts',
      'logs[].filter.path-prefix as pathPrefix',
      'logs[].filter.method as methods',
      'logs[].filter.slower-than as slowerThanMs',
      'logs[].filter.cache',
    ],
  },
  'src/worker/tls.test.ts': {
    'without the feature ocsp-stapling certificates are sent without their status': [
      'features.ocsp-stapling',
    ],
  },
  'test/cache/disk-store.test.ts': {
    'what is pinned outlives others, within a quarter of the room, until its time': [
      'routes[].cache.pin as pinMs',
    ],
  },
  'test/plugin/hooks.test.ts': {
    'a plugin for some paths is for every spelling of them, and one for a method for no other': [
      'plugins[].match.paths',
      'plugins[].match.methods',
    ],
    'a hook can wait until nobody can have sent a copy, and that is not its fault': [
      'plugins[].timeout as timeoutMs',
    ],
  },
  'test/plugin/faults.test.ts': {
    'what a hook that fails has changed did not happen, and what others changed did': [
      'plugins[].on-fault as onFault',
    ],
    'a plugin that cannot be set up, or is disabled, answers 503 where it decides': [
      'features.plugin-* as isEnabled',
    ],
  },
  'test/end-to-end/plugins.test.ts': {
    'a plugin of two TypeScript files lets in whoever it knows, on its route alone': [
      'plugins[].use',
      'plugins[].name',
      'plugins[].match.routes',
      'plugins[].options',
    ],
  },
  'test/chaos/acme-cluster.test.ts': {
    'an instance with another secret is told so, and gets its own certificates': [
      'acme.cluster-secret-file as secret',
    ],
  },
  'test/end-to-end/acme.test.ts': {
    'each host has a certificate of the authority soon, without a restart': [
      'hosts[].certificates as acme',
      'acme.directory',
      'acme.directory-ca',
      'acme.keys',
      'acme.storage',
      'acme.resolvers',
    ],
  },
  'test/end-to-end/caching-control.test.ts': {
    'PURGE ${name} is refused with 403, purges nothing, and is not forwarded': ['purge-from'],
  },
  'test/end-to-end/caching-on-disk.test.ts': {
    'what was stored is a hit after a restart, whatever its size': ['cache-dir'],
  },
  'test/end-to-end/caching-rules.test.ts': {
    'fields and cookies of the key tell responses apart, and go together': [
      'routes[].cache.key.headers',
      'routes[].cache.key.cookies',
    ],
  },
  'test/end-to-end/compression.test.ts': {
    'the client’s weights decide, and the configured order among equals': ['routes[].compression'],
    'what must not or need not be compressed is left as it is': [
      'routes[].compression.encodings',
      'routes[].compression.types',
    ],
  },
  'test/end-to-end/connect.test.ts': {
    'curl reaches a server through a tunnel, over TLS to us and without': ['connect.to'],
    'no tunnel leads to ': ['connect.ports'],
    'without the section CONNECT gets 405, and from elsewhere 403': ['connect.from'],
  },
  'test/end-to-end/connections.test.ts': {
    'a ${scheme} connection carries 100 requests': ['https'],
  },
  'test/end-to-end/crash.test.ts': {
    'an observer that crashes workers is found and switched off while traffic goes on': [
      'danger-module as dangerFlags',
      'incident-dir',
    ],
    'an incident has the values of the file, without its secrets and comments': [
      'incidents.directory as incidents: { directory',
      'features.danger-* as features: {',
    ],
  },
  'test/end-to-end/early-data-limits.test.ts': {
    'tickets permit as much early data as their host takes': [
      'hosts[].early-data.max-size',
      'hosts[].early-data.enabled',
      'hosts[].early-data',
    ],
    'early data of open handshakes is bounded; beyond it they go on without': [
      'tls.early-data-in-flight-max',
    ],
  },
  'test/end-to-end/early-data.test.ts': {
    'with early data off a client that offers it loses nothing but time': [
      'early-data as earlyData',
    ],
  },
  'test/end-to-end/error-log.test.ts': {
    'the error log is a file of JSON lines, which another program may move away': [
      'error-log',
      'error-log-format',
    ],
    'flags say how urgent an event must be, of one subsystem and of all others': ['log-level'],
    'a reload brings other levels and another file': ['error-log.target', 'error-log.level'],
    'a request is counted and logged by the name of its route': ['routes[].name'],
    'each subsystem has the level that the file gives it': [
      'error-log.levels.admin as logSubsystems',
      'error-log.levels.config as logSubsystems',
      'error-log.levels.cluster as logSubsystems',
      'error-log.levels.features as logSubsystems',
      'error-log.levels.handlers as logSubsystems',
      'error-log.levels.logs as logSubsystems',
      'error-log.levels.origins as logSubsystems',
      'error-log.levels.proxy as logSubsystems',
      'error-log.levels.recorder as logSubsystems',
      'error-log.levels.reload as logSubsystems',
      'error-log.levels.supervisor as logSubsystems',
      'error-log.levels.tls as logSubsystems',
      'error-log.levels.upgrade as logSubsystems',
      'error-log.levels.worker as logSubsystems',
      'error-log.levels.cache as logSubsystems',
    ],
  },
  'test/end-to-end/fast-open.test.ts': {
    'with fast-open a returning client’s request comes with its first packet': [
      'listeners[].fast-open',
    ],
  },
  'test/end-to-end/features.test.ts': {
    'without alpn-h2 clients get HTTP/1.1': ['feature', 'features.alpn-h2'],
    'without session-tickets nothing is resumed': ['features.session-tickets'],
    'without early-data it is skipped': ['features.early-data'],
    'an observer that is switched off sees nothing': ['features.handshake-metrics', 'features.ja4'],
    'without handshake-failures and handshake-log nobody notes a failure': [
      'features.handshake-failures',
      'features.handshake-log',
    ],
    'without certificate-compression certificates go as they are': [
      'features.certificate-compression',
    ],
    'without key-log no secret is written': ['features.key-log'],
  },
  'test/end-to-end/handshake-options.test.ts': {
    'tickets-per-handshake: a client gets ': ['tls.tickets-per-handshake'],
    'failure-incidents: ': ['features.failure-incidents'],
  },
  'test/end-to-end/handshake-sums.test.ts': {
    'every handshake of every kind is counted exactly once, and has one line': [
      'handshake-log',
      'handshake-log-scope',
    ],
  },
  'test/end-to-end/hosts.test.ts': {
    'have certificates of their own, by name and by wildcard': [
      'hosts[].names',
      'hosts[].certificates[].cert',
      'hosts[].certificates[].key',
    ],
    'have versions of TLS of their own': ['hosts[].tls.min-version'],
    'are required where a host says so': ['hosts[].tls.client-certificates.mode'],
    'are told to the origin, and a client’s own such field is not': [
      'hosts[].tls.client-certificates.ca',
      'hosts[].tls.client-certificates.subject-header',
    ],
    'goes on, or is answered 425': [
      'hosts[].early-data.methods',
      'hosts[].early-data.query',
      'hosts[].early-data.excluded-paths',
      'hosts[].early-data.otherwise',
    ],
    'the key log has a line for every secret, for its owner alone': ['tls.key-log'],
    'are told by the names that a host has for it, or are not there': [
      'hosts[].tls.client-certificates.header',
      'hosts[].tls.client-certificates.chain-header',
    ],
  },
  'test/end-to-end/http2-cleartext.test.ts': {
    'curl speaks HTTP/2 without TLS by prior knowledge, and HTTP/1.1 beside it': [
      'http2-cleartext',
    ],
  },
  'test/end-to-end/http2.test.ts': {
    'a client that offers h2 gets it, and the log says so': ['log-format'],
    'with an issued certificate, hosts that it does not name get 421': ['cert', 'key'],
  },
  'test/end-to-end/location.test.ts': {
    'redirects of an origin behind a prefix work for its clients, also from the cache': [
      'routes[].rewrite.map-location',
    ],
  },
  'test/end-to-end/logs.test.ts': {
    'each log has the lines that it wants in the form that it wants': [
      'logs[].target',
      'logs[].format',
      'logs[].fields',
      'logs[].filter.status',
      'logs[].sample',
    ],
    'files are rotated while workers write, and no line is lost': ['logs[].rotate.size'],
    'a log of handshakes is one of the section, and flags add theirs': ['logs[].type'],
  },
  'test/end-to-end/operator-commands.test.ts': {
    'a token guards the endpoint on TCP, but for health and metrics': ['admin-token-file'],
  },
  'test/end-to-end/origin-tls.test.ts': {
    '--origin-ca names who vouches for it': ['origin-ca'],
    '--danger-skip-origin-verification talks to anyone': ['danger-skip-origin-verification'],
    'danger-skip-verification of one group says nothing of another': [
      'origins.*.tls.danger-skip-verification',
    ],
  },
  'test/end-to-end/origins-section.test.ts': {
    'servers get requests by their weight': [
      'origins.*.servers[].url',
      'origins.*.servers[].weight',
    ],
    'a backup is asked only when no other server can be': ['origins.*.servers[].backup'],
    'what is hashed by a field goes to one server for one value': [
      'origins.*.balance.consistent-hash.hash-on',
    ],
    'a server that is gone costs no request, unless retries are forbidden': [
      'origins.*.retries.max',
    ],
    'a server that has failed as often as is allowed is left out': [
      'origins.*.passive-health.failures',
    ],
    'an origin that says nothing in time is answered for with 504': ['origins.*.timeouts.response'],
    'more requests than a group takes get 503': ['origins.*.requests-max'],
  },
  'test/end-to-end/origins.test.ts': {
    'routes lead to groups, whose servers take turns by weight': ['routes[].origin'],
    'all workers leave a server alone that one of them has found unhealthy': [
      'origins.*.health-check.path',
    ],
    'no server can be connected to: 502; none is up: 503, destination_unavailable': [
      'origins.*.passive-health.ejected-share-max',
    ],
    'an origin has its own roots, its own name and its own time-outs': [
      'origins.*.tls.ca',
      'origins.*.tls.server-name',
    ],
    'proxy-protocol: the origin learns the client’s address and where it connected to': [
      'origins.*.proxy-protocol',
    ],
  },
  'test/end-to-end/proxy-protocol.test.ts': {
    'who is not named may not connect, nor speak for others': ['proxy-protocol-from'],
  },
  'test/end-to-end/rate-limits.test.ts': {
    'a client gets its burst, over all workers and protocols and from the cache, then 429': [
      'routes[].rate-limit.burst',
    ],
    'clients can be told apart by a field': ['routes[].rate-limit.key'],
    'each route counts for itself': ['routes[].rate-limit.requests-per-second'],
    'a listener lets each client have so many connections': [
      'listeners[].address',
      'listeners[].protocol',
      'listeners[].connections-per-client',
    ],
  },
  'test/end-to-end/recorder-options.test.ts': {
    'one death is enough, is told, and leaves what was asked for': [
      'incident-addresses',
      'incident-early-data-digest',
      'auto-disable-deaths',
      'auto-disable-webhook',
      'incidents.addresses',
      'incidents.early-data-digest',
      'auto-disable.deaths',
      'auto-disable.webhook',
    ],
    'with auto-disable off nothing is switched off, whatever dies': [
      'auto-disable',
      'auto-disable.enabled',
    ],
    'the stack of what stands still is ': [
      'debugger',
      'incidents.debugger',
      'incidents.watchdog',
      'watchdog',
    ],
  },
  'test/end-to-end/route-cache.test.ts': {
    'lifetimes: by default, within bounds, in place of the origin’s': [
      'origin',
      'routes[].cache.lifetime.default',
      'routes[].cache.lifetime.min',
      'routes[].cache.lifetime.max',
      'routes[].cache.lifetime.override',
      'routes[].cache.heuristic',
    ],
    'errors are stored for as long as is said, of one status or of all': [
      'routes[].cache.lifetime.negative',
      'routes[].cache.lifetime.negative.*',
    ],
    'the query counts as far as is said': [
      'routes[].cache.key.query',
      'routes[].cache.key.query.only',
      'routes[].cache.key.query.without',
      'routes[].cache.key.sort-query',
      'routes[].cache.key.normalise-percent-encoding',
    ],
    'responses that set a cookie are stored as is said': ['routes[].cache.set-cookie'],
    'stale responses stand in for errors, and are served while the origin is asked': [
      'routes[].cache.stale-if-error',
      'routes[].cache.stale-while-revalidate',
    ],
    'what clients and targeted fields say counts as far as is said': [
      'routes[].cache.request-directives',
      'routes[].cache.targeted-headers',
    ],
    'parts are stored, or not, or in slices': ['routes[].cache.partial', 'routes[].cache.slices'],
    'a stored language stands for a requested one, or does not': [
      'routes[].cache.select-by-language',
    ],
  },
  'test/end-to-end/routing.test.ts': {
    'the host decides who answers, whatever its case and final dot': ['routes[].match.hosts'],
    'redirects keep host, path and query, and take groups of the pattern': [
      'routes[].match.path-pattern',
      'routes[].redirect.to',
      'routes[].redirect.status',
      'routes[].match.scheme',
    ],
    'a route can answer by itself, over HTTP/2 and to HEAD, too': [
      'routes[].respond.status',
      'routes[].respond.headers.*',
      'routes[].respond.body',
    ],
    'an answer of a route may come from a file': ['routes[].respond.body-file'],
    'a body that is too large is refused before it is sent, or when it becomes so': [
      'routes[].request-body-max',
    ],
    'a route that is closed answers nobody but who may pass': [
      'routes[].maintenance.enabled as maintenance',
      'routes[].maintenance.body-file as body-file',
      'routes[].maintenance.retry-after as retry-after',
      'routes[].maintenance.except as except',
      'routes[].maintenance as maintenance',
    ],
    'a request beyond the rate is answered when its turn has come': ['routes[].rate-limit.delay'],
    'the origin is asked for the rewritten path, query and host': [
      'routes[].rewrite.strip-prefix',
      'routes[].rewrite.replace.pattern',
      'routes[].rewrite.replace.with',
      'routes[].rewrite.add-prefix',
      'routes[].rewrite.query-remove',
      'routes[].rewrite.query-set.*',
      'routes[].rewrite.host',
    ],
    'request fields are set, added and removed before the origin sees them': [
      'routes[].request-headers.remove',
      'routes[].request-headers.set.* as request-headers',
      'routes[].request-headers.add.* as request-headers',
    ],
    'response fields are edited on misses, on hits of both kinds and on validations': [
      'routes[].response-headers.remove',
      'routes[].response-headers.set.* as response-headers',
      'routes[].response-headers.add.* as response-headers',
    ],
    'access rules are asked in order, for hits of the cache, too': [
      'routes[].access[].deny',
      'routes[].access[].paths',
    ],
    'a route and an access rule can be for some addresses': [
      'routes[].match.from',
      'routes[].access[].allow',
      'routes[].access[].methods',
      'routes[].match.path-prefix',
    ],
    'what one route stored for some is not served to others': ['routes[].match.headers'],
    'a write that takes another route makes what is stored invalid': ['routes[].match.methods'],
    'a route can do without the cache': ['routes[].cache.enabled'],
    'error pages stand for our own errors': ['routes[].error-pages.*'],
    'error pages stand for the origin’s errors where that is asked for, stored ones included': [
      'routes[].error-pages.intercept',
    ],
    'fields that read like ours do not reach the origin by an underscore': [
      'routes[].underscores-in-headers',
    ],
  },
  'test/end-to-end/sections.test.ts': {
    'a cache on disk keeps as much in memory as it may': [
      'cache-memory',
      'cache.memory as memory',
      'cache.directory as directory',
    ],
    'a cache in memory has its size, and is purged by nobody else': [
      'cache.size',
      'cache.purge-from',
      'cache-size',
    ],
    'the error log is rotated by size: so many old files, all but the latest compressed': [
      'error-log.format',
      'error-log.rotate.size',
      'error-log.rotate.keep',
      'error-log.rotate.gzip',
    ],
    'the error log is rotated by time': ['error-log.rotate.every'],
    'the section admin has an address and a token': ['admin.address', 'admin.token-file'],
    'each listener says whether it speaks HTTP/2 without TLS, and whose PROXY header it takes': [
      'listeners[].http2-cleartext',
      'listeners[].proxy-protocol.accept',
      'listeners[].proxy-protocol.from',
    ],
  },
  'test/end-to-end/sni-tunnels.test.ts': {
    'some names go elsewhere with their TLS, and the client is told of': [
      'listeners[].tunnels[].to',
      'listeners[].tunnels[].proxy-protocol',
    ],
    'other names, and clients without one, are served here': ['listeners[].tunnels[].names'],
  },
  'test/end-to-end/trusted-proxies.test.ts': {
    'the client that trusted proxies name is the one of access rules and logs': ['trusted-proxies'],
    'proxies that write Forwarded are believed by that, and by nothing else': [
      'trusted-proxies-header',
    ],
  },
  'test/end-to-end/tickets.test.ts': {
    'tickets of a former run resume with the same key file, at first without early data': [
      'ticket-key-file',
      'tls.ticket-key-file',
    ],
    'a ticket says how long it lives': ['tls.ticket-lifetime'],
  },
  'test/end-to-end/upgrade.test.ts': {
    'an upgrade loses no connection and no request': ['pid-file'],
  },
  'test/end-to-end/user.test.ts': {
    'requests are served as the user that was asked for': ['user'],
  },
  'test/cluster/cluster.test.ts': {
    'a second instance refuses what the first has accepted, and resumes its tickets': ['cluster'],
    'a Redis that hangs costs early data and nothing else, until it goes on': [
      'cluster.redis as joinByFile',
    ],
    'a Redis that hesitates is waited for as long as is said': [
      'cluster-timeout',
      'cluster.timeout as joinByFile',
    ],
  },
  'test/origins/balancing.test.ts': {
    'least connections passes a busy server over': ['origins.*.balance'],
    'consistent hashing leaves a server that has too much to do by its load factor': [
      'origins.*.balance.consistent-hash.load-factor as loadFactor',
    ],
    'a server that comes back takes its share little by little': [
      'origins.*.slow-start as slowStartMs',
    ],
  },
  'test/origins/failures.test.ts': {
    'passive health: min-rate counts content that comes too slowly': [
      'origins.*.passive-health.min-rate as minRate',
    ],
    'retries.statuses: another server answers instead': ['origins.*.retries.statuses'],
    'retries.budget: when everything fails, attempts do not multiply': ['origins.*.retries.budget'],
    'passive health: a server that fails so often in a row is left alone for a while': [
      'origins.*.passive-health.ejection as ejectionMs',
    ],
    'passive health: on-5xx counts responses that say so': ['origins.*.passive-health.on-5xx'],
    'circuit breaker: after enough failures nothing is asked, then a few try': [
      'origins.*.circuit-breaker.failure-share as failureShare',
      'origins.*.circuit-breaker.requests-min as requestsMin',
    ],
    'timeouts.idle: a response that stops is broken off; one that begins late is not': [
      'origins.*.timeouts.idle',
    ],
    'timeouts.connect: TCP and TLS together; who does not shake hands in time is passed over': [
      'origins.*.timeouts.connect',
    ],
    'timeouts.keep-alive: an unused connection is closed': ['origins.*.timeouts.keep-alive'],
    'connections-max and timeouts.queue: who finds no room waits, and not for ever': [
      'origins.*.connections-max',
      'origins.*.timeouts.queue',
    ],
    'queued-max and requests-max: more are refused at once': ['origins.*.queued-max'],
    'retries.budget-min: so many are repeated, however small the share is': [
      'origins.*.retries.budget-min',
    ],
  },
  'test/origins/health-checks.test.ts': {
    'a server that fails its checks gets no requests, until it passes them again': [
      'origins.*.health-check as healthCheck',
    ],
    'rise and fall are how many answers it takes': [
      'origins.*.health-check.rise',
      'origins.*.health-check.fall',
    ],
    'the path, the host field and the statuses are as set': [
      'origins.*.health-check.host',
      'origins.*.health-check.statuses',
    ],
    'an answer that does not come in time is a bad one': [
      'origins.*.health-check.timeout as timeoutMs',
    ],
    'checks come as often as is set': ['origins.*.health-check.interval as intervalMs'],
  },
  'test/origins/names.test.ts': {
    'all addresses of a name are asked in turn, of both families': ['origins.*.resolve.servers'],
    'ttl-min and ttl-max bound how often that is': [
      'origins.*.resolve.ttl-min',
      'origins.*.resolve.ttl-max',
    ],
  },
  'test/origins/tls.test.ts': {
    'early-data: a safe request leaves with the ClientHello of a new connection': [
      'origins.*.tls.early-data',
    ],
  },
  'test/end-to-end/slow-uploads.test.ts': {
    'an upload ${what} gets 408, over HTTP/2 a reset of its stream alone': [
      'timeouts.request-body.min-rate',
      'timeouts.request-body.grace',
      'timeouts.request-body.total',
    ],
    'timeouts.tunnel: a WebSocket that nobody uses is closed, and one that is used is not': [
      'origins.*.timeouts.tunnel',
    ],
  },
  'test/end-to-end/drain.test.ts': {
    'a kept connection is answered within the grace of a drain, and closed after it': [
      'drain-grace',
    ],
  },
  'test/handlers/handlers.test.ts': {
    'a Hono app answers as it is': ['origins.*.handler', 'origins.*.handler.file'],
    'what a handler hears of the client is from sluice': [
      'origins.*.handler.env',
      'origins.*.handler.env.* as SECRET',
    ],
    '${path}: the thread is restarted': ['origins.*.handler.memory'],
    'an endless loop is ended': ['origins.*.handler.busy-max'],
  },
  'test/handlers/reload.test.ts': {
    'a module that has changed is served after SIGHUP': ['origins.*.handler.threads'],
  },
  'test/supervisor/supervisor.test.ts': {
    'what outlives the drain timeout is broken off': ['drain-timeout'],
    'workers share one UNIX socket, and its file is removed in the end': ['http'],
    'SIGUSR1 opens a moved access log anew': ['access-log'],
    'the admin endpoint tells health, states and metrics, to this machine only': ['admin'],
    'one worker serves from the process that was started': ['workers'],
  },
  'test/tls/certificate-delivery.test.ts': {
    'go compressed to clients that take them so': [
      'hosts[].tls.certificate-compression as certificateCompression',
    ],
  },
  'test/tls/hosts.test.ts': {
    '${fact}: ': [
      'hosts[].tls.max-version as maxVersion',
      'hosts[].tls.cipher-suites as cipherSuites',
      'hosts[].tls.groups',
    ],
    'TLS 1.2 cipher suites': ['hosts[].tls.ciphers'],
    'in flight is bounded per host': ['hosts[].early-data.in-flight-max as inFlightBytesMax'],
  },
};
