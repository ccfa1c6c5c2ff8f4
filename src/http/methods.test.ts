import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isIdempotentMethod, isSafeMethod } from './methods.ts';

test('safe and idempotent methods (RFC 9110 §9.2); of unknown ones nothing is assumed', () => {
  const table: [string, boolean, boolean][] = [
    ['GET', true, true],
    ['HEAD', true, true],
    ['OPTIONS', true, true],
    ['TRACE', true, true],
    ['PUT', false, true],
    ['DELETE', false, true],
    ['POST', false, false],
    ['PATCH', false, false],
    ['CONNECT', false, false],
    ['get', false, false],
    ['BREW', false, false],
    ['', false, false],
  ];
  for (const [method, safe, idempotent] of table) {
    assert.equal(isSafeMethod(method), safe, method);
    assert.equal(isIdempotentMethod(method), idempotent, method);
  }
});
