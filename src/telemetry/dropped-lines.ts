/** Counts the lines that a log has lost, and says so now and then: a flood of them is one event. */
import type { LineLogOptions } from './line-log.ts';
import type { LogDetail, Report } from './log-event.ts';

/** Soon enough for somebody who looks for the cause, and no flood of its own. */
const TELL_MS = 2_000;

export class DroppedLines {
  readonly #count: (lines: number) => void;
  readonly #tell: (lines: number) => void;
  #untold = 0;
  #timer: NodeJS.Timeout | null = null;

  /** `count` is called at once, `tell` with the sum of some time. */
  constructor(count: (lines: number) => void, tell: (lines: number) => void) {
    this.#count = count;
    this.#tell = tell;
  }

  readonly add = (lines: number): void => {
    this.#count(lines);
    this.#untold += lines;
    this.#timer ??= setTimeout(() => this.turn(), TELL_MS).unref();
  };

  turn(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#untold > 0) this.#tell(this.#untold);
    this.#untold = 0;
  }
}

/** Of the event that says so. */
export function droppedDetail(lines: number): LogDetail {
  return { level: 'warning', subsystem: 'logs', event: 'log-lines-dropped', fields: { lines } };
}

export interface ReportedLog {
  /** As `access log /var/log/sluice/access.log`. */
  readonly name: string;
  /** Of the event that says that it cannot be written. */
  readonly event: string;
  readonly report: Report;
  /** Counts lines that were lost. */
  count(lines: number): void;
}

/** Has the faults of a log told in the error log. */
export function reportedFaults({
  name,
  event,
  report,
  count,
}: ReportedLog): Pick<LineLogOptions, 'onDropped' | 'onFault'> {
  const dropped = new DroppedLines(count, (lines) =>
    report(`${name}: ${lines} lines could not be written`, droppedDetail(lines)),
  );
  return {
    onDropped: dropped.add,
    onFault: (error) =>
      report(`${name}: ${error.message}`, { level: 'error', subsystem: 'logs', event }),
  };
}
