/** Who observes the handshakes of a worker: what is switched on, in the order of the table. */
import { systemClock } from '../base/clock.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type FeatureSwitches, isOn } from '../tls/features.ts';
import { type HandshakeObserver, HandshakeObservers } from './handshake-observers.ts';

export function observersOf(features: FeatureSwitches, metrics: Metrics): HandshakeObservers {
  const observers: HandshakeObserver[] = [
    { name: 'handshake-metrics', observe: (record) => metrics.handshakeEnded(record) },
  ];
  return new HandshakeObservers({
    observers: observers.filter(({ name }) => isOn(name, features)),
    monotonicMs: systemClock.monotonicMs,
    processorMs,
    onFault: (name, fault) => metrics.observerFailed(name, fault),
    onArmed: (name, isArmed) => metrics.observerArmed(name, isArmed),
    report: (message) => process.stderr.write(`sluice: ${message}\n`),
  });
}

/** Microseconds, from the kernel: about a fifth of a microsecond per look. */
function processorMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
