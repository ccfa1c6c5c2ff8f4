/** The access logs: a line per exchange in each log that wants one. */
import { endProcess, owned } from '../base/owned.ts';
import { type AccessLogFormat, lineMaker } from './access-log-line.ts';
import type { ExchangeSummary } from './exchange-summary.ts';
import { LineLog, type LineLogOptions } from './line-log.ts';
import { type LineFilter, lineFilter } from './log-filter.ts';
import { everyExchange, type LogFilter, type LogOptions } from './log-options.ts';

export interface AccessLogSink {
  /** False when nothing is logged: the summary's text fields need not be filled then. */
  readonly enabled: boolean;
  write(summary: ExchangeSummary): void;
  /** Opens the file anew by its name, after it was moved away. */
  reopen(): void;
  /** Writes what waits, then closes. Resolves even when that fails. */
  close(): Promise<void>;
}

export interface AccessLogOptions extends LineLogOptions {
  readonly format: AccessLogFormat;
  readonly fields?: readonly string[];
  readonly filter?: LogFilter;
  readonly sample?: number;
}

/** Opens one log. Throws the error of `open(2)` when the file cannot be written. */
export function openAccessLog(options: AccessLogOptions): AccessLogSink {
  const { format, fields = [], filter = everyExchange, sample = 1 } = options;
  const log = new LineLog(options);
  const lineOf = lineMaker(format, fields);
  const isWanted: LineFilter | null = lineFilter(filter, sample);
  return {
    enabled: true,
    write(summary) {
      if (isWanted === null || isWanted(summary)) log.write(lineOf(summary));
    },
    reopen: () => log.reopen(),
    close: () => log.close(),
  };
}

/** What to do about the faults of the log at that target. */
type FaultsOf = (target: string) => Pick<LineLogOptions, 'onDropped' | 'onFault'>;

/** All access logs. They can change while exchanges go on. */
export class AccessLogs implements AccessLogSink {
  readonly #faultsOf: FaultsOf;
  #logs: readonly AccessLogSink[] = [];

  constructor(faultsOf: FaultsOf) {
    this.#faultsOf = faultsOf;
  }

  /**
   * Opens other logs, without use of them until they are given to `adopt`. Throws the error of
   * `open(2)` when one cannot be written; then none stays open.
   */
  open(all: readonly LogOptions[]): readonly AccessLogSink[] {
    const opened: AccessLogSink[] = [];
    try {
      for (const { target, format, fields, filter, sample, type } of all) {
        if (type !== 'access') continue;
        const faults = this.#faultsOf(target);
        opened.push(openAccessLog({ target, format, fields, filter, sample, ...faults }));
      }
    } catch (error) {
      for (const log of opened) owned(log.close(), endProcess);
      throw error;
    }
    return opened;
  }

  /** What waits in those of before is still written. */
  adopt(logs: readonly AccessLogSink[]): void {
    for (const log of this.#logs) owned(log.close(), endProcess);
    this.#logs = logs;
  }

  get enabled(): boolean {
    return this.#logs.length > 0;
  }

  write(summary: ExchangeSummary): void {
    for (let i = 0; i < this.#logs.length; i++) this.#logs[i]!.write(summary);
  }

  reopen(): void {
    for (const log of this.#logs) log.reopen();
  }

  async close(): Promise<void> {
    await Promise.all(this.#logs.map((log) => log.close()));
  }
}
