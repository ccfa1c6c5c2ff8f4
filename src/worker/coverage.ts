/**
 * Which authorities an HTTP/2 connection may be used for (RFC 9113 §9.1.1). A client may use a
 * connection for every name in the certificate; for others it is asked to open another, with 421.
 */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

/** Host names found covered or not, kept; beyond this they are looked up again. */
const ANSWERS_KEPT_MAX = 1_024;

/** Whether a connection of a host, made for the server name, may be used for the authority. */
export type Coverage = (host: number, serverName: string, authority: string) => boolean;

/** `hosts`: the certificates of each, PEM. */
export function coverageOf(hosts: readonly (readonly string[])[]): Coverage {
  const coverages = hosts.map(coverageOfHost);
  return (host, serverName, authority) => coverages[host]?.(serverName, authority) ?? true;
}

/**
 * Lenient where a refusal would protect nobody (host-guard.ts sees to the rest). The name that the
 * client asked for in the handshake is covered whatever the certificate says (a gateway in front of
 * us has its own reasons), so is everything on connections without one (an IP address was dialled),
 * and behind a self-signed certificate, for which no authority vouches.
 */
function coverageOfHost(
  certificatesPem: readonly string[],
): (serverName: string, authority: string) => boolean {
  const certificates = certificatesPem.map((pem) => new X509Certificate(pem));
  if (certificates.some((certificate) => certificate.checkIssued(certificate))) return () => true;
  const answers = new Map<string, boolean>();
  return (serverName, authority) => {
    if (serverName === '') return true;
    const host = hostOf(authority);
    if (host === serverName.toLowerCase()) return true;
    let answer = answers.get(host);
    if (answer === undefined) {
      answer = certificates.every((certificate) => isNamed(certificate, host));
      if (answers.size < ANSWERS_KEPT_MAX) answers.set(host, answer);
    }
    return answer;
  };
}

function isNamed(certificate: X509Certificate, host: string): boolean {
  if (isIP(host) !== 0) return certificate.checkIP(host) !== undefined;
  return certificate.checkHost(host) !== undefined;
}

/** The host without port, brackets and final dot, in lower case. */
export function hostOf(authority: string): string {
  const host = authority.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1');
  return host.replace(/\.$/, '').toLowerCase();
}
