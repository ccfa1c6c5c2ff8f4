/**
 * Every option there is: the single source of parsing, of `sluice --help`, of the configuration
 * file's keys and of docs/reference/command-line.md.
 *
 * Long because it is a table, of one row for each option.
 */
import {
  readValueType,
  type ValueOfType,
  type ValueTypeName,
  valueTypeOf,
} from './document/value-types.ts';
import type { ExplicitValue } from './option-values.ts';

interface OptionRow {
  /** The flag without `--`, and the key in a configuration file. */
  readonly name: string;
  /** How its text is read, and what it is then. */
  readonly type: ValueTypeName;
  /** Where help says it better than the type does: `DIR`. */
  readonly placeholder?: string;
  /** One sentence for help. */
  readonly summary: string;
  /** What the reference page adds: consequences, limits, reasons. */
  readonly details: string;
  /** The default: valid input, unless it is in words. */
  readonly defaultText: string;
  /** The default cannot be written, only told. */
  readonly isDefaultInWords?: true;
  /** The default of `sluice demo` where it differs. */
  readonly demoDefaultText?: string;
  /** May be given more than once. */
  readonly repeatable: boolean;
  readonly example: string;
}

const definitions = [
  {
    name: 'origin',
    type: 'url',
    summary: 'The origin that requests are forwarded to.',
    details:
      'An `http:`, `https:` or `h2c:` URL; a path is put before the path of every request. The ' +
      "certificate of an `https:` origin is verified against the system's roots and the URL's " +
      'host name; HTTP/2 is spoken when the origin agrees to it in the handshake (ALPN). `h2c:` is ' +
      'HTTP/2 without TLS, for origins that are known to speak it, such as gRPC servers. ' +
      'WebSockets always use HTTP/1.1. `unix:PATH` is HTTP/1.1 over a UNIX socket; the origin is ' +
      'then asked as `localhost` unless a request names a host. `sluice demo` brings its own origin and takes no other.',
    defaultText: 'none: it must be given',
    isDefaultInWords: true,
    demoDefaultText: 'the built-in one',
    repeatable: false,
    example: 'http://127.0.0.1:3000',
  },
  {
    name: 'http',
    type: 'socket-address',
    summary: 'Listen for plaintext HTTP.',
    details:
      'HOST is an IP address or `localhost`, 127.0.0.1 when left out; 0.0.0.0 and [::] are all ' +
      'addresses. `unix:PATH` listens on a UNIX socket, port 0 on any free port, which is ' +
      'printed. When only one of --http and --https is given, the other is off.',
    defaultText: '127.0.0.1:8080',
    repeatable: true,
    example: '[::1]:8080',
  },
  {
    name: 'https',
    type: 'socket-address',
    summary: 'Listen for HTTP over TLS 1.3 and 1.2.',
    details: 'As --http. Without --cert a self-signed certificate is used.',
    defaultText: '127.0.0.1:8443',
    repeatable: true,
    example: '0.0.0.0:443',
  },
  {
    name: 'acme',
    type: 'email-or-off',
    summary: 'Get and renew certificates by ACME (RFC 8555), with this address for the account.',
    details:
      'For the names of --acme-name, or for hosts with `certificates: acme`. The authority is ' +
      "Let's Encrypt unless the section `acme` of a file names another; by using it you agree to " +
      'its terms. Port 80 of each name must lead to --http, or port 443 to --https. Until there ' +
      'is a certificate a self-signed one is served. Keys and certificates are kept in ' +
      '`$XDG_STATE_HOME/sluice/acme` (`~/.local/state/sluice/acme`).',
    defaultText: 'off',
    repeatable: false,
    example: 'admin@example.org',
  },
  {
    name: 'acme-name',
    type: 'host-name',
    summary: 'A name that gets a certificate by ACME.',
    details:
      'All names share one certificate. `*.example.org` needs dns-01: see the section `acme`.',
    defaultText: 'no name',
    isDefaultInWords: true,
    repeatable: true,
    example: 'www.example.org',
  },
  {
    name: 'http2-cleartext',
    type: 'switch',
    summary: 'Accept HTTP/2 without TLS on the ports of --http.',
    details:
      'By prior knowledge (RFC 9113 §3.3), as gRPC clients inside a data centre and `curl ' +
      '--http2-prior-knowledge` begin it. HTTP/1.1 is still accepted on the same port. The ' +
      'upgrade from HTTP/1.1 (h2c), which RFC 9113 removed, is never offered.',
    defaultText: 'off',
    repeatable: false,
    example: 'on',
  },
  {
    name: 'redirect-to-https',
    type: 'switch',
    summary: 'Answer requests without TLS with a redirect to https.',
    details:
      'With 308, which keeps the method, before any route; the port is that of the first --https ' +
      'listener. Challenges of ACME are still answered. `hosts[].redirect-to-https` does it for some ' +
      'names.',
    defaultText: 'off',
    repeatable: false,
    example: 'on',
  },
  {
    name: 'http3',
    type: 'switch',
    summary: 'Serve HTTP/3 (QUIC) on the UDP port beside --https, and tell clients of it.',
    details:
      'UDP must come through to the same port number: see the how-to about HTTP/3. Clients begin ' +
      'with TCP, and move over when the header Alt-Svc has told them. When the UDP port cannot be ' +
      'had, sluice says so and serves without. There is no HTTP/3 on UNIX sockets, where a PROXY ' +
      'protocol header is required, and where TLS is passed through. `listeners` of a file have ' +
      'a key of their own.',
    defaultText: 'off',
    repeatable: false,
    example: 'on',
  },
  {
    name: 'proxy-protocol-from',
    type: 'addresses-or-off',
    summary: 'Load balancers whose connections begin with a PROXY protocol header.',
    details:
      'Versions 1 and 2. Logs, access rules and forwarding headers then show the client that ' +
      'the header names. Every connection to the ports above must come from one of these ' +
      'addresses and begin with a header; others are closed. `localhost` is this machine and ' +
      'its UNIX sockets.',
    defaultText: 'off',
    repeatable: true,
    example: '10.0.0.0/8',
  },
  {
    name: 'trusted-proxies',
    type: 'addresses-or-off',
    summary: 'Proxies that are trusted to name the client.',
    details:
      'The client is then the last address of the header that is not a trusted proxy’s. ' +
      'Access rules, rate limits, `from`, logs, variables and balancing keys use it. The ' +
      'scheme is the one that the proxies state (X-Forwarded-Proto, or proto of Forwarded). ' +
      'The origin gets the chain from the client on. From all other clients, Forwarded, ' +
      'X-Forwarded-*, X-Real-IP, X-Original-* and similar headers are removed, in every ' +
      'spelling. With the PROXY protocol, the address in the PROXY header must be the ' +
      'trusted one. `localhost` is this machine and its UNIX sockets.',
    defaultText: 'off',
    repeatable: true,
    example: '10.0.0.0/8',
  },
  {
    name: 'trusted-proxies-header',
    type: 'client-field',
    summary: 'The header in which trusted proxies name the client.',
    details:
      'All of them must write it: otherwise a client can send it through one of them and ' +
      'name any address. sluice writes the other header from this one.',
    defaultText: 'x-forwarded-for',
    repeatable: false,
    example: 'forwarded',
  },
  {
    name: 'cert',
    type: 'path',
    summary: "The server's certificate, then its chain, as PEM.",
    details:
      'Needs --key. Left out: a self-signed P-256 certificate for localhost, made once and ' +
      'kept in `$XDG_STATE_HOME/sluice` (`~/.local/state/sluice`), readable by its owner ' +
      'only, and regenerated when it expires.',
    defaultText: 'self-signed',
    isDefaultInWords: true,
    repeatable: false,
    example: '/etc/sluice/example.org.pem',
  },
  {
    name: 'key',
    type: 'path',
    summary: "The certificate's private key, as PEM without a passphrase.",
    details: 'Needs --cert, and must match it.',
    defaultText: 'self-signed',
    isDefaultInWords: true,
    repeatable: false,
    example: '/etc/sluice/example.org.key',
  },
  {
    name: 'ticket-key-file',
    type: 'path-or-off',
    placeholder: 'FILE|off',
    summary: 'A file with the keys of session tickets, so that tickets outlive a restart.',
    details:
      'One or more keys of 80 random bytes, one after the other, newest first: the first ' +
      'encrypts, and all of them decrypt. Reloaded when it changes and on SIGHUP; when the ' +
      'file cannot be used, the previous keys stay. Only its owner should be able to read ' +
      'it. Early data is accepted from 25 s after the start. Without it sluice makes keys of ' +
      'its own, in memory, and rotates them.',
    defaultText: 'off',
    repeatable: false,
    example: '/etc/sluice/tickets.key',
  },
  {
    name: 'cluster',
    type: 'redis-or-off',
    placeholder: 'URL|off',
    summary: 'The Redis through which several instances share tickets and early data.',
    details:
      'A `redis:` or `rediss:` URL (Redis 7 or Valkey), with user name, password and number ' +
      'of a database if need be. All instances with the same Redis resume each other’s ' +
      'tickets, and each piece of early data is accepted by one of them only. While Redis is ' +
      'unreachable, slow or has just lost its data, handshakes continue in 1-RTT. A reader ' +
      'of this Redis can read the ticket keys.',
    defaultText: 'off',
    repeatable: false,
    example: 'redis://:password@10.0.0.5:6379/0',
  },
  {
    name: 'cluster-timeout',
    type: 'duration',
    summary: 'How long a handshake with early data waits for the cluster.',
    details:
      'Then it continues in 1-RTT. Other handshakes never wait. A Redis in the same data ' +
      'centre answers in less than a millisecond.',
    defaultText: '5ms',
    repeatable: false,
    example: '20ms',
  },
  {
    name: 'origin-ca',
    type: 'path',
    summary: "PEM file of the roots that vouch for the origin's certificate.",
    details: "Used instead of the system's roots. Only for an `https:` origin.",
    defaultText: "the system's roots",
    isDefaultInWords: true,
    repeatable: false,
    example: '/etc/sluice/internal-ca.pem',
  },
  {
    name: 'danger-skip-origin-verification',
    type: 'switch',
    summary: 'Accept any certificate from an https origin.',
    details:
      'An attacker between sluice and the origin can then read and change everything. For ' +
      'tests on one machine; prefer --origin-ca.',
    defaultText: 'off',
    repeatable: false,
    example: 'on',
  },
  {
    name: 'workers',
    type: 'count',
    summary: 'Worker processes, 1 to 256.',
    details:
      'The default is one per core that sluice may run on. With 1 there is no child process: ' +
      'the started process serves.',
    defaultText: 'one per core',
    isDefaultInWords: true,
    demoDefaultText: '1',
    repeatable: false,
    example: '1',
  },
  {
    name: 'cache-size',
    type: 'size',
    summary: 'Capacity of the cache: memory, or disk with --cache-dir.',
    details:
      'Over all workers. A number of bytes, or with a unit: KiB, MiB, GiB, KB, MB, GB. 0 ' +
      'stores nothing. On disk the limit counts everything in the directory; it is at least ' +
      '16 MiB, and 8 MiB for each worker. Without --cache-dir, several workers share three ' +
      'quarters of it through a directory in /dev/shm, which is removed at the end; when ' +
      '/dev/shm is too small, each worker has a cache of its own.',
    defaultText: '256MiB',
    repeatable: false,
    example: '64MiB',
  },
  {
    name: 'cache-dir',
    type: 'path',
    placeholder: 'DIR',
    summary: 'Keep cached responses in this directory, over restarts.',
    details:
      'All workers share it. It is created when it is missing, readable by its owner only. ' +
      'The most used responses are also kept in memory; see --cache-memory. To empty the ' +
      'cache, remove the directory while sluice does not run.',
    defaultText: 'none',
    isDefaultInWords: true,
    repeatable: false,
    example: '/var/cache/sluice',
  },
  {
    name: 'cache-memory',
    type: 'size',
    summary: 'Memory for cached responses when --cache-dir keeps them on disk.',
    details:
      'Over all workers; each worker keeps the responses that it serves most. Written as ' +
      '--cache-size. Without --cache-dir the memory is --cache-size.',
    defaultText: 'a quarter of --cache-size, at most 256MiB',
    isDefaultInWords: true,
    repeatable: false,
    example: '32MiB',
  },
  {
    name: 'purge-from',
    type: 'addresses-or-off',
    summary: 'Clients that may send PURGE requests to the ports above.',
    details:
      'PURGE removes what is cached for its target; with `Soft-Purge: 1` it marks it stale. ' +
      'The answer is 200, or 404 when nothing was cached, with `{"purged": COUNT}`. Others ' +
      'get 403, and no PURGE is ever forwarded. `localhost` is this machine: 127.0.0.0/8, ' +
      '::1 and UNIX sockets. A request that another proxy passed on (Via, Forwarded, ' +
      'X-Forwarded-For, X-Real-IP) is refused, because its address is the proxy’s and not ' +
      'the client’s, unless a trusted proxy names the client. Behind a proxy on this machine ' +
      'that adds none of these headers, every client looks like this machine: set it to ' +
      '`off`.',
    defaultText: 'localhost',
    repeatable: true,
    example: '10.0.0.0/8',
  },
  {
    name: 'early-data',
    type: 'switch',
    summary: 'Accept TLS 1.3 early data (0-RTT).',
    details:
      'With `off` early data is skipped; clients that offer it only lose the saved round trip.',
    defaultText: 'on',
    repeatable: false,
    example: 'off',
  },
  {
    name: 'feature',
    type: 'feature',
    summary: 'Enable or disable a feature that watches or alters handshakes.',
    details:
      'To disable what is suspected of a fault and keep the rest. If a name is given twice, ' +
      'the last one wins. The names: [features](features.md).',
    defaultText: 'as listed',
    isDefaultInWords: true,
    repeatable: true,
    example: 'alpn-h2=off',
  },
  {
    name: 'danger-module',
    type: 'path',
    summary: "Load a module that runs inside of OpenSSL's callbacks: for demonstrations only.",
    details:
      'A mistake in such a module ends the worker. That is its purpose: to show what ' +
      'happens, and to look for a cause offline. Its features begin with `danger-`, and are ' +
      'off until --feature enables them. Never load one where traffic matters.',
    defaultText: 'none',
    isDefaultInWords: true,
    repeatable: true,
    example: './group-in-callback.ts',
  },
  {
    name: 'incident-dir',
    type: 'path-or-off',
    placeholder: 'off|DIR',
    summary: 'The directory for incidents: records of workers that died or hung.',
    details:
      'It is created when it is needed, with mode 0700. At most 100 incidents and 64 MiB are ' +
      'kept; the oldest is dropped. A worker that serves alone keeps its recording in a file ' +
      'beside it, so that the next start finds it. See [incidents](incident.md).',
    defaultText: '`incidents` in the state directory',
    isDefaultInWords: true,
    repeatable: false,
    example: '/var/lib/sluice/incidents',
  },
  {
    name: 'incident-addresses',
    type: 'switch',
    summary: 'Record the IP addresses of clients in incidents.',
    details: 'With `off` they are left out, and nothing else is.',
    defaultText: 'on',
    repeatable: false,
    example: 'off',
  },
  {
    name: 'incident-early-data-digest',
    type: 'switch',
    summary: 'Record the SHA-256 of each piece of early data in incidents, beside its length.',
    details:
      'The same request can then be found again, in incidents and in logs of clients; the ' +
      'data itself is never recorded. A reader who can guess all of it can confirm the ' +
      'guess, so the default is off.',
    defaultText: 'off',
    repeatable: false,
    example: 'on',
  },
  {
    name: 'watchdog',
    type: 'duration',
    placeholder: 'DURATION',
    summary: 'End a worker whose event loop has been blocked for so long; 0s for never.',
    details:
      'The worker is replaced, and an incident records what it was doing. With one worker ' +
      'there is no other process to watch it, so this has no effect.',
    defaultText: '10s',
    repeatable: false,
    example: '30s',
  },
  {
    name: 'debugger',
    type: 'switch',
    summary: 'Ask gdb, when it is installed, for the native stack of a worker that hangs.',
    details: 'It takes up to 10 s, in which the worker does not serve anyway.',
    defaultText: 'on',
    repeatable: false,
    example: 'off',
  },
  {
    name: 'auto-disable',
    type: 'switch',
    summary: 'When workers die in the same way again and again, disable the suspect feature.',
    details:
      'A feature stays disabled while that helps, and is enabled again when it does not. It ' +
      'never stays disabled for good: it is enabled again after a day at the latest. Every ' +
      'step is reported. See `sluice features`.',
    defaultText: 'on',
    repeatable: false,
    example: 'off',
  },
  {
    name: 'auto-disable-deaths',
    type: 'count',
    placeholder: 'COUNT',
    summary: 'Deaths of one kind within --auto-disable-window that disable a feature.',
    details: 'With a lower number sluice acts sooner, and on less evidence.',
    defaultText: '3',
    repeatable: false,
    example: '5',
  },
  {
    name: 'auto-disable-window',
    type: 'duration',
    placeholder: 'DURATION',
    summary: 'The time within which --auto-disable-deaths are counted.',
    details: 'If no worker dies in the same way for this time, the feature stays disabled.',
    defaultText: '60s',
    repeatable: false,
    example: '5m',
  },
  {
    name: 'auto-disable-webhook',
    type: 'url-or-off',
    summary: 'A URL to which every automatic step is sent, by POST, as JSON.',
    details:
      'Sent once, within 5 s; what cannot be delivered is reported and dropped. The body has ' +
      '`time`, `host`, `message` and the state of all disabled features.',
    defaultText: 'off',
    repeatable: false,
    example: 'https://hooks.example.org/sluice',
  },
  {
    name: 'access-log',
    type: 'log-target',
    summary: 'Where a line per request goes; - is standard output.',
    details:
      'sluice appends to the file; SIGUSR1 reopens it after it was moved away. Lines that ' +
      'cannot be written fast enough are dropped and counted; traffic never waits for them. ' +
      'Fields: access-log.md.',
    defaultText: 'off',
    repeatable: false,
    example: '/var/log/sluice/access.log',
  },
  {
    name: 'log-format',
    type: 'log-format',
    summary: 'Form of the access log.',
    details:
      '`combined` is the well-known format with fields added at its end; `json` is one object per line.',
    defaultText: 'combined',
    repeatable: false,
    example: 'json',
  },
  {
    name: 'handshake-log',
    type: 'log-target',
    summary: 'Where a line per failed TLS handshake goes; - is standard output.',
    details:
      'JSON: the client, how far the handshake came, why it ended, and its duration. Like ' +
      '--access-log it never delays traffic; beyond 100 failures a second and worker, lines ' +
      'are dropped and counted. Fields: [handshake-log.md](handshake-log.md).',
    defaultText: 'off',
    repeatable: false,
    example: '/var/log/sluice/handshakes.log',
  },
  {
    name: 'handshake-log-scope',
    type: 'log-scope',
    summary: 'Which handshakes have a line in --handshake-log.',
    details: '`all` is one line per TLS connection.',
    defaultText: 'failed',
    repeatable: false,
    example: 'all',
  },
  {
    name: 'error-log',
    type: 'log-target',
    summary: 'Where sluice reports what happens to itself; - is standard error.',
    details:
      'One line for each event; repeated events are summed up in one line. sluice appends to ' +
      'the file, and reopens it with the other logs. What prevents a start is on standard ' +
      'error in any case, and the latest events are at `GET /log` of the admin endpoint, ' +
      'also with `off`.',
    defaultText: '-',
    repeatable: false,
    example: '/var/log/sluice/error.log',
  },
  {
    name: 'error-log-format',
    type: 'error-log-format',
    summary: 'Form of the error log.',
    details:
      '`text` is a line for people; `json` is an object with time, level, subsystem, code, message, ' +
      'fields, worker and pid: [error-log.md](error-log.md).',
    defaultText: 'text',
    repeatable: false,
    example: 'json',
  },
  {
    name: 'log-level',
    type: 'log-level',
    summary: 'The least urgent events that are reported: error, warning, notice, info or debug.',
    details:
      'Of all subsystems, or of one. Subsystems: admin, cache, config, cluster, features, ' +
      'logs, origins, proxy, recorder, reload, supervisor, tls, upgrade, worker. If one is ' +
      'given twice, the last one wins. `sluice log level` changes them while sluice runs.',
    defaultText: 'notice',
    repeatable: true,
    example: 'tls=debug',
  },
  {
    name: 'admin',
    type: 'socket-address-or-off',
    summary: 'Serve metrics, states and commands to this machine.',
    details:
      'Plaintext HTTP, on a loopback address or a UNIX socket (`unix:PATH`) only. Any user of this ' +
      'machine that reaches it may purge the cache; a socket in a directory of its own keeps ' +
      'others out.',
    defaultText: 'off',
    demoDefaultText: '127.0.0.1:8081',
    repeatable: false,
    example: '8081',
  },
  {
    name: 'admin-token-file',
    type: 'path',
    summary: 'A secret that the admin endpoint asks for on TCP.',
    details:
      'One line of at least 16 characters, sent as `Authorization: Bearer`. /healthz, ' +
      '/readyz and /metrics need none, nor does a UNIX socket, which is protected by its ' +
      'directory. Commands read it from the file that SLUICE_ADMIN_TOKEN_FILE names.',
    defaultText: 'none',
    isDefaultInWords: true,
    repeatable: false,
    example: '/etc/sluice/admin-token',
  },
  {
    name: 'user',
    type: 'account',
    summary: 'Run workers as this user, once sockets are open.',
    details:
      'Only for root. Names are those of /etc/passwd and /etc/group; without GROUP it is the ' +
      "user's own. Both may be numbers. The cache directory and log files are given to this " +
      'user. With one worker the whole of sluice runs as that user: it can no longer read a ' +
      'renewed key that only root may read, nor create a log file where only root may write. ' +
      'With several workers the supervisor stays root and can.',
    defaultText: 'the user that starts it',
    isDefaultInWords: true,
    repeatable: false,
    example: 'daemon',
  },
  {
    name: 'pid-file',
    type: 'path',
    summary: 'Write the process identifier to this file once requests are served.',
    details:
      'Removed at the end. After `sluice upgrade` it holds the identifier of the process that took ' +
      'over.',
    defaultText: 'none',
    isDefaultInWords: true,
    repeatable: false,
    example: '/run/sluice.pid',
  },
  {
    name: 'drain-timeout',
    type: 'duration',
    summary: 'How long running requests may take to finish on SIGTERM.',
    details:
      'A number with a unit: ms, s, m. Requests that are not finished by then are broken ' +
      'off. The default is below the 10 s after which container managers kill.',
    defaultText: '8s',
    repeatable: false,
    example: '30s',
  },
  {
    name: 'drain-grace',
    type: 'duration',
    summary: 'How long idle connections are kept on SIGTERM and in an upgrade.',
    details:
      'A client may send a request at the moment when its idle connection is closed, and ' +
      'would lose it. Within this time such a request is answered, with `Connection: close` ' +
      'or GOAWAY; then idle connections are closed. Part of `--drain-timeout`. 0s closes at ' +
      'once.',
    defaultText: '2s',
    repeatable: false,
    example: '5s',
  },
] as const satisfies readonly OptionRow[];

type Definition = (typeof definitions)[number];
type DefinitionOf<N extends OptionName> = Extract<Definition, { readonly name: N }>;

export type OptionName = Definition['name'];

/** Whose default is a value, and not a case of its own. */
export type NameWithDefault = Exclude<Definition, { readonly isDefaultInWords: true }>['name'];

/** What an option's value is once read; null for `off`. */
export type OptionValue<N extends OptionName> = ValueOfType<DefinitionOf<N>['type']>;

export interface OptionDefinition<N extends OptionName = OptionName> extends OptionRow {
  readonly name: N;
  readonly type: DefinitionOf<N>['type'];
  /** What stands for the value in help: `[HOST:]PORT`. */
  readonly placeholder: string;
}

export const optionTable: readonly OptionDefinition[] = definitions.map((row) => ({
  placeholder: valueTypeOf(row.type).placeholder,
  ...row,
}));

const byName: ReadonlyMap<string, OptionDefinition> = new Map(
  optionTable.map((option) => [option.name, option]),
);

export function optionNamed(name: string): OptionDefinition | undefined {
  return byName.get(name);
}

/** Reads a value as its option's type says. Throws UsageError. */
export function readOption<N extends OptionName>(name: N, given: ExplicitValue): OptionValue<N> {
  const option = byName.get(name)!;
  return readValueType(option.type, option, given) as OptionValue<N>;
}

/** Options of the command line alone, which no configuration file may hold. */
export const commandLineOnly = [
  {
    name: 'config',
    placeholder: 'FILE',
    summary: 'Read options from a YAML or JSON file; flags override it.',
  },
  { name: 'help', placeholder: '', summary: 'Print this help.' },
  { name: 'version', placeholder: '', summary: 'Print the version.' },
] as const;
