/**
 * From the options of an incident to options under which handshakes go as they did there, and nothing
 * else is touched: loopback alone, certificates and an origin of our own, no files but in one
 * directory.
 */
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { UsageError } from '../../base/errors.ts';
import { parseCommandLine } from '../../config/command-line.ts';
import type { HostOptions, SluiceOptions } from '../../config/options.ts';
import { resolveOptions } from '../../config/resolve.ts';
import { plainListener } from '../../downstream/options.ts';
import { plainErrorLog } from '../../telemetry/log-options.ts';
import { type CertificatePair, plainHost } from '../../tls/host-options.ts';
import { makeSelfSignedCertificate, type SelfSignedKeyType } from '../../tls/self-signed.ts';
import type { JsonValue } from '../../triage/incident.ts';
import type { OriginPorts } from '../../triage/replay/scripted-origin.ts';
import type { OriginGroupOptions, OriginServerOptions } from '../../upstream/options.ts';
import { INCIDENTS, type SandboxStart } from './contract.ts';

const LOOPBACK = '127.0.0.1';
/** The supervisor outlives its workers only when there are two of them. */
const WORKERS = 2;
const CACHE_BYTES = 16 * 1024 * 1024;
/** A worker that stands still for this long hangs: the sandbox does nothing else. */
const WATCHDOG_MS = 1_000;
const CERTIFICATE_NAME = 'localhost';

/** Throws UsageError when they cannot be run. */
export async function harmlessOptions(
  { options, features, directory, origin }: SandboxStart,
  originPort: number,
): Promise<SluiceOptions> {
  if (options === null) {
    throw new UsageError(
      'the incident has no options: they were too long to be recorded',
      'name a configuration with --against FILE',
    );
  }
  // What an older or newer sluice does not say is as by default.
  const plain = await plainOptions(directory, originPort, origin !== undefined);
  const given = options as unknown as Partial<SluiceOptions>;
  const hosts = arrayOf<HostOptions>(given.hosts);
  return {
    ...plain,
    ...given,
    origins: arrayOf<OriginGroupOptions>(given.origins).map((group) =>
      harmlessGroup(group, originPort, origin),
    ),
    routes: given.routes ?? plain.routes,
    hosts: hosts.length === 0 ? plain.hosts : hosts.map(harmlessHost),
    tls: { ...plain.tls, ...given.tls, keyLog: null, ticketKeyFile: null },
    features: { ...given.features, ...features },
    ...placesOf(plain),
  };
}

/** What is the sandbox's own whatever the incident says. */
function placesOf(plain: SluiceOptions): Partial<SluiceOptions> {
  const { listeners, recorder, autoDisable } = plain;
  return {
    listeners,
    recorder,
    autoDisable,
    workers: WORKERS,
    cluster: null,
    acme: null,
    cacheSizeBytes: CACHE_BYTES,
    cacheMemoryBytes: CACHE_BYTES,
    cacheDirectory: null,
    logs: [],
    errorLog: plainErrorLog,
    admin: null,
    adminToken: null,
    account: null,
    pidFile: null,
  };
}

/** As `sluice --origin …` has it, in so far as the sandbox does not change it. */
async function plainOptions(
  directory: string,
  originPort: number,
  takesPlaintext: boolean,
): Promise<SluiceOptions> {
  const options = await resolveOptions(
    parseCommandLine(['--origin', `http://${LOOPBACK}:${originPort}`], directory).given,
    { command: 'run', nowMs: Date.now(), stateDirectory: directory, demoOrigin: null, warn() {} },
  );
  const address = { host: LOOPBACK, port: 0 };
  // What is played to it comes over TCP.
  const http3 = { ...plainListener.http3, isOn: false };
  const secure = { ...plainListener, http3, address, kind: 'https' } as const;
  const plaintext = { ...plainListener, address, kind: 'http' } as const;
  return {
    ...options,
    listeners: takesPlaintext ? [secure, plaintext] : [secure],
    recorder: {
      directory: join(directory, INCIDENTS),
      addresses: true,
      earlyDataDigest: true,
      watchdogMs: WATCHDOG_MS,
      debugger: false,
    },
    autoDisable: { ...options.autoDisable, enabled: false, webhook: null },
  };
}

/** The group as it was, but that its servers are our origin. */
function harmlessGroup(
  group: OriginGroupOptions,
  port: number,
  origin: OriginPorts | undefined,
): OriginGroupOptions {
  const [given] = arrayOf<OriginServerOptions>(group.servers);
  const server = originServer(given, port, origin);
  const tls = { ...group.tls, verify: false, caFile: '' };
  const healthCheck = origin === undefined ? group.healthCheck : null;
  return { ...group, healthCheck, tls, servers: [{ ...server, weight: 1, backup: false }] };
}

/** Of the scripted origin, the port that speaks as the server did. */
function originServer(
  given: OriginServerOptions | undefined,
  port: number,
  origin: OriginPorts | undefined,
): Pick<OriginServerOptions, 'scheme' | 'http2' | 'host' | 'port'> {
  const host = LOOPBACK;
  if (origin !== undefined && given?.scheme === 'https') {
    return { scheme: 'https', http2: given.http2, host, port: origin.secure };
  }
  if (origin !== undefined && given?.http2 === 'prior-knowledge') {
    return { scheme: 'http', http2: given.http2, host, port: origin.http2 };
  }
  return { scheme: 'http', http2: 'never', host, port };
}

/** The host as it was, with certificates of our own for the same kinds of key. */
function harmlessHost(host: HostOptions): HostOptions {
  const { tls } = host;
  const certificates = arrayOf<CertificatePair>(tls.certificates).map(({ certificatePem }) =>
    standIn(keyTypeOf(certificatePem)),
  );
  const { mode } = tls.clientCertificates ?? { mode: 'off' };
  // Whom the client may have been certified by: nobody that we know, which fails after all else.
  const authority = mode === 'off' ? '' : standIn('ec').certificatePem;
  return {
    ...host,
    certificateFiles: certificates.map(() => null),
    isAcme: false,
    tls: {
      ...plainHost,
      ...tls,
      certificates,
      clientCertificates: { mode, authoritiesPem: authority },
    },
  };
}

const made = new Map<SelfSignedKeyType, CertificatePair>();

/** Names need not match: whoever plays a client does not check them. */
function standIn(keyType: SelfSignedKeyType): CertificatePair {
  const known = made.get(keyType);
  if (known !== undefined) return known;
  const { certificatePem, keyPem } = makeSelfSignedCertificate({
    names: [CERTIFICATE_NAME],
    nowMs: Date.now(),
    keyType,
  });
  made.set(keyType, { certificatePem, keyPem });
  return { certificatePem, keyPem };
}

/** The kind of key of a certificate's owner; clients choose by it. */
function keyTypeOf(certificatePem: string): SelfSignedKeyType {
  try {
    const type = new X509Certificate(certificatePem).publicKey.asymmetricKeyType;
    if (type === 'rsa' || type === 'rsa-pss') return 'rsa';
    return type === 'ed25519' ? type : 'ec';
  } catch {
    return 'ec';
  }
}

function arrayOf<T>(value: readonly T[] | JsonValue | undefined): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [];
}
