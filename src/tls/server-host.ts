/** One host of a TLS server: a context of its own, and what a connection that chooses it is told. */
import { createHash } from 'node:crypto';
import { UsageError } from '../base/errors.ts';
import { POLICY_MARK_BYTES } from '../native/session-marks.ts';
import type { Ssl } from '../native/ssl.ts';
import { SslContext } from '../native/ssl-context.ts';
import { loadCertificates, loadClientAuthorities } from './certificates.ts';
import { implementedGroups } from './groups.ts';
import type { CertificatePair, HostTlsOptions } from './host-options.ts';

/**
 * Least bytes of encrypted early data that are skipped when it is not accepted: clients may hold
 * tickets of a time when more was allowed. A flood is refused.
 */
const SKIPPED_EARLY_DATA_BYTES_MIN = 1_048_576;

/**
 * A record with one byte of early data has 17 more: its type and its tag (RFC 8446 §5.2). A client
 * that sends what its ticket permits in small records must be able to go on without.
 */
const SEALED_BYTES_PER_BYTE_MAX = 18;

/** Most bytes of early data that are skipped: OpenSSL counts them in 32 bits, and adds to it. */
const SKIPPED_EARLY_DATA_BYTES_MAX = 2_147_483_647;

/** RFC 9001 §4.6.1: a ticket of QUIC allows this or nothing; flow control says how much. */
const QUIC_EARLY_DATA_BYTES = 0xffff_ffff;

/** OpenSSL keeps at most this many bytes of a session id context (SSL_MAX_SID_CTX_LENGTH). */
const SESSION_ID_CONTEXT_BYTES = 32;

export class ServerHost implements Disposable {
  readonly options: HostTlsOptions;
  /** Goes into its tickets, and tells those of another early-data policy. */
  readonly policyMark: Uint8Array;
  readonly #prepare: (context: SslContext) => void;
  #context: SslContext;
  #warnings: readonly string[];
  #isLeftUncompressed = false;

  /** `prepare` sets up what every context of the server has. Throws UsageError. */
  constructor(options: HostTlsOptions, prepare: (context: SslContext) => void) {
    this.options = options;
    this.policyMark = policyMark(options);
    this.#prepare = prepare;
    const { context, warnings } = this.#build(options.certificates);
    this.#context = context;
    this.#warnings = warnings;
  }

  /** Of the certificates, in whole sentences. */
  get warnings(): readonly string[] {
    return this.#warnings;
  }

  /** Whether its certificates were to be compressed, and the library could not. */
  get isLeftUncompressed(): boolean {
    return this.#isLeftUncompressed;
  }

  /**
   * New connections get these. Those that are open keep theirs. Throws UsageError for certificates
   * that cannot be used, and then nothing has changed.
   */
  replaceCertificates(certificates: readonly CertificatePair[]): void {
    const { context, warnings } = this.#build(certificates);
    this.#context[Symbol.dispose]();
    this.#context = context;
    this.#warnings = warnings;
  }

  #build(certificates: readonly CertificatePair[]): { context: SslContext; warnings: string[] } {
    const context = new SslContext('server');
    try {
      this.#prepare(context);
      configureHost(context, this.options);
      const warnings = loadCertificates(context, certificates);
      // OpenSSL compresses beforehand, and so without the status that only some clients ask for:
      // where there is one, it is worth more.
      const isStapled = certificates.some(({ ocspResponse }) => ocspResponse !== undefined);
      const isCompressed = this.options.certificateCompression && !isStapled;
      this.#isLeftUncompressed = isCompressed && !context.compressCertificates();
      return { context, warnings };
    } catch (error) {
      context[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Makes a connection one of this host's. `base` is what its context was configured by, and so what
   * need not be said again.
   */
  adopt(ssl: Ssl, base: HostTlsOptions): void {
    const { options } = this;
    ssl.useContext(this.#context);
    const { offered, received } = earlyDataSizes(options);
    // Early data of QUIC is enabled before there is a host, for all.
    if (options.carrier === 'quic') ssl.setEarlyData(offered, received);
    if (options === base) return;
    if (options.minVersion !== base.minVersion || options.maxVersion !== base.maxVersion) {
      ssl.setVersions(options.minVersion, options.maxVersion);
    }
    if (options.groups !== base.groups) ssl.setGroups(options.groups);
    const { mode } = options.clientCertificates;
    if (mode !== base.clientCertificates.mode) ssl.askForCertificate(mode);
    const sizesOfBase = earlyDataSizes(base);
    if (offered !== sizesOfBase.offered || received !== sizesOfBase.received) {
      ssl.setEarlyData(offered, received);
    }
  }

  [Symbol.dispose](): void {
    this.#context[Symbol.dispose]();
  }
}

/**
 * Tries a host's options without serving it: what an operator should know, as an expired
 * certificate. Throws UsageError for options that cannot be served.
 */
export function hostWarnings(options: HostTlsOptions): readonly string[] {
  // Compression takes time, and a handshake goes on without it.
  using host = new ServerHost({ ...options, certificateCompression: false }, () => {});
  return host.warnings;
}

/** What of a host's options a context holds, certificates excepted. */
export function configureHost(context: SslContext, options: HostTlsOptions): void {
  const { minVersion, maxVersion, clientCertificates } = options;
  if (minVersion > maxVersion) {
    throw new UsageError(
      `the lowest version, ${minVersion}, is above the highest, ${maxVersion}`,
      'leave one of them out, or give both the same version',
    );
  }
  context.setVersions(minVersion, maxVersion);
  setLists(context, options);
  const { offered, received } = earlyDataSizes(options);
  context.setEarlyData(offered, received);
  context.askForCertificate(clientCertificates.mode);
  if (clientCertificates.mode !== 'off') {
    loadClientAuthorities(context, clientCertificates.authoritiesPem);
  }
  context.setSessionIdContext(sessionIdContext(options));
}

function setLists(context: SslContext, options: HostTlsOptions): void {
  const { ciphers, cipherSuites, groups } = options;
  attempt(
    () => context.setCipherList(ciphers),
    `the ciphers '${ciphers}' are not understood`,
    'give names of OpenSSL, as ECDHE-ECDSA-AES128-GCM-SHA256, separated by colons',
  );
  attempt(
    () => context.setCipherSuites(cipherSuites),
    `the cipher suites '${cipherSuites}' are not understood`,
    'give some of TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384 and TLS_CHACHA20_POLY1305_SHA256',
  );
  try {
    context.setGroups(groups);
  } catch (cause) {
    throw new UsageError(
      `key exchange groups '${groups}' are not understood: ${(cause as Error).message}`,
      `give some of ${implementedGroups('TLSv1.3').join(', ')}, separated by colons`,
    );
  }
}

function attempt(body: () => void, problem: string, remedy: string): void {
  try {
    body();
  } catch (cause) {
    throw new UsageError(`${problem}: ${(cause as Error).message}`, remedy);
  }
}

function earlyDataSizes({ carrier, earlyData: { enabled, bytesMax } }: HostTlsOptions) {
  const allowed = carrier === 'quic' ? QUIC_EARLY_DATA_BYTES : bytesMax;
  return {
    offered: enabled ? allowed : 0,
    // What is accepted the ticket bounds, which permits no more than the host (early-data-acceptance.ts).
    // What is not accepted is skipped, not answered with an alert.
    received: Math.min(
      Math.max(SEALED_BYTES_PER_BYTE_MAX * bytesMax, SKIPPED_EARLY_DATA_BYTES_MIN),
      SKIPPED_EARLY_DATA_BYTES_MAX,
    ),
  };
}

function policyMark({ earlyDataPolicy = '' }: HostTlsOptions): Uint8Array {
  return createHash('sha256').update(earlyDataPolicy).digest().subarray(0, POLICY_MARK_BYTES);
}

/**
 * What a ticket is tied to: it is resumed only by the host that issued it, and only as long as that
 * host asks the same of clients. Otherwise a client that was asked for nothing could resume where a
 * certificate is required.
 */
function sessionIdContext({ carrier, names, clientCertificates }: HostTlsOptions): string {
  const { mode, authoritiesPem } = clientCertificates;
  const demand = [names[0] ?? '', mode, authoritiesPem];
  // What a ticket of QUIC allows means nothing over TCP, and the other way round.
  const text = JSON.stringify(carrier === 'quic' ? [...demand, carrier] : demand);
  return createHash('sha256').update(text).digest('hex').slice(0, SESSION_ID_CONTEXT_BYTES);
}
