/** What sluice reports about itself: events with a level and a subsystem, for people and programs. */

/** From what must be seen to what only a search for a fault wants. */
export const logLevels = ['error', 'warning', 'notice', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

export const logSubsystems = [
  'admin',
  'cache',
  'config',
  'cluster',
  'features',
  'handlers',
  'logs',
  'origins',
  'proxy',
  'recorder',
  'reload',
  'supervisor',
  'tls',
  'upgrade',
  'worker',
] as const;
export type LogSubsystem = (typeof logSubsystems)[number];

export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

/** What is said of a message beside its words; what is left out is the reporter's default. */
export interface LogDetail {
  readonly level?: LogLevel;
  readonly subsystem?: LogSubsystem;
  /** Which of docs/reference/error-log.md it is: the event's code. */
  readonly event?: string;
  readonly fields?: LogFields;
}

/** One line for the operator. */
export type Report = (message: string, detail?: LogDetail) => void;

/** As it crosses from a worker to the supervisor: plain data. */
export interface LogEvent {
  /** Wall-clock milliseconds. */
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly subsystem: LogSubsystem;
  /** '' when its kind has none. */
  readonly code: string;
  readonly message: string;
  readonly fields: LogFields;
  /** Index of the worker that reports; -1 for the supervisor. */
  readonly worker: number;
  readonly pid: number;
  /** Further events of its kind that it stands for; they have no lines of their own. */
  readonly more: number;
}

/** The least urgent level that each subsystem reports. */
export type LevelTable = Readonly<Record<LogSubsystem, LogLevel>>;

export function levelTable(
  level: LogLevel,
  levels: Readonly<Partial<Record<LogSubsystem, LogLevel>>>,
): LevelTable {
  const entries = logSubsystems.map((name) => [name, levels[name] ?? level]);
  return Object.fromEntries(entries) as Record<LogSubsystem, LogLevel>;
}

export function isReported(table: LevelTable, subsystem: LogSubsystem, level: LogLevel): boolean {
  return logLevels.indexOf(level) <= logLevels.indexOf(table[subsystem]);
}

/** The report of one part of sluice: what it says of an event goes before these details. */
export function reportWith(report: Report, defaults: LogDetail): Report {
  return (message, detail) => report(message, { ...defaults, ...detail });
}

/** Longer messages, of stacks above all, are cut. In characters. */
const MESSAGE_LENGTH_MAX = 8_192;

export function eventOf(
  message: string,
  detail: LogDetail,
  from: Pick<LogEvent, 'timeMs' | 'worker' | 'pid'>,
): LogEvent {
  const { level = 'notice', subsystem = 'supervisor', event = '', fields = {} } = detail;
  const cut = message.length > MESSAGE_LENGTH_MAX;
  const text = cut ? `${message.slice(0, MESSAGE_LENGTH_MAX)}…` : message;
  return { ...from, level, subsystem, code: event, message: text, fields, more: 0 };
}
