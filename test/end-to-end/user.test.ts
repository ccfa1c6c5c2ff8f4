/** --user: sockets are opened by root, and everything else is done as somebody else. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { runSluice } from '../cli/sluice-process.ts';
import { startOrigin } from '../support/origins.ts';
import { run } from '../support/programs.ts';
import { type RunningSluice, startSluice, wordsSeenByAll } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;
const AS_NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];

/** Of what stands in the way on this machine. */
function obstacle(): string | false {
  if (!isRoot) return 'only root can become another user';
  const [command, ...words] = wordsSeenByAll(['--version'], AS_NOBODY);
  const { status, stderr } = spawnSync(command!, words, { encoding: 'utf8' });
  return status === 0 ? false : `nobody may read where this checkout is: ${stderr.trim()}`;
}
const skip = obstacle();

const origin = await startOrigin((_request, response) => {
  response.setHeader('Cache-Control', 'max-age=60');
  response.end('ok');
});
test.after(() => origin[Symbol.asyncDispose]());

const identityOf = (pid: number) => {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)![1]!.trim();
  return [field('Uid').split('\t')[0], field('Gid').split('\t')[0], field('Groups')];
};

async function cacheTurns(sluice: RunningSluice): Promise<void> {
  const ask = async () => (await fetch(`${sluice.httpUrl}/x`)).headers.get('cache-status') ?? '';
  await ask();
  await until(async () => /; hit/.test(await ask()), 'a hit');
}

for (const workers of [1, 2]) {
  test(`requests are served as the user that was asked for (${workers} workers)`, {
    skip,
  }, async () => {
    const directory = temporaryDirectory();
    chmodSync(directory, 0o755);
    const [cache, log] = [join(directory, 'cache'), join(directory, 'access.log')];
    const pidFile = join(directory, 'sluice.pid');
    const flags = ['--user', 'nobody', '--cache-dir', cache, '--access-log', log];
    flags.push('--pid-file', pidFile, '--incident-dir', join(directory, 'incidents'));
    await using sluice = await startSluice({
      origin: origin.url,
      workers,
      flags,
      seenByAll: true,
    });
    const gid = identityGroup();
    for (const pid of await sluice.workerPids()) {
      assert.deepEqual(identityOf(pid), [String(NOBODY), gid, workers === 1 ? gid : '']);
    }
    assert.equal(identityOf(sluice.pid)[0], workers === 1 ? String(NOBODY) : '0');
    await cacheTurns(sluice);
    assert.equal(statSync(cache).uid, NOBODY);
    assert.equal(readFileSync(pidFile, 'utf8'), `${sluice.pid}\n`);
    if (workers > 1) {
      const [victim] = await sluice.workerPids();
      process.kill(victim!, 'SIGKILL');
      await until(
        async () =>
          (await sluice.sum('sluice_workers_running')) === 2 &&
          !(await sluice.workerPids()).includes(victim!),
        'the replacement',
      );
      const [pid] = await sluice.workerPids();
      assert.equal(identityOf(pid!)[0], String(NOBODY));
      await cacheTurns(sluice);
    }
    assert.equal(await sluice.stop(), 0);
    assert.match(readFileSync(log, 'utf8'), /GET \/x/);
    assert.equal(statSync(log).uid, NOBODY);
  });
}

test('root writes no incidents where the account may put what it likes, and serves', {
  skip,
}, async () => {
  const directory = temporaryDirectory();
  chmodSync(directory, 0o755);
  const incidents = join(directory, 'incidents');
  mkdirSync(incidents);
  chownSync(incidents, NOBODY, NOBODY);
  for (const place of [incidents, join(incidents, 'below')]) {
    const flags = ['--user', 'nobody', '--incident-dir', place];
    await using sluice = await startSluice({
      origin: origin.url,
      workers: 2,
      flags,
      seenByAll: true,
    });
    assert.match(sluice.output, /no incidents are written .*belongs to user 65534; .*chown root/);
    assert.equal((await fetch(`${sluice.httpUrl}/x`)).status, 200);
    assert.deepEqual(readdirSync(incidents), []);
  }
});

test('a pid file that is a link of the account is refused, and what it leads to stays', {
  skip,
}, async () => {
  const directory = temporaryDirectory();
  chmodSync(directory, 0o777);
  const victim = join(directory, 'victim');
  writeFileSync(victim, 'of root');
  const link = join(directory, 'sluice.pid');
  symlinkSync(victim, link);
  lchownSync(link, NOBODY, NOBODY);
  const words = [...plain, '--user', 'nobody', '--workers', '2', '--pid-file', link];
  const [command, ...rest] = wordsSeenByAll([...words, '--admin', 'off', '--incident-dir', 'off']);
  const { code, stderr } = await run(command!, rest);
  assert.equal(code, 2, stderr);
  assert.match(stderr, /--pid-file .*over a link of another account/);
  assert.equal(readFileSync(victim, 'utf8'), 'of root');
});

test('a cache that workers share in memory is theirs', { skip }, async () => {
  const flags = ['--user', 'nobody', '--incident-dir', 'off'];
  await using sluice = await startSluice({
    origin: origin.url,
    workers: 2,
    flags,
    seenByAll: true,
  });
  await cacheTurns(sluice);
  assert.doesNotMatch(sluice.output, /EACCES/);
});

function identityGroup(): string {
  return /^nobody:[^:]*:\d+:(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'))![1]!;
}

const plain = ['--origin', 'http://127.0.0.1:9', '--http', '0'];

test('a user or group that is not there is told at once', async () => {
  for (const [user, words] of [
    ['no-such-user', /there is no user no-such-user/],
    ['0:no-such-group', /there is no group no-such-group/],
    ['a:b:c', /not an account/],
    [':root', /not an account/],
  ] as const) {
    const { code, stderr } = await runSluice([...plain, '--user', user]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, words);
  }
});

test('who is not root cannot become another user', {
  skip: isRoot && skip,
}, async () => {
  const words = [...plain, '--user', '4000000'];
  const [command, ...asNobody] = wordsSeenByAll(words, AS_NOBODY);
  const { code, stderr } = isRoot ? await run(command!, asNobody) : await runSluice(words);
  assert.equal(code, 2);
  assert.match(stderr, /only root can become another user/);
});
