import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:http2';
import { join } from 'node:path';
import test from 'node:test';
import type { Incident, IncidentRequest, JsonValue } from '../../src/triage/incident.ts';
import { encodeIncident } from '../../src/triage/incident-file.ts';
import type { RequestScript } from '../../src/triage/replay/script.ts';
import type { TriageReport } from '../../src/triage/report/report.ts';
import { readReport } from '../../src/triage/report/triage-directory.ts';
import { dangerFlags } from '../support/danger.ts';
import { deathsIn } from '../support/incidents.ts';
import { startOrigin } from '../support/origins.ts';
import { run } from '../support/programs.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const launcher = join(import.meta.dirname, '../../bin/sluice.js');
const TIMEOUT_MS = 600_000;
const skip = process.env.SLUICE_LONG === '1' ? false : 'a kind of its own only with SLUICE_LONG=1';

interface Death {
  readonly feature: string;
  readonly flags?: readonly string[];
  provoke(ports: { readonly http: number; readonly https: number }): Promise<unknown>;
}

/** What is recorded of a worker that dies of a request, or of what its origin answers. */
async function deathOf({ feature, flags = [], provoke }: Death): Promise<Incident> {
  const directory = temporaryDirectory();
  await using origin = await startOrigin((asked, response) => {
    asked.resume();
    response.setHeader('x-poison', 'yes');
    response.setHeader('set-cookie', 'id=secret-of-the-origin');
    response.write('a'.repeat(30));
    setImmediate(() => response.end('b'.repeat(90)));
  });
  const all = [...dangerFlags(feature), '--incident-dir', directory, '--debugger', 'off', ...flags];
  await using sluice = await startSluice({ origin: origin.url, workers: 2, flags: all });
  await provoke({ http: sluice.httpPort, https: sluice.httpsPort });
  // Not before the end of the block: it would end what is waited for.
  return await until(() => deathsIn(directory)[0] ?? false, 'an incident');
}

/** Resolves when the client has its answer, or none comes any more. */
function get(port: number, path: string, headers: Record<string, string> = {}): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const asked = request({ port, host: '127.0.0.1', path, headers, agent: false });
  asked.on('response', (response: IncomingMessage) => {
    response.resume();
    response.on('close', resolve);
  });
  asked.on('error', resolve);
  asked.end();
  return promise;
}

async function triaged(incident: Incident, ...words: readonly string[]) {
  const directory = temporaryDirectory();
  const file = join(directory, 'incident.json.gz');
  writeFileSync(file, encodeIncident(incident, true));
  const out = join(directory, 'triage');
  const all = [launcher, 'triage', file, '--out', out, '--runs', '2', ...words];
  const { code, stderr } = await run(process.execPath, all, { timeoutMs: TIMEOUT_MS });
  assert.ok(code === 0 || code === 1, `${code}: ${stderr}`);
  const report: TriageReport = readReport(readFileSync(join(out, 'report.json')));
  const isTested =
    statSync(join(out, 'regression.test.mjs'), { throwIfNoEntry: false }) !== undefined;
  return { report, out, isTested };
}

function blamedIn({ features }: TriageReport): string[] {
  return features.blamed.map(({ name }) => name);
}

function triggerIn(report: TriageReport): RequestScript {
  const script = report.trigger?.script;
  assert.ok(script?.mode === 'request', report.summary);
  return script;
}

function suspectIn({ suspect, requests = [] }: Incident): IncidentRequest {
  return requests.find(({ number }) => number === suspect?.request)!;
}

test('a request over HTTP/2 that kills by its body is recorded, and is the smallest that does', async () => {
  const incident = await deathOf({
    feature: 'danger-request-body',
    async provoke({ https }) {
      const session = connect(`https://127.0.0.1:${https}`, { rejectUnauthorized: false });
      session.on('error', () => {});
      const closed = new Promise((resolve) => session.on('close', resolve));
      const stream = session.request({
        ':method': 'PUT',
        ':path': '/films/1?token=secret-of-the-client',
        authorization: 'Bearer secret-of-the-client',
        accept: 'text/html',
      });
      stream.on('error', () => {});
      stream.write('x'.repeat(4));
      stream.end('y'.repeat(16));
      await closed;
    },
  });
  const recorded = suspectIn(incident);
  assert.deepEqual([recorded.version, recorded.tls, recorded.path], ['2', true, '/films/1?']);
  assert.ok(!JSON.stringify(incident).includes('secret-of'));
  assert.equal(incident.exception?.type, 'RangeError');
  const { report, isTested } = await triaged(incident);
  assert.deepEqual(blamedIn(report), ['danger-request-body'], report.summary);
  const trigger = triggerIn(report);
  assert.deepEqual([trigger.version, trigger.tls, trigger.path], ['1.1', false, '/']);
  assert.deepEqual([trigger.headers, trigger.answer], [[], null]);
  assert.deepEqual(trigger.body, { framing: 'length', pieces: [12], missing: 0 });
  assert.deepEqual(report.proof, { fails: true, passes: true });
  assert.ok(isTested);
});

test('an answer of an origin that kills is played by an origin of our own, and reduced', async () => {
  const incident = await deathOf({
    feature: 'danger-response-body',
    provoke: ({ http }) => get(http, '/films/2', { cookie: 'id=secret-of-the-client' }),
  });
  const { response } = suspectIn(incident);
  assert.equal(response?.status, 200);
  assert.equal(response?.body.pieces[0], 30);
  assert.ok(!JSON.stringify(incident).includes('secret-of'));
  const { report, isTested } = await triaged(incident);
  assert.deepEqual(blamedIn(report), ['danger-response-body'], report.summary);
  const { answer, headers, method } = triggerIn(report);
  assert.deepEqual([method, headers, answer?.headers], ['GET', [], []]);
  assert.equal(answer?.body.pieces.length, 2);
  assert.match(report.trigger!.words, /; the origin answers with status 200, a body of \d+ bytes/);
  assert.deepEqual([report.proof?.fails, report.proof?.passes, isTested], [true, true, true]);
});

test('a fault that needs a worker of some age is said to come at that request', {
  skip,
}, async () => {
  const incident = await deathOf({
    feature: 'danger-fortieth',
    async provoke({ http }) {
      for (let count = 0; count < 100; count++) await get(http, `/films/${count}`);
    },
  });
  const { report } = await triaged(incident);
  assert.deepEqual(blamedIn(report), ['danger-fortieth'], report.summary);
  assert.equal(report.reproduction.what, 'age');
  assert.match(report.summary, /always at request 40 of a worker/);
});

test('who dies later than its request is not blamed on another one', { skip }, async () => {
  const incident = await deathOf({
    feature: 'danger-late',
    provoke: ({ http }) => get(http, '/late/1'),
  });
  assert.equal(incident.suspect, null);
  const { report, isTested } = await triaged(incident);
  assert.ok(report.verdict === 'not-reproducible' || report.proof?.fails, report.summary);
  assert.equal(isTested, report.verdict === 'cause-found');
});

test('the rule of a route without which it does not happen is named', { skip }, async () => {
  const incident = await deathOf({
    feature: 'danger-response',
    provoke: ({ http }) => get(http, '/films/3'),
  });
  const { report } = await triaged(underRule(incident), '--dimensions', 'rules');
  assert.deepEqual(
    report.rules?.rules.map(({ rule }) => rule),
    ['compression'],
    report.summary,
  );
});

/** The same death, had it been of the feature that needs a route which compresses. */
function underRule(incident: Incident): Incident {
  const feature = 'danger-under-rule';
  const options = incident.configuration.options as { readonly [name: string]: JsonValue };
  const [route] = options.routes as readonly { readonly [name: string]: JsonValue }[];
  const compression = { encodings: ['gzip'], minBytes: 1, types: ['text/html'] };
  return {
    ...incident,
    signature: incident.signature.replace('danger-response', feature),
    suspect: { ...incident.suspect!, observer: feature },
    features: { ...incident.features, 'danger-response': false, [feature]: true },
    configuration: {
      ...incident.configuration,
      options: { ...options, features: {}, routes: [{ ...route, compression }] },
    },
  };
}
