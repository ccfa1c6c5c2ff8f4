/** TLS toward origins: verified by default against the system's roots. */
import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { rootCertificates } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import { SluiceError, UsageError } from '../base/errors.ts';
import { Ssl } from '../native/ssl.ts';
import { SslContext, SslMode, SslOption, type TlsVersion } from '../native/ssl-context.ts';
import type { SslSession } from '../native/ssl-session.ts';
import { Certificate } from '../native/x509.ts';
import { loadCertificates } from './certificates.ts';
import { CIPHER_SUITES_TLS13, CLIENT_CIPHERS_TLS12 } from './cipher-suites.ts';
import { TlsEngine } from './connection.ts';
import type { TlsHandler } from './contract.ts';
import type { CertificatePair } from './host-options.ts';
import type { TraceRecorder, TraceWatch } from './trace-recorder.ts';

/** Where distributions keep the roots, as one file. */
const ROOT_FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
  '/etc/ssl/ca-bundle.pem',
];

export interface ClientContextOptions {
  /** PEM file of the only roots to trust, instead of the system's; '' for the system's. */
  readonly caFile?: string;
  /** Protocols to offer, most wanted first. Empty: no ALPN. */
  readonly alpn?: readonly string[];
  /** False only by an explicit, alarming option: anybody can stand in for the origin. */
  readonly verify?: boolean;
  /** Where SSL_CERT_FILE and SSL_CERT_DIR may stand, as other programs read them. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Shown to origins that ask for one. */
  readonly certificate?: CertificatePair;
  readonly groups?: string;
  /** Whether to ask for the status of the origin's certificate (RFC 6066 §8). */
  readonly asksForStatus?: boolean;
  /** Signature schemes that the origin may use, by IANA names, separated by colons. */
  readonly signatureSchemes?: string;
  readonly minVersion?: TlsVersion;
  readonly maxVersion?: TlsVersion;
  /** Who records what its connections do. */
  readonly recorder?: TraceRecorder;
}

export interface ClientConnectionOptions {
  /** The name to ask for (SNI), or '' for none. An IP address is never sent (RFC 6066 §3). */
  readonly serverName: string;
  /** DNS name or IP address that the certificate must bear; `serverName` by default. */
  readonly verifyName?: string;
  /** A session of an earlier connection to the same origin. */
  readonly session?: SslSession;
  /**
   * Sent with the first flight if the session allows as many bytes. It may be replayed, and the
   * record's `earlyData` says whether the server took it: if not, it has to be sent again.
   */
  readonly earlyData?: Uint8Array;
  /**
   * Instead of `earlyData`: the connection can be written to at once, and its ClientHello leaves with
   * the first bytes. See TlsEngine.startEarly. The session must allow early data.
   */
  readonly isEarly?: boolean;
}

export interface ClientContext extends Disposable {
  /** Which roots are trusted, for the log: a path, `bundled` or `none`. */
  readonly roots: string;
  /** A connection whose ClientHello waits in its output. */
  connect(options: ClientConnectionOptions, handler: TlsHandler, clock: Clock): TlsEngine;
}

/** Throws UsageError for a root file that cannot be used. */
export function createClientContext(options: ClientContextOptions = {}): ClientContext {
  const verify = options.verify ?? true;
  const context = new SslContext('client');
  const { recorder = null } = options;
  const watch = recorder === null ? null : { recorder, peer: '', guard: null };
  try {
    context.setOptions(SslOption.NO_COMPRESSION | SslOption.NO_RENEGOTIATION);
    context.setMode(SslMode.ACCEPT_MOVING_WRITE_BUFFER | SslMode.RELEASE_BUFFERS);
    context.setVersions(options.minVersion ?? 'TLSv1.2', options.maxVersion ?? 'TLSv1.3');
    context.setCipherList(CLIENT_CIPHERS_TLS12);
    context.setCipherSuites(CIPHER_SUITES_TLS13);
    if (options.certificate !== undefined) loadCertificates(context, [options.certificate]);
    if (options.groups !== undefined) context.setGroups(options.groups);
    if (options.asksForStatus === true) context.askForStatus();
    const { signatureSchemes } = options;
    if (signatureSchemes !== undefined) context.setSignatureSchemes(signatureSchemes);
    if (options.alpn !== undefined && options.alpn.length > 0) context.offerAlpn(options.alpn);
    const roots = verify ? trustRoots(context, options) : 'none';
    if (verify) context.verifyPeer();
    return {
      roots,
      connect: (target, handler, clock) =>
        connect({ context, verify, target, handler, clock, watch }),
      [Symbol.dispose]: () => context[Symbol.dispose](),
    };
  } catch (error) {
    context[Symbol.dispose]();
    throw error;
  }
}

interface ConnectInput {
  readonly context: SslContext;
  readonly verify: boolean;
  readonly target: ClientConnectionOptions;
  readonly handler: TlsHandler;
  readonly clock: Clock;
  readonly watch: TraceWatch | null;
}

function connect({ context, verify, target, handler, clock, watch }: ConnectInput): TlsEngine {
  const verifyName = target.verifyName ?? target.serverName;
  if (verify && !isVerifiable(verifyName)) {
    throw new SluiceError('tls-name-invalid', `'${verifyName}' is no name of a server`, {
      blame: 'internal',
    });
  }
  const ssl = new Ssl(context);
  if (verify) ssl.expectName(verifyName, isIP(verifyName) !== 0);
  if (target.serverName !== '' && isIP(target.serverName) === 0) {
    ssl.setServerName(target.serverName);
  }
  if (target.session !== undefined) ssl.useSession(target.session);
  const engine = new TlsEngine({ ssl, role: 'client', handler, clock, watch });
  const { session, earlyData, isEarly = false } = target;
  const bytesMax = session?.earlyDataBytesMax ?? 0;
  if (isEarly && bytesMax > 0) engine.startEarly(bytesMax);
  else engine.start(bytesMax >= (earlyData?.length ?? 0) ? earlyData : undefined);
  return engine;
}

/** A DNS name in its ASCII form (RFC 1035 §2.3.4) or an IP address. */
function isVerifiable(name: string): boolean {
  return isIP(name) !== 0 || (name.length <= 253 && /^[\w-]+(\.[\w-]+)*\.?$/.test(name));
}

function trustRoots(context: SslContext, options: ClientContextOptions): string {
  if (options.caFile !== undefined && options.caFile !== '') {
    if (context.addRootsFromFile(options.caFile)) return options.caFile;
    throw new UsageError(
      `no certificate can be read from '${options.caFile}'`,
      'give a PEM file with the certificates to trust',
    );
  }
  return trustEnvironment(context, options) || trustSystem(context) || trustBundled(context);
}

function trustEnvironment(context: SslContext, options: ClientContextOptions): string {
  const { SSL_CERT_FILE: file = '', SSL_CERT_DIR: directory = '' } =
    options.environment ?? process.env;
  const hasDirectory = directory !== '' && existsSync(directory);
  if (hasDirectory) context.addRootsFromDirectory(directory);
  if (file !== '' && context.addRootsFromFile(file)) return file;
  return hasDirectory ? directory : '';
}

function trustSystem(context: SslContext): string {
  return ROOT_FILES.find((path) => existsSync(path) && context.addRootsFromFile(path)) ?? '';
}

/** Mozilla's roots as Node carries them: for containers that have none. */
function trustBundled(context: SslContext): string {
  for (const certificate of Certificate.readAll(rootCertificates.join('\n'))) {
    context.addRoot(certificate);
    certificate[Symbol.dispose]();
  }
  return 'bundled';
}
