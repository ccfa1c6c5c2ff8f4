/**
 * What an importer is: it reads the files of another server and makes a configuration of ours of them,
 * and a report that has a row for every piece of theirs.
 */
import type { Draft } from './draft.ts';
import { draftText } from './draft.ts';
import { type ImportReport, placeText, type Row } from './report.ts';

export interface Imported {
  readonly draft: Draft;
  readonly report: ImportReport;
}

export interface Importer {
  /** As people call the server. */
  readonly title: string;
  /** What is named to it: `FILE` or `DIR`. */
  readonly input: string;
  /** Reads files; throws UsageError for what it cannot read at all. */
  read(path: string): Imported;
}

export interface ImportResult {
  /** The whole file. */
  readonly text: string;
  readonly rows: readonly Row[];
  /** Something that decides about access or safety was left out. */
  readonly isUnsafe: boolean;
}

export function importFrom({ title, read }: Importer, path: string): ImportResult {
  const { draft, report } = read(path);
  const rows = report.rows();
  const heading = [`Imported from ${title} by sluice import. Look through it before it serves.`];
  const out = rows.filter(({ outcome }) => outcome === 'left out');
  if (out.length > 0) heading.push('', 'Left out:');
  for (const { place, reasons, remedies, decides } of out) {
    heading.push(`  ${placeText(place)}${decides ? '  (decides about access or safety)' : ''}`);
    heading.push(`    ${[...reasons, ...remedies.map((remedy) => `→ ${remedy}`)].join('; ')}`);
  }
  return { text: draftText(draft, heading), rows, isUnsafe: rows.some(({ decides }) => decides) };
}
