import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import type { SluiceOptions } from '../../src/config/options.ts';
import { CrashHandler } from '../../src/supervisor/faults/crash-handler.ts';
import { Parts } from '../../src/supervisor/parts.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { TraceCall, traceRegionBytes } from '../../src/tls/trace-layout.ts';
import { TraceRecorder } from '../../src/tls/trace-recorder.ts';
import type { WorkerChange } from '../../src/worker/contract.ts';
import { optionsWith } from '../support/options.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';
import { startWebhook } from '../support/webhook.ts';
import { clientContext, connect } from '../tls/wire.ts';

const region = new Uint8Array(traceRegionBytes);

/** What a worker leaves that dies at a ClientHello, and is not to blame on an observer. */
function leaveRecording(pid: number): void {
  using context = clientContext();
  const side = connect(context);
  const hello = side.takeFlight();
  side.connection[Symbol.dispose]();
  const recorder = new TraceRecorder(region, pid, systemClock);
  recorder.identify(JSON.stringify({ features: { 'early-data': true }, numbered: [] }));
  const flight = recorder.begin('server');
  flight.received(hello, hello.length);
  flight.enter(TraceCall.handshake);
}

function deskOf(webhook: string) {
  const directory = join(temporaryDirectory(), 'c');
  const told = {
    ...{ directory, refused: [] as readonly string[], features: {}, reports: [] as string[] },
  };
  const options = optionsWith({
    listeners: [],
    workers: 2,
    features: {},
    recorder: { ...optionsWith().recorder, directory, watchdogMs: 0 },
    autoDisable: { enabled: true, deathsMax: 2, windowMs: 60_000, webhook },
  });
  const worker = {
    servingPid: 1,
    adopt(adopted: SluiceOptions) {
      told.features = adopted.features;
    },
    reconfigure: async () => {},
    tell(change: WorkerChange) {
      if (change.type === 'refused-hellos') told.refused = change.fingerprints;
    },
    endHung() {},
  };
  const desk = new CrashHandler({
    parts: new Parts({ report() {}, count() {} }),
    options,
    metrics: Metrics.unshared(),
    workers: () => [worker],
    traceRegion: () => region,
    textOf: () => undefined,
    onWatched() {},
    report: (message) => told.reports.push(message),
  });
  desk.start();
  return { desk, told };
}

test('what no rollback cures is refused by what the client sends, and each step is told', async () => {
  await using hook = await startWebhook();
  const { desk, told } = deskOf(hook.url);
  const die = (pid: number) => {
    leaveRecording(pid);
    desk.died({ index: 0, pid, code: null, signal: 'SIGSEGV', silentMs: 0 });
    // It is started anew by what is effective now.
    desk.started(0);
  };
  die(101);
  assert.deepEqual(told.features, {});
  die(102);
  assert.deepEqual(told.features, { 'early-data': false }, 'the second death is one too many');
  die(103);
  assert.deepEqual(told.features, {}, 'that did not help');
  for (const pid of [104, 105]) die(pid);
  assert.deepEqual(told.refused, []);
  die(106);
  assert.match(told.refused.join(), /(?:^|,)traits:.*extension=/, 'what all that killed have');
  await until(() => hook.messages.length >= 3, 'the webhook to be called');
  assert.match(
    hook.messages.join('\n'),
    /early-data is disabled automatically \(incident \d+T\d+Z-crash-102\), because[\s\S]*early-data is enabled again/,
  );
  const [, number] = /\(incident ([^)]+)\)/.exec(hook.messages.join('\n'))!;
  assert.ok(readdirSync(told.directory).includes(`${number}.json.gz`), 'it is the name of a file');
  desk.close();
});

test('a webhook that is not there is reported, and harms nobody', async () => {
  const { desk, told } = deskOf('http://127.0.0.1:1/');
  for (const pid of [201, 202]) {
    leaveRecording(pid);
    desk.died({ index: 0, pid, code: null, signal: 'SIGSEGV', silentMs: 0 });
  }
  await until(
    () => told.reports.some((line) => line.includes('the webhook was not reached')),
    'the report',
  );
  desk.close();
});
