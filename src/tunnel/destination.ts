/** Where tunnels may lead: a name is resolved once, and what it resolved to is what is judged. */
import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import { type AddressRange, AddressSet, addressWords } from '../base/address-range.ts';
import { SluiceError } from '../base/errors.ts';

/**
 * Addresses that are no part of the Internet, as the IANA registries of special-purpose addresses
 * have them (RFC 6890 and its updates), with multicast: this machine, this network, other networks of
 * whoever runs us, nobody. Anycast services that the nearest network offers, and identifiers that no
 * packet is sent to (RFC 7343, RFC 9374), count, too, although the registries call them global.
 */
const SPECIAL_RANGES: readonly string[] = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
  // A translator's own network decides where the IPv4 address stands in these (RFC 8215).
  '64:ff9b:1::/48',
  '100::/64',
  '100:0:0:1::/64',
  // RFC 2928, with what is registered in it: 2001:2::/48, 2001:10::/28, 2001:20::/28 and so on.
  '2001::/23',
  '2001:db8::/32',
  '3fff::/20',
  '5f00::/16',
  'fc00::/7',
  'fe80::/10',
  // RFC 3879: no longer used, and still routed inside of sites.
  'fec0::/10',
  'ff00::/8',
];

/** In 2001::/23, and reached like any other: AMT and AS112 (RFC 7450, RFC 7535). */
const GLOBAL_RANGES: readonly string[] = ['2001:3::/32', '2001:4:112::/48'];

function rangesOf(texts: readonly string[]): AddressSet {
  return new AddressSet(
    texts.map((text) => {
      const [address, bits] = text.split('/');
      return { address: address!, bits: Number(bits) };
    }),
  );
}

const special = rangesOf(SPECIAL_RANGES);
const global = rangesOf(GLOBAL_RANGES);

/**
 * Which addresses may be reached: public ones, and those that the operator has named. One with an
 * IPv4 address inside leads to that, wherever its translator or tunnel is, and is judged by it.
 */
export function reachable(named: readonly AddressRange[]): (address: string) => boolean {
  const allowed = new AddressSet(named);
  const mayReach = (address: string): boolean => {
    if (allowed.has(address)) return true;
    const words = addressWords(address);
    if (words === null) return false;
    const inside = embeddedIn(words);
    if (inside !== null) return inside.every(mayReach);
    return !special.has(address) || global.has(address);
  };
  // A zone (RFC 4007 §11) is this machine's own affair, and the address then a local one.
  return (address) => !address.includes('%') && mayReach(address);
}

/** IPv4 addresses inside an IPv6 one; null for others. A mapped one is four bytes already. */
function embeddedIn(words: readonly number[]): readonly string[] | null {
  if (words.length !== 4) return null;
  const [first, second, third, last] = words as [number, number, number, number];
  const isLow = first === 0 && second === 0;
  // IPv4-compatible, `::` and `::1` among them (RFC 4291 §2.5.5.1), and SIIT (RFC 2765 §2.1).
  if (isLow && (third === 0 || third === 0xffff_0000)) return [ipv4Text(last)];
  // NAT64 (RFC 6052 §2.1).
  if (first === 0x64_ff9b && second === 0 && third === 0) return [ipv4Text(last)];
  // 6to4 (RFC 3056 §2).
  if (first >>> 16 === 0x2002) {
    return [ipv4Text(((first << 16) | (second >>> 16)) >>> 0)];
  }
  // Teredo (RFC 4380 §4): its server, and the client with its bits turned over.
  if (first === 0x2001_0000) return [ipv4Text(second), ipv4Text(~last >>> 0)];
  // ISATAP (RFC 5214 §6.1), of a prefix that is no special one.
  const isIsatap = third === 0x5efe || third === 0x0200_5efe;
  if (isIsatap && first >>> 29 === 1) return [ipv4Text(last)];
  return null;
}

function ipv4Text(word: number): string {
  return [24, 16, 8, 0].map((bits) => (word >>> bits) & 0xff).join('.');
}

export interface Target {
  /** Name or IP address, without brackets. */
  readonly host: string;
  readonly port: number;
}

/** `host:port`, `[v6]:port`; null for anything else. */
export function parseTarget(authority: string): Target | null {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(authority);
  if (match === null) return null;
  const port = Number(match[3]);
  const host = match[1] ?? match[2]!;
  if (port < 1 || port > 65_535) return null;
  // isIP takes a zone, which says nothing to anybody but us.
  const isLiteral = match[1] !== undefined;
  if (host.includes('%') || (isLiteral && isIP(host) !== 6)) return null;
  return { host, port };
}

type OnAddresses = (error: SluiceError | null, addresses: readonly string[]) => void;

/** The addresses of a name that may be reached, in the system's order. Calls back once. */
export function addressesOf(
  host: string,
  mayReach: (address: string) => boolean,
  done: OnAddresses,
): void {
  const judge = (addresses: readonly string[]) => {
    const allowed = addresses.filter(mayReach);
    if (allowed.length > 0) done(null, allowed);
    else done(forbidden(host), []);
  };
  if (isIP(host) !== 0) {
    judge([host]);
    return;
  }
  try {
    lookup(host, { all: true }, (error, found) => {
      if (error !== null) done(unknown(host, error), []);
      else judge(found.map(({ address }) => address));
    });
  } catch (error) {
    // What a client has named may be nothing that Node looks up.
    done(unknown(host, error as Error), []);
  }
}

function forbidden(host: string): SluiceError {
  const why = `${host} is at an address that tunnels may not lead to`;
  return new SluiceError('tunnel-destination-refused', why, { blame: 'downstream' });
}

function unknown(host: string, cause: Error): SluiceError {
  return new SluiceError('dns-error', `${host} cannot be resolved`, { blame: 'upstream', cause });
}
