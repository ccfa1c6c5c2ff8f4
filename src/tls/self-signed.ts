/** A self-signed certificate, so that HTTPS works before anybody has obtained one. */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';
import { assert } from '../base/assert.ts';

export interface SelfSignedOptions {
  /** DNS names and IP addresses, the first of which becomes the common name. */
  readonly names: readonly string[];
  /** Wall-clock milliseconds. The certificate is valid from an hour before. */
  readonly nowMs: number;
  /** Kind of key; P-256 (`ec`) when it is not given. RSA keys have 2048 bits. */
  readonly keyType?: SelfSignedKeyType;
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

// Tags of X.690 §8.
const BOOLEAN = 0x01;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_IDENTIFIER = 0x06;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const SEQUENCE = 0x30;
const SET = 0x31;
const explicitTag = (number: number) => 0xa0 | number;
const implicitTag = (number: number) => 0x80 | number;

const NULL = 0x05;
/** Signature algorithms by kind of key (RFC 5758 §3.2, RFC 4055 §5, RFC 8410 §3). */
const ECDSA_WITH_SHA256 = '2a8648ce3d040302';
const SHA256_WITH_RSA = '2a864886f70d01010b';
const ED25519 = '2b6570';
const COMMON_NAME = '550403';
const BASIC_CONSTRAINTS = '551d13';
const KEY_USAGE = '551d0f';
const EXTENDED_KEY_USAGE = '551d25';
const SUBJECT_ALT_NAME = '551d11';
const SERVER_AUTH = '2b06010505070301';

/** Makes a key and a certificate for it (RFC 5280), good for the given names. */
export function makeSelfSignedCertificate(options: SelfSignedOptions): SelfSignedCertificate {
  assert(options.names.length > 0, 'a certificate is for at least one name');
  const keyType = options.keyType ?? 'ec';
  const { privateKey, publicKey } = makeKeys(keyType);
  const publicKeyInfo = publicKey.export({ type: 'spki', format: 'der' });
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

function makeKeys(type: SelfSignedKeyType) {
  if (type === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 });
  if (type === 'ed25519') return generateKeyPairSync('ed25519');
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
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
    encode(explicitTag(3), encode(SEQUENCE, ...extensions(options.names))),
  );
}

function extensions(names: readonly string[]): Buffer[] {
  // Its own authority, so that it can be given to clients as a root (curl --cacert).
  const isAuthority = encode(SEQUENCE, encode(BOOLEAN, Buffer.of(0xff)));
  // digitalSignature and keyCertSign are bits 0 and 5: two unused bits at the end.
  const usage = encode(BIT_STRING, Buffer.of(2, 0b1000_0100));
  const extendedUsage = encode(SEQUENCE, identifier(SERVER_AUTH));
  return [
    extension(BASIC_CONSTRAINTS, true, isAuthority),
    extension(KEY_USAGE, true, usage),
    extension(EXTENDED_KEY_USAGE, false, extendedUsage),
    extension(SUBJECT_ALT_NAME, false, encode(SEQUENCE, ...names.map(generalName))),
  ];
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [encode(BOOLEAN, Buffer.of(0xff))] : [];
  return encode(SEQUENCE, identifier(id), ...flag, encode(OCTET_STRING, value));
}

/** GeneralName: dNSName [2] or iPAddress [7] (RFC 5280 §4.2.1.6). */
function generalName(name: string): Buffer {
  const family = isIP(name);
  if (family === 4) return encode(implicitTag(7), Buffer.from(name.split('.').map(Number)));
  if (family === 6) return encode(implicitTag(7), ipv6Bytes(name));
  return encode(implicitTag(2), Buffer.from(name, 'latin1'));
}

function ipv6Bytes(address: string): Buffer {
  // The URL parser expands what it can and leaves at most one `::`.
  const normal = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = normal.split('::');
  const words = (text: string | undefined) => (text ? text.split(':') : []);
  const left = words(head);
  const right = words(tail);
  const zeros = new Array<string>(8 - left.length - right.length).fill('0');
  const all = [...left, ...zeros, ...right].map((word) => word.padStart(4, '0'));
  return Buffer.from(all.join(''), 'hex');
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

function signatureAlgorithm(type: SelfSignedKeyType): Buffer {
  if (type === 'rsa') return encode(SEQUENCE, identifier(SHA256_WITH_RSA), encode(NULL));
  return encode(SEQUENCE, identifier(type === 'ec' ? ECDSA_WITH_SHA256 : ED25519));
}

function identifier(hex: string): Buffer {
  return encode(OBJECT_IDENTIFIER, Buffer.from(hex, 'hex'));
}

function bitString(bytes: Buffer): Buffer {
  return encode(BIT_STRING, Buffer.of(0), bytes);
}

/** One DER value: tag, length, content. */
function encode(tag: number, ...content: Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  assert(body.length < 65_536, 'the certificate is small');
  const { length } = body;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), body]);
  if (length < 0x100) return Buffer.concat([Buffer.of(tag, 0x81, length), body]);
  return Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 0xff), body]);
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g)!;
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
