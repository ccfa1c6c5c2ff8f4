/**
 * Whose request a trusted proxy passes on: Forwarded (RFC 7239) or X-Forwarded-For, read from the
 * right. What the nearest proxy has written stands last, and whatever its client has sent before
 * that cannot change how it reads.
 */
import { addressWords } from '../../base/address-range.ts';
import type { FieldSection } from '../../http/field-section.ts';

export type ClientField = 'x-forwarded-for' | 'forwarded';

export interface Hop {
  /** An IP address; IPv4 inside of IPv6 is IPv4. */
  readonly address: string;
  /** 0 when it is not known. */
  readonly port: number;
}

export interface ToldClient {
  /** The client, and proxies after it but for the nearest; empty when there is nothing to go by. */
  readonly hops: readonly Hop[];
  /** What the client has used; '' for one that is not told. */
  readonly scheme: '' | 'http' | 'https';
  /** What the client has asked for, as it was told, or ''. */
  readonly host: string;
}

/** Trusted proxies in a row that are looked at; the next one counts as the client. */
const HOPS_MAX = 32;

/** Goes to the left as long as a trusted proxy has spoken. */
export function hopsOf(
  field: ClientField,
  fields: FieldSection,
  isTrusted: (address: string) => boolean,
): ToldClient {
  const text = fields.combined(field) ?? '';
  const isForwarded = field === 'forwarded';
  const hops: Hop[] = [];
  let element = '';
  for (let end = text.length; end > 0 && hops.length < HOPS_MAX; ) {
    const start = isForwarded ? elementStart(text, end) : text.lastIndexOf(',', end - 1) + 1;
    if (start === -1) break;
    const member = text.slice(start, end).trim();
    const hop = hopIn(isForwarded ? parameter(member, 'for') : member);
    if (hop === null) break;
    element = member;
    hops.unshift(hop);
    if (!isTrusted(hop.address)) break;
    end = start - 1;
  }
  if (isForwarded) {
    return {
      hops,
      scheme: schemeIn(parameter(element, 'proto')),
      host: parameter(element, 'host'),
    };
  }
  const last = (name: string) => fields.combined(name)?.split(',').at(-1)?.trim() ?? '';
  return { hops, scheme: schemeIn(last('x-forwarded-proto')), host: last('x-forwarded-host') };
}

/** Where the element that ends here begins; -1 when a quoted string has no beginning. */
function elementStart(text: string, end: number): number {
  let isQuoted = false;
  for (let at = end - 1; at >= 0; at--) {
    if (text[at] === '"') {
      if (!isQuoted || !isEscaped(text, at)) isQuoted = !isQuoted;
    } else if (text[at] === ',' && !isQuoted) return at + 1;
  }
  return isQuoted ? -1 : 0;
}

function isEscaped(text: string, at: number): boolean {
  let before = at - 1;
  while (before >= 0 && text[before] === '\\') before--;
  return (at - before) % 2 === 0;
}

/** A parameter of one element (RFC 7239 §4), without quotes; '' for none that can be read. */
function parameter(element: string, name: string): string {
  for (const pair of element.split(';')) {
    const equals = pair.indexOf('=');
    if (equals === -1 || pair.slice(0, equals).trim().toLowerCase() !== name) continue;
    const value = pair.slice(equals + 1).trim();
    const isQuoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"');
    const plain = isQuoted ? value.slice(1, -1) : value;
    return /["\\]/.test(plain) ? '' : plain;
  }
  return '';
}

function schemeIn(text: string): ToldClient['scheme'] {
  const scheme = text.toLowerCase();
  return scheme === 'http' || scheme === 'https' ? scheme : '';
}

/** Longer ones are no addresses: 39 characters of IPv6, brackets, a port. */
const NODE_CHARACTERS_MAX = 64;
const NODE = /^(?:\[([0-9A-Fa-f:.]+)\]|(\d+\.\d+\.\d+\.\d+))(?::(\d{1,5}))?$/;

/** RFC 7239 §6, and bare IPv6 addresses as X-Forwarded-For has them. Null for `unknown` and so on. */
function hopIn(text: string): Hop | null {
  if (text.length > NODE_CHARACTERS_MAX) return null;
  const match = NODE.exec(text);
  const address = canonical(match?.[1] ?? match?.[2] ?? text);
  if (address === null) return null;
  const port = Number(match?.[3] ?? 0);
  return { address, port: port > 65_535 ? 0 : port };
}

/** Null for what is no address, and for one with a zone, which is another machine's affair. */
function canonical(text: string): string | null {
  const words = text.includes('%') ? null : addressWords(text);
  if (words === null) return null;
  if (words.length === 4) return text.toLowerCase();
  return [24, 16, 8, 0].map((bits) => (words[0]! >>> bits) & 0xff).join('.');
}
