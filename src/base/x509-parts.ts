/** What a certificate and the request for one have in common (RFC 5280, RFC 2986), in DER. */
import { ipv6Groups, isIpv4 } from './address-range.ts';
import { encode, identifier, implicitTag, NULL, SEQUENCE } from './der.ts';

/** Signature algorithms by kind of key (RFC 5758 §3.2, RFC 4055 §5, RFC 8410 §3). */
const ECDSA_WITH_SHA256 = '2a8648ce3d040302';
const SHA256_WITH_RSA = '2a864886f70d01010b';
const ED25519 = '2b6570';
/** The extension that has the names. */
export const SUBJECT_ALT_NAME = '551d11';

export function signatureAlgorithm(type: 'ec' | 'rsa' | 'ed25519'): Buffer {
  if (type === 'rsa') return encode(SEQUENCE, identifier(SHA256_WITH_RSA), encode(NULL));
  return encode(SEQUENCE, identifier(type === 'ec' ? ECDSA_WITH_SHA256 : ED25519));
}

/** DNS names and IP addresses (RFC 5280 §4.2.1.6). */
export function subjectNames(names: readonly string[]): Buffer {
  return encode(SEQUENCE, ...names.map(generalName));
}

/** GeneralName: dNSName [2] or iPAddress [7] (RFC 5280 §4.2.1.6). */
function generalName(name: string): Buffer {
  if (isIpv4(name)) return encode(implicitTag(7), Buffer.from(name.split('.').map(Number)));
  const groups = ipv6Groups(name);
  if (groups === null) return encode(implicitTag(2), Buffer.from(name, 'latin1'));
  const bytes = groups.flatMap((group) => [group >>> 8, group & 0xff]);
  return encode(implicitTag(7), Buffer.from(bytes));
}
