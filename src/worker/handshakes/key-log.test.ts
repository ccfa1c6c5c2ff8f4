import assert from 'node:assert/strict';
import { readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { UsageError } from '../../base/errors.ts';
import { KeyLog } from './key-log.ts';

const directory = temporaryDirectory();
const noFault = (error: Error) => assert.fail(error);

test('lines are appended, whole and in order, for the owner alone', async () => {
  const path = join(directory, 'keys.log');
  writeFileSync(path, 'before\n', { mode: 0o644 });
  {
    using log = new KeyLog(path, noFault);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    log.write('one');
    log.write('two');
    assert.equal(readFileSync(path, 'latin1'), 'before\n', 'nothing is written inside of OpenSSL');
    await setImmediate();
    await setImmediate();
    assert.equal(readFileSync(path, 'latin1'), 'before\none\ntwo\n');
    log.write('three');
  }
  assert.equal(readFileSync(path, 'latin1'), 'before\none\ntwo\nthree\n');
});

test('a link, and a file that cannot be written, are refused', () => {
  const target = join(directory, 'target');
  writeFileSync(target, '');
  symlinkSync(target, join(directory, 'link'));
  for (const path of [join(directory, 'link'), directory, join(directory, 'no', 'such')]) {
    assert.throws(() => new KeyLog(path, noFault), UsageError);
  }
});
