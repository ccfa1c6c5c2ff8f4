// `npm run release`: packs, checks and, with --publish, publishes. docs/development/publish.md.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const isPublishing = process.argv.includes('--publish');
const isOffline = process.argv.includes('--offline');

/** Bytes of the packed file, without the runtime. */
const PACKAGE_BYTES_MAX = 2 ** 20;

/** Ends the program when a step fails: nothing after it may happen. */
function run(command, words, options = {}) {
  console.log(`release: ${command} ${words.join(' ')}`);
  const stdio = ['ignore', options.isRead ? 'pipe' : 'inherit', 'inherit'];
  const { status, stdout } = spawnSync(command, words, { cwd: root, encoding: 'utf8', stdio });
  if (status === 0) return stdout ?? '';
  console.error(`release: ${command} failed`);
  process.exit(1);
}

function refuse(why) {
  console.error(`release: ${why}`);
  process.exit(1);
}

if (isPublishing && isOffline) refuse('--publish needs the registry');
if (isPublishing) {
  const changes = run('git', ['status', '--porcelain'], { isRead: true });
  if (changes !== '') refuse(`commit first:\n${changes}`);
  run('npm', ['test']);
}
const directory = mkdtempSync(join(tmpdir(), 'sluice-release-'));
run('npm', ['pack', '--silent', '--pack-destination', directory]);
const archive = join(
  directory,
  readdirSync(directory).find((name) => name.endsWith('.tgz')),
);
const { size } = statSync(archive);
if (size > PACKAGE_BYTES_MAX) {
  const why = `${size} bytes, and the limit is ${PACKAGE_BYTES_MAX}`;
  // A dry run shows what else there is to mend.
  if (isPublishing) refuse(why);
  console.error(`release: ${why}: it would not be published`);
}
// These come from the registry: not where there is none, as in a test.
if (!isOffline) run('npx', ['--yes', 'publint@0.3', archive, '--strict']);
if (!isOffline)
  run('npx', ['--yes', '@arethetypeswrong/cli@0.18', archive, '--profile', 'esm-only']);
const words = [
  'sbom',
  '--sbom-format=cyclonedx',
  '--sbom-type=library',
  '--omit=dev',
  '--package-lock-only',
];
writeFileSync(`${archive}.cdx.json`, run('npm', words, { isRead: true }));
console.log(`release: ${archive}, ${size} bytes, and its SBOM`);
if (isPublishing) run('npm', ['publish', archive, '--provenance', '--access', 'public']);
else console.log('release: not published; that is --publish');
