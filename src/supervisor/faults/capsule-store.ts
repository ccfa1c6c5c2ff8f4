/** The directory of capsules: what is written there, and what is dropped to make room. */

import { dirname, join } from 'node:path';
import {
  makeDirectory,
  namesIn,
  removeFile,
  replaceFile,
  statsOf,
} from '../../base/careful-files.ts';
import type { Report } from '../../telemetry/log-event.ts';
import type { Capsule } from '../../triage/capsule.ts';
import { encodeCapsule } from '../../triage/capsule-file.ts';
import { capsuleFileName, nameOfCapsule } from '../../triage/capsule-name.ts';
import { defaultCapsuleLimits } from '../../triage/options.ts';

const HOUR_MS = 3_600_000;

export class CapsuleStore {
  /** Null: nothing is written. */
  readonly directory: string | null;
  readonly #report: Report;
  /** Times at which capsules were written, by what they are about. */
  readonly #written: Record<'deaths' | 'failures', number[]> = { deaths: [], failures: [] };

  constructor(directory: string | null, report: Report) {
    this.directory = directory;
    this.#report = report;
  }

  /**
   * The file's path; null when nothing is to be written, when there were too many within the hour,
   * or when it cannot be written, which is reported. Never throws.
   */
  save(capsule: Capsule): string | null {
    const { directory } = this;
    if (directory === null || !this.#mayWrite(capsule)) return null;
    const file = join(directory, nameOfCapsule(capsule, true));
    return this.#write(file, capsule) ? file : null;
  }

  /** Writes a capsule again, with what was found out meanwhile. */
  replace(file: string, capsule: Capsule): void {
    this.#write(file, capsule);
  }

  #mayWrite({ kind, writtenAt }: Capsule): boolean {
    const isFailure = kind === 'handshake-failure' || kind === 'callback-fault';
    const nowMs = Date.parse(writtenAt);
    const written = this.#written[isFailure ? 'failures' : 'deaths'];
    while (written.length > 0 && written[0]! <= nowMs - HOUR_MS) written.shift();
    const max = isFailure
      ? defaultCapsuleLimits.failuresPerHour
      : defaultCapsuleLimits.deathsPerHour;
    if (written.length >= max) return false;
    written.push(nowMs);
    return true;
  }

  #write(file: string, capsule: Capsule): boolean {
    const directory = dirname(file);
    try {
      makeDirectory(directory);
      replaceFile(file, encodeCapsule(capsule, true));
      this.#dropOldest(directory);
      return true;
    } catch (error) {
      this.#report(`a capsule cannot be written: ${(error as Error).message}`);
      return false;
    }
  }

  #dropOldest(directory: string): void {
    const { capsulesMax, bytesMax } = defaultCapsuleLimits;
    const newestFirst = namesIn(directory)
      .filter((name) => capsuleFileName.test(name))
      .sort()
      .reverse();
    let bytes = 0;
    for (const [index, name] of newestFirst.entries()) {
      const file = join(directory, name);
      bytes += statsOf(file)?.size ?? 0;
      // What was just written stays, whatever its size.
      if (index > 0 && (index >= capsulesMax || bytes > bytesMax)) removeFile(file);
    }
  }
}
