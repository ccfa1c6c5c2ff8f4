/** What an operator decides about recording faults, and about what is done when workers die. */

export interface RecorderOptions {
  /** Absolute path of the directory for capsules; '' writes none. */
  readonly directory: string;
  /** Whether capsules tell addresses of peers. */
  readonly addresses: boolean;
  /** Milliseconds without a turn of its event loop after which a worker is ended; 0 for never. */
  readonly watchdogMs: number;
  /** Whether gdb, when it is installed, is asked for the native stack of a worker that hangs. */
  readonly debugger: boolean;
}

export interface FuseOptions {
  readonly enabled: boolean;
  /** Deaths of one kind within the window that are too many. */
  readonly deathsMax: number;
  readonly windowMs: number;
  /** URL that hears of every step by POST; '' for none. */
  readonly webhook: string;
}

/**
 * capsulesMax, bytesMax: weeks of faults of an ordinary kind, and no more disk than a log file.
 * failuresPerHour: a capsule for every new way to fail, and no more when somebody makes up new ones.
 */
export const capsuleLimits = {
  /** Files kept; the oldest is dropped first. */
  capsulesMax: 100,
  /** Octets of all files kept. */
  bytesMax: 64 * 1024 * 1024,
  /** Connections in one capsule beside the suspect. */
  connectionsMax: 64,
  /** Capsules of deaths that are written within an hour. */
  deathsPerHour: 60,
  /** Capsules of failed handshakes that are written within an hour. */
  failuresPerHour: 20,
  /** Ways to fail that are remembered as seen. */
  signaturesMax: 1_000,
};
