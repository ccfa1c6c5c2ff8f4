/**
 * Which authorities an HTTP/2 connection may be used for (RFC 9113 §9.1.1). A client may use a
 * connection for every name in the certificate; for others it is asked to open another, with 421.
 */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { BoundedMap } from '../base/bounded-map.ts';
import { normalHost } from '../base/host-names.ts';
import type { Authority } from '../http/authority.ts';

/** Hosts found covered or not by one host's certificates; others are looked up again. */
export const AUTHORITY_CHECK_KEPT_BYTES_MAX = 131_072;

/** Whether a connection of a host, made for the server name, may be used for the authority. */
export type AuthorityCheck = (host: number, serverName: string, authority: Authority) => boolean;

/** `hosts`: the certificates of each, PEM. */
export function authorityCheckOf(hosts: readonly (readonly string[])[]): AuthorityCheck {
  const checks = hosts.map(authorityCheckOfHost);
  return (host, serverName, authority) => checks[host]?.(serverName, authority) ?? true;
}

/**
 * Lenient where a refusal would protect nobody (host-guard.ts sees to the rest). The name that the
 * client asked for in the handshake is covered whatever the certificate says (a gateway in front
 * of us has its own reasons), so is everything on connections without one (an IP address was
 * dialled), and behind a self-signed certificate, for which no authority vouches.
 */
function authorityCheckOfHost(
  certificatesPem: readonly string[],
): (serverName: string, authority: Authority) => boolean {
  const certificates = certificatesPem.map((pem) => new X509Certificate(pem));
  if (certificates.some((certificate) => certificate.checkIssued(certificate))) return () => true;
  const answers = new BoundedMap<boolean>(AUTHORITY_CHECK_KEPT_BYTES_MAX);
  return (serverName, authority) => {
    if (serverName === '') return true;
    const { host, address } = authority;
    if (host === normalHost(serverName)) return true;
    let answer = answers.get(host);
    if (answer === undefined) {
      answer = certificates.every((certificate) => isNamed(certificate, address));
      answers.set(host, answer);
    }
    return answer;
  };
}

function isNamed(certificate: X509Certificate, host: string): boolean {
  if (isIP(host) !== 0) return certificate.checkIP(host) !== undefined;
  return certificate.checkHost(host) !== undefined;
}
