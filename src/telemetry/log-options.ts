/** What one log is like: plain data, as the configuration gives it to the workers. */
import type { CacheOutcome } from './exchange-summary.ts';
import type { LogLevel, LogSubsystem } from './log-event.ts';
import type { ErrorLogFormat } from './log-lines.ts';

/** When a log's file is moved away, and how many of those are kept. */
export interface LogRotation {
  /** Bytes; 0 for any size. */
  readonly sizeBytes: number;
  /** Milliseconds, counted from midnight UTC; 0 for any age. */
  readonly everyMs: number;
  /** Old files. */
  readonly keep: number;
  /** Compress all of them but the latest, to which lines may still come. */
  readonly gzip: boolean;
}

/** Which requests have a line. An empty list, and 0, stand for all; all parts must agree. */
export interface LogFilter {
  readonly statuses: readonly StatusRange[];
  /** Lower case, without port, exact or `*.example.org`. */
  readonly hosts: readonly string[];
  readonly pathPrefix: string;
  readonly methods: readonly string[];
  /** Milliseconds that the request took at least. */
  readonly slowerThanMs: number;
  readonly cache: readonly CacheOutcome[];
}

/** Both ends belong to it. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

export interface LogOptions {
  /** `-` for standard output, or an absolute path. */
  readonly target: string;
  readonly type: 'access' | 'handshakes' | 'failed-handshakes';
  /** `combined`, `json`, or text with `${field}` in it. */
  readonly format: string;
  /** Of JSON lines, in this order; none for all. */
  readonly fields: readonly string[];
  readonly filter: LogFilter;
  /** Share of the lines that are written, 0 to 1. */
  readonly sample: number;
  /** Null: another program does it, or nobody. */
  readonly rotate: LogRotation | null;
}

/** A log whose target may be off, which is null. */
export type PossibleLog = Omit<LogOptions, 'target'> & { readonly target: string | null };

export function isWritten(log: PossibleLog): log is LogOptions {
  return log.target !== null;
}

export const everyExchange: LogFilter = {
  statuses: [],
  hosts: [],
  pathPrefix: '',
  methods: [],
  slowerThanMs: 0,
  cache: [],
};

/** A log of which only the target is known. */
export const plainLog = {
  type: 'access',
  format: 'combined',
  fields: [],
  filter: everyExchange,
  sample: 1,
  rotate: null,
} as const satisfies Omit<LogOptions, 'target'>;

/** Where what sluice says of itself goes, and how much of it. */
export interface ErrorLogOptions {
  /** `-` for standard error, or an absolute path; null for nowhere. */
  readonly target: string | null;
  readonly format: ErrorLogFormat;
  /** Of subsystems that `levels` does not name. */
  readonly level: LogLevel;
  readonly levels: Readonly<Partial<Record<LogSubsystem, LogLevel>>>;
  /** Null: another program does it, or nobody. */
  readonly rotate: LogRotation | null;
}

export const plainErrorLog: ErrorLogOptions = {
  target: '-',
  format: 'text',
  level: 'notice',
  levels: {},
  rotate: null,
};
