import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { UsageError } from '../base/errors.ts';
import { readTicketKeyFile } from './ticket-key-file.ts';

const path = join(temporaryDirectory(), 'tickets.key');

function write(bytes: Buffer, mode = 0o600): void {
  writeFileSync(path, bytes);
  chmodSync(path, mode);
}

describe('a file of ticket keys', () => {
  test('has one key of 80 bytes after the other, newest first', () => {
    const keys = [randomBytes(80), randomBytes(80), randomBytes(80)];
    write(Buffer.concat(keys));
    assert.deepEqual(readTicketKeyFile(path), { keys, warnings: [] });
  });

  test('that others may read is taken, with a warning', () => {
    write(randomBytes(80), 0o640);
    assert.match(readTicketKeyFile(path).warnings[0]!, /others than its owner.*chmod 600/);
  });

  for (const [bytes, problem] of [
    [0, /0 bytes, which is not one or more keys of 80/],
    [81, /81 bytes/],
    [48, /48 bytes.*keys of 48 bytes, with AES-128, are not taken/],
    [33 * 80, /33 keys, which is more than 32/],
  ] as const) {
    test(`of ${bytes} bytes is refused, with what to do`, () => {
      write(Buffer.alloc(bytes, 1));
      const expected = (error: UsageError) =>
        error instanceof UsageError && problem.test(error.message) && error.remedy.length > 8;
      assert.throws(() => readTicketKeyFile(path), expected);
    });
  }

  test('that is not there is refused', () => {
    assert.throws(() => readTicketKeyFile(`${path}.not`), /no such file/);
  });
});
