/** Who observes the handshakes of a worker, in the order of the table of features. */
import { systemClock } from '../../base/clock.ts';
import { reportWith } from '../../telemetry/log-event.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { parseClientHello } from '../../tls/client-hello.ts';
import { ja4Of } from '../../tls/ja4.ts';
import type { TraceRecorder } from '../../tls/trace-recorder.ts';
import type { NewFailures } from '../new-failures.ts';
import type { WorkerLog } from '../worker-log.ts';
import type { HandshakeJournal } from './handshake-journal.ts';
import { type HandshakeObserver, HandshakeObservers } from './handshake-observers.ts';
import { RefusedHandshakes } from './refused-handshakes.ts';

/** Where failures are recorded, and what notices new ones. It outlives any configuration. */
export interface FaultWatch {
  readonly recorder: TraceRecorder;
  readonly newFailures: NewFailures;
  readonly log: WorkerLog;
}

export function observersOf(
  metrics: Metrics,
  journal: HandshakeJournal,
  watch: FaultWatch,
): HandshakeObservers {
  const refused = new RefusedHandshakes(systemClock.monotonicMs, watch.log.for('tls'));
  const observers: HandshakeObserver[] = [
    { name: 'handshake-metrics', observe: (record) => metrics.handshakeEnded(record) },
    // Before those that show it.
    {
      name: 'ja4',
      observe(record, scene) {
        if (record.outcome === 'complete' && journal.log?.isOfAll !== true) return;
        const { clientHello } = scene.connection;
        const hello = clientHello === null ? null : parseClientHello(clientHello);
        if (hello !== null) scene.fingerprint = ja4Of(hello);
      },
    },
    {
      name: 'handshake-failures',
      observe(record, { connection, fingerprint }) {
        journal.failures.add(record, connection.remoteAddress, fingerprint);
        refused.note(record, connection.remoteAddress);
      },
    },
    {
      name: 'failure-incidents',
      observe: (record, { fingerprint }) =>
        watch.newFailures.look(record, watch.recorder.lastEnded, fingerprint),
    },
    {
      name: 'handshake-log',
      observe: (record, scene) => journal.log?.write(record, scene),
    },
  ];
  return new HandshakeObservers({
    observers,
    monotonicMs: systemClock.monotonicMs,
    processorMs,
    marks: watch.recorder,
    onFault: (name, fault) => metrics.observerFailed(name, fault),
    onFate: (name, fate) => metrics.observerIs(name, fate),
    report: reportWith(watch.log.report, {
      level: 'error',
      subsystem: 'tls',
      event: 'observer-disabled',
    }),
  });
}

/** Microseconds, from the kernel: about a fifth of a microsecond per look. */
function processorMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
