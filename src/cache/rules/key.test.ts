import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestOf } from '../../../test/cache/messages.ts';
import { cacheKey, defaultKeyRules, type KeyRules, targetKey } from './key.ts';

const SAME: readonly [string, string, string, string][] = [
  ['http', 'WWW.Example:80', '/a', 'http://www.example/a'],
  ['https', 'www.example:443', '/a', 'https://www.example/a'],
  ['https', 'www.example:80', '/a', 'https://www.example:80/a'],
  ['http', 'www.example:', '', 'http://www.example/'],
  ['http', '[::1]:80', '/', 'http://[::1]/'],
  // What origins tell apart, the key does, too.
  ['http', 'h', '/a%2Fb?b=1&a=2', 'http://h/a%2Fb?b=1&a=2'],
  ['http', 'h', '/A?', 'http://h/A?'],
];

for (const [scheme, authority, path, expected] of SAME) {
  test(`the key of ${scheme}://${authority}${path} is ${expected}`, () => {
    assert.equal(targetKey(scheme, authority, path), expected);
  });
}

const RULES: readonly [name: string, Partial<KeyRules>, path: string, expected: string][] = [
  ['without a query', { query: 'none' }, '/a?x=1', '/a'],
  ['some parameters kept', { query: { keep: ['id'] } }, '/a?x=1&id=2', '/a?id=2'],
  ['some left out', { query: { without: ['utm_*', 'x'] } }, '/a?x=1&utm_a=2&id=3', '/a?id=3'],
  ['left out as origins read it', { query: { without: ['utm_*'] } }, '/a?%75tm_x=1&b', '/a?b'],
  ['kept as origins read it', { query: { keep: ['id'] } }, '/a?x=1&%69d=2', '/a?%69d=2'],
  ['sorted as origins read it', { sortQuery: true }, '/a?b=1&%62=2&a', '/a?a&b=1&%62=2'],
  ['all left out', { query: { without: ['x'] } }, '/a?x=1', '/a'],
  ['sorted, stable', { sortQuery: true }, '/a?b=2&a=2&b=1', '/a?a=2&b=2&b=1'],
  ['one percent-encoding', { normalisePercentEncoding: true }, '/%7ea%2f?%41', '/~a%2F?A'],
];

for (const [name, rules, path, expected] of RULES) {
  test(`key rules: ${name}`, () => {
    const head = requestOf([], { path });
    assert.equal(cacheKey(head, { ...defaultKeyRules, ...rules }), `http://www.example${expected}`);
  });
}

test('fields and cookies of the key tell requests apart, absent from empty', () => {
  const rules = { ...defaultKeyRules, headers: ['x-device'], cookies: ['plan'] };
  const keys = [
    requestOf(),
    requestOf([['x-device', '']]),
    requestOf([['x-device', 'phone']]),
    requestOf([['cookie', 'a=b; plan=gold; plan=lead']]),
    requestOf([['cookie', 'plan=lead']]),
  ].map((head) => cacheKey(head, rules));
  assert.equal(new Set(keys).size, keys.length);
  const again = cacheKey(requestOf([['cookie', 'plan=gold; b=c']]), rules);
  assert.equal(again, keys[3]);
});
