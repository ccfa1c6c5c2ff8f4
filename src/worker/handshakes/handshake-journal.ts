/** What a worker writes down of handshakes. It outlives any configuration. */

import { systemClock } from '../../base/clock.ts';
import { endProcess, owned } from '../../base/owned.ts';
import { reportedFaults } from '../../telemetry/dropped-lines.ts';
import { LineLog } from '../../telemetry/line-log.ts';
import type { Report } from '../../telemetry/log-event.ts';
import type { LogOptions } from '../../telemetry/log-options.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { HandshakeRecord } from '../../tls/contract.ts';
import { FailureTable } from '../failure-table.ts';
import { HandshakeLog, type HandshakeLogSink } from './handshake-log.ts';
import type { HandshakeScene } from './handshake-observers.ts';

export interface HandshakeJournal {
  readonly failures: FailureTable;
  /** Null: there is no log. */
  readonly log: HandshakeLogSink | null;
}

/** Throws the error of `open(2)` when the log cannot be written. */
export function openHandshakeLog(
  options: LogOptions,
  metrics: Metrics,
  report: Report,
): HandshakeLogSink {
  const { target, type, sample } = options;
  const faults = reportedFaults({
    name: `handshake log ${target}`,
    event: 'handshake-log-unwritable',
    report,
    count: (lines) => metrics.handshakeLogged('dropped', lines),
  });
  const log = new LineLog({ target, ...faults });
  return new HandshakeLog({
    log,
    scope: type === 'handshakes' ? 'all' : 'failed',
    sample,
    monotonicMs: systemClock.monotonicMs,
    onWritten: () => metrics.handshakeLogged('written', 1),
    onSuppressed: () => metrics.handshakeLogged('suppressed', 1),
  });
}

/** All logs of handshakes as one, which can change while handshakes go on. */
export class HandshakeBook implements HandshakeJournal {
  readonly failures = new FailureTable();
  #logs: readonly HandshakeLogSink[] = [];
  #log: HandshakeLogSink | null = null;

  get log(): HandshakeLogSink | null {
    return this.#log;
  }

  adopt(logs: readonly HandshakeLogSink[]): void {
    for (const log of this.#logs) owned(log.close(), endProcess);
    this.#logs = logs;
    this.#log = logs.length <= 1 ? (logs[0] ?? null) : together(logs);
  }
}

function together(logs: readonly HandshakeLogSink[]): HandshakeLogSink {
  return {
    isOfAll: logs.some(({ isOfAll }) => isOfAll),
    write(record: HandshakeRecord, scene: HandshakeScene) {
      for (const log of logs) log.write(record, scene);
    },
    reopen() {
      for (const log of logs) log.reopen();
    },
    async close() {
      await Promise.all(logs.map((log) => log.close()));
    },
  };
}
