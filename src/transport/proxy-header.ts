/**
 * The PROXY protocol toward origins (HAProxy's proxy-protocol.txt, versions 1 and 2): a header before
 * anything else on a connection, that says whose requests it carries.
 */
import { addressWords } from '../base/address-range.ts';
import { assertByteString } from '../base/bytes.ts';
import type { ClientFacts } from '../http/client-facts.ts';

const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_LOCAL = 0x20;
const V2_PROXY = 0x21;
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;
const UNSPECIFIED = 0x00;

// proxy-protocol.txt §2.2: types of TLVs.
const TYPE_ALPN = 0x01;
const TYPE_AUTHORITY = 0x02;
const TYPE_SSL = 0x20;
const SUBTYPE_SSL_VERSION = 0x21;
const SUBTYPE_SSL_CIPHER = 0x23;
const CLIENT_USED_SSL = 0x01;
/** Of the client's certificate: 0 would say that one was shown and verified. */
const NOT_VERIFIED = 1;

/** `client` is null for connections of our own, as health checks and revalidations make them. */
export function proxyHeader(version: 'v1' | 'v2', client: ClientFacts | null): Uint8Array {
  return version === 'v1' ? headerV1(client) : headerV2(client);
}

/** Both ends as words of one family; null where there is none, as for UNIX sockets. */
function ends(client: ClientFacts | null): [readonly number[], readonly number[]] | null {
  if (client === null) return null;
  const source = addressWords(client.remoteAddress);
  const destination = addressWords(client.localAddress);
  if (source === null || destination === null) return null;
  // A PROXY header may have brought an address of the other family to us.
  if (source.length === destination.length) return [source, destination];
  return [mapped(source), mapped(destination)];
}

/** RFC 4291 §2.5.5.2. */
function mapped(words: readonly number[]): readonly number[] {
  return words.length === 4 ? words : [0, 0, 0xffff, words[0]!];
}

function headerV1(client: ClientFacts | null): Uint8Array {
  const both = ends(client);
  if (client === null || both === null) return Buffer.from('PROXY UNKNOWN\r\n');
  const isV4 = both[0].length === 1;
  const text = (address: string) => (isV4 ? address : ipv6Text(address));
  const addresses = `${text(client.remoteAddress)} ${text(client.localAddress)}`;
  const ports = `${client.remotePort} ${client.localPort}`;
  return Buffer.from(`PROXY ${isV4 ? 'TCP4' : 'TCP6'} ${addresses} ${ports}\r\n`);
}

/** A zone means something on this machine only. */
function ipv6Text(address: string): string {
  return address.includes(':') ? address.replace(/%.*/, '') : `::ffff:${address}`;
}

function bytesOf(words: readonly number[]): Buffer {
  const bytes = Buffer.alloc(words.length * 4);
  for (const [i, word] of words.entries()) bytes.writeUInt32BE(word >>> 0, i * 4);
  return bytes;
}

function headerV2(client: ClientFacts | null): Uint8Array {
  const both = ends(client);
  if (client === null || both === null) return frameV2(V2_LOCAL, UNSPECIFIED, []);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(client.remotePort, 0);
  ports.writeUInt16BE(client.localPort, 2);
  const family = both[0].length === 1 ? TCP_OVER_IPV4 : TCP_OVER_IPV6;
  const addresses = both.map(bytesOf);
  return frameV2(V2_PROXY, family, [...addresses, ports, ...tlsValues(client)]);
}

function frameV2(command: number, family: number, parts: readonly Uint8Array[]): Uint8Array {
  const rest = Buffer.concat(parts);
  const fixed = Buffer.alloc(4);
  fixed[0] = command;
  fixed[1] = family;
  fixed.writeUInt16BE(rest.length, 2);
  return Buffer.concat([V2_SIGNATURE, fixed, rest]);
}

/** What is known of the client's TLS; nothing while its handshake is open. */
function tlsValues({ tls }: ClientFacts): Uint8Array[] {
  if (tls === null || tls.handshakeMs < 0) return [];
  const verify = Buffer.alloc(4);
  verify.writeUInt32BE(NOT_VERIFIED);
  const ssl = Buffer.concat([
    Buffer.of(CLIENT_USED_SSL),
    verify,
    value(SUBTYPE_SSL_VERSION, tls.version),
    value(SUBTYPE_SSL_CIPHER, tls.cipher),
  ]);
  return [
    ...(tls.alpn === '' ? [] : [value(TYPE_ALPN, tls.alpn)]),
    ...(tls.serverName === '' ? [] : [value(TYPE_AUTHORITY, tls.serverName)]),
    value(TYPE_SSL, ssl),
  ];
}

function value(type: number, content: string | Uint8Array): Uint8Array {
  if (typeof content === 'string') assertByteString(content);
  const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content;
  const head = Buffer.of(type, 0, 0);
  head.writeUInt16BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}
