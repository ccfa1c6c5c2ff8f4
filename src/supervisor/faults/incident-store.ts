/** The directory of incidents: what is written there, and what is dropped to make room. */

import { dirname, join } from 'node:path';
import {
  makeDirectory,
  namesIn,
  removeFile,
  replaceFile,
  statsOf,
} from '../../base/careful-files.ts';
import type { Report } from '../../telemetry/log-event.ts';
import type { Incident } from '../../triage/incident.ts';
import { encodeIncident } from '../../triage/incident-file.ts';
import { incidentFileName, nameOfIncident } from '../../triage/incident-name.ts';
import { defaultIncidentLimits } from '../../triage/options.ts';

const HOUR_MS = 3_600_000;

export class IncidentStore {
  /** Null: nothing is written. */
  readonly directory: string | null;
  readonly #report: Report;
  /** Times at which incidents were written, by what they are about. */
  readonly #written: Record<'deaths' | 'failures', number[]> = { deaths: [], failures: [] };

  constructor(directory: string | null, report: Report) {
    this.directory = directory;
    this.#report = report;
  }

  /**
   * The file's path; null when nothing is to be written, when there were too many within the hour,
   * or when it cannot be written, which is reported. Never throws.
   */
  save(incident: Incident): string | null {
    const { directory } = this;
    if (directory === null || !this.#mayWrite(incident)) return null;
    const file = join(directory, nameOfIncident(incident, true));
    return this.#write(file, incident) ? file : null;
  }

  /** Writes an incident again, with what was found out meanwhile. */
  replace(file: string, incident: Incident): void {
    this.#write(file, incident);
  }

  #mayWrite({ kind, writtenAt }: Incident): boolean {
    const isFailure = kind === 'handshake-failure' || kind === 'callback-fault';
    const nowMs = Date.parse(writtenAt);
    const written = this.#written[isFailure ? 'failures' : 'deaths'];
    while (written.length > 0 && written[0]! <= nowMs - HOUR_MS) written.shift();
    const max = isFailure
      ? defaultIncidentLimits.failuresPerHour
      : defaultIncidentLimits.deathsPerHour;
    if (written.length >= max) return false;
    written.push(nowMs);
    return true;
  }

  #write(file: string, incident: Incident): boolean {
    const directory = dirname(file);
    try {
      makeDirectory(directory);
      replaceFile(file, encodeIncident(incident, true));
      this.#dropOldest(directory);
      return true;
    } catch (error) {
      this.#report(`an incident cannot be written: ${(error as Error).message}`);
      return false;
    }
  }

  #dropOldest(directory: string): void {
    const { incidentsMax, bytesMax } = defaultIncidentLimits;
    const newestFirst = namesIn(directory)
      .filter((name) => incidentFileName.test(name))
      .sort()
      .reverse();
    let bytes = 0;
    for (const [index, name] of newestFirst.entries()) {
      const file = join(directory, name);
      bytes += statsOf(file)?.size ?? 0;
      // What was just written stays, whatever its size.
      if (index > 0 && (index >= incidentsMax || bytes > bytesMax)) removeFile(file);
    }
  }
}
