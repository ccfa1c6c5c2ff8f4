/**
 * Names of hosts: one reader and one matcher for everything that asks whose name it is, so that no
 * two decisions about a connection or a request can read the same name differently.
 */
import { ipv6Groups, isIpv4 } from './address-range.ts';

/** Longest name of a host, without a final dot (RFC 1035 §2.3.4, RFC 1123 §2.1). */
export const HOST_NAME_BYTES_MAX = 253;

/** Labels as DNS has them, and with the underscore that names inside of networks have. */
const NAME = /^(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}$/;

/** Read as an IPv4 address by whoever still takes numbers and hexadecimal ones for it (inet_aton). */
const ENDS_IN_NUMBER = /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$/;

const BEYOND_ASCII = /[^\x21-\x7e]/;

/**
 * The normal form of a host in Host, `:authority`, a request target, a server name or a
 * configuration: lower-case and without the final dot; an IPv4 address in four decimal numbers; an
 * IPv6 address in brackets, as RFC 5952 writes it. Null for everything else: percent-encoding, zones,
 * bytes beyond ASCII (international names come as A-labels, RFC 5890 §2.3.2.1), and numbers that
 * only some read as an address.
 */
export function normalHost(text: string): string | null {
  if (text.startsWith('[')) return normalIpv6(text);
  // Before case is folded: the Kelvin sign, U+212A, would become a k.
  if (BEYOND_ASCII.test(text)) return null;
  const lower = text.toLowerCase();
  const name = lower.endsWith('.') ? lower.slice(0, -1) : lower;
  if (name.length > HOST_NAME_BYTES_MAX || !NAME.test(name)) return null;
  return !ENDS_IN_NUMBER.test(name) || isIpv4(name) ? name : null;
}

/** Whether a text is a host that is no IPv6 address: what a server name may be (RFC 6066 §3). */
export function isHostName(text: string): boolean {
  return !text.startsWith('[') && normalHost(text) !== null;
}

/** The normal form of a host, or of a name behind `*.`; null for what is neither. */
export function normalHostPattern(text: string): string | null {
  if (!text.startsWith('*.')) return normalHost(text);
  const name = normalHost(text.slice(2));
  return name === null || name.startsWith('[') || isIpv4(name) ? null : `*.${name}`;
}

/** What a wildcard stands before, with its dot: `.example.org` of `www.example.org`; '' of one label. */
export function parentOf(host: string): string {
  const dot = host.indexOf('.');
  return dot === -1 || host.startsWith('[') ? '' : host.slice(dot);
}

/**
 * Which of several entries a host belongs to: exact names before wildcards. A wildcard stands for
 * exactly one label, as in certificates (RFC 9525 §6.3): `*.example.org` is for `www.example.org`, not
 * for `example.org` or `a.www.example.org`. The same for hosts of TLS, routes, tunnels and logs.
 */
export class HostNames<T> {
  readonly #exact = new Map<string, T>();
  /** By what follows the first label, with its dot: `.example.org`. */
  readonly #wildcards = new Map<string, T>();

  /** The first entry that claims a name has it. `name` in normal form. */
  add(name: string, entry: T): void {
    const isWildcard = name.startsWith('*.');
    const map = isWildcard ? this.#wildcards : this.#exact;
    const key = isWildcard ? name.slice(1) : name;
    if (!map.has(key)) map.set(key, entry);
  }

  /** `host` in normal form; `parent` when it is at hand. One look-up in one or two tables. */
  find(host: string, parent?: string): T | undefined {
    const exact = this.#exact.get(host);
    if (exact !== undefined || this.#wildcards.size === 0) return exact;
    return this.#wildcards.get(parent ?? parentOf(host));
  }
}

/** Whether a name or wildcard is for the host; both in normal form. */
export function isNameOf(pattern: string, host: string): boolean {
  return pattern.startsWith('*.') ? pattern.slice(1) === parentOf(host) : pattern === host;
}

/** Whether there is a host that both are for. */
export function doNamesOverlap(a: string, b: string): boolean {
  if (a === b) return true;
  // Of two wildcards only equal ones have a name in common, and no host begins with `*`.
  return isNameOf(a, b) || isNameOf(b, a);
}

/** Many names and wildcards in normal form: doNamesOverlap of any of them, in one step. */
export class OverlappingNames {
  readonly #names: ReadonlySet<string>;
  readonly #parents: ReadonlySet<string>;

  constructor(names: readonly string[]) {
    this.#names = new Set(names);
    this.#parents = new Set(names.map(parentOf));
  }

  overlap(name: string): boolean {
    if (this.#names.has(name) || this.#names.has(`*${parentOf(name)}`)) return true;
    return name.startsWith('*.') && this.#parents.has(name.slice(1));
  }
}

/** Whether the host lies below the name, however deep: `a.b.example.org` below `example.org`. */
export function isBelow(host: string, name: string): boolean {
  return host.endsWith(name.startsWith('*.') ? name.slice(1) : `.${name}`);
}

function normalIpv6(text: string): string | null {
  if (!/^\[[0-9A-Fa-f:.]{2,45}\]$/.test(text)) return null;
  const groups = ipv6Groups(text.slice(1, -1));
  return groups === null ? null : `[${ipv6Text(groups)}]`;
}

/** RFC 5952 §4, but never with dots: `::ffff:1.2.3.4` is `::ffff:102:304`, as in URLs. */
function ipv6Text(groups: readonly number[]): string {
  const hex = groups.map((group) => group.toString(16));
  const { start, length } = longestZeros(groups);
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [at, group] of groups.entries()) {
    if (group !== 0) start = at + 1;
    else if (at + 1 - start > best.length) best = { start, length: at + 1 - start };
  }
  return best;
}
