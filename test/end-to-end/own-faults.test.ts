// What an operator is told when sluice itself throws inside a callback of OpenSSL or libuv.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { capsulesIn } from '../support/capsules.ts';
import { shakeHands } from '../support/danger.ts';
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
    const capsules = join(directory, 'capsules');
    writeFileSync(planted, '');
    await using origin = await startOrigin((_, response) => response.end('here'));
    await using sluice = await startSluice({
      origin: origin.url,
      workers,
      flags: ['--handshake-log', log, '--capsule-dir', capsules],
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
      await until(async () => (await count()) > 0, 'the fault to be counted');
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
    const capsule = await until(
      () => capsulesIn(capsules).find(({ kind }) => kind === 'callback-fault'),
      'a capsule of its own kind',
    );
    assert.equal(capsule.signature, 'callback-fault/client-hello/failed/internal-error');
    assert.equal(capsule.connections.length, 1);
    assert.ok(capsule.connections[0]!.clientHello !== null, 'with the ClientHello');
    assert.equal(capsule.nativeStack?.source, 'node');
    assert.match(capsule.nativeStack!.text, /planted in client-hello/);
    assert.match(capsule.nativeStack!.text, /^ +at /m);
    assert.deepEqual(await sluice.workerPids(), pids, 'nobody has died of it');
  });
}
