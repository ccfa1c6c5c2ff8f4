/** What a worker writes down of handshakes. It outlives any configuration. */
import { systemClock } from '../base/clock.ts';
import type { SluiceOptions } from '../config/options.ts';
import { LineLog } from '../telemetry/line-log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { FailureTable } from './failure-table.ts';
import { HandshakeLog, type HandshakeLogSink } from './handshake-log.ts';

export interface HandshakeJournal {
  readonly failures: FailureTable;
  /** Null: there is no log. */
  readonly log: HandshakeLogSink | null;
}

/** Throws the error of `open(2)` when the log cannot be written. */
export function openHandshakeJournal(
  { handshakeLog: target, handshakeLogScope: scope }: SluiceOptions,
  metrics: Metrics,
): HandshakeJournal {
  const failures = new FailureTable();
  if (target === 'off') return { failures, log: null };
  const log = new LineLog({
    target,
    onDropped: (lines) => metrics.handshakeLogged('dropped', lines),
    onFault: (error) => process.stderr.write(`sluice: handshake log: ${error.message}\n`),
  });
  return {
    failures,
    log: new HandshakeLog({
      log,
      scope,
      monotonicMs: systemClock.monotonicMs,
      onWritten: () => metrics.handshakeLogged('written', 1),
      onSuppressed: () => metrics.handshakeLogged('suppressed', 1),
    }),
  };
}
