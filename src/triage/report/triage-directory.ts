/**
 * The directory of one triage: evidence as it comes in, so that it can be stopped and gone on with,
 * and the report at the end.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { makeDirectory, readCarefully, removeFile, replaceFile } from '../../base/careful-files.ts';
import type { Evidence } from '../experiments.ts';
import { markdownOf } from './markdown.ts';
import { regressionTestOf } from './regression-test.ts';
import { REPORT_FORMAT, REPORT_VERSION, type TriageReport } from './report.ts';

const STATE_VERSION = 1;

export const reportFiles = {
  json: 'report.json',
  markdown: 'report.md',
  test: 'regression.test.mjs',
} as const;
const STATE_FILE = 'state.json';

interface State {
  readonly version: number;
  /** What the evidence is about. */
  readonly digest: string;
  readonly evidence: readonly Evidence[];
}

export class TriageDirectory {
  readonly path: string;
  readonly #digest: string;
  readonly #evidence: Evidence[];

  /**
   * `about`: bytes of the incident and all else that answers depend on; evidence about anything else
   * is dropped. Throws what the file system throws.
   */
  constructor(path: string, about: readonly (string | Uint8Array)[], isFresh: boolean) {
    this.path = path;
    const digest = createHash('sha256');
    for (const part of about) digest.update(part).update('\0');
    this.#digest = digest.digest('hex');
    makeDirectory(path);
    this.#evidence = isFresh ? [] : this.#readEvidence();
  }

  /** Of an earlier triage that was stopped. */
  get evidence(): readonly Evidence[] {
    return [...this.#evidence];
  }

  add(row: Evidence): void {
    this.#evidence.push(row);
    const evidence = this.#evidence;
    const state: State = { version: STATE_VERSION, digest: this.#digest, evidence };
    this.#write(STATE_FILE, JSON.stringify(state));
  }

  /** The report in its forms; returns their paths. */
  finish(report: TriageReport): string[] {
    const texts: Record<string, string | null> = {
      [reportFiles.json]: `${JSON.stringify(report, null, 1)}\n`,
      [reportFiles.markdown]: markdownOf(report),
      [reportFiles.test]: regressionTestOf(report),
    };
    const paths: string[] = [];
    for (const [name, text] of Object.entries(texts)) {
      // One of an earlier triage would be about something else.
      if (text === null) removeFile(join(this.path, name));
      else paths.push(this.#write(name, text));
    }
    // What was asked of this sluice may be answered otherwise by one that was mended since.
    removeFile(join(this.path, STATE_FILE));
    return paths;
  }

  #write(name: string, text: string): string {
    const path = join(this.path, name);
    replaceFile(path, text);
    return path;
  }

  #readEvidence(): Evidence[] {
    try {
      const state = JSON.parse(readCarefully(join(this.path, STATE_FILE)).toString()) as State;
      const isOurs = state.version === STATE_VERSION && state.digest === this.#digest;
      return isOurs ? [...state.evidence] : [];
    } catch {
      // None, or one that is damaged: every question is asked again.
      return [];
    }
  }
}

/** Throws Error with what is wrong. */
export function readReport(bytes: Uint8Array): TriageReport {
  const value = JSON.parse(Buffer.from(bytes).toString('utf8')) as Partial<TriageReport> | null;
  if (value?.format !== REPORT_FORMAT) throw new Error(`it is no ${REPORT_FORMAT}`);
  if (value.version !== REPORT_VERSION) {
    throw new Error(`its version is ${value.version}, and this sluice reads ${REPORT_VERSION}`);
  }
  return value as TriageReport;
}
