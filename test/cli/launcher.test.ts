import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { eventually, launcher, runSluice, type SluiceProcess, watch } from './sluice-process.ts';

// The runtime that the launcher finds here is a shell script, which shows what reaches it. The two
// ways to start it are chosen by whether the running Node can replace its own process.
const packageName = `node-${process.platform}-${process.arch}`;
const fakeRuntime = `#!/bin/sh
shift 2
case "$1" in
  exit) exit "$2" ;;
  die) kill -s "$2" $$ ;;
  words) printf '%s|' "$@" ;;
  pid) echo $$ ;;
  wait)
    for name in INT TERM HUP USR1 USR2; do trap "echo got $name; exit 40" $name; done
    echo ready
    while :; do sleep 0.05; done ;;
esac
`;

const directory = mkdtempSync(join(tmpdir(), 'sluice-'));
test.after(() => rmSync(directory, { recursive: true }));

function install(name: string, runtime: string | null, version = '99.0.0'): string {
  const root = join(directory, name);
  mkdirSync(join(root, 'bin'), { recursive: true });
  for (const file of ['sluice.js', 'libatomic.js']) {
    cpSync(join(launcher, '..', file), join(root, 'bin', file));
  }
  writeFileSync(
    join(root, 'package.json'),
    JSON.stringify({ type: 'module', optionalDependencies: { [packageName]: version } }),
  );
  if (runtime !== null) {
    const bin = join(root, 'node_modules', packageName, 'bin');
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, '..', 'package.json'), '{}');
    writeFileSync(join(bin, 'node'), runtime);
    chmodSync(join(bin, 'node'), 0o755);
  }
  return join(root, 'bin', 'sluice.js');
}

const fake = install('fake', fakeRuntime);

const WITHOUT_EXECVE = ['--import', 'data:text/javascript,delete process.execve'];

function launch(script: string, nodeFlags: readonly string[], words: readonly string[]) {
  return watch(
    spawn(process.execPath, [...nodeFlags, script, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
}

for (const [way, flags] of [
  ['execve', []],
  ['a child process', WITHOUT_EXECVE],
] as const) {
  const run = (...words: string[]) => launch(fake, flags, words).ended;

  test(`with ${way}: words and exit codes pass through unchanged`, async () => {
    assert.equal((await run('words', 'a b', '--c=*', '')).stdout, 'words|a b|--c=*||');
    for (const code of [0, 1, 2, 77]) assert.equal((await run('exit', String(code))).code, code);
  });

  test(`with ${way}: a runtime that dies of a signal looks so from outside`, async () => {
    assert.deepEqual((await run('die', 'KILL')).signal, 'SIGKILL');
    assert.deepEqual((await run('die', 'TERM')).signal, 'SIGTERM');
  });

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) {
    test(`with ${way}: ${signal} reaches the runtime`, async () => {
      await using sluice: SluiceProcess = launch(fake, flags, ['wait']);
      await sluice.until(/ready/);
      process.kill(sluice.pid, signal);
      const { code, stdout } = await sluice.ended;
      assert.match(stdout, new RegExp(`got ${signal.slice(3)}`));
      assert.equal(code, 40);
    });
  }
}

test('a Node that can replace its process leaves one process, not two', async () => {
  const sluice = launch(fake, [], ['pid']);
  assert.equal(Number((await sluice.ended).stdout), sluice.pid);
});

test('a launcher that is killed takes sluice with it', async () => {
  // The real runtime this time, under a version that makes the launcher start it as a child.
  const script = install('child', `#!/bin/sh\nexec ${process.execPath} "$3"\n`);
  const program = join(directory, 'program.mjs');
  writeFileSync(
    program,
    "console.log(process.pid); process.on('disconnect', () => process.exit()); setInterval(() => {}, 1e6)",
  );
  await using sluice = launch(script, WITHOUT_EXECVE, [program]);
  const [text] = await sluice.until(/\d+\n/);
  process.kill(sluice.pid, 'SIGKILL');
  await eventually(() => !processExists(Number(text)));
});

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('a runtime that is not installed is one clear line', async () => {
  const { code, stderr } = await launch(install('missing', null), [], []).ended;
  assert.equal(code, 1);
  assert.match(stderr, /^sluice: needs Node 99\.0\.0, which is not installed .*npm ci.*\n$/);
});

test('a runtime that this system cannot run is one clear line', async () => {
  const { code, stderr } = await launch(
    install('foreign', '#!/nowhere/interpreter\n'),
    WITHOUT_EXECVE,
    [],
  ).ended;
  assert.equal(code, 1);
  assert.match(stderr, /^sluice: cannot run .* \(ENOENT\); this system's C library.*\n$/);
});

test('a platform that has no runtime is one clear line', async () => {
  const plan9 = "data:text/javascript,Object.defineProperty(process,'platform',{value:'plan9'})";
  const { code, stderr } = await launch(fake, ['--import', plan9], []).ended;
  assert.equal(code, 1);
  assert.match(stderr, /^sluice: runs on Linux \(x64, arm64\) only, and this is plan9 \w+\n$/);
});

test('the right Node runs sluice in its own process, and says nothing of experiments', async () => {
  const { code, stdout, stderr } = await launch(launcher, [], ['--version']).ended;
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
});

test("compiled code is kept in the user's own cache directory", async () => {
  const XDG_CACHE_HOME = join(directory, 'cache');
  const environment = { XDG_CACHE_HOME, NODE_COMPILE_CACHE: '' };
  assert.equal((await runSluice(['--version'], { environment })).code, 0);
  assert.notEqual(readdirSync(join(XDG_CACHE_HOME, 'sluice', 'compiled')).length, 0);
});

test('compiled code is not kept where sluice is started, also with an empty name for it', async () => {
  const empty = join(directory, 'started-here');
  mkdirSync(empty);
  const environment = { XDG_CACHE_HOME: join(directory, 'other-cache'), NODE_COMPILE_CACHE: '' };
  const { code } = await runSluice(['--version'], { environment, directory: empty });
  assert.equal(code, 0);
  assert.deepEqual(readdirSync(empty), []);
  assert.notEqual(readdirSync(join(directory, 'other-cache', 'sluice', 'compiled')).length, 0);
});

const NOBODY = 65_534;

for (const [whose, make] of [
  ['another user', (path: string) => chownSync(path, NOBODY, NOBODY)],
  ['everybody', (path: string) => chmodSync(path, 0o777)],
] as const) {
  test(`root runs no compiled code of ${whose}`, {
    skip: process.getuid?.() === 0 ? false : 'only root is given code by others',
  }, async () => {
    const theirs = join(directory, `of ${whose}`);
    mkdirSync(theirs);
    make(theirs);
    const environment = { NODE_COMPILE_CACHE: theirs, XDG_CACHE_HOME: join(directory, 'cache') };
    const { code, stdout, stderr } = await runSluice(['--version'], { environment });
    assert.equal(code, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
    assert.match(stderr, /^sluice: NODE_COMPILE_CACHE is not used, because others .*\n$/);
    const printing = install('printing-cache', '#!/bin/sh\necho "cache: $NODE_COMPILE_CACHE"\n');
    const env = { ...process.env, ...environment };
    for (const flags of [[], WITHOUT_EXECVE]) {
      const child = spawn(process.execPath, [...flags, printing], { env });
      assert.equal((await watch(child).ended).stdout, 'cache: \n');
    }
  });
}

const WITHOUT_LIBATOMIC = `data:text/javascript,${encodeURIComponent(`
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const { existsSync } = fs;
fs.existsSync = (path) => !path.includes('libatomic') && existsSync(path);
syncBuiltinESMExports();
`)}`;

// Where the library is missing indeed, the test itself has been started with it.
const GIVEN = process.env.LD_LIBRARY_PATH ?? '/given';

function launchWithoutLibatomic(runtime: string, cache: string) {
  const env = { ...process.env, XDG_CACHE_HOME: cache, LD_LIBRARY_PATH: GIVEN };
  const flags = ['--import', WITHOUT_LIBATOMIC];
  const stdio = ['ignore', 'pipe', 'pipe'] as const;
  return watch(spawn(process.execPath, [...flags, runtime], { env, stdio: [...stdio] })).ended;
}

test('a machine without libatomic gets what the runtime needs of it', async () => {
  const cache = join(directory, 'libatomic-cache');
  const runtime = install('printing', '#!/bin/sh\necho "$LD_LIBRARY_PATH"\n');
  const { stdout } = await launchWithoutLibatomic(runtime, cache);
  assert.equal(stdout, `${GIVEN}:${cache}/sluice/lib\n`);
  assert.deepEqual(readdirSync(join(cache, 'sluice', 'lib')), ['libatomic.so.1']);
});

test('where it cannot be written, one clear line says what to install', async () => {
  const runtime = install('unreached', fakeRuntime);
  const { code, stderr } = await launchWithoutLibatomic(runtime, runtime);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^sluice: Node 99\.0\.0 needs libatomic\.so\.1, .* apt-get install libatomic1\n$/,
  );
});
