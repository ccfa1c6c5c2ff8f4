import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { ended, run, start, unlessInstalled } from '../../../test/support/programs.ts';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { until } from '../../../test/support/waiting.ts';
import { findCommit } from './commits.ts';

const skip = unlessInstalled('git');
const { signal } = new AbortController();
const FAILS_FROM = 3;

/** A history of commits that have their number in a file. */
async function history(count: number): Promise<string> {
  const repository = temporaryDirectory();
  const git = async (...words: readonly string[]) => {
    const identity = ['-c', 'user.name=A Tester', '-c', 'user.email=tester@a.example'];
    const { code, stderr } = await run('git', ['-C', repository, ...identity, ...words]);
    assert.equal(code, 0, stderr);
  };
  await git('init', '--quiet');
  for (let number = 1; number <= count; number++) {
    writeFileSync(join(repository, 'number'), String(number));
    await git('add', 'number');
    await git('commit', '--quiet', '-m', `commit ${number}`);
  }
  return repository;
}

const numberIn = (checkout: string) => Number(readFileSync(join(checkout, 'number'), 'utf8'));

async function workTrees(repository: string): Promise<string[]> {
  const { text } = await run('git', ['-C', repository, 'worktree', 'list', '--porcelain']);
  return [...text.matchAll(/^worktree (.*)$/gm)].map(([, path]) => path!);
}

const rangeOf = (repository: string, count: number) => {
  return { repository, good: `HEAD~${count - 1}`, bad: 'HEAD' };
};

test('a work tree that cannot be made is a commit that cannot be tried, and says why', {
  skip,
}, async () => {
  const repository = await history(4);
  const hook = join(repository, '.git/hooks/post-checkout');
  writeFileSync(hook, '#!/bin/sh\necho "no room left here" >&2\nexit 1\n');
  chmodSync(hook, 0o755);
  const found = await findCommit(rangeOf(repository, 4), async () => 'fails', signal);
  assert.equal(found.status, 'impossible');
  assert.match(found.reason, /^HEAD~3 cannot be tried \(.*no room left here/);
  assert.deepEqual(await workTrees(repository), [repository]);
});

test('work trees of a triage that was killed are removed by the next one, and no others', {
  skip,
}, async () => {
  const repository = await history(5);
  const module = join(import.meta.dirname, 'commits.ts');
  const words = [
    `const { findCommit } = await import(${JSON.stringify(module)});`,
    `const range = ${JSON.stringify(rangeOf(repository, 5))};`,
    'setInterval(() => {}, 1_000);',
    'await findCommit(range, () => new Promise(() => {}), new AbortController().signal);',
  ];
  const killed = start(process.execPath, ['--input-type=module', '-e', words.join('\n')]);
  const other = start(process.execPath, ['--input-type=module', '-e', words.join('\n')]);
  try {
    await until(async () => (await workTrees(repository)).length === 3, 'their work trees');
    killed.kill('SIGKILL');
    await ended(killed);
    const tries = async (checkout: string) =>
      numberIn(checkout) >= FAILS_FROM ? ('fails' as const) : ('lives' as const);
    const found = await findCommit(rangeOf(repository, 5), tries, signal);
    assert.deepEqual(
      found.commits.map(({ subject }) => subject),
      [`commit ${FAILS_FROM}`],
    );
    const left = await workTrees(repository);
    assert.equal(left.length, 2, 'the repository, and that of the one that is still running');
    assert.ok(left[1]!.includes(`sluice-commits-${other.pid}-`));
    assert.ok(existsSync(left[1]!));
    const directories = readdirSync(tmpdir());
    assert.ok(!directories.some((name) => name.startsWith(`sluice-commits-${killed.pid}-`)));
  } finally {
    other.kill('SIGKILL');
    await ended(other);
  }
  await findCommit(rangeOf(repository, 5), async () => 'lives', signal);
  assert.deepEqual(await workTrees(repository), [repository]);
});
