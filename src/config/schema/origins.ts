import type { Static } from 'typebox';
import { plainHandler } from '../../handler/options.ts';
import { defaultGroupOptions } from '../../upstream/options.ts';
import { failureSections } from './origin-failures.ts';
import {
  duration,
  either,
  file,
  integer,
  list,
  longDuration,
  mapOf,
  number,
  oneOf,
  onOff,
  originUrl,
  secretText,
  section,
  size,
  text,
} from './typed-keys.ts';

const serverUrl = originUrl({
  title: 'The address of the server.',
  description:
    'An `http:`, `https:` or `h2c:` URL, or `unix:PATH`. `h2c:` is HTTP/2 without TLS, ' +
    '`unix:PATH` is HTTP/1.1 over a UNIX socket. A name is resolved ' +
    'again when its TTL has passed, and all its addresses are used. A path is put before the ' +
    'path of every request, and is the same for all servers of a group.',
  default: 'none: it must be given',
  examples: ['http://10.0.0.1:3000', 'unix:/run/app/app.sock'],
});

const server = section(
  {
    url: serverUrl,
    weight: number({
      title: 'Weight of this server compared with the others.',
      default: 1,
      minimum: 0.01,
      maximum: 1000,
      examples: [2],
    }),
    backup: onOff({
      title: 'Used only when no other server is available.',
      default: 'off',
      examples: ['on'],
    }),
  },
  {
    title: 'A server with its settings.',
    examples: [{ url: 'http://10.0.0.1:3000', weight: 2 }],
    required: ['url'],
  },
);

const consistentHash = section(
  {
    'hash-on': text({
      title: 'What is hashed: `path`, `client-address`, `header:NAME`, `cookie:NAME`.',
      description: 'For requests without that header or cookie, the path is hashed.',
      default: 'path',
      pattern: '^(path|client-address|header:[\\w-]+|cookie:.+)$',
      examples: ['client-address'],
    }),
    'load-factor': number({
      title: 'Limit of a server’s requests under way, as a multiple of its fair share.',
      default: 1.25,
      minimum: 1,
      maximum: 100,
      examples: [1.5],
    }),
  },
  {
    title: 'The same server for the same key, unless that server has too many requests.',
    default: 'off',
    examples: [{ 'hash-on': 'path' }],
  },
);

const balance = either(
  [
    oneOf(['round-robin', 'least-connections', 'consistent-hash'], {
      title: 'A method by name.',
      examples: ['least-connections'],
    }),
    section(
      { 'consistent-hash': consistentHash },
      {
        title: 'A method with its settings.',
        examples: [{ 'consistent-hash': { 'hash-on': 'client-address' } }],
        required: ['consistent-hash'],
      },
    ),
  ],
  {
    title: 'How servers are chosen.',
    description:
      '`round-robin` takes turns by weight; `least-connections` chooses the server with the ' +
      'fewest requests under way for its weight; `consistent-hash` sends requests with the ' +
      'same key to the same server.',
    default: defaultGroupOptions.balance.method,
    examples: ['least-connections'],
  },
);

const timeouts = section(
  {
    connect: duration({
      title: 'Longest time for connecting and the TLS handshake together.',
      default: '10s',
      examples: ['2s'],
    }),
    response: longDuration({
      title: 'Longest time from the request to the first byte of the response.',
      default: '1m',
      examples: ['30s'],
    }),
    idle: longDuration({
      title: 'Longest time without a byte while a response is under way.',
      default: '1m',
      examples: ['30s'],
    }),
    tunnel: longDuration({
      title:
        'Longest time without a byte in either direction of a WebSocket or another upgraded ' +
        'connection.',
      description: 'Then both ends are closed. Pings count.',
      default: '1h',
      examples: ['10m'],
    }),
    queue: duration({
      title: 'Longest time that a request waits for a free connection; then it gets 503.',
      default: '10s',
      examples: ['1s'],
    }),
    'keep-alive': longDuration({
      title: 'How long an idle connection is kept open.',
      description:
        'Set it below the origin’s own idle timeout, so that the origin does not close a ' +
        'connection while a request is sent.',
      default: '4s',
      examples: ['30s'],
    }),
  },
  {
    title: 'How long sluice waits for this group.',
    default: 'as below',
    examples: [{ response: '30s' }],
  },
);

const resolveTtl = section(
  {
    'ttl-min': longDuration({
      title: 'Shortest time until a name is resolved again.',
      default: '5s',
      examples: ['1s'],
    }),
    'ttl-max': longDuration({
      title: 'Longest time until a name is resolved again.',
      default: '1h',
      examples: ['5m'],
    }),
    servers: list(text({ title: 'ADDRESS[:PORT].', minLength: 2, examples: ['10.0.0.53'] }), {
      title: 'DNS servers.',
      default: "the system's",
      examples: [['10.0.0.53']],
    }),
  },
  {
    title: 'How server names are resolved.',
    default: 'by the system, for the TTL of the records',
    examples: [{ 'ttl-max': '5m' }],
  },
);

const tls = section(
  {
    ca: file({
      title: "PEM file of the roots that vouch for the servers' certificates.",
      default: "the system's roots",
      examples: ['/etc/sluice/internal-ca.pem'],
    }),
    'server-name': text({
      title: 'The server name (SNI) that is sent, and expected in the certificate.',
      default: "the URL's host",
      examples: ['app.internal'],
    }),
    'early-data': onOff({
      title: 'Send safe requests without a body as early data (0-RTT).',
      description:
        'Only for an origin that tolerates a replay: an attacker who records the packet can ' +
        'send it to the origin a second time.',
      default: 'off',
      examples: ['on'],
    }),
    'danger-skip-verification': onOff({
      title: 'Accept any certificate.',
      description:
        'An attacker between sluice and the origin can then read and change everything. For ' +
        'tests on one machine; prefer `ca`.',
      default: 'off',
      examples: ['on'],
    }),
  },
  {
    title: 'TLS toward servers with an https URL.',
    default: "verified against the system's roots",
    examples: [{ ca: '/etc/sluice/internal-ca.pem' }],
  },
);

const handlerFile = file({
  title: 'The module: `.ts`, `.js` or `.mjs`.',
  description:
    'It has `export default { fetch(request, context) }`, as what runs in Workers, Deno, Bun and ' +
    'Hono; a function as default export and an export named `fetch` are taken, too.',
  default: 'none: it must be given',
  examples: ['./site.ts'],
});

const handler = section(
  {
    file: handlerFile,
    threads: integer({
      title: 'Threads, each with the module of its own; one that is ended leaves the others.',
      default: plainHandler.threads,
      minimum: 1,
      maximum: 64,
      examples: [4],
    }),
    memory: size({
      title: 'Largest heap of a thread, and most that its buffers may hold beside it.',
      description: 'A thread that needs more is ended and restarted.',
      default: '256MiB',
      examples: ['64MiB'],
      'x-least': 16 * 2 ** 20,
    }),
    'busy-max': duration({
      title: 'Longest time that a thread may compute without a turn of its event loop.',
      description:
        'Then it is ended and restarted, and the error log has the stack of the place where it ' +
        'was: an endless loop, or a computation that belongs elsewhere.',
      default: '10s',
      examples: ['2s'],
    }),
    env: mapOf(secretText({ title: 'A text.', examples: ['postgres://db.internal/site'] }), {
      title:
        'What the module finds as `context.env`, and in the place of the environment of Workers.',
      default: 'nothing',
      examples: [{ DATABASE_URL: 'postgres://db.internal/site' }],
    }),
  },
  {
    title: 'A handler with its settings.',
    examples: [{ file: './site.ts', threads: 4 }],
    required: ['file'],
  },
);

const group = section(
  {
    handler: either([handlerFile, handler], {
      title: 'A module that answers requests in threads of its own, in the place of servers.',
      description:
        'It is an origin like any other: cache, retries, timeouts, the circuit breaker and purges ' +
        'by tag hold for it. What is behind it cannot harm the rest: [handlers]' +
        '(../how-to/write-a-handler.md).',
      default: 'none: either it or `servers` must be given',
      examples: ['./site.ts'],
    }),
    servers: list(
      either([serverUrl, server], { title: 'A server.', examples: ['http://o:3000'] }),
      {
        title: 'The servers, each as a URL or as a map with more settings.',
        default: 'none: either it or `handler` must be given',
        examples: [['http://10.0.0.1:3000', 'http://10.0.0.2:3000']],
        minItems: 1,
      },
    ),
    balance,
    'slow-start': longDuration({
      title: 'Time in which the share of a server that is up (again) grows to its full weight.',
      default: 'immediately',
      examples: ['10s'],
    }),
    ...failureSections,
    timeouts,
    'connections-max': integer({
      title: 'Connections per address and worker; more requests wait.',
      description:
        'A quarter of them (at least one, if there are two or more) is reserved for requests ' +
        'without a body or with a complete one. Uploads and WebSocket connections wait when ' +
        'the others are in use.',
      default: defaultGroupOptions.connectionsMax,
      minimum: 1,
      maximum: 65_535,
      examples: [256],
    }),
    'queued-max': integer({
      title: 'Requests per worker that may wait for a connection to one address; more get 503.',
      description: 'The same number of unfinished uploads may wait besides.',
      default: defaultGroupOptions.queuedMax,
      minimum: 0,
      maximum: 1_000_000,
      examples: [100],
    }),
    'requests-max': integer({
      title: 'Requests under way per worker; more get 503. 0 for no limit.',
      default: defaultGroupOptions.requestsMax,
      minimum: 0,
      maximum: 1_000_000,
      examples: [1000],
    }),
    resolve: resolveTtl,
    tls,
    'proxy-protocol': oneOf(['off', 'v1', 'v2'], {
      title: 'A PROXY protocol header at the beginning of each connection, which names the client.',
      description: 'Connections are then not shared between clients.',
      default: 'off',
      examples: ['v2'],
    }),
  },
  {
    title: 'A group of servers that give the same answers.',
    examples: [{ servers: ['http://10.0.0.1:3000'] }],
  },
);

export const originsSchema = mapOf(group, {
  title: 'Groups of servers, by a name that routes refer to.',
  description: 'Without `routes`, all requests go to the first. `origin` is short for one group.',
  default: 'none: `origin` or `origins` must be given',
  examples: [{ app: { servers: ['http://127.0.0.1:3000'] } }],
});

export type OriginsEntry = Static<typeof originsSchema>;
export type OriginGroupEntry = Static<typeof group>;
