import assert from 'node:assert/strict';
import test from 'node:test';
import { isAsciiOriginForm, isFieldValue, isOriginForm, isToken } from './made-text.ts';

test('what is made for a head has only characters that its kind may have', () => {
  for (let code = 0; code <= 0x2ff; code++) {
    const character = String.fromCharCode(code);
    const isAscii = code > 0x20 && code < 0x7f;
    const isText = isAscii || (code >= 0x80 && code <= 0xff);
    const name = `U+${code.toString(16)}`;
    assert.equal(isFieldValue(character), isText, name);
    assert.equal(isFieldValue(`a${character}b`), isText || code === 0x20 || code === 9, name);
    assert.equal(isOriginForm(`/a${character}`), isText && character !== '#', name);
    assert.equal(isAsciiOriginForm(`/a${character}`), isAscii && character !== '#', name);
    assert.equal(isToken(character), isAscii && !'"(),/:;<=>?@[\\]{}'.includes(character), name);
  }
  assert.equal(isFieldValue(''), true);
  assert.equal(isToken(''), false);
  for (const text of ['', '*', 'a', 'http://a/']) assert.equal(isOriginForm(text), false);
});
