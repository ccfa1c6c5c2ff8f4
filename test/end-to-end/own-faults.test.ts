// What an operator is told when sluice itself throws inside a callback of OpenSSL or libuv.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { shakeHands } from '../support/danger.ts';
import { incidentsIn } from '../support/incidents.ts';
import { startOrigin } from '../support/origins.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const plant = pathToFileURL(join(import.meta.dirname, '../support/planted-fault.ts')).href;

for (const workers of [1, 2]) {
  test(`an exception in a callback is told as ours, by ${workers} worker(s) that go on`, async () => {
    const directory = temporaryDirectory();
    const planted = join(directory, 'planted');
    const log = join(directory, 'handshakes.log');
    const incidents = join(directory, 'incidents');
    writeFileSync(planted, '');
    await using origin = await startOrigin((_, response) => response.end('here'));
    await using sluice = await startSluice({
      origin: origin.url,
      workers,
      flags: ['--handshake-log', log, '--incident-dir', incidents],
      environment: { NODE_OPTIONS: `--import=${plant}`, PLANTED_FAULT: planted },
    });
    const pids = await sluice.workerPids();
    assert.equal(await shakeHands(sluice.httpsPort), 'TLSv1.3');

    for (const [callback, words] of [
      ['client-hello', 'client-hello'],
      // Once: where it threw always, nothing would be read any more.
      ['uv-poll', 'uv-poll 1'],
    ] as const) {
      writeFileSync(planted, words);
      const outcome = await shakeHands(sluice.httpsPort);
      const count = () => sluice.sum('sluice_callback_faults_total', { callback });
      await until(async () => {
        if ((await count()) > 0) return true;
        // One that begins while the callback still runs for the one before needs no call of its own.
        if (callback === 'uv-poll') await shakeHands(sluice.httpsPort);
        return false;
      }, 'the fault to be counted');
      await until(() => sluice.output.includes(`planted in ${callback}`), 'a line in the log');
      assert.match(sluice.output, new RegExp(`sluice itself in the callback ${callback}[^]+ at `));
      if (callback === 'uv-poll') assert.equal(outcome, 'TLSv1.3');
      else assert.notEqual(outcome, 'TLSv1.3');
      writeFileSync(planted, '');
      assert.equal(await shakeHands(sluice.httpsPort), 'TLSv1.3');
    }

    const failed = await until(
      () =>
        readFileSync(log, 'utf8')
          .split('\n')
          .find((line) => line.includes('internal-error')),
      'the failed handshake to be logged',
    );
    const { error, blame, outcome } = JSON.parse(failed) as Record<string, string>;
    assert.deepEqual([error, blame, outcome], ['internal-error', 'self', 'failed']);
    const incident = await until(
      () => incidentsIn(incidents).find(({ kind }) => kind === 'callback-fault'),
      'an incident of its own kind',
    );
    assert.equal(incident.signature, 'callback-fault/client-hello/failed/internal-error');
    assert.equal(incident.connections.length, 1);
    assert.ok(incident.connections[0]!.clientHello !== null, 'with the ClientHello');
    assert.equal(incident.nativeStack?.source, 'node');
    assert.match(incident.nativeStack!.text, /planted in client-hello/);
    assert.match(incident.nativeStack!.text, /^ +at /m);
    assert.deepEqual(await sluice.workerPids(), pids, 'nobody has died of it');
  });
}
