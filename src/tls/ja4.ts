/**
 * The JA4 fingerprint of a TLS client, which names its software by how its ClientHello looks.
 * Specification: https://github.com/FoxIO-LLC/ja4 (technical_details/JA4.md).
 */
import { createHash } from 'node:crypto';
import { type ClientHello, ExtensionType, isGrease } from './client-hello.ts';

const versionNames: Readonly<Record<number, string>> = {
  772: '13',
  771: '12',
  770: '11',
  769: '10',
  768: 's3',
  2: 's2',
};

const COUNT_MAX = 99;
const HASH_DIGITS = 12;
const EMPTY_HASH = '0'.repeat(HASH_DIGITS);

/** As `t13d1516h2_8daaf6152771_e5627efa2ab1`. */
export function ja4Of(hello: ClientHello): string {
  const ciphers = hello.cipherSuites.filter((one) => !isGrease(one));
  const extensions = hello.extensions.map(({ type }) => type).filter((one) => !isGrease(one));
  const name = extensions.includes(ExtensionType.serverName) ? 'd' : 'i';
  const counts = twoDigits(ciphers.length) + twoDigits(extensions.length);
  const protocol = protocolCharacters(hello.protocols[0] ?? '');
  const start = `t${versionOf(hello)}${name}${counts}${protocol}`;
  return `${start}_${hashOf(sorted(ciphers))}_${extensionHash(hello, extensions)}`;
}

function versionOf({ supportedVersions, legacyVersion }: ClientHello): string {
  const offered = supportedVersions.filter((one) => !isGrease(one));
  const highest = offered.length === 0 ? legacyVersion : Math.max(...offered);
  return versionNames[highest] ?? '00';
}

/** First and last character of the first ALPN protocol, or of its bytes in hexadecimal. */
function protocolCharacters(protocol: string): string {
  if (protocol === '') return '00';
  const [first, last] = [protocol[0]!, protocol.at(-1)!];
  if (/^[0-9A-Za-z]{2}$/.test(first + last)) return first + last;
  const digits = Buffer.from(protocol, 'latin1').toString('hex');
  return digits[0]! + digits.at(-1)!;
}

/** Server name and ALPN say where the client goes, not what it is: they are left out. */
function extensionHash(hello: ClientHello, extensions: readonly number[]): string {
  const { serverName, alpn } = ExtensionType;
  const kept = extensions.filter((type) => type !== serverName && type !== alpn);
  if (kept.length === 0) return EMPTY_HASH;
  // Their order is the client's preference, so it is kept.
  const schemes = hello.signatureAlgorithms.filter((one) => !isGrease(one)).map(fourDigits);
  return hashOf(schemes.length === 0 ? sorted(kept) : `${sorted(kept)}_${schemes.join(',')}`);
}

function sorted(values: readonly number[]): string {
  return values.map(fourDigits).sort().join(',');
}

function fourDigits(value: number): string {
  return value.toString(16).padStart(4, '0');
}

function twoDigits(count: number): string {
  return String(Math.min(count, COUNT_MAX)).padStart(2, '0');
}

function hashOf(text: string): string {
  if (text === '') return EMPTY_HASH;
  return createHash('sha256').update(text).digest('hex').slice(0, HASH_DIGITS);
}
