/** How long an app that has died is waited for, and how its end is worded. Pure. */
import { durationText } from '../../base/duration-text.ts';

/** Milliseconds until the first restart; doubled with each further death. */
const RESTART_DELAY_MS = 250;
/** Milliseconds: an app that dies all the time is tried this often. */
const RESTART_DELAY_MAX_MS = 15_000;
/** Milliseconds of life after which a death is the first one again. */
const STEADY_MS = 30_000;

/** What is known of an app that has ended. */
export interface AppEnd {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly livedMs: number;
}

/** The number of deaths in a row, this one included. */
export function deathsInRow(before: number, { livedMs }: AppEnd): number {
  return livedMs >= STEADY_MS ? 1 : before + 1;
}

/** Milliseconds from a death to the next start. */
export function appRestartDelayMs(deaths: number): number {
  return Math.min(RESTART_DELAY_MS * 2 ** (deaths - 1), RESTART_DELAY_MAX_MS);
}

/** `node server.js exited with code 1 after 3 s`. */
export function endText(program: readonly string[], { code, signal, livedMs }: AppEnd): string {
  const how = signal === null ? `exited with code ${code}` : `was ended by ${signal}`;
  return `${program.join(' ')} ${how} after ${durationText(livedMs)}`;
}

/** Shells' exit code of a program that a signal ended. */
const SIGNAL_EXIT_BASE = 128;

/** The exit code that says the same. `numbers` are those of the signals. */
export function exitCodeOf(
  { code, signal }: AppEnd,
  numbers: Readonly<Record<string, number>>,
): number {
  return signal === null ? (code ?? 1) : SIGNAL_EXIT_BASE + (numbers[signal] ?? 0);
}
