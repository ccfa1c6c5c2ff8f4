import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { pageFiles } from '../support/page-files.ts';
import { repository, watch } from './sluice-process.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-'));
test.after(() => rmSync(directory, { recursive: true }));

/** Packs a copy of the repository and unpacks it where an installation would have it. */
function install(): string {
  const checkout = join(directory, 'checkout');
  mkdirSync(checkout);
  for (const name of [
    'bin',
    'schema',
    'src',
    'tools',
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
  ]) {
    cpSync(join(repository, name), join(checkout, name), { recursive: true });
  }
  symlinkSync(join(repository, 'node_modules'), join(checkout, 'node_modules'));
  const npm = ['pack', '--silent', '--pack-destination', directory];
  execFileSync('npm', npm, { cwd: checkout, stdio: ['ignore', 'pipe', 'inherit'] });
  const [archive] = readdirSync(directory).filter((name) => name.endsWith('.tgz'));
  const modules = join(directory, 'node_modules');
  mkdirSync(join(modules, 'sluice'), { recursive: true });
  execFileSync('tar', [
    ...['-xzf', join(directory, archive!)],
    ...['--strip-components=1', '-C', join(modules, 'sluice')],
  ]);
  // What npm would fetch from the registry.
  const { dependencies } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  for (const name of [...Object.keys(dependencies), `node-${process.platform}-${process.arch}`]) {
    symlinkSync(join(repository, 'node_modules', name), join(modules, name));
  }
  return join(modules, 'sluice');
}

test('npm ci leaves the runtime’s command out, so that install scripts run in npm’s own Node', () => {
  // npm install may write it again: on a machine without libatomic, npm ci would then fail.
  const { packages } = JSON.parse(readFileSync(join(repository, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { bin?: unknown }>;
  };
  for (const arch of ['x64', 'arm64']) {
    const runtime = packages[`node_modules/node-linux-${arch}`];
    assert.ok(runtime !== undefined);
    assert.equal(
      runtime.bin,
      undefined,
      `take "bin" of node-linux-${arch} out of package-lock.json`,
    );
  }
});

test('the packed package runs from node_modules, compiled and without its tests', async () => {
  const installed = install();
  assert.ok(!existsSync(join(installed, 'src')));
  const files = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' });
  assert.deepEqual(
    files.filter((file) => file.includes('.test.') || file.endsWith('.ts')),
    [],
  );
  const script = join(installed, 'bin', 'sluice.js');
  await using version = watch(spawn(process.execPath, [script, '--version']));
  const { code, stdout, stderr } = await version.ended;
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  // Two workers, so that the compiled worker's entry point is found as well.
  const words = ['--origin', 'http://127.0.0.1:9', '--http', '0', '--workers', '2', '--admin', '0'];
  await using sluice = watch(spawn(process.execPath, [script, ...words]));
  await sluice.until(/ {2}http {3}http:\/\/127\.0\.0\.1:\d+\/\n/, 'stderr');
  // The page for browsers is there, with every file that it names.
  const [, admin] = await sluice.until(/ {2}admin {2}(http:\/\/127\.0\.0\.1:\d+\/)\n/, 'stderr');
  const page = await pageFiles(admin!);
  assert.ok([...page.keys()].some((path) => path.endsWith('/dashboard/page/main.js')));
  process.kill(sluice.pid, 'SIGTERM');
  assert.equal((await sluice.ended).code, 0);
});
