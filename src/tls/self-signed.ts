/** A self-signed certificate, so that HTTPS works before anybody has obtained one. */
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { assert } from '../base/assert.ts';
import {
  BIT_STRING,
  BOOLEAN,
  bitString,
  encode,
  explicitTag,
  GENERALIZED_TIME,
  INTEGER,
  identifier,
  OCTET_STRING,
  pem,
  SEQUENCE,
  SET,
  UTC_TIME,
  UTF8_STRING,
} from '../base/der.ts';
import { SUBJECT_ALT_NAME, signatureAlgorithm, subjectNames } from '../base/x509-parts.ts';

export interface SelfSignedOptions {
  /** DNS names and IP addresses, the first of which becomes the common name. */
  readonly names: readonly string[];
  /** Wall-clock milliseconds. The certificate is valid from an hour before. */
  readonly nowMs: number;
  /** Kind of key; P-256 (`ec`) when it is not given. RSA keys have 2048 bits. */
  readonly keyType?: SelfSignedKeyType;
  /** A private key that was made by makeKey, instead of a new one. */
  readonly key?: KeyObject;
  /** For a validation by TLS-ALPN-01 (RFC 8737 §3): the digest that the certificate shows. */
  readonly acmeIdentifier?: Uint8Array;
}

export type SelfSignedKeyType = 'ec' | 'rsa' | 'ed25519';

export interface SelfSignedCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
  /** SHA-256 of the certificate as tools print it, `AB:CD:…`. */
  readonly fingerprint256: string;
}

const HOUR_MS = 3_600_000;
/** 397 days: what clients take at most for a certificate of a server (CA/Browser Forum 6.3.2). */
const VALIDITY_MS = 397 * 24 * HOUR_MS;
const SERIAL_BYTES = 16;

const COMMON_NAME = '550403';
const BASIC_CONSTRAINTS = '551d13';
const KEY_USAGE = '551d0f';
const EXTENDED_KEY_USAGE = '551d25';
const SERVER_AUTH = '2b06010505070301';
/** id-pe-acmeIdentifier (RFC 8737 §6.1). */
const ACME_IDENTIFIER = '2b0601050507011f';

/** Makes a key and a certificate for it (RFC 5280), good for the given names. */
export function makeSelfSignedCertificate(options: SelfSignedOptions): SelfSignedCertificate {
  assert(options.names.length > 0, 'a certificate is for at least one name');
  const privateKey = options.key ?? makeKey(options.keyType ?? 'ec');
  const keyType = privateKey.asymmetricKeyType as SelfSignedKeyType;
  const publicKeyInfo = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const algorithm = signatureAlgorithm(keyType);
  const body = certificateBody(options, publicKeyInfo, algorithm);
  // Ed25519 hashes by itself (RFC 8410 §3).
  const signature = sign(keyType === 'ed25519' ? null : 'sha256', body, privateKey);
  const der = encode(SEQUENCE, body, algorithm, bitString(signature));
  const fingerprint = createHash('sha256').update(der).digest('hex').toUpperCase();
  return {
    certificatePem: pem('CERTIFICATE', der),
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    fingerprint256: fingerprint.match(/../g)!.join(':'),
  };
}

/** A private key. One of RSA takes some 100 ms. */
export function makeKey(type: SelfSignedKeyType): KeyObject {
  if (type === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  if (type === 'ed25519') return generateKeyPairSync('ed25519').privateKey;
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** TBSCertificate (RFC 5280 §4.1). */
function certificateBody(
  options: SelfSignedOptions,
  publicKeyInfo: Buffer,
  algorithm: Buffer,
): Buffer {
  const version3 = encode(explicitTag(0), encode(INTEGER, Buffer.of(2)));
  const serial = randomBytes(SERIAL_BYTES);
  // Positive and without leading zero bytes, as DER wants it.
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const notBefore = options.nowMs - HOUR_MS;
  const name = distinguishedName(options.names[0]!);
  return encode(
    SEQUENCE,
    version3,
    encode(INTEGER, serial),
    algorithm,
    name,
    encode(SEQUENCE, time(notBefore), time(notBefore + VALIDITY_MS)),
    name,
    publicKeyInfo,
    encode(explicitTag(3), encode(SEQUENCE, ...extensions(options))),
  );
}

function extensions({ names, acmeIdentifier }: SelfSignedOptions): Buffer[] {
  const shown =
    acmeIdentifier === undefined
      ? []
      : [extension(ACME_IDENTIFIER, true, encode(OCTET_STRING, acmeIdentifier))];
  // Its own authority, so that it can be given to clients as a root (curl --cacert).
  const isAuthority = encode(SEQUENCE, encode(BOOLEAN, Buffer.of(0xff)));
  // digitalSignature and keyCertSign are bits 0 and 5: two unused bits at the end.
  const usage = encode(BIT_STRING, Buffer.of(2, 0b1000_0100));
  const extendedUsage = encode(SEQUENCE, identifier(SERVER_AUTH));
  return [
    extension(BASIC_CONSTRAINTS, true, isAuthority),
    extension(KEY_USAGE, true, usage),
    extension(EXTENDED_KEY_USAGE, false, extendedUsage),
    extension(SUBJECT_ALT_NAME, false, subjectNames(names)),
    ...shown,
  ];
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [encode(BOOLEAN, Buffer.of(0xff))] : [];
  return encode(SEQUENCE, identifier(id), ...flag, encode(OCTET_STRING, value));
}

function distinguishedName(commonName: string): Buffer {
  const value = encode(UTF8_STRING, Buffer.from(commonName));
  return encode(SEQUENCE, encode(SET, encode(SEQUENCE, identifier(COMMON_NAME), value)));
}

/** Validity dates through 2049 are UTCTime, later ones GeneralizedTime (RFC 5280 §4.1.2.5). */
function time(atMs: number): Buffer {
  const date = new Date(atMs);
  const digits = `${date.toISOString().replace(/\D/g, '').slice(0, 14)}Z`;
  if (date.getUTCFullYear() >= 2050) return encode(GENERALIZED_TIME, Buffer.from(digits));
  return encode(UTC_TIME, Buffer.from(digits.slice(2)));
}
