/** Certificates and keys of a server, from PEM into a context. Every error is a UsageError. */
import { UsageError } from '../base/errors.ts';
import type { SslContext } from '../native/ssl-context.ts';
import { Certificate, PrivateKey } from '../native/x509.ts';
import type { CertificatePair } from './host-options.ts';

/** Loads all pairs; returns what an operator should know of them, in whole sentences. */
export function loadCertificates(context: SslContext, pairs: readonly CertificatePair[]): string[] {
  const types = new Set<string>();
  const warnings = pairs.flatMap((pair) => loadCertificate(context, pair, types));
  if (pairs.some(({ ocspResponse }) => ocspResponse !== undefined)) context.sendStatus();
  return warnings;
}

function loadCertificate(context: SslContext, pair: CertificatePair, types: Set<string>): string[] {
  const chain = readChain(pair.certificatePem);
  try {
    using key = readKey(pair.keyPem);
    const leaf = chain[0]!;
    if (!leaf.matches(key)) {
      throw new UsageError(
        'the private key does not belong to the certificate',
        'give the key that the certificate was made for, and the certificate of the server first',
      );
    }
    if (types.has(key.type)) {
      throw new UsageError(
        `a host has two certificates with a key of type ${key.type}`,
        'give one certificate of each type, as one RSA and one ECDSA',
      );
    }
    types.add(key.type);
    useCertificate(context, chain, key);
    if (pair.ocspResponse !== undefined) context.staple(leaf, pair.ocspResponse);
    return validityWarnings(leaf);
  } finally {
    for (const certificate of chain) certificate[Symbol.dispose]();
  }
}

function useCertificate(context: SslContext, chain: readonly Certificate[], key: PrivateKey): void {
  try {
    context.useCertificate(chain, key);
  } catch (cause) {
    throw new UsageError(
      `the certificate cannot be used: ${(cause as Error).message}`,
      'use a certificate with an RSA key of at least 2048 bits, or ECDSA, or Ed25519',
    );
  }
}

function validityWarnings(leaf: Certificate): string[] {
  if (leaf.validity === 'expired') return ['The certificate has expired: clients will refuse it.'];
  if (leaf.validity === 'not-yet') return ['The certificate is not valid yet.'];
  return [];
}

/** Trusts the certificates of a PEM text as issuers of client certificates. */
export function loadClientAuthorities(context: SslContext, pem: string): void {
  const authorities = readChain(pem);
  for (const authority of authorities) {
    context.addClientAuthority(authority);
    authority[Symbol.dispose]();
  }
}

function readChain(pem: string): Certificate[] {
  let chain: Certificate[];
  try {
    chain = Certificate.readAll(pem);
  } catch (cause) {
    throw new UsageError(
      `the certificate file is damaged: ${(cause as Error).message}`,
      'give a PEM file with the certificate first and its issuers after it',
    );
  }
  if (chain.length > 0) return chain;
  throw new UsageError(
    'the certificate file holds no certificate',
    'give a PEM file with a block that begins with -----BEGIN CERTIFICATE-----',
  );
}

function readKey(pem: string): PrivateKey {
  try {
    return PrivateKey.read(pem);
  } catch (cause) {
    throw new UsageError(
      `the key file cannot be read: ${(cause as Error).message}`,
      'give a PEM file with an unencrypted private key',
    );
  }
}
