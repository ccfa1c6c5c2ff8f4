/** What an operator decides about recording faults, and about what is done when workers die. */

export interface RecorderOptions {
  /** Absolute path of the directory for incidents; null writes none. */
  readonly directory: string | null;
  /** Whether incidents tell addresses of peers. */
  readonly addresses: boolean;
  /** Whether incidents tell the SHA-256 of each piece of early data. */
  readonly earlyDataDigest: boolean;
  /** Milliseconds without a turn of its event loop after which a worker is ended; 0 for never. */
  readonly watchdogMs: number;
  /** Whether gdb, when it is installed, is asked for the native stack of a worker that hangs. */
  readonly debugger: boolean;
}

export interface RollbackOptions {
  readonly enabled: boolean;
  /** Deaths of one kind within the window that are too many. */
  readonly deathsMax: number;
  readonly windowMs: number;
  /** URL that hears of every step by POST; null for none. */
  readonly webhook: string | null;
}

export interface IncidentLimits {
  /**
   * Files kept; unusual handshake failures are removed first, then incidents of which there is a
   * newer example.
   */
  readonly incidentsMax: number;
  /** Bytes of all files kept. */
  readonly bytesMax: number;
  /** Connections in one incident beside the suspect. */
  readonly connectionsMax: number;
  /** Incidents of one kind of death that are written within an hour. */
  readonly deathsPerHour: number;
  /** Incidents of one kind without a death that are written within an hour, and by one worker. */
  readonly failuresPerHour: number;
  /** Ways to fail that a worker remembers as seen. */
  readonly signaturesMax: number;
  /** Characters of message and stack of an exception of ours. */
  readonly stackCharactersMax: number;
}

/**
 * incidentsMax and bytesMax: weeks of ordinary faults, and no more disk than a log. connectionsMax:
 * what led up to a fault. deathsPerHour: a crash loop is understood by its first. failuresPerHour:
 * one for each new way to fail, and no more when a client invents new ones without end.
 * signaturesMax: there are fewer, unless they are made up. stackCharactersMax: some hundred lines.
 */
export const defaultIncidentLimits: IncidentLimits = {
  incidentsMax: 100,
  bytesMax: 67_108_864,
  connectionsMax: 64,
  deathsPerHour: 60,
  failuresPerHour: 20,
  signaturesMax: 1_000,
  stackCharactersMax: 16_384,
};
