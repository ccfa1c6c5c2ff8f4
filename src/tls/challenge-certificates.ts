/**
 * Certificates that show an authority, in a handshake, that a name is ours (TLS-ALPN-01, RFC 8737). Only
 * handshakes that offer that one protocol get them, whatever host the name belongs to otherwise.
 */
import type { ClientHelloStep } from '../native/client-hello.ts';
import { SslContext } from '../native/ssl-context.ts';
import { loadCertificates } from './certificates.ts';
import type { CertificatePair } from './host-options.ts';

/** RFC 8737 §4. */
export const CHALLENGE_PROTOCOL = 'acme-tls/1';

export interface ChallengeCertificate extends CertificatePair {
  /** In lower case. */
  readonly serverName: string;
}

export class ChallengeCertificates implements Disposable {
  readonly #contexts = new Map<string, SslContext>();

  /** Instead of those of before. Handshakes under way keep what they have. */
  replace(certificates: readonly ChallengeCertificate[]): void {
    this[Symbol.dispose]();
    for (const certificate of certificates) {
      const context = new SslContext('server');
      this.#contexts.set(certificate.serverName, context);
      // RFC 8737 §3: TLS 1.2 or later.
      context.setVersions('TLSv1.2', 'TLSv1.3');
      context.selectAlpn([CHALLENGE_PROTOCOL], [CHALLENGE_PROTOCOL]);
      loadCertificates(context, [certificate]);
    }
  }

  /**
   * Gives a connection the certificate that its ClientHello is to be shown, instead of a host, whose demands
   * do not hold here; false for one that is to be shown none.
   */
  adopt(hello: Parameters<ClientHelloStep>[0]): boolean {
    if (this.#contexts.size === 0 || !hello.offersOnly(CHALLENGE_PROTOCOL)) return false;
    const context = this.#contexts.get(hello.serverName);
    const { connection } = hello;
    if (context === undefined) return false;
    connection.useContext(context);
    connection.setVersions('TLSv1.2', 'TLSv1.3');
    connection.askForCertificate('off');
    return true;
  }

  [Symbol.dispose](): void {
    for (const context of this.#contexts.values()) context[Symbol.dispose]();
    this.#contexts.clear();
  }
}
