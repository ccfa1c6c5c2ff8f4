import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import test from 'node:test';
import { until, within } from '../../../test/support/waiting.ts';
import { endProcess } from '../../base/owned.ts';
import { type SpawnedWorker, Standby } from './standby.ts';

/** A process that has loaded, and waits. */
function spawnWaiting(): SpawnedWorker {
  const script = "process.send({ type: 'loaded' }); setInterval(() => {}, 1e6);";
  const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const;
  const child = spawn(process.execPath, ['-e', script], { stdio: [...stdio] });
  return { child, numbers: new Map() };
}

test('one that is being ended is nobody’s any more, and its end is heard of', async () => {
  const standby = new Standby(spawnWaiting, endProcess);
  standby.fill();
  const pid = await until(() => standby.pid ?? undefined, 'a process in waiting');
  const stopped = standby.stop();
  // A worker that dies meanwhile asks for it.
  assert.equal(standby.take(), null);
  await within(stopped, 'the end of the process in waiting');
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});

test('one that is taken is the taker’s, and another is started', async () => {
  const standby = new Standby(spawnWaiting, endProcess);
  standby.fill();
  const pid = await until(() => standby.pid ?? undefined, 'a process in waiting');
  const taken = standby.take();
  assert.equal(taken?.child.pid, pid);
  const next = await until(() => standby.pid ?? undefined, 'another one');
  assert.notEqual(next, pid);
  await standby.stop();
  taken?.child.kill('SIGKILL');
});

test('what the system refuses is tried again', async () => {
  let refusals = 0;
  const standby = new Standby(() => {
    if (refusals++ === 0) throw new Error('spawn ENOMEM');
    return spawnWaiting();
  }, endProcess);
  standby.fill();
  await until(() => standby.pid !== null, 'a process in waiting');
  await standby.stop();
});
