/** What is shown to an authority that looks whether a name is ours (RFC 8555 §8, RFC 8737, RFC 8738). */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { ipv6Groups, isIpv4 } from '../base/address-range.ts';
import type { ChallengeCertificate } from '../tls/challenge-certificates.ts';
import { makeSelfSignedCertificate } from '../tls/self-signed.ts';
import type { Challenge, ChallengeType } from './contract.ts';

/** Where authorities ask (RFC 8555 §8.3). */
export const CHALLENGE_PATH = '/.well-known/acme-challenge/';

/** What a worker answers with: plain data. */
export interface ChallengeAnswers {
  /** By token. */
  readonly http: readonly (readonly [token: string, keyAuthorization: string])[];
  /** By server name. */
  readonly tls: readonly ChallengeCertificate[];
}

/** Of HTTP-01 and TLS-ALPN-01; those of DNS are not ours to give. */
export function answersTo(challenges: readonly Challenge[], nowMs: number): ChallengeAnswers {
  const ofType = (type: ChallengeType) => challenges.filter((one) => one.type === type);
  return {
    http: ofType('http-01').map(({ token, keyAuthorization }) => [token, keyAuthorization]),
    tls: ofType('tls-alpn-01').map(({ name, keyAuthorization }) => {
      const acmeIdentifier = createHash('sha256').update(keyAuthorization).digest();
      const { certificatePem, keyPem } = makeSelfSignedCertificate({
        names: [name],
        nowMs,
        acmeIdentifier,
      });
      return { serverName: serverNameOf(name), certificatePem, keyPem };
    }),
  };
}

/** What a TXT record at `_acme-challenge.NAME` says (RFC 8555 §8.4). */
export function dnsRecord({ name, keyAuthorization }: Challenge): { name: string; value: string } {
  const value = createHash('sha256').update(keyAuthorization).digest('base64url');
  return { name: `_acme-challenge.${name}`, value };
}

/** The server name by which a name is asked for: of an address, that of its reverse (RFC 8738 §6). */
export function serverNameOf(name: string): string {
  if (isIpv4(name)) return `${name.split('.').reverse().join('.')}.in-addr.arpa`;
  const groups = ipv6Groups(name);
  if (groups === null) return name;
  const nibbles = groups.flatMap((group) => [...group.toString(16).padStart(4, '0')]);
  return `${nibbles.reverse().join('.')}.ip6.arpa`;
}

/**
 * By which challenge a name is proved, of those that an authority offers and that we may use, in our
 * order; null for none. Wildcards by DNS alone (RFC 8555 §7.1.3), addresses never (RFC 8738 §7).
 */
export function chooseChallenge<T extends { readonly type: string }>(
  offered: readonly T[],
  allowed: readonly ChallengeType[],
  { isWildcard, name }: { readonly isWildcard: boolean; readonly name: string },
): (T & { readonly type: ChallengeType }) | null {
  for (const type of allowed) {
    if (isWildcard && type !== 'dns-01') continue;
    if (isIP(name) !== 0 && type === 'dns-01') continue;
    const found = offered.find((one) => one.type === type);
    if (found !== undefined) return found as T & { readonly type: ChallengeType };
  }
  return null;
}
