/** What `sluice triage` has found. */
import type { ReportAnswer, TriageAnswer, TriageEntry } from '../answers.ts';
import { ask } from './ask.ts';
import { at, rowOf, showLines } from './elements.ts';

const VERDICTS: Readonly<Record<string, string>> = {
  'cause-found': 'good',
  'no-cause-found': 'bad',
  'not-reproducible': 'bad',
};

/** `open` is called with the name of the report that somebody clicks at. */
export function showTriage({ reports }: TriageAnswer, open: (name: string) => void): void {
  const table = at('triage');
  const shown = JSON.stringify(reports);
  if (reports.length === 0) {
    showLines('triage', [], 'no report yet; sluice triage INCIDENT writes one');
  } else if (table.dataset.of !== shown) {
    // What somebody is about to click at must not be replaced each second.
    table.replaceChildren(...reports.map((entry) => entryRow(entry, open)));
  }
  table.dataset.of = shown;
}

function entryRow(entry: TriageEntry, open: (name: string) => void): HTMLTableRowElement {
  const { name, summary, verdict, writtenAt } = entry;
  const row = rowOf(['', writtenAt.slice(0, 16).replace('T', ' ')]);
  const link = document.createElement('button');
  link.className = 'link';
  link.textContent = summary;
  link.addEventListener('click', () => open(name));
  row.cells[0]!.appendChild(link);
  row.cells[1]!.className = VERDICTS[verdict] ?? '';
  return row;
}

export async function showReport(name: string): Promise<void> {
  const report = await ask<ReportAnswer>(`/triage?report=${encodeURIComponent(name)}`);
  at('report-title').textContent = report.summary;
  const facts = factsOf(report).map((text) => {
    const line = document.createElement('p');
    line.textContent = text;
    return line;
  });
  at('report-facts').replaceChildren(...facts);
  const evidence = report.evidence.map((one) => {
    const row = rowOf([
      one.number,
      one.stage,
      one.question,
      one.outcome,
      `${one.same} / ${one.runs}`,
    ]);
    if (one.outcome === 'same') row.className = 'bad';
    return row;
  });
  at('report-evidence').replaceChildren(...evidence);
  at('report').hidden = false;
  at('report').scrollIntoView();
}

export function hideReport(): void {
  at('report').hidden = true;
}

function factsOf(report: ReportAnswer): string[] {
  const { features, configuration, commit, trigger, reproduction } = report;
  return [
    report.incident.signature,
    `Reproduced in ${reproduction.same} of ${reproduction.runs} runs.`,
    ...features.blamed.map((one) => `To blame: ${one.name}. ${one.summary}`),
    ...features.conditions.map((one) => `Must be on as well: ${one.name}.`),
    ...(features.unclear ?? []).map((one) => `Neither to blame nor cleared: ${one.name}.`),
    ...configuration.changes.map(
      ({ path, before, after }) =>
        `Since ${path} changed from ${JSON.stringify(before)} to ${JSON.stringify(after)}.`,
    ),
    ...commit.commits.map((one) => `Commit ${one.hash.slice(0, 10)}: ${one.subject}`),
    ...(trigger === null ? [] : [`Smallest trigger, ${trigger.bytes} bytes: ${trigger.words}`]),
    ...report.advice,
  ];
}
