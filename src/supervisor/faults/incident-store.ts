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
import { incidentFileName, nameOfIncident, numberOfIncident } from '../../triage/incident-name.ts';
import { defaultIncidentLimits } from '../../triage/options.ts';

const HOUR_MS = 3_600_000;

function countedAs({ kind }: Incident): 'failures' | 'deaths' {
  return kind === 'handshake-failure' || kind === 'callback-fault' ? 'failures' : 'deaths';
}

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

  /** The number under which `save` is going to write it; '' when it will not. */
  numberFor(incident: Incident): string {
    const isWritten = this.directory !== null && !this.#isFull(incident);
    return isWritten ? numberOfIncident(incident) : '';
  }

  /** Writes an incident again, with what was found out meanwhile. */
  replace(file: string, incident: Incident): void {
    this.#write(file, incident);
  }

  #mayWrite(incident: Incident): boolean {
    if (this.#isFull(incident)) return false;
    this.#written[countedAs(incident)].push(Date.parse(incident.writtenAt));
    return true;
  }

  /** There were too many within the hour. */
  #isFull(incident: Incident): boolean {
    const counted = countedAs(incident);
    const written = this.#written[counted];
    const sinceMs = Date.parse(incident.writtenAt) - HOUR_MS;
    while (written.length > 0 && written[0]! <= sinceMs) written.shift();
    const { failuresPerHour, deathsPerHour } = defaultIncidentLimits;
    return written.length >= (counted === 'failures' ? failuresPerHour : deathsPerHour);
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
