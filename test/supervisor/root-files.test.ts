/** As root, nothing is done by a name that another account could have put a link behind. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { atPlace, whyNotOurs } from '../../src/base/careful-files.ts';
import { endProcess } from '../../src/base/owned.ts';
import type { SluiceOptions } from '../../src/config/options.ts';
import { LogRotator } from '../../src/supervisor/log-rotation.ts';
import { handOverFiles, makeDirectory } from '../../src/supervisor/privileges.ts';
import { openLogFile, openLogFileLater } from '../../src/telemetry/log-file.ts';
import { plainLog } from '../../src/telemetry/log-options.ts';
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

test('a directory for capsules is somebody’s alone, and its mode is left alone', { skip }, () => {
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
