/**
 * The error log: what sluice and its workers report, written as lines and kept for the admin
 * endpoint. Levels can be changed while it runs, for a time or until the end.
 */

import { UsageError } from '../base/errors.ts';
import { after, owned, shownElsewhere } from '../base/owned.ts';
import { DroppedLines, droppedDetail } from '../telemetry/dropped-lines.ts';
import { FloodGate } from '../telemetry/flood-gate.ts';
import { LineLog } from '../telemetry/line-log.ts';
import {
  eventOf,
  isReported,
  type LevelTable,
  type LogDetail,
  type LogEvent,
  type LogLevel,
  type LogSubsystem,
  levelTable,
  logLevels,
  logSubsystems,
  type Report,
} from '../telemetry/log-event.ts';
import { logLine } from '../telemetry/log-lines.ts';
import { type ErrorLogOptions, plainErrorLog } from '../telemetry/log-options.ts';
import { StandardError } from '../telemetry/standard-error.ts';

/** How many events the admin endpoint can tell: about a megabyte of them. */
const EVENTS_KEPT_MAX = 1_000;

/** A line of the error log is waited for more often than one of a request. Milliseconds. */
const FLUSH_INTERVAL_MS = 50;
const BLOCK_LENGTH = 16 * 1024;
/** What a disk that stalls may cost in memory. Characters. */
const PENDING_LENGTH_MAX = 2 ** 20;
const limits = {
  blockLength: BLOCK_LENGTH,
  flushIntervalMs: FLUSH_INTERVAL_MS,
  pendingLengthMax: PENDING_LENGTH_MAX,
};

export interface KeptEvent {
  /** Counts the events of this process, from 1. */
  readonly sequence: number;
  readonly event: LogEvent;
}

export interface EventQuery {
  /** Only events with a higher number. */
  readonly after: number;
  /** At least as urgent; null for all. */
  readonly level: LogLevel | null;
  /** Null for all. */
  readonly subsystem: LogSubsystem | null;
  /** The latest of them. */
  readonly limit: number;
}

/** A level that was set while running. */
export interface LevelChange {
  readonly subsystem: LogSubsystem;
  readonly level: LogLevel;
  /** Wall-clock milliseconds at which it ends; null for never. */
  readonly untilMs: number | null;
}

export class ErrorLog {
  readonly #writeDefault: (line: string) => void;
  readonly #standardError: StandardError;
  readonly #dropped = new DroppedLines(
    (lines) => this.onDropped(lines),
    (lines) => this.#tellDropped(lines),
  );
  readonly #gate = new FloodGate();
  readonly #kept: KeptEvent[] = [];
  readonly #changes = new Map<LogSubsystem, LevelChange & { timer: NodeJS.Timeout | null }>();
  #options: ErrorLogOptions = plainErrorLog;
  #file: LineLog | null = null;
  #sequence = 0;
  #levels: LevelTable = levelTable(plainErrorLog.level, plainErrorLog.levels);
  #timer: NodeJS.Timeout | null = null;
  /** Told of every change of the levels. */
  onLevels: (levels: LevelTable) => void = () => {};
  /** Told of every event, also of those that are not written. */
  onEvent: (event: LogEvent) => void = () => {};
  /** Told of lines that could not be written, or not fast enough. */
  onDropped: (lines: number) => void = () => {};

  /** `write` has the lines until a file is named; without it they go to standard error. */
  constructor(write?: (line: string) => void) {
    this.#standardError = new StandardError({ limits, onDropped: this.#dropped.add });
    this.#writeDefault = write ?? ((line) => this.#standardError.write(line));
  }

  /** Of the log itself, so past it. */
  readonly #tellFault = (error: unknown): void => {
    const told = error instanceof Error ? error.message : String(error);
    this.#writeDefault(`sluice: error log: ${told}\n`);
  };

  /** For whatever belongs to the supervisor's process. */
  readonly report: Report = (message: string, detail: LogDetail = {}) => {
    this.take(eventOf(message, detail, { timeMs: Date.now(), worker: -1, pid: process.pid }));
  };

  /** An event of a worker, or of ours. */
  take(event: LogEvent): void {
    this.onEvent(event);
    if (!isReported(this.#levels, event.subsystem, event.level)) return;
    this.#timer ??= after(this.#gate.windowMs, () => this.#turn(), this.#tellFault).unref();
    if (this.#gate.passes(event)) this.#write(event);
  }

  /** Throws UsageError when the file cannot be written; then everything stays as it was. */
  configure(options: ErrorLogOptions): void {
    if (options.target !== this.#options.target) {
      const { target } = options;
      const file = target === null || target === '-' ? null : this.#openFile(target);
      owned(this.#file?.close(), shownElsewhere);
      this.#file = file;
    }
    this.#options = options;
    this.#levelsChanged();
  }

  /** As `configure`, for options that were tried when they were read: what goes wrong is only told. */
  reconfigure(options: ErrorLogOptions): void {
    try {
      this.configure(options);
    } catch (error) {
      const { message } = error as Error;
      this.report(message, { level: 'error', subsystem: 'logs', event: 'error-log-unwritable' });
    }
  }

  get levels(): LevelTable {
    return this.#levels;
  }

  /** For workers: what is wrong is heard of here even where it is not written down. */
  get workerLevels(): LevelTable {
    const entries = logSubsystems.map((name) => {
      return [name, this.#levels[name] === 'error' ? 'warning' : this.#levels[name]];
    });
    return Object.fromEntries(entries) as LevelTable;
  }

  /** Those that were set while running and hold still. */
  get changes(): LevelChange[] {
    return [...this.#changes.values()].map(({ subsystem, level, untilMs }) => {
      return { subsystem, level, untilMs };
    });
  }

  /** `level` null: as the configuration has it. `forMs` null: until it is changed again. */
  setLevel(subsystem: LogSubsystem, level: LogLevel | null, forMs: number | null): void {
    const before = this.#changes.get(subsystem)?.timer;
    if (before != null) clearTimeout(before);
    this.#changes.delete(subsystem);
    if (level !== null) {
      const untilMs = forMs === null ? null : Date.now() + forMs;
      const back = () => {
        this.setLevel(subsystem, null, null);
        this.report(`log: the level of ${subsystem} is ${this.#levels[subsystem]} again`, {
          subsystem: 'logs',
          event: 'log-level-expired',
        });
      };
      const timer = forMs === null ? null : after(forMs, back, this.#tellFault).unref();
      this.#changes.set(subsystem, { subsystem, level, untilMs, timer });
    }
    this.#levelsChanged();
  }

  #levelsChanged(): void {
    const changed = Object.fromEntries(
      [...this.#changes.values()].map(({ subsystem, level }) => [subsystem, level]),
    );
    const { level, levels } = this.#options;
    this.#levels = levelTable(level, { ...levels, ...changed });
    this.onLevels(this.workerLevels);
  }

  /** In the order in which they came, and the number of the latest event of all. */
  events({ after, level, subsystem, limit }: EventQuery): {
    readonly events: readonly KeptEvent[];
    readonly last: number;
  } {
    const urgency = level === null ? logLevels.length : logLevels.indexOf(level);
    const events = this.#kept.filter(
      ({ sequence, event }) =>
        sequence > after &&
        logLevels.indexOf(event.level) <= urgency &&
        (subsystem === null || event.subsystem === subsystem),
    );
    return { events: events.slice(-limit), last: this.#sequence };
  }

  /** After the file was moved away. */
  reopen(): void {
    this.#file?.reopen();
  }

  /** Writes all that waits; what comes later goes to standard error. */
  async close(): Promise<void> {
    this.#turn();
    for (const { timer } of this.#changes.values()) if (timer !== null) clearTimeout(timer);
    const file = this.#file;
    this.#file = null;
    await file?.close();
    this.#dropped.turn();
    await this.#standardError.close();
  }

  #turn(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const sum of this.#gate.turn()) this.#write(sum);
  }

  #write(event: LogEvent): void {
    const line = logLine(this.#options.format, event);
    if (this.#file !== null) this.#file.write(line);
    else if (this.#options.target !== null) this.#writeDefault(line);
    this.#keep(event);
  }

  #keep(event: LogEvent): void {
    this.#kept.push({ sequence: ++this.#sequence, event });
    if (this.#kept.length > EVENTS_KEPT_MAX) this.#kept.shift();
  }

  #openFile(target: string): LineLog {
    try {
      return new LineLog({
        target,
        limits,
        onDropped: this.#dropped.add,
        onFault: this.#tellFault,
      });
    } catch (error) {
      throw new UsageError(
        `the error log cannot be written: ${(error as Error).message}`,
        'name a file that this user may write',
      );
    }
  }

  /** Not in the log itself: it would have to drop that line, too. */
  #tellDropped(lines: number): void {
    const message = `error log: ${lines} lines could not be written`;
    if (this.#file !== null) this.#writeDefault(`sluice: ${message}\n`);
    this.#keep(
      eventOf(message, droppedDetail(lines), { timeMs: Date.now(), worker: -1, pid: process.pid }),
    );
  }
}

/** The level or subsystem of that name; null for what is none. */
export function levelNamed(name: string): LogLevel | null {
  return logLevels.find((level) => level === name) ?? null;
}

export function subsystemNamed(name: string): LogSubsystem | null {
  return logSubsystems.find((subsystem) => subsystem === name) ?? null;
}
