/** The second half of the demo: from an incident to the cause, and a test that keeps it away. */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TriageReport } from '../../src/triage/report/report.ts';
import { launcher, OBSERVER } from './scene.ts';
import { dim, type Findings, say, title } from './screen.ts';

/** Of the questions of one stage, those that are shown; a ClientHello has a hundred parts. */
const QUESTIONS_SHOWN_MAX = 8;

export async function triageFindings(incident: string, findings: Findings): Promise<void> {
  title('4. Find the cause of the incident: sluice triage');
  const out = join(incident, '..', '..', 'triage');
  const startedAtMs = performance.now();
  await runTriage(incident, out);
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  const report = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as TriageReport;
  say(report.summary);

  title('5. The test that it has written');
  const test = join(out, 'regression.test.mjs');
  const withIt = passes(test, '');
  say(`with the observer ${withIt ? 'it passes' : 'it fails'}`);
  const withoutIt = passes(test, OBSERVER);
  say(`without the observer ${withoutIt ? 'it passes' : 'it fails'}`);

  title('What the triage found');
  const { features, trigger, reproduction, evidence } = report;
  const blamed = features.blamed.map(({ name }) => name);
  findings.check(
    reproduction.same === reproduction.runs && reproduction.runs > 0,
    `reproduced in ${reproduction.same} of ${reproduction.runs} runs`,
  );
  findings.check(blamed.join() === OBSERVER, `to blame: ${blamed.join(', ') || 'nothing'}`);
  findings.check(trigger?.isRetried === true, 'what triggers it is a HelloRetryRequest');
  findings.check(trigger?.needsEarlyData === false, 'no early data is needed');
  findings.check(
    trigger !== null && trigger.bytes < trigger.bytesBefore,
    `smallest trigger: ${trigger?.bytes} bytes, of ${trigger?.bytesBefore}: ${trigger?.words}`,
  );
  findings.check(!withIt && withoutIt, 'the test fails with the observer, and passes without it');
  process.stdout.write(
    `\n${evidence.length} questions in ${seconds} s: ${join(out, 'report.md')}\n`,
  );
}

/** Shows how it goes, some questions of each stage. */
async function runTriage(incident: string, out: string): Promise<void> {
  const child = spawn(process.execPath, [launcher, 'triage', incident, '--out', out], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = Promise.withResolvers<void>();
  child.once('close', () => ended.resolve());
  const shown = new Map<string, number>();
  for await (const line of createInterface({ input: child.stderr })) {
    const text = line.replace(/^ *[\d.]+ s {2}/, '');
    const stage = text.split(/[:\s]/, 1)[0]!;
    const count = (shown.get(stage) ?? 0) + 1;
    shown.set(stage, count);
    if (count <= QUESTIONS_SHOWN_MAX) say(dim(text));
    else if (count === QUESTIONS_SHOWN_MAX + 1) say(dim(`${stage}: and so on`));
  }
  await ended.promise;
}

function passes(test: string, without: string): boolean {
  const env = { ...process.env, SLUICE: launcher, SLUICE_WITHOUT: without };
  return spawnSync(process.execPath, ['--test', test], { env }).status === 0;
}
