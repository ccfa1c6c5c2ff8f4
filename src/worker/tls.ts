/** TLS toward the clients of one worker: the hosts of a configuration, as its connections meet them. */

import { assert } from '../base/assert.ts';
import type { HostOptions, SluiceOptions } from '../config/options.ts';
import { bootClock } from '../native/boot-clock.ts';
import type { ChallengeCertificates } from '../tls/challenge-certificates.ts';
import type { ClusterRegister } from '../tls/cluster.ts';
import { AntiReplayCheck } from '../tls/early-data/anti-replay-check.ts';
import { StrikeRegister } from '../tls/early-data/strike-register.ts';
import { type FeatureSwitches, isOn } from '../tls/features.ts';
import type { CertificatePair, HostTlsOptions } from '../tls/host-options.ts';
import { createHostedContext, type ServerContext } from '../tls/server-context.ts';
import type { WorkerInput } from './contract.ts';
import { KeyLog } from './handshakes/key-log.ts';

export interface WorkerTls {
  readonly context: ServerContext;
  /** To be disposed after the context; null when secrets are not logged. */
  readonly keyLog: Disposable | null;
}

/** Throws UsageError for hosts that cannot be served. */
export function openTls(
  options: SluiceOptions,
  cluster: ClusterRegister | null,
  input: Pick<WorkerInput, 'strikes' | 'tickets' | 'recorder' | 'danger' | 'log'>,
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
  const context = createHostedContext(
    {
      alpn: isOn('alpn-h2', features) ? ['h2', 'http/1.1'] : ['http/1.1'],
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
      ...(challenges && { challenges }),
    },
    options.hosts.map((host) => withFeatures(host, features)),
  );
  const left = context.uncompressedHosts;
  if (left.length > 0) {
    input.log.report(
      `certificates of ${left.join(', ')} go as they are: this OpenSSL can compress none (RFC 8879)`,
      { level: 'warning', subsystem: 'tls', event: 'certificate-uncompressed' },
    );
  }
  return { context, keyLog };
}

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
