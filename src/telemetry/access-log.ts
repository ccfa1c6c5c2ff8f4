/** The access log: a line per exchange, in either format. */
import { type AccessLogFormat, accessLogLine } from './access-log-line.ts';
import type { ExchangeSummary } from './exchange-summary.ts';
import { LineLog, type LineLogOptions } from './line-log.ts';

export interface AccessLogSink {
  /** False when nothing is logged: the summary's text fields need not be filled then. */
  readonly enabled: boolean;
  write(summary: ExchangeSummary): void;
  /** Opens the file anew by its name, after it was moved away. */
  reopen(): void;
  /** Writes what waits, then closes. Resolves even when that fails. */
  close(): Promise<void>;
}

/** With `off` for a target, too. */
export interface AccessLogOptions extends LineLogOptions {
  readonly format: AccessLogFormat;
}

export const accessLogOff: AccessLogSink = {
  enabled: false,
  write() {},
  reopen() {},
  close: async () => {},
};

/** Opens the log. Throws the error of `open(2)` when the file cannot be written. */
export function openAccessLog(options: AccessLogOptions): AccessLogSink {
  if (options.target === 'off') return accessLogOff;
  const log = new LineLog(options);
  return {
    enabled: true,
    write: (summary) => log.write(accessLogLine(options.format, summary)),
    reopen: () => log.reopen(),
    close: () => log.close(),
  };
}
