/**
 * The PROXY protocol (HAProxy's proxy-protocol.txt, versions 1 and 2): a header before anything else
 * on a connection, by which a load balancer says whose connection it passes on.
 */
import { isIPv4, isIPv6 } from 'node:net';

/** Who really connected; null when the sender speaks for itself (LOCAL) or does not know (UNKNOWN). */
export interface ProxiedPeer {
  /** IP address as text, or `unix`. */
  readonly remoteAddress: string;
  /** 0 for a UNIX socket. */
  readonly remotePort: number;
}

export type ProxyHeader =
  /** More bytes are needed to tell. */
  | { readonly kind: 'incomplete' }
  /** The connection does not begin with a header. */
  | { readonly kind: 'absent' }
  /** It begins as one, and breaks the rules. */
  | { readonly kind: 'invalid'; readonly reason: string }
  | { readonly kind: 'header'; readonly length: number; readonly peer: ProxiedPeer | null };

/** Bytes of a version 1 header, its line end included (proxy-protocol.txt §2.1). */
const V1_BYTES_MAX = 107;
/**
 * Bytes that a version 2 header may announce after its first 16. The protocol allows 65,535;
 * addresses take 216 at most, and the rest are TLVs, of which a TLS one with a subject is the longest
 * in use.
 */
export const PROXY_HEADER_BYTES_MAX = 4_096;

const V1_START = Buffer.from('PROXY ');
/** proxy-protocol.txt §2.2: no protocol begins so. */
export const V2_SIGNATURE: Uint8Array = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_FIXED_BYTES = 16;

const INCOMPLETE = { kind: 'incomplete' } as const;
const ABSENT = { kind: 'absent' } as const;

const invalid = (reason: string): ProxyHeader => ({ kind: 'invalid', reason });

/** Reads the header at the start of what a connection has brought so far. */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader {
  if (startsAs(bytes, V2_SIGNATURE)) return readV2(bytes);
  if (startsAs(bytes, V1_START)) return readV1(bytes);
  return ABSENT;
}

/** Whether the bytes are the start of `prefix`, or begin with it. */
function startsAs(bytes: Uint8Array, prefix: Uint8Array): boolean {
  const length = Math.min(bytes.length, prefix.length);
  for (let i = 0; i < length; i++) if (bytes[i] !== prefix[i]) return false;
  return true;
}

function readV1(bytes: Uint8Array): ProxyHeader {
  const text = Buffer.from(bytes.subarray(0, V1_BYTES_MAX)).toString('latin1');
  const end = text.indexOf('\r\n');
  if (end === -1) return bytes.length < V1_BYTES_MAX ? INCOMPLETE : invalid('the line is too long');
  const length = end + 2;
  const words = text.slice(0, end).split(' ');
  if (words[1] === 'UNKNOWN') return { kind: 'header', length, peer: null };
  const [, family, source, destination, sourcePort, destinationPort] = words;
  if (words.length !== 6) return invalid('the line does not have six words');
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isUnscopedIPv6 : null;
  if (isAddress === null) return invalid('the family is none of TCP4, TCP6 and UNKNOWN');
  if (!isAddress(source!) || !isAddress(destination!)) return invalid('no such address');
  if (!isPort(sourcePort!) || !isPort(destinationPort!)) return invalid('no such port');
  return { kind: 'header', length, peer: peerOf(source!, Number(sourcePort)) };
}

/** A zone means something on the sender's machine only. */
function isUnscopedIPv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%');
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

/** An IPv4 address inside an IPv6 one is written as what it is (RFC 4291 §2.5.5.2). */
function peerOf(address: string, remotePort: number): ProxiedPeer {
  const remoteAddress = address.replace(/^::ffff:(?=\d+\.)/i, '').toLowerCase();
  return { remoteAddress, remotePort };
}

function readV2(bytes: Uint8Array): ProxyHeader {
  if (bytes.length < V2_FIXED_BYTES) return INCOMPLETE;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const version = view[12]! >> 4;
  const command = view[12]! & 0x0f;
  if (version !== 2) return invalid(`version ${version} is not known`);
  if (command > 1) return invalid(`command ${command} is not known`);
  const rest = view.readUInt16BE(14);
  if (rest > PROXY_HEADER_BYTES_MAX) return invalid(`${rest} bytes are over the limit`);
  const length = V2_FIXED_BYTES + rest;
  if (bytes.length < length) return INCOMPLETE;
  // LOCAL: the balancer's own connection, such as a health check; addresses are to be ignored.
  if (command === 0) return { kind: 'header', length, peer: null };
  const addresses = view.subarray(V2_FIXED_BYTES, length);
  return readAddresses(view[13]! >> 4, addresses, length);
}

/** `family`: 1 IPv4, 2 IPv6, 3 UNIX; 0 and whatever comes later is not ours to know. */
function readAddresses(family: number, addresses: Buffer, length: number): ProxyHeader {
  const needed = family === 1 ? 12 : family === 2 ? 36 : family === 3 ? 216 : 0;
  if (addresses.length < needed) return invalid('the addresses are cut off');
  switch (family) {
    case 1: {
      const source = addresses.subarray(0, 4).join('.');
      return { kind: 'header', length, peer: peerOf(source, addresses.readUInt16BE(8)) };
    }
    case 2: {
      const source = ipv6Text(addresses.subarray(0, 16));
      return { kind: 'header', length, peer: peerOf(source, addresses.readUInt16BE(32)) };
    }
    case 3:
      return { kind: 'header', length, peer: { remoteAddress: 'unix', remotePort: 0 } };
    default:
      return { kind: 'header', length, peer: null };
  }
}

/** RFC 5952: the longest run of zero groups is left out, and an IPv4 address inside stays one. */
function ipv6Text(bytes: Buffer): string {
  if (bytes.subarray(0, 10).every((byte) => byte === 0) && bytes.readUInt16BE(10) === 0xffff) {
    return `::ffff:${bytes.subarray(12).join('.')}`;
  }
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  const text = groups.join(':');
  const runs = text.match(/(?:^|(?<=:))0(?::0)+(?=:|$)/g) ?? [];
  const longest = runs.toSorted((a, b) => b.length - a.length)[0];
  if (longest === undefined) return text;
  const at = text.search(new RegExp(`(?:^|(?<=:))${longest}(?=:|$)`));
  const head = text.slice(0, at).replace(/:$/, '');
  const tail = text.slice(at + longest.length).replace(/^:/, '');
  return `${head}::${tail}`;
}
