/** The logs of one worker: they outlive any configuration, and each may bring others. */

import { isDeepStrictEqual } from 'node:util';
import { UsageError } from '../base/errors.ts';
import { endProcess, owned } from '../base/owned.ts';
import { type AccessLogSink, AccessLogs } from '../telemetry/access-log.ts';
import { reportedFaults } from '../telemetry/dropped-lines.ts';
import type { Report } from '../telemetry/log-event.ts';
import type { LogOptions } from '../telemetry/log-options.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { HandshakeBook, openHandshakeLog } from './handshakes/handshake-journal.ts';
import type { HandshakeLogSink } from './handshakes/handshake-log.ts';

/** Open, and not in use yet. */
export interface OpenedLogs {
  /** Puts them in the place of those of before. */
  adopt(): void;
  discard(): void;
}

export class WorkerLogs {
  readonly access: AccessLogs;
  readonly handshakes = new HandshakeBook();
  readonly #metrics: Metrics;
  readonly #report: Report;
  #options: readonly LogOptions[] = [];

  constructor(metrics: Metrics, report: Report) {
    this.#metrics = metrics;
    this.#report = report;
    this.access = new AccessLogs((target) =>
      reportedFaults({
        name: `access log ${target}`,
        event: 'access-log-unwritable',
        report,
        count: (lines) => metrics.accessLogDropped(lines),
      }),
    );
  }

  /** Throws UsageError when one of them cannot be written; then none stays open. */
  open(options: readonly LogOptions[]): OpenedLogs {
    if (isDeepStrictEqual(options, this.#options)) return { adopt() {}, discard() {} };
    const { access, handshakes } = this.#opened(options);
    return {
      adopt: () => {
        this.#options = options;
        this.access.adopt(access);
        this.handshakes.adopt(handshakes);
      },
      discard() {
        for (const log of [...access, ...handshakes]) owned(log.close(), endProcess);
      },
    };
  }

  #opened(options: readonly LogOptions[]) {
    const handshakes: HandshakeLogSink[] = [];
    let access: readonly AccessLogSink[] = [];
    try {
      access = this.access.open(options);
      for (const one of options) {
        if (one.type !== 'access')
          handshakes.push(openHandshakeLog(one, this.#metrics, this.#report));
      }
    } catch (error) {
      for (const log of [...access, ...handshakes]) owned(log.close(), endProcess);
      throw new UsageError(
        `a log cannot be written: ${(error as Error).message}`,
        'name a file that this user may write',
      );
    }
    return { access, handshakes };
  }

  reopen(): void {
    this.access.reopen();
    this.handshakes.log?.reopen();
  }

  async close(): Promise<void> {
    await this.access.close();
    await this.handshakes.log?.close();
  }
}
