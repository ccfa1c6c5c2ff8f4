import assert from 'node:assert/strict';
import test from 'node:test';
import { isHostName } from './host-name.ts';

test('names of hosts: letters, digits, hyphens, underscores, and a final dot', () => {
  const long = `${'a'.repeat(63)}.`.repeat(3);
  for (const name of [
    'a',
    'localhost',
    'A.example.',
    'xn--bcher-kva.example',
    '_x.a_b',
    '10.0.0.1',
  ]) {
    assert.equal(isHostName(name), true, name);
  }
  assert.equal(isHostName(`${long}${'b'.repeat(61)}`), true);
  assert.equal(isHostName(`${long}${'b'.repeat(62)}`), false);
});

test('everything else is none', () => {
  for (const name of [
    '',
    '.',
    'a..b',
    '.a',
    'a b',
    '*.a',
    'a:1',
    '[::1]',
    '::1',
    'b\u00fccher',
    'a%2e',
  ]) {
    assert.equal(isHostName(name), false, JSON.stringify(name));
  }
  for (let code = 0; code < 0x250; code++) {
    const character = String.fromCharCode(code);
    const isAllowed = /[A-Za-z0-9_.-]/.test(character);
    assert.equal(isHostName(`a${character}b`), isAllowed, `U+${code.toString(16)}`);
  }
  assert.equal(isHostName('a'.repeat(64)), false);
});
