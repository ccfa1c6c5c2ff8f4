/** TLS toward the clients of one worker: the hosts of a configuration, as its connections meet them. */

import { assert } from '../base/assert.ts';
import type { HostOptions, SluiceOptions } from '../config/options.ts';
import { defaultHttp3Limits, type Http3Limits } from '../http3/limits.ts';
import { bootClock } from '../native/boot-clock.ts';
import { defaultQuicLimits, type QuicLimits } from '../quic/limits.ts';
import type { ChallengeCertificates } from '../tls/challenge-certificates.ts';
import type { ClusterRegister } from '../tls/cluster.ts';
import { AntiReplayCheck } from '../tls/early-data/anti-replay-check.ts';
import { StrikeRegister } from '../tls/early-data/strike-register.ts';
import { type FeatureSwitches, isOn } from '../tls/features.ts';
import type { CertificatePair, HostTlsOptions } from '../tls/host-options.ts';
import { createQuicServerContext, type QuicServerContext } from '../tls/quic-context.ts';
import {
  createHostedContext,
  type ServerContext,
  type SharedServerOptions,
} from '../tls/server-context.ts';
import type { WorkerInput } from './contract.ts';
import { KeyLog } from './handshakes/key-log.ts';

export interface WorkerTls {
  readonly context: ServerContext;
  /** The same for QUIC; null where nothing listens for it. */
  readonly quic: QuicServerContext | null;
  /** To be disposed after the contexts; null when secrets are not logged. */
  readonly keyLog: Disposable | null;
}

/** Throws UsageError for hosts that cannot be served. */
export function openTls(
  options: SluiceOptions,
  cluster: ClusterRegister | null,
  input: Pick<WorkerInput, 'strikes' | 'tickets' | 'recorder' | 'danger' | 'log' | 'datagrams'>,
  challenges?: ChallengeCertificates,
): WorkerTls {
  const { features } = options;
  assert(options.hosts.length > 0, 'a listener with TLS has a host');
  const isLogged = options.tls.keyLog !== null && isOn('key-log', features);
  const onFault = (error: Error) =>
    input.log.report(`key log: ${error.message}`, {
      level: 'error',
      subsystem: 'tls',
      event: 'key-log-unwritable',
    });
  const keyLog = isLogged ? new KeyLog(options.tls.keyLog, onFault) : null;
  const shared: Omit<SharedServerOptions, 'alpn'> = {
    antiReplay: new AntiReplayCheck({
      register: new StrikeRegister(input.strikes),
      nowMs: bootClock.nowMs,
      fromMs: () => input.tickets.current.earlyDataFromMs,
    }),
    cluster: cluster ?? undefined,
    tickets: isOn('session-tickets', features),
    ticketKeys: input.tickets.current.keys,
    ticketLifetimeSeconds: options.tls.ticketLifetimeSeconds,
    ticketsPerHandshake: options.tls.ticketsPerHandshake,
    keepsClientHello: isOn('ja4', features),
    infoObservers: input.danger.observersOf(options, input.recorder),
    earlyDataInFlightBytesMax: options.tls.earlyDataInFlightBytesMax,
    logKey: keyLog?.write,
  };
  const hosts = options.hosts.map((host) => withFeatures(host, features));
  const alpn = isOn('alpn-h2', features) ? ['h2', 'http/1.1'] : ['http/1.1'];
  const context = createHostedContext(
    { ...shared, alpn, ...(challenges && { challenges }) },
    hosts,
  );
  const quic = input.datagrams.length === 0 ? null : openQuicTls(shared, hosts);
  const left = context.uncompressedHosts;
  if (left.length > 0) {
    input.log.report(
      `certificates of ${left.join(', ')} go as they are: this OpenSSL can compress none (RFC 8879)`,
      { level: 'warning', subsystem: 'tls', event: 'certificate-uncompressed' },
    );
  }
  return { context, quic, keyLog };
}

function openQuicTls(
  shared: Omit<SharedServerOptions, 'alpn'>,
  hosts: readonly HostTlsOptions[],
): QuicServerContext {
  const rememberedLimits = JSON.stringify([
    RELEVANT_LIMITS.map((name) => defaultQuicLimits[name]),
    RELEVANT_SETTINGS.map((name) => defaultHttp3Limits[name]),
  ]);
  return createQuicServerContext({ ...shared, alpn: ['h3'], rememberedLimits }, hosts);
}

/** What a client may use early when it remembers it (RFC 9000 §7.4.1). */
const RELEVANT_LIMITS = [
  'bidirectionalStreamsMax',
  'unidirectionalStreamsMax',
  'streamWindowBytes',
  'connectionWindowBytes',
  'activeIdsMax',
  'datagramFrameBytesMax',
] as const satisfies readonly (keyof QuicLimits)[];

/** The same of HTTP/3 (RFC 9114 §7.2.4.2). */
const RELEVANT_SETTINGS = [
  'fieldSectionBytesMax',
  'tableBytesMax',
  'blockedStreamsMax',
] as const satisfies readonly (keyof Http3Limits)[];

/** Without their status when that is switched off. */
export function certificatesToSend(
  certificates: readonly CertificatePair[],
  features: FeatureSwitches,
): readonly CertificatePair[] {
  if (isOn('ocsp-stapling', features)) return certificates;
  return certificates.map(({ certificatePem, keyPem }) => ({ certificatePem, keyPem }));
}

/** What a host wants and no switch has taken away. */
function withFeatures(
  { tls, earlyDataPolicy }: HostOptions,
  features: FeatureSwitches,
): HostTlsOptions {
  const enabled = tls.earlyData.enabled && isOn('early-data', features);
  return {
    ...tls,
    certificates: certificatesToSend(tls.certificates, features),
    earlyDataPolicy: JSON.stringify(earlyDataPolicy),
    earlyData: { ...tls.earlyData, enabled },
    certificateCompression: tls.certificateCompression && isOn('certificate-compression', features),
  };
}
