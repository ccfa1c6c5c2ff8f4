/**
 * Ranges of IP addresses, and sets of them. An IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2) is
 * the IPv4 address, in ranges and in what is looked up.
 */

import { BoundedMap } from './bounded-map.ts';

/** An IP address and how many of its leading bits count. */
export interface AddressRange {
  readonly address: string;
  readonly bits: number;
}

/** One word for IPv4, four for IPv6, most significant first; null for what is no IP address. */
export function addressWords(text: string): readonly number[] | null {
  return text.includes(':') ? ipv6Words(text) : ipv4Words(text);
}

/** What a client is: its address, of IPv6 the /64: whoever has one address has all of its subnet (RFC 4291 §2.5.4). */
export function clientNetwork(address: string): string {
  const words = addressWords(address);
  if (words === null) return address;
  return words.length === 1 ? `4:${words[0]}` : `6:${words[0]}:${words[1]}`;
}

/** Four decimal numbers, without leading zeros: what nobody reads in another way. */
export function isIpv4(text: string): boolean {
  return ipv4Words(text) !== null;
}

function ipv4Words(text: string): readonly number[] | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  let word = 0;
  for (const part of parts) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    word = word * 256 + Number(part);
  }
  return [word >>> 0];
}

const MAPPED_PREFIX = 0xffff;

function ipv6Words(text: string): readonly number[] | null {
  // A zone (RFC 4007 §11) is this machine's own affair.
  const groups = ipv6Groups(text.split('%', 1)[0]!);
  if (groups === null) return null;
  const words = [0, 2, 4, 6].map((i) => ((groups[i]! << 16) | groups[i + 1]!) >>> 0);
  const isMapped = words[0] === 0 && words[1] === 0 && words[2] === MAPPED_PREFIX;
  return isMapped ? [words[3]!] : words;
}

/** The eight groups of an IPv6 address without brackets and zone; null for what is none. */
export function ipv6Groups(text: string): number[] | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const [head, tail] = halves.map((half, i) => groupsOf(half, i === halves.length - 1));
  if (head === null || tail === null || head === undefined) return null;
  if (tail === undefined) return head.length === 8 ? head : null;
  const missing = 8 - head.length - tail.length;
  return missing < 1 ? null : [...head, ...new Array<number>(missing).fill(0), ...tail];
}

/** Only an address's end may be written as IPv4 (RFC 4291 §2.2). */
function groupsOf(half: string, isEnd: boolean): number[] | null {
  if (half === '') return [];
  const groups: number[] = [];
  const parts = half.split(':');
  for (const [i, part] of parts.entries()) {
    if (isEnd && i === parts.length - 1 && part.includes('.')) {
      const word = ipv4Words(part)?.[0];
      if (word === undefined) return null;
      groups.push(word >>> 16, word & 0xffff);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return null;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}

interface Network {
  readonly words: readonly number[];
  readonly masks: readonly number[];
}

function networkOf({ address, bits }: AddressRange): Network {
  const words = addressWords(address);
  if (words === null) throw new TypeError(`not an IP address: ${address}`);
  // A mapped range counts its bits from the start of the IPv6 form.
  const own = words.length === 1 && address.includes(':') ? Math.max(0, bits - 96) : bits;
  const masks = words.map((_, i) => {
    const count = Math.min(32, Math.max(0, own - 32 * i));
    return count === 0 ? 0 : (0xffff_ffff << (32 - count)) >>> 0;
  });
  return { words: words.map((word, i) => (word & masks[i]!) >>> 0), masks };
}

function contains(network: Network, words: readonly number[]): boolean {
  if (network.words.length !== words.length) return false;
  for (let i = 0; i < words.length; i++) {
    if ((words[i]! & network.masks[i]!) >>> 0 !== network.words[i]) return false;
  }
  return true;
}

/**
 * Addresses of which it is kept whether they are in the ranges: a proxy's clients come back. About
 * 6,000.
 */
export const ADDRESSES_KEPT_BYTES_MAX = 1_048_576;

/** Whether addresses lie in any of some ranges. */
export class AddressSet {
  readonly #networks: readonly Network[];
  readonly #answers = new BoundedMap<boolean>(ADDRESSES_KEPT_BYTES_MAX);

  constructor(ranges: readonly AddressRange[]) {
    this.#networks = ranges.map(networkOf);
  }

  /** `unix`, the peer at a UNIX socket, is on this machine and counts as 127.0.0.1. */
  has(address: string): boolean {
    const known = this.#answers.get(address);
    if (known !== undefined) return known;
    const words = addressWords(address === 'unix' ? '127.0.0.1' : address);
    const answer = words !== null && this.#networks.some((network) => contains(network, words));
    this.#answers.set(address, answer);
    return answer;
  }
}
