import type { Static } from 'typebox';
import {
  addressRanges,
  integer,
  list,
  longDuration,
  oneOf,
  onOff,
  section,
  socketAddress,
  text,
} from './typed-keys.ts';

const proxyProtocol = section(
  {
    accept: oneOf(['off', 'optional', 'required'], {
      title: 'Whether connections begin with a PROXY protocol header.',
      description:
        'Versions 1 and 2. Logs, access rules and forwarding headers then show the client ' +
        'that the header names. `required`: a connection without a header, or from another ' +
        'address than `from`, is closed. `optional`: clients in `from` may leave it out, and ' +
        'other clients send none.',
      default: 'off',
      examples: ['required'],
    }),
    from: addressRanges({
      title: 'Addresses that may send a header: the load balancers.',
      description: 'Needed unless `accept` is `off`. `localhost` is this machine.',
      default: [],
      examples: [['10.0.0.0/8']],
    }),
  },
  {
    title: 'Headers by which a load balancer names the client.',
    default: 'off',
    examples: [{ accept: 'required', from: ['10.0.0.0/8'] }],
  },
);

const altSvc = section(
  {
    mode: oneOf(['on', 'off', 'clear'], {
      title: 'Whether clients are told of HTTP/3.',
      description:
        '`clear` makes clients forget what they were told before: write it for a day when HTTP/3 ' +
        'is switched off for good.',
      default: 'on',
      examples: ['clear'],
    }),
    port: integer({
      title: 'The UDP port as clients reach it; 0 for the port of the listener.',
      description: 'Where a port is forwarded to this machine, the number before the forward.',
      default: 0,
      examples: [443],
      minimum: 0,
      maximum: 65_535,
    }),
    lifetime: longDuration({
      title: 'How long a client may remember it.',
      default: '24h',
      examples: ['1h'],
    }),
  },
  {
    title: 'The header Alt-Svc (RFC 7838), by which clients learn of HTTP/3.',
    description: 'Responses over HTTP/1.1 and HTTP/2 have it, unless they have one already.',
    default: 'on',
    examples: [{ lifetime: '1h' }],
  },
);

const tunnel = section(
  {
    names: list(
      text({
        title: 'A name.',
        description: '`*.example.org` is every name with one more label.',
        default: 'none: it must be given',
        examples: ['a.example'],
      }),
      {
        title: 'Server names (SNI) whose TLS is passed through.',
        description:
          'The first entry that has the name wins. An empty list is the default: names that ' +
          'no other entry has, and clients without SNI.',
        default: [],
        examples: [['a.example', '*.b.example']],
      },
    ),
    to: text({
      title: 'Where it goes, HOST:PORT.',
      description: 'A name is resolved for each connection. It may be a private address.',
      default: 'none: it must be given',
      examples: ['10.0.0.5:443'],
      pattern: '^(\\[[0-9a-fA-F:.]+\\]|[^:\\s]+):\\d{1,5}$',
    }),
    'proxy-protocol': oneOf(['off', 'v1', 'v2'], {
      title: 'Send the client’s address in a PROXY protocol header.',
      default: 'off',
      examples: ['v2'],
    }),
  },
  {
    title: 'TLS passthrough for some names.',
    examples: [{ names: ['a.example'], to: '10.0.0.5:443' }],
    required: ['to'],
  },
);

const listener = section(
  {
    address: socketAddress({
      title: 'Where to listen.',
      description:
        'HOST is an IP address or `localhost`, 127.0.0.1 when left out; 0.0.0.0 and [::] are all ' +
        'addresses. `unix:PATH` is a UNIX socket, port 0 any free port, which is printed.',
      default: 'none: it must be given',
      examples: ['0.0.0.0:443'],
    }),
    protocol: oneOf(['http', 'https', 'sni-routing'], {
      title: 'The protocol of this listener.',
      description:
        '`sni-routing` is TLS passthrough: sluice does not terminate TLS, and the server ' +
        'name of the ClientHello (SNI) chooses the destination in `tunnels`.',
      default: 'https',
      examples: ['https'],
    }),
    'fast-open': integer({
      title:
        'Connections that may wait with data in their first packet (TCP Fast Open); 0 for off.',
      description:
        'Saves a round trip to clients that have been here before. The kernel must allow it: ' +
        '`net.ipv4.tcp_fastopen` with the bit 2.',
      default: 0,
      examples: [256],
      minimum: 0,
      maximum: 65_535,
    }),
    'http2-cleartext': onOff({
      title: 'Accept HTTP/2 without TLS, by prior knowledge (RFC 9113 §3.3).',
      description: 'Only with the protocol `http`.',
      default: 'off',
      examples: ['on'],
    }),
    http3: onOff({
      title: 'Serve HTTP/3 (QUIC) on the UDP port beside this one.',
      description:
        'Only with the protocol `https`. UDP must come through to the same port number. There is ' +
        'no HTTP/3 on UNIX sockets, with `proxy-protocol: required` and with `tunnels`.',
      default: 'off',
      examples: ['on'],
    }),
    'alt-svc': altSvc,
    'proxy-protocol': proxyProtocol,
    tunnels: list(tunnel, {
      title: 'TLS passthrough, by the server name of the ClientHello (SNI).',
      description:
        'With `https` all other names are served by `hosts`; with `sni-routing` their ' +
        'connections are closed.',
      default: [],
      examples: [[{ names: ['a.example'], to: '10.0.0.5:443' }]],
    }),
    'connections-per-client': integer({
      title: 'Connections that one client may have open; 0 for no limit.',
      description:
        'A client is an IPv4 address or an IPv6 /64. Each worker counts its own connections. ' +
        'Connections beyond the limit are closed immediately.',
      default: 0,
      examples: [100],
      minimum: 0,
      maximum: 1_000_000,
    }),
  },
  {
    title: 'One listening socket.',
    examples: [{ address: '0.0.0.0:443', protocol: 'https' }],
    required: ['address'],
  },
);

export const listenersSchema = list(listener, {
  title: 'Where clients connect.',
  description: 'Cannot be used together with `http` and `https`, which are short for it.',
  default: '127.0.0.1:8080 for http, 127.0.0.1:8443 for https',
  examples: [[{ address: '0.0.0.0:443', protocol: 'https' }]],
  minItems: 1,
});

export type ListenersEntry = Static<typeof listenersSchema>;
