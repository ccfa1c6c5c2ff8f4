/**
 * Opens what a log is written to. A named pipe is opened without waiting for its reader, and a pipe never
 * holds up the thread that writes to it: four of those would be all that a process has.
 */

import { constants, fstatSync, open, openSync, type Stats, stat, statSync } from 'node:fs';
import { openCarefully } from '../base/careful-files.ts';

const FILE_MODE = 0o640;
const ROOT = 0;
const STANDARD_OUTPUT = 1;
export const STANDARD_ERROR = 2;

/** Targets that are no file's path. */
export const STANDARD_OUTPUT_TARGET = '-';
export const STANDARD_ERROR_TARGET = '-2';

const { O_APPEND, O_CREAT, O_NONBLOCK, O_RDWR, O_WRONLY } = constants;

/** Throws the error of `open(2)`. */
export function openLogFile(target: string): number {
  if (target === STANDARD_OUTPUT_TARGET) return standardStream(STANDARD_OUTPUT);
  if (target === STANDARD_ERROR_TARGET) return standardStream(STANDARD_ERROR);
  return openCarefully(target, flagsFor(statSync(target, { throwIfNoEntry: false })), FILE_MODE);
}

/** As {@link openLogFile}, off the event loop but for root, who goes from directory to directory. */
export function openLogFileLater(
  target: string,
  done: (error: Error | null, fd: number) => void,
): void {
  if (process.geteuid?.() !== ROOT) {
    stat(target, (_, stats) => open(target, flagsFor(stats), FILE_MODE, done));
    return;
  }
  let fd = -1;
  let failure: Error | null = null;
  try {
    fd = openLogFile(target);
  } catch (error) {
    failure = error as Error;
  }
  setImmediate(done, failure, fd);
}

/** With its read end open as well, a named pipe keeps lines for the reader that comes next (fifo(7)). */
function flagsFor(stats: Stats | undefined): number {
  return stats?.isFIFO() === true ? O_RDWR | O_NONBLOCK : O_APPEND | O_CREAT | O_WRONLY;
}

/**
 * A pipe that we were started with is opened once more by its name in /proc: O_NONBLOCK on the descriptor
 * itself would be set for everybody who shares it. The descriptor itself for all else, or when it is
 * another account's.
 */
function standardStream(fd: number): number {
  if (!fstatSync(fd).isFIFO()) return fd;
  try {
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK);
  } catch {
    return fd;
  }
}
