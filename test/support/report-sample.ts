/** A report of a triage, small and complete. */
import type { TriageReport } from '../../src/triage/report/report.ts';

const software = {
  sluice: '0.1.0',
  node: '26.10.0',
  openssl: '3.5.8',
  kernel: 'Linux 6.1.0',
  architecture: 'x64',
};

export const reportSample: TriageReport = {
  format: 'sluice-triage-report',
  version: 1,
  writtenAt: '2026-11-23T02:00:00.000Z',
  incident: {
    file: '20261123T020000000Z-crash-4711.json.gz',
    kind: 'crash',
    signature: 'crash/SIGSEGV/SSL_read_early_data/danger-x',
    alert: '',
    writtenAt: '2026-11-23T02:00:00.000Z',
    summary: 'Worker was killed by SIGSEGV in SSL_read_early_data, in observer danger-x',
    software,
  },
  verdict: 'cause-found',
  summary: 'Worker was killed by SIGSEGV: danger-x to blame.',
  reproduction: {
    what: 'suspect',
    mode: 'verbatim',
    runs: 3,
    same: 3,
    runsPerQuestion: 1,
    notes: [],
  },
  features: {
    status: 'found',
    blamed: [{ name: 'danger-x', summary: 'It does harm.' }],
    conditions: [],
    unclear: [],
  },
  configuration: { status: 'unknown', changes: [], unclear: [], changesInAll: 0 },
  trigger: {
    words: 'a ClientHello with a rather long description, with group x25519 and no key share',
    script: { mode: 'verbatim', flights: [], end: 'wait' },
    bytes: 81,
    bytesBefore: 717,
    needsEarlyData: false,
    isRetried: true,
  },
  commit: { status: 'skipped', commits: [], reason: '' },
  advice: ['Switch danger-x off: --feature danger-x=off.'],
  evidence: [
    {
      number: 1,
      stage: 'features',
      question: 'danger-x off',
      outcome: 'lives',
      runs: 1,
      same: 0,
      detail: '',
      received: [],
      durationMs: 12,
    },
  ],
  nativeStack: null,
  software,
  setting: null,
};
