/** Reads a certificate and its key, and proves that they belong together before anything listens. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Warn } from '../base/errors.ts';
import type { CertificatePair } from '../tls/host-options.ts';
import { type ExplicitValue, refuse, warnOf } from './option-values.ts';

/**
 * Throws UsageError when a file cannot be read, is not PEM, or the two do not match. `warn` hears
 * of a certificate that clients will refuse, which is no reason not to start.
 */
export function readCertificatePair(
  certificate: { readonly given: ExplicitValue; readonly path: string },
  key: { readonly given: ExplicitValue; readonly path: string },
  warn: Warn,
  nowMs: number,
): CertificatePair {
  const certificatePem = readPem(certificate.given, certificate.path);
  const keyPem = readPem(key.given, key.path);
  const leaf = parseCertificate(certificate.given, certificatePem);
  if (!leaf.checkPrivateKey(parseKey(key.given, keyPem))) {
    refuse(
      key.given,
      `not the key of the certificate in ${certificate.given.text}`,
      'name the key that the certificate was made with',
    );
  }
  if (leaf.validToDate.getTime() < nowMs) {
    warnOf(certificate.given, `the certificate expired on ${leaf.validTo}`, warn);
  } else if (leaf.validFromDate.getTime() > nowMs) {
    warnOf(certificate.given, `the certificate is not valid before ${leaf.validFrom}`, warn);
  }
  return { certificatePem, keyPem };
}

/** A PEM file as it is read everywhere: editors put a byte order mark before it, in UTF-8. */
export function readPemText(path: string): string {
  return withoutMark(readFileSync(path, 'latin1'));
}

/** `bytes` as characters. */
export function withoutMark(bytes: string): string {
  return bytes.startsWith('\xef\xbb\xbf') ? bytes.slice(3) : bytes;
}

/** The text of a PEM file. Throws UsageError. */
function readPem(given: ExplicitValue, path: string): string {
  let text = '';
  try {
    text = readPemText(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'no such file' : `cannot be read (${code})`;
    refuse(given, why, 'name a PEM file that this user may read');
  }
  if (!text.includes('-----BEGIN ')) refuse(given, 'not a PEM file', 'convert it to PEM');
  return text;
}

/** Of authorities whose file OpenSSL reads by its name. Throws UsageError. */
export function checkAuthorities(given: ExplicitValue, path: string): void {
  const isMarked = readPem(given, path) !== readFileSync(path, 'latin1');
  if (isMarked) refuse(given, 'begins with a byte order mark', 'save it without');
}

function parseCertificate(given: ExplicitValue, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    refuse(given, 'holds no certificate', 'name a PEM file that begins with the certificate');
  }
}

function parseKey(given: ExplicitValue, pem: string): KeyObject {
  if (/-----BEGIN ENCRYPTED |Proc-Type: 4,ENCRYPTED/.test(pem)) {
    refuse(given, 'the key has a passphrase', 'remove it with openssl pkey -in FILE -out NEWFILE');
  }
  try {
    return createPrivateKey(pem);
  } catch {
    refuse(given, 'holds no private key', 'name a PEM file with the private key');
  }
}

/** Who a certificate is for, for people to read: its names, or else its subject. */
export function certificateNames({ subject = '', subjectAltName }: X509Certificate): string {
  const names = subjectAltName?.replaceAll('DNS:', '') ?? '';
  return names === '' ? subject.replaceAll('\n', ', ') : names;
}

/** SHA-256 of the certificate, as `AB:CD:…`, for people to compare. */
export function certificateFingerprint(certificatePem: string): string {
  return new X509Certificate(certificatePem).fingerprint256;
}
