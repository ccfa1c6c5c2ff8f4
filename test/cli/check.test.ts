import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { exampleSite } from '../support/example-site.ts';
import { unlessInstalled } from '../support/programs.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { launcher, runSluice, startProgram } from './sluice-process.ts';

const directory = temporaryDirectory();

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const wrong = file('wrong.yaml', 'orgin: http://o\nlisteners: [{adress: 80}]\nworkers: 0\n');
const right = file('right.yaml', 'origin: http://127.0.0.1:1\nhttp: 0\n');

test('check tells what a right file comes to, and exits with 0', {
  skip: unlessInstalled('openssl'),
}, async () => {
  const { directory: site } = exampleSite();
  const { code, stdout, stderr } = await runSluice(['check', 'sluice.yaml'], { directory: site });
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^sluice.yaml: ok\n {2}listeners +https 0\.0\.0\.0:443\n/);
  assert.match(stdout, /\n {2}routes +.*→ redirect\n/);
});

test('check tells every mistake with its place and what to write, and exits with 2', async () => {
  const { code, stdout } = await runSluice(['check', wrong]);
  assert.equal(code, 2);
  assert.equal(
    stdout,
    `${wrong}:1:1: orgin: unknown key "orgin"
    did you mean origin? As in origin: http://127.0.0.1:3000
${wrong}:2:14: listeners[0].adress: unknown key "adress"
    did you mean address? As in address: 0.0.0.0:443
${wrong}:3:10: workers "0": not a number from 1 to 256
    write workers: N, as in workers: 1
3 mistakes
`,
  );
});

test('check --json is for programs', async () => {
  const bad = await runSluice(['check', '--json', wrong]);
  const { ok, diagnostics } = JSON.parse(bad.stdout);
  assert.deepEqual([bad.code, ok, diagnostics.length], [2, false, 3]);
  assert.deepEqual(diagnostics[0], {
    file: wrong,
    line: 1,
    column: 1,
    key: 'orgin',
    problem: 'unknown key "orgin"',
    remedy: 'did you mean origin? As in origin: http://127.0.0.1:3000',
  });
  const good = await runSluice(['check', right, '--json']);
  assert.deepEqual([good.code, JSON.parse(good.stdout).ok], [0, true]);
});

test('check says what a file lacks, and which file cannot be read', async () => {
  const empty = await runSluice(['check', file('empty.yaml', '# nothing\n')]);
  assert.equal(empty.code, 2);
  assert.match(
    empty.stdout,
    /empty\.yaml:1:1: it has neither origin nor origins\n {4}write origin: http/,
  );
  const none = await runSluice(['check', join(directory, 'none.yaml')]);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /cannot be read \(ENOENT\)/);
  const wordless = await runSluice(['check']);
  assert.match(wordless.stderr, /no file; write sluice check FILE/);
});

test('a start with mistakes tells them all as well, and serves nobody', async () => {
  const { code, stderr } = await runSluice(['--config', wrong]);
  assert.equal(code, 2);
  assert.match(stderr, /^sluice: 3 mistakes in .*wrong\.yaml:\n(?: {2}\S.*\n){3}mend them, .*\n/);
});

test('a file starts sluice, and flags are laid over it', async () => {
  const words = ['--config', right, '--admin', '0', '--workers', '1'];
  await using sluice = startProgram(launcher, words);
  await sluice.until(/ http +http:\/\/127\.0\.0\.1:\d+/, 'stderr');
  await sluice.until(/ admin +http:/, 'stderr');
  sluice.child.kill('SIGTERM');
  assert.equal((await sluice.ended).code, 0);
});

test('config explain tells what a key means, its default and an example', async () => {
  const { code, stdout } = await runSluice(['config', 'explain', 'routes[0].cache.lifetime']);
  assert.equal(code, 0);
  assert.match(stdout, /^routes\[\]\.cache\.lifetime: map\n/);
  assert.match(stdout, /\nExample: lifetime: \{/);
  assert.match(stdout, /\n {2}routes\[\]\.cache\.lifetime\.override\n/);
  const json = await runSluice(['config', 'explain', 'origins.app.slow-start', '--json']);
  assert.equal(JSON.parse(json.stdout).key, 'origins.*.slow-start');
  const slip = await runSluice(['config', 'explain', 'routes.cahce']);
  assert.equal(slip.code, 2);
  assert.match(slip.stderr, /unknown cahce; did you mean cache\?/);
  const byName = await runSluice(['config', 'explain', 'balance']);
  assert.match(byName.stdout, /^origins\.\*\.balance: /, 'a name that one key has is enough');
  const ofMany = await runSluice(['config', 'explain', 'timeout']);
  assert.match(
    ofMany.stderr,
    /did you mean cluster\.timeout or origins\.\*\.health-check\.timeout or /,
  );
  const ofNone = await runSluice(['config', 'explain', 'xyzzy']);
  assert.match(ofNone.stderr, /no key xyzzy: .*; config explain without a KEY lists them\n/);
  const all = await runSluice(['config', 'explain']);
  assert.match(all.stdout, /\n {2}listeners\n/);
});

test('config schema prints the schema that is shipped', async () => {
  const { stdout } = await runSluice(['config', 'schema']);
  assert.equal(JSON.parse(stdout).$schema, 'https://json-schema.org/draft/2020-12/schema');
});

test('config diff tells what differs, and its exit code says whether', async () => {
  const other = file('other.yaml', 'origin: http://127.0.0.1:2\nhttp: 0\n');
  const { code, stdout } = await runSluice(['config', 'diff', right, other]);
  assert.deepEqual([code, stdout], [1, 'origin: http://127.0.0.1:1 → http://127.0.0.1:2\n']);
  assert.equal((await runSluice(['config', 'diff', right, right])).code, 0);
});
