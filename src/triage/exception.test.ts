import assert from 'node:assert/strict';
import test from 'node:test';
import { assert as demand } from '../base/assert.ts';
import { describeException, exceptionFrom, placeOf } from './exception.ts';

function caught(body: () => void): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  return assert.fail('it throws');
}

test('an exception is told by its type and by our functions that threw it, not by line numbers', () => {
  const error = caught(() => demand(false, 'never'));
  const described = describeException(error, null);
  assert.match(described.message, /never/);
  assert.match(described.frames[0]!, /^assert \(base\/assert\.ts:\d+\)$/);
  assert.match(placeOf(described), /^assert \(assert\.ts\) < .*\(exception\.test\.ts\)/);
  assert.doesNotMatch(placeOf(described), /\d|\//);
});

test('what is thrown need not be an error', () => {
  for (const thrown of [undefined, null, 7, 'text', { a: 1 }, Object.create(null)]) {
    const { type, frames } = describeException(thrown, null);
    assert.deepEqual([type, frames], [typeof thrown, []]);
  }
  const broken = new Error('x');
  Object.defineProperty(broken, 'stack', { value: undefined });
  assert.equal(describeException(broken, null).type, 'Error');
});

test('of a field there is the value only where it is no secret, and the message is redacted', () => {
  const fields = {
    names: ['accept', 'cookie', 'x-key'],
    values: ['*/*', 'a=secret', 'another secret'],
  };
  const { fields: lines, message } = describeException(
    new Error('at https://me:secret@example.org/'),
    fields,
  );
  assert.deepEqual(lines, ['accept: */*', 'cookie: (8 bytes)', 'x-key: (14 bytes)']);
  assert.doesNotMatch(message, /secret/);
});

test('what a recording has is read back, or is none', () => {
  const described = describeException(new TypeError('x'), null);
  const bytes = Buffer.from(JSON.stringify(described));
  assert.deepEqual(exceptionFrom(bytes), described);
  for (const text of ['', '{', 'null', '[]', '{"type":1}', bytes.toString().slice(0, -5)]) {
    assert.equal(exceptionFrom(Buffer.from(text)), null, text);
  }
});
