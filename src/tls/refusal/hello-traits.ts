/**
 * What a ClientHello has, as a set of words that does not depend on any order: so that several that did
 * harm can be compared, what they have in common can be told from what honest clients send, and no
 * client gets away by one value more, or by another order.
 */
import { createHash } from 'node:crypto';
import { type ClientHello, ExtensionType, isGrease } from '../client-hello.ts';

const HASH_DIGITS = 12;

/** Of these the length is random, or depends on what comes after it. */
const LENGTH_VARIES: ReadonlySet<number> = new Set([
  ExtensionType.cookie,
  ExtensionType.padding,
  ExtensionType.encryptedClientHello,
]);

/** A pattern is told from other fingerprints by its beginning. */
const PATTERN_START = 'traits:';

/** As `sni=a.example`, `extension=43`, `no-psk`; without spaces. */
export function traitsOf(hello: ClientHello): Set<string> {
  const traits = new Set<string>();
  const all = (kind: string, values: readonly (number | string)[]) => {
    const known = values.filter((value) => typeof value === 'string' || !isGrease(value));
    for (const value of known) traits.add(`${kind}=${word(value)}`);
    traits.add(`${kind}-set=${digest([...new Set(known)].sort())}`);
  };
  const { extensions, serverName, protocols } = hello;
  traits.add(`version=${hello.legacyVersion}`);
  traits.add(`session=${hello.sessionId.length}`);
  all('cipher', hello.cipherSuites);
  all('group', hello.supportedGroups);
  all('share', hello.keyShareGroups);
  all('signature', hello.signatureAlgorithms);
  all('tls', hello.supportedVersions);
  all('alpn', protocols);
  all(
    'extension',
    extensions.map(({ type }) => type),
  );
  for (const { type, data } of extensions) {
    if (!isGrease(type) && !LENGTH_VARIES.has(type)) traits.add(`length-${type}=${data.length}`);
  }
  traits.add(serverName === '' ? 'no-sni' : `sni=${word(serverName.toLowerCase())}`);
  for (const [name, type] of [
    ['psk', ExtensionType.preSharedKey],
    ['early-data', ExtensionType.earlyData],
    ['alpn', ExtensionType.alpn],
    ['share', ExtensionType.keyShare],
  ] as const) {
    if (!extensions.some((one) => one.type === type)) traits.add(`no-${name}`);
  }
  return traits;
}

function word(value: number | string): string {
  return typeof value === 'number' ? value.toString(16) : encodeURIComponent(value);
}

function digest(values: readonly (number | string)[]): string {
  return createHash('sha256').update(JSON.stringify(values)).digest('hex').slice(0, HASH_DIGITS);
}

/** What all of them have; at least one is given. */
export function commonTraits(all: readonly ReadonlySet<string>[]): Set<string> {
  const [first = new Set<string>(), ...others] = all;
  return new Set([...first].filter((trait) => others.every((traits) => traits.has(trait))));
}

/** Whether a ClientHello has all that a pattern asks for. */
export function hasTraits(traits: ReadonlySet<string>, wanted: Iterable<string>): boolean {
  for (const trait of wanted) if (!traits.has(trait)) return false;
  return true;
}

/** A fingerprint that all ClientHellos with these traits have. */
export function patternOf(traits: Iterable<string>): string {
  return PATTERN_START + [...traits].sort().join(' ');
}

/** Null for a fingerprint of another kind. */
export function traitsIn(fingerprint: string): readonly string[] | null {
  if (!fingerprint.startsWith(PATTERN_START)) return null;
  return fingerprint.slice(PATTERN_START.length).split(' ');
}

/** What people know a pattern by: `server name a.example, 34 more traits`. */
export function patternWords(fingerprint: string): string {
  const traits = traitsIn(fingerprint);
  if (traits === null) return fingerprint;
  const named = traits
    .filter((trait) => /^(?:sni=|no-sni|no-psk|alpn=)/.test(trait))
    .map((trait) => trait.replace(/^sni=/, 'server name ').replace(/^no-sni$/, 'no server name'));
  const more = traits.length - named.length;
  return [...named, `${more} more traits`].join(', ');
}
