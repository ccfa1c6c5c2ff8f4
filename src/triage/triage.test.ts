import assert from 'node:assert/strict';
import test from 'node:test';
import { sampleIncident } from '../../test/support/incident-sample.ts';
import { UsageError } from '../base/errors.ts';
import { markdownOf } from './report/markdown.ts';
import type { TriageReport } from './report/report.ts';
import type { SandboxSetting } from './sandbox.ts';
import { type TriageInput, triage } from './triage.ts';

const OBSERVER = 'group-in-callback';

/** A triage on a sandbox that dies of everything, and cannot be opened with some settings. */
function triaged(opens: (setting: SandboxSetting) => boolean): Promise<TriageReport> {
  const input: TriageInput = {
    incident: sampleIncident,
    file: 'sample.json',
    dimensions: ['features', 'configuration'],
    runs: 1,
    history: null,
    known: [],
    software: sampleIncident.software,
    nowMs: 0,
    signal: new AbortController().signal,
    onStage() {},
    onEvidence() {},
    async openSandbox(setting) {
      if (!opens(setting)) throw new UsageError('it cannot be started', 'leave it');
      const played = [
        { result: 'closed', flightsSent: 1, received: [], alert: '', durationMs: 1 } as const,
      ];
      return {
        port: 1,
        run: async () => ({ death: sampleIncident, played }),
        async [Symbol.asyncDispose]() {},
      };
    },
  };
  return triage(input);
}

const isEarly = ({ options }: SandboxSetting) =>
  (options as { readonly earlyData?: boolean }).earlyData === true;

test('a feature without which nothing can be tried is neither blamed nor cleared', async () => {
  const report = await triaged(({ features }) => features[OBSERVER] !== false);
  const { features } = report;
  assert.deepEqual([features.status, features.blamed], ['unclear', []]);
  assert.deepEqual(
    features.unclear.map(({ name }) => name),
    [OBSERVER],
  );
  assert.equal(report.verdict, 'no-cause-found');
  assert.match(report.summary, /is unknown, because no experiment without group-in-/);
  assert.match(markdownOf(report), /Neither to blame nor cleared\*\*: `group-in-callback`/);
});

test('nor is a change of the configuration', async () => {
  const report = await triaged(isEarly);
  const { configuration } = report;
  assert.deepEqual([configuration.status, configuration.changes], ['unclear', []]);
  assert.deepEqual(
    configuration.unclear.map(({ path }) => path),
    ['/earlyData'],
  );
  assert.match(markdownOf(report), /the change of `\/earlyData` is neither to blame nor cleared/);
});
