import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { repeated } from '../base/owned.ts';
import type { LogDetail } from '../telemetry/log-event.ts';
import { Parts } from './parts.ts';

test('a part that throws is reported with its stack, counted, and nothing else ends', async () => {
  const told: [string, LogDetail | undefined][] = [];
  const counted: string[] = [];
  const parts = new Parts({
    report: (message, detail) => told.push([message, detail]),
    count: (part) => counted.push(part),
  });
  const fault = new Error('planted');
  const fail = () => {
    throw fault;
  };
  assert.equal(parts.run<string>('faults', fail, 'instead'), 'instead');
  parts.own('certificates', Promise.reject(fault));
  await new Promise(setImmediate);
  assert.deepEqual(counted, ['faults', 'certificates']);
  for (const [message, detail] of told) {
    assert.match(message, /planted[\s\S]*parts\.test\.ts/);
    assert.equal(detail?.level, 'error');
    assert.equal(detail?.event, 'part-failed');
  }
});

test('a log that throws, too, does not stop who reports', () => {
  const parts = new Parts({
    report() {
      throw new Error('the log is broken');
    },
    count() {},
  });
  assert.doesNotThrow(() => parts.failed('other', 'not even an error'));
});

test('rounds go on after one that fails, and do not overlap', async () => {
  let rounds = 0;
  let running = 0;
  const faults: unknown[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const keepAlive = setInterval(() => {}, 1_000);
  using _timer = repeated(
    1,
    async () => {
      assert.equal(++running, 1);
      rounds++;
      if (rounds === 6) resolve();
      await new Promise((done) => setTimeout(done, 5));
      running--;
      throw new Error('planted');
    },
    (error) => faults.push(error),
  );
  await promise;
  clearInterval(keepAlive);
  assert.ok(faults.length >= 5);
  assert.ok(faults.every((error) => (error as Error).message === 'planted'));
});

test('a supervisor outlives what nobody has caught, wherever it comes from', () => {
  const module = fileURLToPath(new URL('parts.ts', import.meta.url));
  const script = `
    import { EventEmitter } from 'node:events';
    import { outliveFaults, Parts } from ${JSON.stringify(module)};
    const counted = [];
    outliveFaults(new Parts({ report() {}, count: (part) => counted.push(part) }));
    setTimeout(() => { throw new Error('timer'); }, 1);
    Promise.reject(new Error('promise'));
    Promise.reject(undefined);
    setImmediate(() => new EventEmitter().emit('error', new Error('event')));
    process.nextTick(() => { throw null; });
    setTimeout(() => console.log(counted.join()), 50);
  `;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', script],
    { encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
  assert.equal(stdout, 'other,other,other,other,other\n');
});
