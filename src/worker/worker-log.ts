/** What a worker reports: events for the supervisor, who writes them down. It outlives reloads. */
import { FloodGate } from '../telemetry/flood-gate.ts';
import {
  eventOf,
  isReported,
  type LevelTable,
  type LogDetail,
  type LogEvent,
  type LogFields,
  type LogSubsystem,
  logSubsystems,
  type Report,
  reportWith,
} from '../telemetry/log-event.ts';

export class WorkerLog {
  /**
   * Whether somebody wants to see the details of a subsystem. To be looked at before they are put
   * together: while nobody does, they cost the reading of one property.
   */
  readonly details: Record<LogSubsystem, boolean>;
  readonly #emit: (event: LogEvent) => void;
  readonly #worker: number;
  /** Bounds what one worker makes the supervisor read. */
  readonly #gate = new FloodGate();
  #levels: LevelTable;
  #timer: NodeJS.Timeout | null = null;

  constructor(emit: (event: LogEvent) => void, worker: number, levels: LevelTable) {
    this.#emit = emit;
    this.#worker = worker;
    this.#levels = levels;
    this.details = Object.fromEntries(
      logSubsystems.map((name) => [name, levels[name] === 'debug']),
    ) as Record<LogSubsystem, boolean>;
  }

  /** Other levels are active. */
  adopt(levels: LevelTable): void {
    this.#levels = levels;
    for (const name of logSubsystems) this.details[name] = levels[name] === 'debug';
  }

  readonly report: Report = (message: string, detail: LogDetail = {}) => {
    const { level = 'notice', subsystem = 'worker' } = detail;
    if (!isReported(this.#levels, subsystem, level)) return;
    const from = { timeMs: Date.now(), worker: this.#worker, pid: process.pid };
    const event = eventOf(message, { ...detail, level, subsystem }, from);
    this.#timer ??= setTimeout(() => this.turn(), this.#gate.windowMs).unref();
    if (this.#gate.passes(event)) this.#emit(event);
  };

  for(subsystem: LogSubsystem): Report {
    return reportWith(this.report, { subsystem });
  }

  /** For callers that have looked at `details`. */
  detail(subsystem: LogSubsystem, event: string, message: string, fields: LogFields = {}): void {
    this.report(message, { level: 'debug', subsystem, event, fields });
  }

  /** Tells the sums of what was held back. */
  turn(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const sum of this.#gate.turn()) this.#emit(sum);
  }
}
