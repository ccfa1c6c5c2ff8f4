import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOwnShortage, SHORTAGES } from '../base/shortage.ts';
import { connectionError, Errno, isShortageErrno } from './errno.ts';

test('what we have run out of ourselves is blamed on nobody at the other end', () => {
  for (const name of SHORTAGES) {
    const errno = Errno[name as keyof typeof Errno];
    assert.ok(errno > 0, `${name} has its number`);
    assert.ok(isShortageErrno(errno));
    for (const blame of ['upstream', 'downstream'] as const) {
      for (const connecting of [true, false]) {
        const error = connectionError(errno, blame, connecting);
        assert.equal(error.blame, 'internal', name);
        assert.equal(error.code, 'out-of-resources');
        assert.match(error.message, new RegExp(name));
        assert.ok(isOwnShortage(error));
      }
    }
  }
});

test('what the other end does stays its own', () => {
  for (const errno of [Errno.ECONNREFUSED, Errno.ECONNRESET, Errno.ETIMEDOUT, Errno.EHOSTUNREACH]) {
    assert.ok(!isShortageErrno(errno));
    assert.equal(connectionError(errno, 'upstream', true).blame, 'upstream');
  }
});

test("a shortage is known in Node's errors, and behind others", () => {
  const emfile = Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
  assert.ok(isOwnShortage(emfile));
  assert.ok(isOwnShortage(new Error('no look-up', { cause: emfile })));
  assert.ok(!isOwnShortage(Object.assign(new Error('gone'), { code: 'ECONNRESET' })));
  assert.ok(!isOwnShortage(undefined));
  const loop = new Error('its own cause');
  loop.cause = loop;
  assert.ok(!isOwnShortage(loop));
});
