/**
 * TLS for QUIC toward clients: the hosts, tickets, early-data policy and anti-replay check of a server
 * over TCP, in contexts of their own. A ticket of one carrier is never taken by the other.
 */
import type { Clock } from '../base/clock.ts';
import { type ClientHelloStep, HelloVerdict } from '../native/client-hello.ts';
import { ALERT_MISSING_EXTENSION, ALERT_PROTOCOL_VERSION } from './alerts.ts';
import { decisionOf } from './early-data/hello-decision.ts';
import type { HostTlsOptions } from './host-options.ts';
import { QuicTlsEngine, type QuicTlsOwner } from './quic-engine.ts';
import {
  type AcceptingContext,
  assembleServer,
  contextOf,
  type SharedServerOptions,
} from './server-context.ts';
import type { TraceWatch } from './trace-recorder.ts';

export interface QuicServerOptions extends SharedServerOptions {
  /**
   * The limits and settings that a client may use early when it remembers them, as any text: early data
   * under a ticket that was issued while they were others is refused (RFC 9001 §4.6.3, RFC 9114
   * §7.2.4.2).
   */
  readonly rememberedLimits: string;
}

export type QuicServerContext = AcceptingContext<
  (owner: QuicTlsOwner, clock: Clock, watch?: TraceWatch | null) => QuicTlsEngine
>;

/** As `createHostedContext`. Throws UsageError for hosts that cannot be used. */
export function createQuicServerContext(
  { rememberedLimits, ...shared }: QuicServerOptions,
  hosts: readonly HostTlsOptions[],
): QuicServerContext {
  const ours = hosts.map((host) => overQuic(host, rememberedLimits));
  const helloSteps = [refuseOlder(hosts), ...(shared.helloSteps ?? [])];
  const parts = assembleServer({ ...shared, helloSteps }, ours, [requireParameters]);
  return contextOf(
    parts,
    (owner: QuicTlsOwner, clock: Clock, watch: TraceWatch | null = null) =>
      new QuicTlsEngine({
        context: parts.base,
        owner,
        clock,
        acceptance: parts.acceptance,
        keepsClientHello: shared.keepsClientHello ?? false,
        watch,
      }),
  );
}

/** QUIC has no older version of TLS (RFC 9001 §4.2). */
function overQuic(host: HostTlsOptions, rememberedLimits: string): HostTlsOptions {
  return {
    ...host,
    carrier: 'quic',
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    earlyDataPolicy: JSON.stringify([host.earlyDataPolicy ?? '', rememberedLimits]),
  };
}

/** OpenSSL does not miss the extension (RFC 9001 §8.2). */
const requireParameters: ClientHelloStep = (hello) =>
  hello.hasQuicParameters ? HelloVerdict.proceed : hello.refuse(ALERT_MISSING_EXTENSION);

/** Of a host that wants no TLS 1.3. */
function refuseOlder(hosts: readonly HostTlsOptions[]): ClientHelloStep {
  return (hello) => {
    const { maxVersion } = hosts[decisionOf(hello.connection)!.host]!;
    return maxVersion === 'TLSv1.3' ? HelloVerdict.proceed : hello.refuse(ALERT_PROTOCOL_VERSION);
  };
}
