/** As root, nothing is done by a name that another account could have put a link behind. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import {
  atPlace,
  makeDirectory,
  namesIn,
  readCarefully,
  removeFile,
  removeTree,
  replaceFile,
  whyNotOurs,
  whyNotRoots,
  writeCarefully,
} from '../../src/base/careful-files.ts';
import { endProcess } from '../../src/base/owned.ts';
import type { SluiceOptions } from '../../src/config/options.ts';
import { selfSignedCertificate, stateDirectory } from '../../src/config/self-signed-store.ts';
import {
  closeDescriptor,
  openListeningSocket,
  removeSocketFile,
} from '../../src/native/sockets.ts';
import { IncidentStore } from '../../src/supervisor/faults/incident-store.ts';
import { LastGood, SOUND_MS } from '../../src/supervisor/faults/last-good.ts';
import { LocalTraces } from '../../src/supervisor/faults/local-traces.ts';
import { LogRotator } from '../../src/supervisor/log-rotation.ts';
import { handOverFiles } from '../../src/supervisor/privileges.ts';
import { openLogFile, openLogFileLater } from '../../src/telemetry/log-file.ts';
import { plainLog } from '../../src/telemetry/log-options.ts';
import { sampleIncident } from '../support/incident-sample.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const skip = process.getuid?.() === 0 ? false : 'only root can be led astray by another account';
const NOBODY = 65_534;
const account = { name: 'nobody', uid: NOBODY, gid: NOBODY };

/** A directory of nobody's, and a file of root's beside it that must stay as it is. */
function places() {
  const root = temporaryDirectory();
  chmodSync(root, 0o755);
  const directory = join(root, 'of-nobody');
  mkdirSync(directory, { mode: 0o700 });
  chownSync(directory, NOBODY, NOBODY);
  const secret = join(root, 'secret');
  writeFileSync(secret, 'of root', { mode: 0o600 });
  const assertUntouched = () => {
    const { uid, mode } = statSync(secret);
    assert.deepEqual([uid, mode & 0o777], [0, 0o600]);
    assert.equal(readFileSync(secret, 'utf8'), 'of root');
  };
  const link = (name: string, target = secret) => {
    symlinkSync(target, join(directory, name));
    // As the account would have made it.
    lchown(join(directory, name));
  };
  return { root, directory, secret, assertUntouched, link };
}

function lchown(path: string): void {
  process.getBuiltinModule('node:fs').lchownSync(path, NOBODY, NOBODY);
}

const optionsWith = (some: object) =>
  ({
    account,
    workers: 2,
    cacheDirectory: null,
    logs: [],
    errorLog: { target: '-' },
    tls: { keyLog: null },
    recorder: { directory: null },
    pidFile: null,
    ...some,
  }) as unknown as SluiceOptions;

test('files of a cache become the account’s, and nothing that links of it lead to', {
  skip,
}, () => {
  const { directory, secret, assertUntouched, link, root } = places();
  const other = join(root, 'directory');
  mkdirSync(other);
  link('data.mdb');
  link('segments', other);
  linkSync(secret, join(directory, 'hard'));
  mkdirSync(join(directory, 'index'));
  writeFileSync(join(directory, 'index', 'data.mdb'), '');
  handOverFiles(optionsWith({ cacheDirectory: directory }));
  assertUntouched();
  assert.equal(statSync(other).uid, 0);
  assert.equal(statSync(join(directory, 'index', 'data.mdb')).uid, NOBODY);
});

test('a cache directory that is a link, or somebody else’s, is refused', { skip }, () => {
  const { root, directory } = places();
  const link = join(root, 'link');
  symlinkSync(directory, link);
  assert.throws(() => handOverFiles(optionsWith({ cacheDirectory: link })), /it is a link/);
  chownSync(directory, 4_321, 4_321);
  assert.throws(
    () => handOverFiles(optionsWith({ cacheDirectory: directory })),
    /belongs to user 4321/,
  );
  assert.equal(statSync(directory).uid, 4_321);
});

test('a log of root’s is not opened by a link of the account, and not handed over', {
  skip,
}, async () => {
  const { directory, secret, assertUntouched, link } = places();
  const file = join(directory, 'a.log');
  link('a.log');
  assert.throws(() => openLogFile(file), { code: 'ELOOP' });
  assert.throws(() => handOverFiles(optionsWith({ logs: [{ target: file }] })), { code: 'ELOOP' });
  const { promise, resolve } = Promise.withResolvers<Error | null>();
  openLogFileLater(file, (error) => resolve(error));
  assert.notEqual(await promise, null);
  linkSync(secret, join(directory, 'hard.log'));
  assert.throws(() => openLogFile(join(directory, 'hard.log')), /hard link/);
  link('down', join(directory, '..'));
  assert.throws(() => openLogFile(join(directory, 'down', 'secret')), { code: 'ELOOP' });
  assert.throws(() => makeDirectory(join(directory, 'down', 'made')), { code: 'ELOOP' });
  assertUntouched();
});

test('links of root are followed, and devices are', { skip }, () => {
  const { root } = places();
  mkdirSync(join(root, 'real'));
  symlinkSync('real', join(root, 'link'));
  symlinkSync('file', join(root, 'real', 'name'));
  closeSync(openLogFile(join(root, 'link', 'name')));
  assert.ok(statSync(join(root, 'real', 'file')).isFile());
  closeSync(openLogFile('/dev/null'));
  handOverFiles(optionsWith({ logs: [{ target: '/dev/null' }] }));
  assert.equal(statSync('/dev/null').uid, 0);
});

test('a rotation moves no file that a link leads to, and writes over none', { skip }, () => {
  const { directory, assertUntouched, link } = places();
  const file = join(directory, 'a.log');
  link('a.log');
  link('b.log.1');
  const rotate = { sizeBytes: 1, everyMs: 0, keep: 3, gzip: true };
  const reports: string[] = [];
  const rotator = new LogRotator({
    logs: () =>
      ['a.log', 'b.log'].map((name) => ({ ...plainLog, target: join(directory, name), rotate })),
    reopen() {},
    wallMs: Date.now,
    report: (message) => reports.push(message),
    onFault: endProcess,
  });
  writeFileSync(join(directory, 'b.log'), 'full');
  rotator.look();
  rotator.look();
  assertUntouched();
  assert.ok(
    reports.some((one) => one.includes(file)),
    'the link is told',
  );
});

test('a directory for incidents is somebody’s alone, and its mode is left alone', { skip }, () => {
  const { directory, root } = places();
  assert.equal(whyNotOurs(join(root, 'not-there'), [0]), null);
  assert.match(whyNotOurs(directory, [0])!, /belongs to user 65534/);
  assert.equal(whyNotOurs(directory, [0, NOBODY]), null);
  const open = join(root, 'open');
  mkdirSync(open);
  chmodSync(open, 0o1777);
  assert.match(whyNotOurs(open, [0])!, /others can write/);
  assert.equal(statSync(open).mode & 0o7777, 0o1777);
});

test('a place is where it was looked at, whatever becomes of the names', { skip }, () => {
  const { root } = places();
  const seen = atPlace(join(root, 'secret'), (name) => readFileSync(name, 'utf8'));
  assert.equal(seen, 'of root');
});

test('a file of root’s that is replaced, read or removed is no link’s target', { skip }, () => {
  const { root, directory, secret, assertUntouched, link } = places();
  const file = join(directory, 'state.json');
  const doings: ((path: string) => unknown)[] = [
    (path) => replaceFile(path, 'ours'),
    (path) => writeCarefully(path, 'ours'),
    (path) => readCarefully(path),
    (path) => removeFile(path),
    (path) => namesIn(path),
    (path) => removeTree(path),
  ];
  for (const doing of doings) {
    rmSync(file, { force: true });
    link('state.json');
    assert.throws(() => doing(file), { code: 'ELOOP' }, String(doing));
    assertUntouched();
  }
  rmSync(file);
  // In the place of a second name stands a file of its own then; it is not written to or read.
  linkSync(secret, file);
  assert.throws(() => writeCarefully(file, 'ours'), { code: 'ELOOP' });
  assert.throws(() => readCarefully(file), { code: 'ELOOP' });
  replaceFile(file, 'ours');
  assert.equal(readFileSync(file, 'utf8'), 'ours');
  assertUntouched();
  link(`state.json.${process.pid}.tmp`);
  replaceFile(file, 'again');
  assert.equal(readFileSync(file, 'utf8'), 'again');
  link('below', root);
  for (const doing of doings) {
    assert.throws(() => doing(join(directory, 'below', 'secret')), { code: 'ELOOP' });
  }
  assertUntouched();
});

test('a tree is removed, and not what links in it lead to', { skip }, () => {
  const { directory, secret, assertUntouched, link, root } = places();
  const other = join(root, 'other');
  mkdirSync(other);
  writeFileSync(join(other, 'kept'), '');
  mkdirSync(join(directory, 'tree', 'inner'), { recursive: true });
  link('tree/to-directory', other);
  link('tree/inner/to-file');
  removeTree(join(directory, 'tree'));
  assert.deepEqual(readdirSync(directory), []);
  assert.deepEqual(readdirSync(other), ['kept']);
  assert.ok(secret);
  assertUntouched();
});

const optionsForGood = JSON.parse('{"origins":[],"hosts":[]}') as SluiceOptions;

test('the files of incidents, rollbacks and recordings follow no link of another account', {
  skip,
}, () => {
  const { directory, assertUntouched, link } = places();
  const reports: string[] = [];
  const report = (message: string) => reports.push(message);
  link('good.json');
  const good = new LastGood(join(directory, 'good.json'), optionsForGood, 0);
  good.look(SOUND_MS);
  assertUntouched();
  const below = join(directory, 'incidents');
  link('incidents', join(directory, '..'));
  const store = new IncidentStore(below, report);
  assert.equal(store.save(sampleIncident), null);
  assert.equal(LocalTraces.open(below, report), null);
  assert.equal(reports.length, 2, reports.join('\n'));
  assertUntouched();
  rmSync(below);
  const flights = LocalTraces.open(directory, report);
  assert.ok(flights);
  const [name] = readdirSync(directory).filter((one) => one.startsWith('recording-'));
  flights.remove();
  link(name!);
  // What was planted is removed, and a file of our own is in its place.
  LocalTraces.open(directory, report)?.remove();
  assertUntouched();
});

test('a UNIX socket is made, found stale and removed only where it was looked for', {
  skip,
}, () => {
  const { directory, root, assertUntouched, link } = places();
  const elsewhere = join(root, 'elsewhere');
  mkdirSync(elsewhere);
  const stale = join(elsewhere, 'a.sock');
  closeDescriptor(openListeningSocket({ path: stale }));
  link('down', elsewhere);
  link('a.sock', stale);
  for (const path of [join(directory, 'down', 'a.sock'), join(directory, 'a.sock')]) {
    assert.throws(() => openListeningSocket({ path }), { code: 'address-forbidden' });
    assert.throws(() => removeSocketFile(path), { code: 'ELOOP' });
    assert.ok(statSync(stale).isSocket());
  }
  // In the account's own directory, and after a process that has died.
  const path = join(directory, 'b.sock');
  for (let i = 0; i < 2; i++) closeDescriptor(openListeningSocket({ path }));
  assert.ok(statSync(path).isSocket());
  removeSocketFile(path);
  assert.equal(statSync(path, { throwIfNoEntry: false }), undefined);
  writeFileSync(path, 'a file');
  removeSocketFile(path);
  assert.equal(readFileSync(path, 'utf8'), 'a file');
  assertUntouched();
});

test('what others could put in the place of is not root’s', { skip }, () => {
  const { root, directory } = places();
  assert.equal(whyNotRoots(join(root, 'to', 'come')), null);
  assert.match(whyNotRoots(join(directory, 'to', 'come'))!, /belongs to user 65534/);
  mkdirSync(join(directory, 'of-root'));
  assert.match(whyNotRoots(join(directory, 'of-root'))!, /belongs to user 65534/);
  const open = join(root, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  assert.match(whyNotRoots(join(open, 'x'))!, /others can write to/);
});

test('state of root’s is kept in no directory of another user', { skip }, () => {
  const { directory, root } = places();
  const own = join(userInfo().homedir, '.local', 'state', 'sluice');
  for (const environment of [
    { XDG_STATE_HOME: directory },
    { XDG_STATE_HOME: join(directory, 'new') },
  ]) {
    const told: string[] = [];
    assert.equal(
      stateDirectory(environment, (message) => told.push(message)),
      own,
    );
    assert.match(told.join(), /^XDG_STATE_HOME is not used by root.*belongs to user 65534/);
  }
  assert.equal(stateDirectory({ XDG_STATE_HOME: root }, assert.fail), join(root, 'sluice'));
  const before = process.env.HOME;
  try {
    process.env.HOME = directory;
    const told: string[] = [];
    assert.equal(
      stateDirectory({}, (message) => told.push(message)),
      own,
    );
    assert.match(told.join(), /^HOME is not used by root/);
  } finally {
    if (before === undefined) delete process.env.HOME;
    else process.env.HOME = before;
  }
});

test('a kept certificate is neither read nor written over a link', { skip }, async () => {
  const { directory, assertUntouched, link } = places();
  link('localhost.pem');
  const told: string[] = [];
  const { keyPem } = await selfSignedCertificate(directory, (one) => told.push(one), Date.now());
  assert.match(keyPem, /PRIVATE KEY/);
  assert.match(told.join(), /kept in memory only/);
  assertUntouched();
});
