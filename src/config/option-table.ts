/**
 * Every option there is: the single source of parsing, of `sluice --help`, of the configuration
 * file's keys and of docs/reference/command-line.md.
 */
import { type KindName, type KindValue, kindOf, readKind } from './document/kinds.ts';
import type { GivenValue } from './option-values.ts';

interface OptionRow {
  /** The flag without `--`, and the key in a configuration file. */
  readonly name: string;
  /** How its text is read, and what it is then. */
  readonly type: KindName;
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
      'WebSockets always use HTTP/1.1. `sluice demo` brings its own origin and takes no other.',
    defaultText: 'none: it must be given',
    isDefaultInWords: true,
    demoDefaultText: 'the built-in one',
    repeatable: false,
    example: 'http://127.0.0.1:3000',
  },
  {
    name: 'http',
    type: 'endpoint',
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
    type: 'endpoint',
    summary: 'Listen for HTTP over TLS 1.3 and 1.2.',
    details: 'As --http. Without --cert a self-signed certificate is used.',
    defaultText: '127.0.0.1:8443',
    repeatable: true,
    example: '0.0.0.0:443',
  },
  {
    name: 'http2-cleartext',
    type: 'switch',
    summary: 'Accept HTTP/2 without TLS on the ports of --http.',
    details:
      'By prior knowledge (RFC 9113 §3.3), as gRPC clients inside a data centre and `curl ' +
      '--http2-prior-knowledge` begin it. HTTP/1.1 goes on to be spoken beside it. The upgrade from ' +
      'HTTP/1.1 (h2c), which RFC 9113 took away, is never offered.',
    defaultText: 'off',
    repeatable: false,
    example: 'on',
  },
  {
    name: 'proxy-protocol-from',
    type: 'addresses-or-off',
    summary: 'Load balancers whose connections begin with a PROXY protocol header.',
    details:
      'Versions 1 and 2. The client that the header names is then the one that logs, access rules ' +
      'and forwarding fields know. Every connection to the ports above must come from one of these ' +
      'addresses and begin with a header; others are closed. `localhost` is this machine and its ' +
      'UNIX sockets.',
    defaultText: 'off',
    repeatable: true,
    example: '10.0.0.0/8',
  },
  {
    name: 'trusted-proxies',
    type: 'addresses-or-off',
    summary: 'Proxies whose word is taken for whose requests they pass on.',
    details:
      'The client is then the last address of the field that is no trusted proxy’s: for access ' +
      'rules, rate limits, `from`, logs, variables and keys of balancing; and the scheme is what ' +
      'they say (X-Forwarded-Proto, or proto of Forwarded). The origin gets the chain from the ' +
      'client on. Of everybody else Forwarded, X-Forwarded-*, X-Real-IP, X-Original-* and their ' +
      'kin are removed, in every spelling. With the PROXY protocol, it is the address of the ' +
      'header that is judged. `localhost` is this machine and its UNIX sockets.',
    defaultText: 'off',
    repeatable: true,
    example: '10.0.0.0/8',
  },
  {
    name: 'trusted-proxies-field',
    type: 'client-field',
    summary: 'The field in which trusted proxies name the client.',
    details:
      'All of them must write it: a client that could send it through one of them would be ' +
      'believed. The other one is written anew from it.',
    defaultText: 'x-forwarded-for',
    repeatable: false,
    example: 'forwarded',
  },
  {
    name: 'cert',
    type: 'path',
    summary: "The server's certificate, then its chain, as PEM.",
    details:
      'Needs --key. Left out: a self-signed P-256 certificate for localhost, made once and kept ' +
      'in `$XDG_STATE_HOME/sluice` (`~/.local/state/sluice`), readable by its owner only, and ' +
      'made anew when it expires.',
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
    summary: 'Keys of session tickets, so that tickets outlive a restart.',
    details:
      'One or more keys of 80 random bytes, one after the other, newest first: the first encrypts, ' +
      'and all of them decrypt. Read again when it changes and on SIGHUP; a file that cannot be used ' +
      'leaves the keys as they are. Keep it to its owner. Early data is accepted 25 s after the ' +
      'start. Without it sluice makes keys of its own, in memory, and changes them by a schedule.',
    defaultText: 'off',
    repeatable: false,
    example: '/etc/sluice/tickets.key',
  },
  {
    name: 'cluster',
    type: 'redis-or-off',
    placeholder: 'URL|off',
    summary: 'The Redis that several instances meet at, for tickets and early data.',
    details:
      'A `redis:` or `rediss:` URL (Redis 7 or Valkey), with user name, password and number of a ' +
      'database if need be. All instances with the same one resume each other’s tickets, and early ' +
      'data is accepted by one of them only. While it is away, slow or has just forgotten everything, ' +
      'handshakes go on in 1-RTT. Whoever can read it can read the ticket keys.',
    defaultText: 'off',
    repeatable: false,
    example: 'redis://:password@10.0.0.5:6379/0',
  },
  {
    name: 'cluster-timeout',
    type: 'duration',
    summary: 'How long a handshake with early data waits for the cluster.',
    details:
      'Then it goes on in 1-RTT. Other handshakes never wait. A Redis in the same data centre answers ' +
      'in less than a millisecond.',
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
      'Whoever sits between sluice and the origin can then read and change everything. For a ' +
      'test on one machine; prefer --origin-ca.',
    defaultText: 'off',
    repeatable: false,
    example: 'on',
  },
  {
    name: 'workers',
    type: 'count',
    summary: 'Worker processes, 1 to 256.',
    details:
      'One per core that sluice may run on by default. With 1 there is no child process: the one ' +
      'that was started serves.',
    defaultText: 'one per core',
    isDefaultInWords: true,
    demoDefaultText: '1',
    repeatable: false,
    example: '1',
  },
  {
    name: 'cache-size',
    type: 'size',
    summary: 'Room for cached responses: memory, or disk with --cache-dir.',
    details:
      'Over all workers. A number of bytes, or with a unit: KiB, MiB, GiB, KB, MB, GB. 0 stores ' +
      'nothing. On disk the bound counts everything in the directory, and is at least 16 MiB, and ' +
      '8 MiB for each worker. Several workers without --cache-dir share three quarters of it through ' +
      'a directory in /dev/shm, which is removed at the end; where that has no room, each worker ' +
      'caches for itself.',
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
      'All workers share it, and hits in it. It is made when it is not there, readable by its ' +
      'owner only. What is used most stays in memory as well; see --cache-memory. Removing the ' +
      'directory while sluice does not run empties the cache.',
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
      'Over all workers; each keeps its own share of what it serves most. Written as --cache-size. ' +
      'Without --cache-dir the memory is --cache-size.',
    defaultText: 'a quarter of --cache-size, at most 256MiB',
    isDefaultInWords: true,
    repeatable: false,
    example: '32MiB',
  },
  {
    name: 'purge-from',
    type: 'addresses-or-off',
    summary: 'Who may send PURGE requests to the ports above.',
    details:
      'PURGE removes what is cached for its target, with `Soft-Purge: 1` marks it stale; 200 or 404 ' +
      'says whether there was something, as `{"purged": COUNT}`. Others get 403, and no PURGE is ' +
      'ever forwarded. `localhost` is this machine: 127.0.0.0/8, ::1 and UNIX sockets. A request ' +
      'that another proxy passed on (Via, Forwarded, X-Forwarded-For, X-Real-IP) is refused, ' +
      'because the address is not that of whoever sent it, unless a trusted proxy names it. ' +
      'Behind a proxy on this machine that adds none of these fields, everybody looks like this ' +
      'machine: switch it off.',
    defaultText: 'localhost',
    repeatable: true,
    example: '10.0.0.0/8',
  },
  {
    name: 'early-data',
    type: 'switch',
    summary: 'Accept TLS 1.3 early data (0-RTT).',
    details:
      'Off: early data is skipped, and clients that offer it lose nothing but the round trip.',
    defaultText: 'on',
    repeatable: false,
    example: 'off',
  },
  {
    name: 'feature',
    type: 'feature',
    summary: 'Switch something that watches or alters handshakes on or off.',
    details:
      'To leave out what is suspected of a fault without losing the rest. The last word on a name ' +
      'counts. The names: [features](features.md).',
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
      'A mistake in such a module ends the worker, which is what it is for: to show what happens, ' +
      'and to look for a cause on a desk. Its features begin with `danger-`, and are off until ' +
      '--feature switches them on. Never load one where traffic matters.',
    defaultText: 'none',
    isDefaultInWords: true,
    repeatable: true,
    example: './group-in-callback.ts',
  },
  {
    name: 'incident-dir',
    type: 'path-or-off',
    placeholder: 'off|DIR',
    summary: 'Where incidents go: what was recorded of a worker that died.',
    details:
      'The directory is made when it is needed, with mode 0700. At most 100 incidents and 64 MiB are ' +
      'kept; the oldest is dropped. A worker that serves alone keeps its recording in a file beside ' +
      'it, so that the next start finds it. See [incidents](incident.md).',
    defaultText: '`incidents` in the state directory',
    isDefaultInWords: true,
    repeatable: false,
    example: '/var/lib/sluice/incidents',
  },
  {
    name: 'incident-addresses',
    type: 'switch',
    summary: 'Tell the IP addresses of clients in incidents.',
    details: 'Off: they are left out, and everything else is there.',
    defaultText: 'on',
    repeatable: false,
    example: 'off',
  },
  {
    name: 'incident-early-data-digest',
    type: 'switch',
    summary: 'Tell the SHA-256 of each piece of early data in incidents, beside its length.',
    details:
      'The same request can then be found again, in incidents and in logs of clients; the content ' +
      'itself is never there. Whoever can guess all of it can tell that it was that, so it is off ' +
      'unless it is asked for.',
    defaultText: 'off',
    repeatable: false,
    example: 'on',
  },
  {
    name: 'watchdog',
    type: 'duration',
    placeholder: 'DURATION',
    summary: 'End a worker whose event loop has stood still for so long; 0s for never.',
    details:
      'It is replaced, and an incident says what it was inside of. A worker that serves alone cannot ' +
      'be watched: nobody is there to do it.',
    defaultText: '10s',
    repeatable: false,
    example: '30s',
  },
  {
    name: 'debugger',
    type: 'switch',
    summary: 'Ask gdb, when it is installed, for the native stack of a worker that hangs.',
    details: 'It takes up to 10 s, in which the worker would serve nobody anyway.',
    defaultText: 'on',
    repeatable: false,
    example: 'off',
  },
  {
    name: 'auto-disable',
    type: 'switch',
    summary: 'When workers die in the same way again and again, switch the suspect feature off.',
    details:
      'A change is kept while it helps and undone when it does not, and it is never for good: it ' +
      'expires, at the latest after a day. Every step is reported. See `sluice features`.',
    defaultText: 'on',
    repeatable: false,
    example: 'off',
  },
  {
    name: 'auto-disable-deaths',
    type: 'count',
    placeholder: 'COUNT',
    summary: 'How many deaths of one kind within --auto-disable-window are too many.',
    details: 'Fewer act sooner, and on less evidence.',
    defaultText: '3',
    repeatable: false,
    example: '5',
  },
  {
    name: 'auto-disable-window',
    type: 'duration',
    placeholder: 'DURATION',
    summary: 'Within which time --auto-disable-deaths are too many.',
    details: 'A change that helps for as long is kept.',
    defaultText: '60s',
    repeatable: false,
    example: '5m',
  },
  {
    name: 'auto-disable-webhook',
    type: 'url-or-off',
    summary: 'Where every step of the rollbacks is sent to, by POST, as JSON.',
    details:
      'Tried once within 5 s; what cannot be delivered is reported and dropped. The body has ' +
      '`time`, `host`, `message` and the state of all rollbacks.',
    defaultText: 'off',
    repeatable: false,
    example: 'https://hooks.example.org/sluice',
  },
  {
    name: 'access-log',
    type: 'log-target',
    summary: 'Where a line per request goes; - is standard output.',
    details:
      'The file is appended to; SIGUSR1 opens it anew after it was moved away. Lines that cannot ' +
      'be written fast enough are dropped and counted, never waited for. Fields: access-log.md.',
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
      'JSON: who, where the handshake stood, why it ended, after how long. As --access-log it never ' +
      'holds traffic up; beyond 100 failures a second and worker, lines are left out and counted. ' +
      'Fields: [handshake-log.md](handshake-log.md).',
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
      'One line for each event, and one for many that are alike. The file is appended to, and ' +
      'opened anew with the other logs. What ends a start is on standard error in any case, and the ' +
      'latest events are at `GET /log` of the admin endpoint, also with `off`.',
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
      'Of all subsystems, or of one. Subsystems: admin, cache, config, cluster, features, logs, origins, ' +
      'proxy, recorder, reload, supervisor, tls, upgrade, worker. The last word on one counts. ' +
      '`sluice log level` changes them while sluice runs.',
    defaultText: 'notice',
    repeatable: true,
    example: 'tls=debug',
  },
  {
    name: 'admin',
    type: 'endpoint-or-off',
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
      'One line of at least 16 characters, sent as `Authorization: Bearer`. /healthz, /readyz and ' +
      '/metrics need none, nor does a UNIX socket, whose directory says who may come. Commands read ' +
      'it from the file that SLUICE_ADMIN_TOKEN_FILE names.',
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
      "Only for root. Names are those of /etc/passwd and /etc/group; without GROUP it is the user's " +
      'own, and numbers will do for both. The cache directory and log files are made theirs. With ' +
      'one worker the whole of sluice becomes that user: it cannot read again what only root may ' +
      'read, such as a renewed key, nor begin a new log file where only root may write. With more, ' +
      'the supervisor stays root and can.',
    defaultText: 'whoever starts it',
    isDefaultInWords: true,
    repeatable: false,
    example: 'nobody',
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
      'A number with a unit: ms, s, m. What is left after it is broken off. The default stays ' +
      'below the 10 s after which container managers kill.',
    defaultText: '8s',
    repeatable: false,
    example: '30s',
  },
  {
    name: 'drain-grace',
    type: 'duration',
    summary: 'How long idle connections are kept on SIGTERM and in an upgrade.',
    details:
      'A client that keeps a connection may be asking when it is closed, and would lose its request. ' +
      'Within this time what it asks is answered, with `Connection: close` or GOAWAY; what is idle ' +
      'after it is closed. Part of `--drain-timeout`. 0s closes at once.',
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
export type OptionValue<N extends OptionName> = KindValue<DefinitionOf<N>['type']>;

export interface OptionDefinition<N extends OptionName = OptionName> extends OptionRow {
  readonly name: N;
  readonly type: DefinitionOf<N>['type'];
  /** What stands for the value in help: `[HOST:]PORT`. */
  readonly placeholder: string;
}

export const optionTable: readonly OptionDefinition[] = definitions.map((row) => ({
  placeholder: kindOf(row.type).placeholder,
  ...row,
}));

const byName: ReadonlyMap<string, OptionDefinition> = new Map(
  optionTable.map((option) => [option.name, option]),
);

export function optionNamed(name: string): OptionDefinition | undefined {
  return byName.get(name);
}

/** Reads a value as its option's type says. Throws UsageError. */
export function readOption<N extends OptionName>(name: N, given: GivenValue): OptionValue<N> {
  const option = byName.get(name)!;
  return readKind(option.type, option, given) as OptionValue<N>;
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
