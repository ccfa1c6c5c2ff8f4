/**
 * Errors say who is to blame, so that the layer that answers can choose a status, an alert or a
 * log line without reading the text.
 *
 * - `downstream`: the peer that sent us the request broke a rule or went away.
 * - `upstream`: the origin did.
 * - `internal`: we did, or a limit of ours was reached.
 * - `self`: our own code did, by an exception that it should not have thrown.
 */
export type Blame = 'downstream' | 'upstream' | 'internal' | 'self';

/**
 * Whether the same exchange may be tried again on another connection. `ifReused`: only when the
 * connection had carried an exchange before, so that the peer may have closed it as we wrote
 * (RFC 9110 §9.2.2, RFC 9112 §9.3.1).
 */
export type Retry = 'never' | 'ifReused' | 'always';

export interface SluiceErrorOptions {
  readonly blame: Blame;
  readonly retry?: Retry;
  readonly cause?: unknown;
}

export class SluiceError extends Error {
  override readonly name: string = 'SluiceError';
  /** Stable, in lower case with hyphens; docs/reference/errors.md lists all (a test compares). */
  readonly code: string;
  readonly blame: Blame;
  readonly retry: Retry;

  constructor(code: string, message: string, options: SluiceErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.blame = options.blame;
    this.retry = options.retry ?? 'never';
  }
}

/** A mistake in a file that the user wrote. Lines and columns count from 1. */
export interface FileDiagnostic {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** As `routes[0].cache.lifetime`; '' for the file as a whole. */
  readonly key: string;
  readonly problem: string;
  /** What to do about it, in the imperative, with an example of a right value. */
  readonly remedy: string;
}

/** Something in a file that is no mistake, and yet hardly meant so. */
export type FileWarning = Omit<FileDiagnostic, 'remedy'>;

/** Takes a warning as one line, and with its place when it is about something in a file. */
export type Warn = (message: string, warning?: FileWarning) => void;

/** A mistake in a flag or a configuration file: the command prints it and exits 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  /** What to do about it, in the imperative. */
  readonly remedy: string;
  /** Those in a file, one by one; empty when it is about something else. */
  readonly diagnostics: readonly FileDiagnostic[];

  constructor(message: string, remedy: string, diagnostics: readonly FileDiagnostic[] = []) {
    super(message);
    this.remedy = remedy;
    this.diagnostics = diagnostics;
  }
}
