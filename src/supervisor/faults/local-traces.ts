/**
 * The recording of a worker that serves in the supervisor's own process. Nobody outlives it to read
 * its memory, so that is a file: the next start finds it, and takes down what happened.
 */

import { constants, ftruncateSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  makeDirectory,
  namesIn,
  openCarefully,
  readCarefully,
  removeFile,
  statsOf,
} from '../../base/careful-files.ts';
import { SharedMemory } from '../../native/shared-memory.ts';
import type { Report } from '../../telemetry/log-event.ts';
import { traceRegionBytes } from '../../tls/trace-layout.ts';
import { type TraceSnapshot, takeSnapshot } from '../../triage/trace-snapshot.ts';

const FILE_MODE = 0o600;
const { O_CREAT, O_RDWR, O_TRUNC } = constants;
const FILE_NAME = /^recording-(\d+)-(\d+)\.bin$/;

/** Field of /proc/PID/stat after the name: when the process started, in clock ticks. */
const START_TIME_FIELD = 19;

/** A recording whose process is gone. */
export interface LostTraces {
  readonly snapshot: TraceSnapshot;
  /** When the file was last written, in wall-clock milliseconds. */
  readonly nowMs: number;
}

export class LocalTraces {
  readonly region: Uint8Array;
  readonly #directory: string;
  readonly #file: string;

  private constructor(directory: string, file: string, memory: SharedMemory) {
    this.#directory = directory;
    this.#file = file;
    this.region = memory.bytes;
  }

  /** Null when the file cannot be made, which is reported. */
  static open(directory: string, report: Report): LocalTraces | null {
    // The start time tells a process from a later one with the same number, as in a container.
    const file = join(directory, `recording-${process.pid}-${startTime(process.pid) ?? 0}.bin`);
    try {
      makeDirectory(directory);
      removeFile(file);
      const fd = openCarefully(file, O_RDWR | O_CREAT | O_TRUNC, FILE_MODE);
      ftruncateSync(fd, traceRegionBytes);
      return new LocalTraces(directory, file, SharedMemory.open(fd, traceRegionBytes));
    } catch (error) {
      report(`no recording outlives this process: ${(error as Error).message}`);
      return null;
    }
  }

  /** What processes that are gone have left; their files are removed. */
  takeLost(): LostTraces[] {
    const lost: LostTraces[] = [];
    for (const name of namesIn(this.#directory)) {
      const match = FILE_NAME.exec(name);
      const file = join(this.#directory, name);
      if (match === null || file === this.#file) continue;
      if (startTime(Number(match[1])) === Number(match[2])) continue;
      const found = readLost(file);
      if (found !== null) lost.push(found);
    }
    return lost;
  }

  /** The process ends in order. */
  remove(): void {
    unlinkQuietly(this.#file);
  }
}

function readLost(file: string): LostTraces | null {
  try {
    const nowMs = statsOf(file)!.mtimeMs;
    const bytes = readCarefully(file);
    unlinkQuietly(file);
    // A view that begins where integers of 8 bytes may.
    const snapshot = takeSnapshot(new Uint8Array(new Uint8Array(bytes).buffer));
    return snapshot === null ? null : { snapshot, nowMs };
  } catch {
    // Another start was faster.
    return null;
  }
}

function unlinkQuietly(file: string): void {
  try {
    removeFile(file);
  } catch {
    // Somebody else has removed it.
  }
}

/** Null when there is no such process. */
function startTime(pid: number): number | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return Number(fields[START_TIME_FIELD]);
  } catch {
    return null;
  }
}
