import assert from 'node:assert/strict';
import test from 'node:test';
import { harmlessJson, harmlessLine, harmlessText } from './harmless-text.ts';

const hostile = '\x1b]0;owned\x07\x1b[31m\u009b2J\x7f\r\b\u202eexe.txt\u2066\u2028\u061c\0';

test('nothing that a terminal would carry out is left, and what was there can be told', () => {
  for (const safe of [harmlessText(hostile), harmlessLine(hostile), harmlessJson({ hostile })]) {
    assert.match(safe, /^[\x20-\x7e]*$/);
  }
  assert.match(harmlessText(hostile), /^\\x1b\]0;owned\\x07/);
  assert.match(harmlessText(hostile), /\\u202eexe\.txt/);
  assert.deepEqual(JSON.parse(harmlessJson({ hostile })), { hostile });
});

test('other text stays as it is', () => {
  for (const text of ['a\tb\nc', 'Größe → 5 ms ●', '日本語', 'שלום'])
    assert.equal(harmlessText(text), text);
  assert.equal(harmlessLine('a\nsluice: all is well'), 'a\\x0asluice: all is well');
});
