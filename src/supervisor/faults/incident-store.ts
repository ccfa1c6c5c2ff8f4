/** The directory of incidents: what is written there, and what is dropped to make room. */

import { basename, dirname, join } from 'node:path';
import {
  makeDirectory,
  namesIn,
  readCarefully,
  removeFile,
  replaceFile,
  statsOf,
} from '../../base/careful-files.ts';
import type { Report } from '../../telemetry/log-event.ts';
import { type Incident, type IncidentKind, isWithoutDeath } from '../../triage/incident.ts';
import { decodeIncident, encodeIncident } from '../../triage/incident-file.ts';
import { incidentFileName, nameOfIncident, numberOfIncident } from '../../triage/incident-name.ts';
import { defaultIncidentLimits } from '../../triage/options.ts';

const HOUR_MS = 3_600_000;

export class IncidentStore {
  /** Null: nothing is written. */
  readonly directory: string | null;
  readonly #report: Report;
  /** Times at which incidents were written, by kind. */
  readonly #written = new Map<IncidentKind, number[]>();
  /** Signatures of files, by name, as far as somebody has looked. */
  readonly #signatures = new Map<string, string>();

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
    this.#writtenOf(incident.kind).push(Date.parse(incident.writtenAt));
    return true;
  }

  /** There were too many within the hour. */
  #isFull({ kind, writtenAt }: Incident): boolean {
    const written = this.#writtenOf(kind);
    const sinceMs = Date.parse(writtenAt) - HOUR_MS;
    while (written.length > 0 && written[0]! <= sinceMs) written.shift();
    const { failuresPerHour, deathsPerHour } = defaultIncidentLimits;
    return written.length >= (isWithoutDeath(kind) ? failuresPerHour : deathsPerHour);
  }

  #writtenOf(kind: IncidentKind): number[] {
    let written = this.#written.get(kind);
    if (written === undefined) this.#written.set(kind, (written = []));
    return written;
  }

  #write(file: string, incident: Incident): boolean {
    const directory = dirname(file);
    try {
      makeDirectory(directory);
      replaceFile(file, encodeIncident(incident, true));
      this.#signatures.set(basename(file), incident.signature);
      this.#makeRoom(directory, basename(file));
      return true;
    } catch (error) {
      this.#report(`an incident cannot be written: ${(error as Error).message}`);
      return false;
    }
  }

  #makeRoom(directory: string, written: string): void {
    const { incidentsMax, bytesMax } = defaultIncidentLimits;
    const names = namesIn(directory).filter((name) => incidentFileName.test(name));
    const sizes = new Map(names.map((name) => [name, statsOf(join(directory, name))?.size ?? 0]));
    let bytes = 0;
    for (const size of sizes.values()) bytes += size;
    if (names.length <= incidentsMax && bytes <= bytesMax) return;
    for (const name of this.#signatures.keys()) {
      if (!sizes.has(name)) this.#signatures.delete(name);
    }
    const kept = names.map((name) => ({ name, signature: this.#signatureOf(directory, name) }));
    let count = names.length;
    for (const name of leastWorthFirst(kept)) {
      if (count <= incidentsMax && bytes <= bytesMax) return;
      // What was just written stays, whatever its size.
      if (name === written) continue;
      removeFile(join(directory, name));
      count--;
      bytes -= sizes.get(name)!;
    }
  }

  #signatureOf(directory: string, name: string): string {
    const known = this.#signatures.get(name);
    if (known !== undefined) return known;
    const signature = readSignature(join(directory, name));
    this.#signatures.set(name, signature);
    return signature;
  }
}

/** '' for what cannot be read. */
function readSignature(file: string): string {
  try {
    return decodeIncident(readCarefully(file)).signature;
  } catch {
    return '';
  }
}

interface KeptIncident {
  readonly name: string;
  readonly signature: string;
}

/**
 * Names in the order in which they may go. Odd handshakes are made by anyone, so they go before deaths;
 * within each, those of which a newer example is there go first; then the oldest.
 */
function leastWorthFirst(kept: readonly KeptIncident[]): string[] {
  const seen = new Set<string>();
  const newestFirst = [...kept].sort((one, other) => (one.name < other.name ? 1 : -1));
  const ranked = newestFirst.map(({ name, signature }) => {
    const kind = kindInName(name);
    const isRepeated = signature === '' || seen.has(`${kind} ${signature}`);
    seen.add(`${kind} ${signature}`);
    return { name, rank: (isWithoutDeath(kind) ? 0 : 2) + (isRepeated ? 0 : 1) };
  });
  return ranked
    .reverse()
    .sort((one, other) => one.rank - other.rank)
    .map(({ name }) => name);
}

/** See `nameOfIncident`. */
function kindInName(name: string): string {
  return /^[^-]*-(.*)-\d+\.json/.exec(name)?.[1] ?? '';
}
