import assert from 'node:assert/strict';
import { copyFileSync, cpSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { before } from 'node:test';
import type { Incident, JsonValue } from '../../src/triage/incident.ts';
import { encodeIncident } from '../../src/triage/incident-file.ts';
import type { TriageReport } from '../../src/triage/report/report.ts';
import { readReport } from '../../src/triage/report/triage-directory.ts';
import { type CrashSettings, crashOf } from '../support/incidents.ts';
import { ended, run, start, unlessInstalled } from '../support/programs.ts';
import { sClient, sessionFile } from '../support/s-client.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const OBSERVER = 'danger-group-in-callback';
const launcher = join(import.meta.dirname, '../../bin/sluice.js');
const TIMEOUT_MS = 90_000;

interface Triaged {
  readonly report: TriageReport;
  readonly code: number | string;
  readonly stderr: string;
  readonly out: string;
}

function incidentFile(incident: Incident): string {
  const file = join(temporaryDirectory(), 'incident.json.gz');
  writeFileSync(file, encodeIncident(incident, true));
  return file;
}

async function triaged(file: string, ...words: readonly string[]): Promise<Triaged> {
  const out = join(temporaryDirectory(), 'triage');
  const all = [launcher, 'triage', file, '--out', out, ...words];
  const { code, stderr } = await run(process.execPath, all, { timeoutMs: TIMEOUT_MS });
  assert.ok(code === 0 || code === 1, `${code}: ${stderr}`);
  return { code, stderr, out, report: readReport(readFileSync(join(out, 'report.json'))) };
}

const namesOf = (features: readonly { readonly name: string }[]) =>
  features.map(({ name }) => name);

/**
 * Features that have no part in any of these faults: each more is a question more, and a question is a
 * sluice. The observer's triage has them all; the others have them with SLUICE_LONG=1.
 */
const BYSTANDERS = ['ja4', 'handshake-failures', 'handshake-log', 'failure-incidents'];
const withoutBystanders =
  process.env.SLUICE_LONG === '1' ? [] : BYSTANDERS.flatMap((name) => ['--feature', `${name}=off`]);

async function crash(settings: CrashSettings): Promise<Incident> {
  return crashOf({ directory: temporaryDirectory(), ...settings });
}

let observed: Incident;
before(async () => {
  observed = await crash({ features: [OBSERVER] });
});

test('the observer is named, and a HelloRetryRequest as the smallest trigger', async () => {
  const { report, code, out } = await triaged(incidentFile(observed));
  assert.deepEqual([code, report.verdict], [0, 'cause-found']);
  assert.deepEqual(namesOf(report.features.blamed), [OBSERVER]);
  const { trigger } = report;
  assert.deepEqual([trigger?.isRetried, trigger?.needsEarlyData], [true, false]);
  assert.match(trigger!.words, /^TLS 1\.3 ClientHello, groups x25519, no key share, /);
  assert.ok(trigger!.bytes < 100, `${trigger!.bytes} bytes`);
  assert.equal(report.configuration.status, 'unknown');
  assert.ok(report.advice[0]!.includes(`--feature ${OBSERVER}=off`));
  const text = readFileSync(join(out, 'report.md'), 'utf8');
  assert.match(text, /answers it with a HelloRetryRequest\.\nNo early data is needed\./);
  assert.equal(text.match(/^\| \d+ \|/gm)?.length, report.evidence.length);
  assert.equal(statSync(out).mode & 0o777, 0o700);
  assert.equal(statSync(join(out, 'report.json')).mode & 0o777, 0o600);
  await regressionTestWorks(out);
});

/** It fails while the observer is on, and passes without it. */
async function regressionTestWorks(out: string): Promise<void> {
  // All by itself, as in somebody's repository.
  const file = join(temporaryDirectory(), 'regression.test.mjs');
  copyFileSync(join(out, 'regression.test.mjs'), file);
  const outcome = async (without: string) => {
    const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
    const env = { ...environment, SLUICE: launcher, SLUICE_WITHOUT: without };
    const { code, text } = await run(process.execPath, ['--test', file], {
      env,
      timeoutMs: TIMEOUT_MS,
    });
    return { code, text };
  };
  const broken = await outcome('');
  assert.equal(broken.code, 1, broken.text);
  assert.match(broken.text, new RegExp(`crash/SIGSEGV/SSL_read_early_data/${OBSERVER}`));
  const mended = await outcome(OBSERVER);
  assert.equal(mended.code, 0, mended.text);
}

test('two features that do harm together are both to blame, and nothing else is', async () => {
  const features = ['danger-first-of-two', 'danger-second-of-two'];
  const incident = await crash({ features, flags: withoutBystanders });
  const { report } = await triaged(incidentFile(incident), '--dimensions', 'features');
  assert.deepEqual(namesOf(report.features.blamed).sort(), features);
  assert.match(report.summary, /danger-first-of-two, danger-second-of-two together to blame/);
});

test('a change of the configuration is to blame: of several, the one that matters', async () => {
  const flags = ['--drain-timeout', '7s'];
  const incident = await crash({ features: ['danger-under-configuration'], flags });
  const { configuration } = incident;
  const options = configuration.options as { [key: string]: JsonValue };
  const good = { ...options, drainTimeoutMs: 5_000, cacheSizeBytes: 1, pidFile: '/run/a.pid' };
  const lastGood = { digest: 'a'.repeat(64), options: good };
  const file = incidentFile({ ...incident, configuration: { ...configuration, lastGood } });
  const { report } = await triaged(file, '--dimensions', 'configuration');
  assert.equal(report.configuration.status, 'found');
  assert.deepEqual(report.configuration.changes, [
    { path: '/drainTimeoutMs', before: 5_000, after: 7_000 },
  ]);
  assert.equal(report.configuration.changesInAll, 3);
  assert.match(report.advice.join('\n'), /Set \/drainTimeoutMs back to 5000\./);
});

/** A history of sluice in which the third of four commits has observers called. */
async function history(): Promise<{ readonly repository: string; readonly git: Git }> {
  const repository = temporaryDirectory();
  const root = join(import.meta.dirname, '../..');
  for (const name of ['src', 'bin', 'package.json']) {
    cpSync(join(root, name), join(repository, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(repository, 'node_modules'));
  writeFileSync(join(repository, '.gitignore'), 'node_modules\n');
  const git: Git = async (...words) => {
    const identity = ['-c', 'user.name=A Tester', '-c', 'user.email=tester@a.example'];
    const { code, text, stderr } = await run('git', ['-C', repository, ...identity, ...words]);
    assert.equal(code, 0, stderr);
    return text.trim();
  };
  const commit = async (subject: string, file: string, text: string) => {
    writeFileSync(join(repository, file), text);
    await git('add', '-A');
    await git('commit', '--quiet', '-m', subject);
  };
  const file = 'src/worker/danger.ts';
  const text = readFileSync(join(root, file), 'utf8');
  const harmless = text.replace('feature.observe?.(moment, scene, surroundings);', '');
  assert.notEqual(harmless, text);
  await git('init', '--quiet');
  await commit('worker: observers are named', file, harmless);
  await commit('docs: a note', 'NOTE.md', 'first');
  await commit('worker: observers are called', file, text);
  await commit('docs: another note', 'NOTE.md', 'second');
  return { repository, git };
}
type Git = (...words: readonly string[]) => Promise<string>;

test('the commit that brought it is found, and the repository is left as it was', async () => {
  const { repository, git } = await history();
  const words = ['--dimensions', 'commits', '--repo', repository, '--good', 'HEAD~3'];
  const { report, code } = await triaged(incidentFile(observed), ...words);
  assert.deepEqual([code, report.commit.status], [0, 'found'], JSON.stringify(report.evidence));
  assert.equal(report.commit.commits[0]!.subject, 'worker: observers are called');
  assert.match(report.advice.join('\n'), new RegExp(`Revert ${await git('rev-parse', 'HEAD~1')}`));
  assert.equal(
    await git('worktree', 'list', '--porcelain').then((text) => text.match(/^worktree/gm)?.length),
    1,
  );
  const unknown = await triaged(incidentFile(observed), ...words.with(-1, 'v0'), '--runs', '1');
  assert.equal(unknown.report.commit.status, 'impossible');
});

const skip = unlessInstalled('openssl');

test('a crash that takes early data is re-enacted with keys of our own', { skip }, async () => {
  const observer = 'danger-after-early-data';
  const message = 'GET /early HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  const incident = await crash({
    features: [observer],
    flags: withoutBystanders,
    async provoke(httpsPort) {
      const session = sessionFile();
      await sClient(httpsPort, { words: ['-tls1_3'], request: message, keep: session });
      await sClient(httpsPort, { session, early: message, request: message }).catch(() => {});
    },
  });
  assert.equal(incident.suspect?.observer, observer);
  const { report } = await triaged(
    incidentFile(incident),
    '--dimensions',
    'features',
    '--runs',
    '1',
  );
  assert.deepEqual([report.reproduction.mode, report.reproduction.same], ['re-enacted', 1]);
  assert.deepEqual(namesOf(report.features.blamed), [observer]);
  assert.equal(report.trigger?.needsEarlyData, true);
});

test('what stands still is a fault like any other', async () => {
  const incident = await crash({
    features: ['danger-hang'],
    flags: withoutBystanders,
    serverName: 'hang.test',
  });
  const { report } = await triaged(
    incidentFile(incident),
    '--dimensions',
    'features',
    '--runs',
    '1',
  );
  assert.equal(report.incident.kind, 'hang');
  assert.deepEqual(namesOf(report.features.blamed), ['danger-hang']);
});

test('a crash that does not happen again is said to be one', async () => {
  const mark = join(temporaryDirectory(), 'mark');
  process.env.SLUICE_PROOF_MARK = mark;
  const incident = await crash({ features: ['danger-once'] });
  const { report, code, out } = await triaged(incidentFile(incident));
  delete process.env.SLUICE_PROOF_MARK;
  assert.deepEqual([code, report.verdict, report.trigger], [1, 'not-reproducible', null]);
  assert.match(report.summary, /did not happen again in \d+ runs: it depends on something/);
  assert.ok(report.evidence.length > 0);
  assert.equal(statSync(join(out, 'regression.test.mjs'), { throwIfNoEntry: false }), undefined);
});

test('a triage that was stopped goes on where it was', async () => {
  const file = incidentFile(observed);
  const out = join(temporaryDirectory(), 'triage');
  const words = [launcher, 'triage', file, '--out', out, '--dimensions', 'features'];
  const child = start(process.execPath, words, { stdio: 'pipe' });
  let said = '';
  child.stderr!.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  await until(() => /features: 3\./.test(said), 'the third question', TIMEOUT_MS);
  child.kill('SIGINT');
  assert.equal(await ended(child), 130);
  assert.match(said, /stopped; the same command continues from here/);
  const { stderr, code } = await run(process.execPath, words, { timeoutMs: TIMEOUT_MS });
  assert.equal(code, 0);
  const known = stderr.split('\n').filter((line) => line.endsWith(', known already'));
  assert.ok(known.length >= 3, stderr);
});

test('what is wrong in the words or the file is said with a remedy', async () => {
  const file = incidentFile(observed);
  const refused = async (...words: readonly string[]) => {
    const { code, stderr } = await run(process.execPath, [launcher, 'triage', ...words]);
    assert.equal(code, 2, stderr);
    return stderr;
  };
  assert.match(await refused(), /no INCIDENT; write sluice triage INCIDENT/);
  assert.match(await refused(file, '--dimensions', 'feature'), /did you mean features\?/);
  assert.match(await refused(file, '--runs', '0'), /not a number from 1 to 100/);
  assert.match(await refused(file, '--good', 'HEAD'), /no repository; write --repo DIR --good/);
  assert.match(await refused(join(temporaryDirectory(), 'none')), /cannot be read \(ENOENT\)/);
});
