/** What can be set per host name of a TLS server: plain data, as a configuration makes it. */
import type { CertificateDemand, TlsVersion } from '../native/ssl-context.ts';
import { CIPHER_SUITES_TLS13, SERVER_CIPHERS_TLS12 } from './cipher-suites.ts';

/** As much as OpenSSL, nginx and browsers use; a first request fits. */
export const EARLY_DATA_BYTES_DEFAULT = 16_384;

/**
 * Bytes of early data that all open handshakes of a worker, or of one of its hosts, may send at
 * once: 4,096 tickets' worth. What is sent early is decrypted and held before the client has proved
 * that it is there.
 */
export const EARLY_DATA_IN_FLIGHT_BYTES_DEFAULT = 67_108_864;

/** OpenSSL's own: X25519MLKEM768 and X25519 first, then the NIST curves, X448 and ffdhe. */
export const GROUPS_DEFAULT = 'DEFAULT';

export interface CertificatePair {
  /** PEM, leaf first, then its issuers. */
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Its revocation status as its issuer has signed it (RFC 6960, DER), to be stapled. */
  readonly ocspResponse?: Uint8Array;
}

/** What carries a handshake: records over a byte stream, or QUIC (RFC 9001). */
export type TlsCarrier = 'records' | 'quic';

export interface HostTlsOptions {
  /** Records, when it is left out. */
  readonly carrier?: TlsCarrier;
  /**
   * Lower case, as `example.org`, or `*.example.org` for every name with one more label. Names that
   * no host has get the first host.
   */
  readonly names: readonly string[];
  /** At least one, and at most one of a kind of key; the client's signature schemes choose. */
  readonly certificates: readonly CertificatePair[];
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** TLS 1.2, in OpenSSL's list syntax. */
  readonly ciphers: string;
  /** TLS 1.3, by IANA names, separated by colons. */
  readonly cipherSuites: string;
  /** Key exchange groups by our preference, in OpenSSL's list syntax. */
  readonly groups: string;
  readonly clientCertificates: ClientCertificateOptions;
  readonly earlyData: HostEarlyDataOptions;
  /**
   * What may be done early, in words of its owner's. Early data under a ticket that was issued while
   * they were others is refused.
   */
  readonly earlyDataPolicy?: string;
  /** Send the revocation status with the certificate (RFC 6066 §8), when there is one. */
  readonly ocspStapling: boolean;
  /** Send the certificate compressed (RFC 8879) to clients that can take it so. */
  readonly certificateCompression: boolean;
}

export interface ClientCertificateOptions {
  readonly mode: CertificateDemand;
  /** PEM: who may have issued them. '' only when the mode is `off`. */
  readonly authoritiesPem: string;
}

export interface HostEarlyDataOptions {
  readonly enabled: boolean;
  /** Bytes per connection (RFC 8446 §4.2.10, max_early_data_size). */
  readonly bytesMax: number;
  /** Bytes that all open handshakes of this host and worker together may send early. */
  readonly inFlightBytesMax: number;
}

/** A host of which nothing but the certificates was said. */
export const plainHost: Omit<HostTlsOptions, 'certificates'> = {
  names: [],
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: SERVER_CIPHERS_TLS12,
  cipherSuites: CIPHER_SUITES_TLS13,
  groups: GROUPS_DEFAULT,
  clientCertificates: { mode: 'off', authoritiesPem: '' },
  earlyData: {
    enabled: true,
    bytesMax: EARLY_DATA_BYTES_DEFAULT,
    inFlightBytesMax: EARLY_DATA_IN_FLIGHT_BYTES_DEFAULT,
  },
  ocspStapling: true,
  certificateCompression: true,
};
