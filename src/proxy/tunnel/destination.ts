/** Where tunnels may lead: a name is resolved once, and what it resolved to is what is judged. */
import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import { type AddressRange, AddressSet } from '../../base/address-range.ts';
import { SluiceError } from '../../base/errors.ts';

/**
 * Addresses that are no part of the Internet (RFC 6890 and the IANA registries of special-purpose
 * addresses): this machine, this network, other networks of whoever runs us, nobody.
 */
const SPECIAL_RANGES: readonly AddressRange[] = [
  { address: '0.0.0.0', bits: 8 },
  { address: '10.0.0.0', bits: 8 },
  { address: '100.64.0.0', bits: 10 },
  { address: '127.0.0.0', bits: 8 },
  { address: '169.254.0.0', bits: 16 },
  { address: '172.16.0.0', bits: 12 },
  { address: '192.0.0.0', bits: 24 },
  { address: '192.0.2.0', bits: 24 },
  { address: '192.168.0.0', bits: 16 },
  { address: '198.18.0.0', bits: 15 },
  { address: '198.51.100.0', bits: 24 },
  { address: '203.0.113.0', bits: 24 },
  { address: '224.0.0.0', bits: 4 },
  { address: '240.0.0.0', bits: 4 },
  { address: '::', bits: 127 },
  // Translated to any IPv4 address, of those above too (RFC 6052, RFC 8215, RFC 3056, RFC 4380).
  { address: '64:ff9b::', bits: 96 },
  { address: '64:ff9b:1::', bits: 48 },
  { address: '2002::', bits: 16 },
  { address: '2001::', bits: 32 },
  { address: '2001:db8::', bits: 32 },
  { address: 'fc00::', bits: 7 },
  { address: 'fe80::', bits: 10 },
  { address: 'ff00::', bits: 8 },
];

const special = new AddressSet(SPECIAL_RANGES);

/** Which addresses may be reached: public ones, and those that the operator has named. */
export function reachable(named: readonly AddressRange[]): (address: string) => boolean {
  const allowed = new AddressSet(named);
  return (address) => allowed.has(address) || !special.has(address);
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
  return match[1] !== undefined && isIP(host) !== 6 ? null : { host, port };
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
  lookup(host, { all: true }, (error, found) => {
    if (error !== null) done(unknown(host, error), []);
    else judge(found.map(({ address }) => address));
  });
}

function forbidden(host: string): SluiceError {
  const why = `${host} is at an address that tunnels may not lead to`;
  return new SluiceError('tunnel-destination-refused', why, { blame: 'downstream' });
}

function unknown(host: string, cause: Error): SluiceError {
  return new SluiceError('dns-error', `${host} cannot be resolved`, { blame: 'upstream', cause });
}
