import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEntityTags, readEntityTag, strongMatch, weakMatch } from './conditionals.ts';

test('the comparisons of RFC 9110 §8.8.3.2', () => {
  const table: [string, string, boolean, boolean][] = [
    ['W/"1"', 'W/"1"', false, true],
    ['W/"1"', 'W/"2"', false, false],
    ['W/"1"', '"1"', false, true],
    ['"1"', '"1"', true, true],
  ];
  for (const [a, b, strong, weak] of table) {
    assert.equal(strongMatch(a, b), strong, `${a} ${b}`);
    assert.equal(weakMatch(a, b), weak, `${a} ${b}`);
  }
});

test('entity tags are quoted, and only W/ may stand before them', () => {
  for (const tag of ['""', '"a"', 'W/"a"', '"!#~\xff"']) assert.equal(readEntityTag(tag), tag);
  for (const tag of ['"a', 'w/"a"', '"a"b', '"a b"', '"a"b"', '']) {
    assert.equal(readEntityTag(tag), undefined, tag);
  }
});

test('lists of entity tags; commas may be within the quotes', () => {
  assert.equal(parseEntityTags(' * '), '*');
  assert.deepEqual(parseEntityTags('"a", W/"b,c" ,,"d"'), ['"a"', 'W/"b,c"', '"d"']);
  assert.deepEqual(parseEntityTags(''), []);
});

test('what is no entity tag matches nothing and hides no other', () => {
  assert.deepEqual(parseEntityTags('a b, "b", "c" d, *, "e"'), ['"b"', '"e"']);
  assert.deepEqual(parseEntityTags('"a'), []);
});

test('an entity tag without its quotes is the one with them', () => {
  assert.deepEqual(parseEntityTags('a, "b",W/c , d'), ['"a"', '"b"', 'W/"c"', '"d"']);
  assert.equal(readEntityTag('a-1:2'), '"a-1:2"');
  assert.equal(readEntityTag('W/a'), 'W/"a"');
  assert.equal(readEntityTag('"a"'), '"a"');
  for (const no of ['*', '', '"a', 'a"', 'a b', 'a,b', 'Sun, 06 Nov 1994 08:49:37 GMT']) {
    assert.equal(readEntityTag(no), undefined, no);
  }
});
