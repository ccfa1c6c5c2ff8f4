/** TLS toward clients: what all connections of a listener have in common. */
import type { Clock } from '../base/clock.ts';
import { UsageError } from '../base/errors.ts';
import type { InfoObserver } from '../native/info-observer.ts';
import { Ssl } from '../native/ssl.ts';
import { SslContext, SslMode, SslOption, type TlsVersion } from '../native/ssl-context.ts';
import { TicketKeys } from '../native/ticket-keys.ts';
import { Certificate, PrivateKey } from '../native/x509.ts';
import { CIPHER_SUITES_TLS13, SERVER_CIPHERS_TLS12 } from './cipher-suites.ts';
import { TlsEngine } from './connection.ts';
import type { TlsConnection, TlsHandler } from './contract.ts';
import type { EarlyDataGate } from './early-data-gate.ts';
import { implementedGroups } from './groups.ts';

/** As much as OpenSSL, nginx and browsers use; a first request fits. */
export const EARLY_DATA_BYTES_DEFAULT = 16_384;
/** Octets of early data that are skipped when it is not accepted: clients may hold old tickets. */
const SKIPPED_EARLY_DATA_BYTES_MIN = 16_384;
/** Two, so that a browser can open two connections at once with different tickets. */
export const TICKETS_PER_HANDSHAKE_DEFAULT = 2;
/** Seconds. RFC 8446 §4.6.1 allows up to 7 days; a day bounds what a stolen key opens. */
export const TICKET_LIFETIME_SECONDS_DEFAULT = 86_400;
/** OpenSSL's own: X25519MLKEM768 and X25519 first, then the NIST curves, X448 and ffdhe. */
export const GROUPS_DEFAULT = 'DEFAULT';
const SESSION_ID_CONTEXT = 'sluice';

export interface ServerContextOptions {
  /** Leaf first, then its issuers. */
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Protocols by our preference, as `['h2', 'http/1.1']`. Empty: ALPN is not answered. */
  readonly alpn: readonly string[];
  readonly earlyData: {
    readonly enabled: boolean;
    /** Octets per connection; 16,384 by default. */
    readonly bytesMax?: number;
    /**
     * Accepts no ClientHello's early data twice. Without one, replays are accepted: only where
     * nothing can be replayed, as in tests.
     */
    readonly gate?: EarlyDataGate;
  };
  /** 80 octets each, newest first: 16 name, 32 AES, 32 HMAC. */
  readonly ticketKeys: readonly Uint8Array[];
  /** False: no tickets are issued, and none is taken. */
  readonly tickets?: boolean;
  readonly ticketsPerHandshake?: number;
  readonly ticketLifetimeSeconds?: number;
  /** Key exchange groups by our preference, in OpenSSL's syntax. */
  readonly groups?: string;
  readonly minVersion?: TlsVersion;
  readonly maxVersion?: TlsVersion;
  /** Called from inside OpenSSL, which nothing of ours needs; see native/info-observer.ts. */
  readonly infoObservers?: readonly InfoObserver[];
}

export interface ServerContext extends Disposable {
  /** What an operator should know, as an expired certificate; whole sentences. */
  readonly warnings: readonly string[];
  /** A connection that waits for a ClientHello. */
  accept(handler: TlsHandler, clock: Clock): TlsConnection;
  /** Newest first; tickets under the keys that are left out are no longer resumed. */
  replaceTicketKeys(keys: readonly Uint8Array[]): void;
}

/**
 * Throws UsageError for a certificate, key or group list that cannot be used. Connections may
 * outlive their context's disposal.
 */
export function createServerContext(options: ServerContextOptions): ServerContext {
  const context = new SslContext('server');
  try {
    const warnings = loadCertificate(context, options);
    configure(context, options);
    const keys = new TicketKeys(options.ticketKeys);
    context.setTicketKeys(keys);
    const { enabled: earlyData, gate = null } = options.earlyData;
    return {
      warnings,
      accept: (handler, clock) =>
        new TlsEngine({ ssl: new Ssl(context), role: 'server', handler, clock, earlyData, gate }),
      replaceTicketKeys: (replacement) => keys.replace(replacement),
      [Symbol.dispose]: () => context[Symbol.dispose](),
    };
  } catch (error) {
    context[Symbol.dispose]();
    throw error;
  }
}

function configure(context: SslContext, options: ServerContextOptions): void {
  context.setOptions(
    SslOption.NO_COMPRESSION |
      SslOption.NO_RENEGOTIATION |
      // OpenSSL's anti-replay knows one process only and makes tickets stateful.
      SslOption.NO_ANTI_REPLAY |
      // Our order, but a client without AES hardware, which lists ChaCha20 first, gets it.
      SslOption.CIPHER_SERVER_PREFERENCE |
      SslOption.PRIORITIZE_CHACHA,
  );
  context.setMode(SslMode.ACCEPT_MOVING_WRITE_BUFFER | SslMode.RELEASE_BUFFERS);
  context.setVersions(options.minVersion ?? 'TLSv1.2', options.maxVersion ?? 'TLSv1.3');
  context.setCipherList(SERVER_CIPHERS_TLS12);
  context.setCipherSuites(CIPHER_SUITES_TLS13);
  setGroups(context, options.groups ?? GROUPS_DEFAULT);
  const bytesMax = options.earlyData.bytesMax ?? EARLY_DATA_BYTES_DEFAULT;
  context.setEarlyData(
    options.earlyData.enabled ? bytesMax : 0,
    // Never below: early data under an old ticket is skipped, not answered with an alert.
    Math.max(bytesMax, SKIPPED_EARLY_DATA_BYTES_MIN),
  );
  const { gate } = options.earlyData;
  context.judgeEarlyData(gate?.admit ?? (() => true));
  const { tickets = true, ticketsPerHandshake = TICKETS_PER_HANDSHAKE_DEFAULT } = options;
  // Without the option OpenSSL would still take tickets; with it alone it would issue stateful ones.
  if (!tickets) context.setOptions(SslOption.NO_TICKET);
  context.setTickets(
    tickets ? ticketsPerHandshake : 0,
    options.ticketLifetimeSeconds ?? TICKET_LIFETIME_SECONDS_DEFAULT,
  );
  context.setSessionIdContext(SESSION_ID_CONTEXT);
  if (options.alpn.length > 0) context.selectAlpn(options.alpn);
  context.watchFromInside(options.infoObservers ?? []);
}

function setGroups(context: SslContext, groups: string): void {
  try {
    context.setGroups(groups);
  } catch (cause) {
    throw new UsageError(
      `key exchange groups '${groups}' are not understood: ${(cause as Error).message}`,
      `give some of ${implementedGroups('TLSv1.3').join(', ')}, separated by colons`,
    );
  }
}

function loadCertificate(context: SslContext, options: ServerContextOptions): string[] {
  const chain = readChain(options.certificatePem);
  try {
    using key = readKey(options.keyPem);
    const leaf = chain[0]!;
    if (!leaf.matches(key)) {
      throw new UsageError(
        'the private key does not belong to the certificate',
        'give the key that the certificate was made for, and the certificate of the server first',
      );
    }
    useCertificate(context, chain, key);
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
