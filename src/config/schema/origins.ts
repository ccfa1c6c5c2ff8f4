import type { Static } from 'typebox';
import { defaultGroupOptions } from '../../upstream/options.ts';
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
  section,
  text,
} from './kinds.ts';
import { failureSections } from './origin-failures.ts';

const serverUrl = originUrl({
  title: 'Where the server is.',
  description:
    'An `http:`, `https:` or `h2c:` URL. `h2c:` is HTTP/2 without TLS. Of a name all addresses are ' +
    'used, and asked for anew by their TTL. A path is put before the path of every request, and is ' +
    'the same for all servers of a group.',
  default: 'none: it must be given',
  examples: ['http://10.0.0.1:3000'],
});

const server = section(
  {
    url: serverUrl,
    weight: number({
      title: 'Share of the requests compared with the others.',
      default: 1,
      minimum: 0.01,
      maximum: 1000,
      examples: [2],
    }),
    backup: onOff({
      title: 'Asked only when no other server can be.',
      default: 'off',
      examples: ['on'],
    }),
  },
  {
    title: 'A server with what is said of it.',
    examples: [{ url: 'http://10.0.0.1:3000', weight: 2 }],
    required: ['url'],
  },
);

const consistentHash = section(
  {
    'hash-on': text({
      title:
        'What requests are told apart by: `path`, `client-address`, `header:NAME`, `cookie:NAME`.',
      description: 'Requests without that field or cookie are told apart by their path.',
      default: 'path',
      pattern: '^(path|client-address|header:[\\w-]+|cookie:.+)$',
      examples: ['client-address'],
    }),
    'load-factor': number({
      title: 'No server has more than so many times its share of the requests under way.',
      default: 1.25,
      minimum: 1,
      maximum: 100,
      examples: [1.5],
    }),
  },
  {
    title: 'The same server for the same key, as far as its load allows.',
    default: 'off',
    examples: [{ 'hash-on': 'path' }],
  },
);

const balance = either(
  [
    oneOf(['round-robin', 'least-connections', 'consistent-hash'], {
      title: 'By name alone.',
      examples: ['least-connections'],
    }),
    section(
      { 'consistent-hash': consistentHash },
      {
        title: 'With what it hashes.',
        examples: [{ 'consistent-hash': { 'hash-on': 'client-address' } }],
        required: ['consistent-hash'],
      },
    ),
  ],
  {
    title: 'How servers are chosen.',
    description:
      '`round-robin` by weight; `least-connections` has the fewest requests under way for its ' +
      'weight; `consistent-hash` sends what is alike to the same server.',
    default: defaultGroupOptions.balance.method,
    examples: ['least-connections'],
  },
);

const timeouts = section(
  {
    connect: duration({
      title: 'For connecting and the TLS handshake together.',
      default: '10s',
      examples: ['2s'],
    }),
    response: longDuration({
      title: 'From the request to the first byte of the response.',
      default: '1m',
      examples: ['30s'],
    }),
    idle: longDuration({
      title: 'Without a byte while a response is under way.',
      default: '1m',
      examples: ['30s'],
    }),
    tunnel: longDuration({
      title: 'Without a byte in either direction of a WebSocket or another switched protocol.',
      description: 'Then both ends are closed. Pings count.',
      default: '1h',
      examples: ['10m'],
    }),
    queue: duration({
      title: 'Waiting for room among the connections; then 503.',
      default: '10s',
      examples: ['1s'],
    }),
    'keep-alive': longDuration({
      title: 'That an unused connection is kept.',
      description: 'Below what the origin itself allows, so that it never closes under a request.',
      default: '4s',
      examples: ['30s'],
    }),
  },
  { title: 'How long is waited.', default: 'as below', examples: [{ response: '30s' }] },
);

const resolveTtl = section(
  {
    'ttl-min': longDuration({
      title: 'Records that live shorter are asked for again after this.',
      default: '5s',
      examples: ['1s'],
    }),
    'ttl-max': longDuration({
      title: 'Records that live longer are asked for again after this.',
      default: '1h',
      examples: ['5m'],
    }),
    servers: list(text({ title: 'ADDRESS[:PORT].', minLength: 2, examples: ['10.0.0.53'] }), {
      title: 'DNS servers to ask.',
      default: "the system's",
      examples: [['10.0.0.53']],
    }),
  },
  {
    title: 'How names of servers become addresses.',
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
      title: 'The name asked for, and expected in the certificate.',
      default: "the URL's host",
      examples: ['app.internal'],
    }),
    'early-data': onOff({
      title: 'Send safe requests without content as early data (0-RTT).',
      description:
        'Only to an origin that is known to bear a replay: whoever records the packet can send it to ' +
        'the origin a second time.',
      default: 'off',
      examples: ['on'],
    }),
    'danger-skip-verification': onOff({
      title: 'Accept any certificate.',
      description:
        'Whoever sits between sluice and the origin can then read and change everything. For a test ' +
        'on one machine; prefer `ca`.',
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

const group = section(
  {
    servers: list(
      either([serverUrl, server], { title: 'A server.', examples: ['http://o:3000'] }),
      {
        title: 'The servers, each as a URL or with more that is said of it.',
        default: 'none: it must be given',
        examples: [['http://10.0.0.1:3000', 'http://10.0.0.2:3000']],
        minItems: 1,
      },
    ),
    balance,
    'slow-start': longDuration({
      title: 'Time in which a server that has come (back) up gets its full share.',
      default: 'at once',
      examples: ['10s'],
    }),
    ...failureSections,
    timeouts,
    'connections-max': integer({
      title: 'Connections per address and worker; more requests wait.',
      description:
        'A quarter, and at least one of two and more, is kept for requests that are complete: uploads ' +
        'and WebSocket connections wait when they have the others.',
      default: defaultGroupOptions.connectionsMax,
      minimum: 1,
      maximum: 65_535,
      examples: [256],
    }),
    'queued-max': integer({
      title: 'Requests of a worker that wait for a connection of one address; more get 503.',
      description: 'As many again may wait whose upload is not complete.',
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
      title: 'The header that begins each connection and names the client.',
      description: 'Connections are then not shared between clients.',
      default: 'off',
      examples: ['v2'],
    }),
  },
  {
    title: 'A group of servers that answer the same.',
    examples: [{ servers: ['http://10.0.0.1:3000'] }],
    required: ['servers'],
  },
);

export const originsSchema = mapOf(group, {
  title: 'Who answers: groups of servers, by a name that routes refer to.',
  description: 'Without `routes`, all requests go to the first. `origin` is short for one group.',
  default: 'none: `origin` or `origins` must be given',
  examples: [{ app: { servers: ['http://127.0.0.1:3000'] } }],
});

export type OriginsEntry = Static<typeof originsSchema>;
export type OriginGroupEntry = Static<typeof group>;
