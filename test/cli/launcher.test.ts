import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
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
  for (const file of ['sluice.js', 'libatomic.js', 'runtime.js']) {
    cpSync(join(launcher, '..', file), join(root, 'bin', file));
  }
  writeFileSync(join(root, 'package.json'), JSON.stringify({ type: 'module' }));
  const sums = {
    [version]: {
      [process.arch]: createHash('sha256')
        .update(runtime ?? '')
        .digest('hex'),
    },
  };
  const facts = { version, megabytes: 57, sha256: sums };
  writeFileSync(join(root, 'bin', 'runtime.json'), JSON.stringify(facts));
  if (runtime !== null) addRuntime(root, packageName, runtime, version);
  return join(root, 'bin', 'sluice.js');
}

function addRuntime(root: string, name: string, runtime: string, version: string): void {
  const bin = join(root, 'node_modules', name, 'bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, '..', 'package.json'), JSON.stringify({ version }));
  writeFileSync(join(bin, 'node'), runtime);
  chmodSync(join(bin, 'node'), 0o755);
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

test('npx starts it in a Node that cannot replace itself, and what ends its shell ends sluice', async () => {
  const env = { ...process.env, npm_command: 'exec' };
  const words = [process.execPath, ...WITHOUT_EXECVE, fake, 'wait'];
  const child = spawn('sh', ['-c', '"$@" & wait', 'sh', ...words], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await using shell = watch(child);
  await shell.until(/ready/);
  process.kill(shell.pid, 'SIGTERM');
  assert.match((await shell.ended).stdout, /got TERM/);
});

test('a runtime that is not installed is one clear line', async () => {
  const { code, stderr } = await launch(install('missing', null), [], []).ended;
  assert.equal(code, 1);
  assert.match(stderr, /^sluice: needs Node 99\.0\.0, which is not installed .*npm ci.*\n$/);
});

test('a runtime whose bytes are not those that were released is not run', async () => {
  const script = install('changed', fakeRuntime);
  addRuntime(join(script, '..', '..'), packageName, `${fakeRuntime}# changed\n`, '99.0.0');
  const { code, stdout, stderr } = await launch(script, [], ['words', 'a']).ended;
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /^sluice: .*bin\/node is not Node 99\.0\.0 as it was released .*\n$/);
});

test('a newer Node of the same major version is taken, an older one is not', async () => {
  const script = install('several', '#!/bin/sh\necho pinned\n', '99.1.0');
  const root = join(script, '..', '..');
  addRuntime(root, `sluice-${packageName}`, '#!/bin/sh\necho other\n', '99.0.9');
  assert.equal((await launch(script, [], []).ended).stdout, 'pinned\n');
  addRuntime(root, `sluice-${packageName}`, '#!/bin/sh\necho other\n', '99.10.0');
  assert.equal((await launch(script, [], []).ended).stdout, 'other\n');
  addRuntime(root, `sluice-${packageName}`, '#!/bin/sh\necho other\n', '100.0.0');
  assert.equal((await launch(script, [], []).ended).stdout, 'pinned\n');
});

test('SLUICE_NODE names the Node to run in', async () => {
  const script = install('named', fakeRuntime);
  const named = join(directory, 'named-node');
  writeFileSync(named, '#!/bin/sh\necho named\n', { mode: 0o755 });
  const env = { ...process.env, SLUICE_NODE: named };
  assert.equal((await watch(spawn(process.execPath, [script], { env })).ended).stdout, 'named\n');
});

const NEWER_NODE = (openssl: string) =>
  `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'26.99.0',openssl:'${openssl}'}})`;

test('sluice runs in a newer Node that has all that it calls, and in no other', async () => {
  const ok = await launch(launcher, ['--import', NEWER_NODE('3.5.99')], ['--version']).ended;
  assert.deepEqual([ok.code, ok.stderr], [0, '']);
  const other = await launch(launcher, ['--import', NEWER_NODE('4.0.0')], ['--version']).ended;
  assert.match(
    other.stderr,
    /^sluice: Node 26\.99\.0 is not used, because its OpenSSL is 4\.0\.0\n/,
  );
});

test('an installed sluice without a runtime fetches one with npm, once', async () => {
  const script = install('app/node_modules/sluice', null);
  const root = join(script, '..', '..');
  const programs = join(directory, 'programs');
  const made = `$3/node_modules/${packageName}`;
  mkdirSync(programs);
  // What npm would do, as far as it matters here; its third word is the directory.
  const npm = `#!/bin/sh
mkdir -p ${made}/bin
echo '{"version":"99.1.0"}' > ${made}/package.json
printf '#!/bin/sh\\necho fetched\\n' > ${made}/bin/node
chmod +x ${made}/bin/node
`;
  writeFileSync(join(programs, 'npm'), npm, { mode: 0o755 });
  const env = { ...process.env, PATH: `${programs}:${process.env.PATH}` };
  const run = () => watch(spawn(process.execPath, [script], { env })).ended;
  const first = await run();
  assert.equal(first.stdout, 'fetched\n');
  assert.match(first.stderr, /^sluice: fetches Node 99\.0\.0 \(57 MB\) once, into \S+\n$/);
  assert.deepEqual(readdirSync(root).sort(), ['bin', 'package.json', 'runtime']);
  const second = await run();
  assert.deepEqual([second.stdout, second.stderr], ['fetched\n', '']);
  rmSync(join(root, 'runtime'), { recursive: true });
  writeFileSync(join(programs, 'npm'), '#!/bin/sh\necho no network >&2\nexit 1\n');
  const failed = await run();
  assert.equal(failed.code, 1);
  assert.match(
    failed.stderr,
    /cannot be fetched: npm says: no network .*run npm install node-linux/,
  );
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
  assert.match(
    stderr,
    /^sluice: runs on Linux \(x64, arm64\) only, and this is plan9 \w+; run it in .*\n$/,
  );
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
