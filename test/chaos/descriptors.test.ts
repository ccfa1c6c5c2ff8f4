/** Traffic while the workers' descriptors run out, and one of them is killed meanwhile. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import net from 'node:net';
import test from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { startSluice } from '../support/sluice.ts';
import { inParallel, until } from '../support/waiting.ts';
import {
  answerWithBody,
  ask,
  countOf,
  faultsIn,
  KeptClients,
  randomOf,
  seedOf,
} from './identity.ts';

const ROUNDS = process.env.SLUICE_LONG === '1' ? 20 : 2;
/** More connections than there is room for. */
const FLOOD = 150;
const ROOM = 12;
const KEPT_PATHS = 8;

const origin = await startOrigin(answerWithBody);
test.after(() => origin[Symbol.asyncDispose]());

/** The soft limit alone, which may be raised again. */
function limitDescriptors(pid: number, count: number): void {
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${count}:`]);
}

/** How many a process has, so that the limit leaves it a few. */
function descriptorsOf(pid: number): number {
  return execFileSync('ls', [`/proc/${pid}/fd`], { encoding: 'utf8' })
    .trim()
    .split('\n').length;
}

test(`descriptors run out ${ROUNDS} times under traffic: nothing wrong, no worker ends by it`, {
  skip: unlessInstalled('prlimit'),
}, async (t) => {
  const random = randomOf(seedOf(t));
  const flags = ['--auto-disable', 'off'];
  await using sluice = await startSluice({ origin: origin.url, workers: 2, flags });
  for (let round = 0; round < ROUNDS; round++) {
    const name = `round ${round}`;
    let next = 0;
    await using honest = new KeptClients(sluice.httpPort, {
      count: 6,
      path: () => `/kept/${random(KEPT_PATHS)}`,
      pauseMs: () => random(10),
      perConnection: Infinity,
    });
    // Until the workers that they are connected to have all of it in memory.
    let seen = -1;
    while (seen !== origin.asked('/kept/*').length) {
      seen = origin.asked('/kept/*').length;
      await honest.more(10 * KEPT_PATHS);
    }
    const pids = await sluice.workerPids();
    for (const pid of pids) limitDescriptors(pid, descriptorsOf(pid) + ROOM);
    const flood = Array.from({ length: FLOOD }, () =>
      net.connect(sluice.httpPort, '127.0.0.1').on('error', () => {}),
    );
    await until(() => /has run out \(EMFILE\)/.test(sluice.output), 'the shortage to be told');
    await using others = new KeptClients(sluice.httpPort, {
      count: 4,
      path: () => (random(2) === 0 ? `/new/${round}/${next++}` : `/kept/${random(KEPT_PATHS)}`),
      pauseMs: () => random(10),
    });
    await honest.more(60);
    const [victim] = pids;
    if (round % 2 === 1) process.kill(victim!, 'SIGKILL');
    await honest.more(60);
    for (const socket of flood) socket.destroy();
    for (const pid of await sluice.workerPids()) limitDescriptors(pid, 2_000);
    await others.more(20);
    await others.end();
    const answers = await honest.end();
    // What cannot be looked at for want of a descriptor is not gone.
    assert.doesNotMatch(sluice.output, /cache-index-failed/);
    assert.equal(countOf([...answers, ...others.answers], 'wrong'), 0, name);
    const lost = answers.length - countOf(answers, 'right');
    // Each of them had at most one request under way to the worker that was killed.
    assert.ok(lost <= (round % 2 === 1 ? 6 : 0), `${name}:\n${faultsIn(answers)}`);
    const now = await sluice.workerPids();
    assert.deepEqual(now.slice(1), pids.slice(1), `${name}: nobody else has died`);
    if (round % 2 === 0) assert.equal(now[0], victim, `${name}: nobody has died`);
    await inParallel(40, 4, async (i) => {
      const { verdict, status, why } = await ask(sluice.httpPort, `/after/${round}/${i}`);
      assert.equal(verdict, 'right', `${name}: ${status} ${why}`);
    });
  }
});
