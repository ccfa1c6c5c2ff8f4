/**
 * A test that fails as long as the fault is there: it plays the smallest trigger. All that it plays is
 * in it, so that it can be put anywhere; what it needs beside is a sluice to test.
 */
import type { TriageReport } from './report.ts';
import { isProven } from './words.ts';

/**
 * Null when nothing was reproduced, or when the trigger was tried and does not show the fault: a test
 * that passes with the fault is worse than none.
 */
export function regressionTestOf(report: TriageReport): string | null {
  if (report.setting === null || report.trigger === null) return null;
  if (!isProven(report)) return null;
  const quoted = (text: string) => JSON.stringify(text);
  // What `sluice tls replay` reads of a report.
  const { format, version, incident, setting, trigger } = report;
  const played = JSON.stringify({ format, version, incident, setting, trigger }, null, 1);
  return `// ${oneLine(report.summary)}
//
// Made by \`sluice triage\` from ${oneLine(report.incident.file)}, ${report.writtenAt}. It starts a throw-away
// sluice with the configuration and features below, and plays the smallest trigger. Run it with
// \`node --test\`; it needs no other file of the triage, but
//
//   SLUICE           the sluice command that is tested; otherwise the one of the PATH
//   SLUICE_WITHOUT   features that are switched off, with commas
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

const played = ${played};

const { SLUICE_WITHOUT } = process.env;
const without = SLUICE_WITHOUT ? ['--without', SLUICE_WITHOUT] : [];

test(${quoted(`sluice survives: ${oneLine(report.trigger.words)}`)}, () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-regression-'));
  try {
    const report = join(directory, 'report.json');
    writeFileSync(report, JSON.stringify(played));
    const words = ['tls', 'replay', report, '--times', '${report.reproduction.runsPerQuestion}', ...without];
    const { status, stdout, stderr, error } = spawnSync(process.env.SLUICE ?? 'sluice', words, {
      encoding: 'utf8',
    });
    assert.equal(error, undefined);
    // 1: no fault happens. 0: it happens again. 2: it could not be tried. 3: another fault happens.
    assert.equal(status, 1, \`\${stdout}\${stderr}\`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
`;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}
