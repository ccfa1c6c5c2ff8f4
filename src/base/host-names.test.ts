import assert from 'node:assert/strict';
import test from 'node:test';
import {
  doNamesOverlap,
  HostNames,
  isHostName,
  isNameOf,
  normalHostPattern,
  OverlappingNames,
} from './host-names.ts';

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
  for (let code = 0; code < 0x10000; code++) {
    const character = String.fromCharCode(code);
    const isAllowed = /[A-Za-z0-9_.-]/.test(character);
    assert.equal(isHostName(`a${character}b`), isAllowed, `U+${code.toString(16)}`);
  }
  assert.equal(isHostName('a'.repeat(64)), false);
});

test('a name that only some read as an IPv4 address is none', () => {
  for (const name of ['1', '127.1', '0x7f.1', '127.0.0.01', 'a.0x', '1.2.3.256']) {
    assert.equal(isHostName(name), false, name);
  }
});

test('a wildcard stands for exactly one label, wherever it is written', () => {
  const names = new HostNames<string>();
  for (const name of ['example.org', '*.example.org', 'www.example.org', '*.b.example.org']) {
    names.add(name, name);
  }
  const found = (host: string) => names.find(host) ?? '';
  assert.equal(found('example.org'), 'example.org');
  assert.equal(found('www.example.org'), 'www.example.org', 'an exact name comes first');
  assert.equal(found('a.example.org'), '*.example.org');
  assert.equal(found('a.b.example.org'), '*.b.example.org');
  assert.equal(found('a.a.example.org'), '');
  assert.equal(found('evilexample.org'), '');
  assert.equal(found('org'), '');
  assert.equal(found('[::1]'), '');
  assert.ok(isNameOf('*.example.org', 'a.example.org'));
  assert.ok(!isNameOf('*.example.org', 'a.b.example.org'));
  assert.ok(!isNameOf('*.example.org', 'example.org'));
  for (const [a, b, overlap] of [
    ['a.b', 'a.b', true],
    ['*.b', 'a.b', true],
    ['*.b', '*.b', true],
    ['*.b', '*.a.b', false],
    ['*.b', 'b', false],
  ] as const) {
    assert.equal(doNamesOverlap(a, b), overlap, `${a} ${b}`);
    assert.equal(doNamesOverlap(b, a), overlap, `${b} ${a}`);
    assert.equal(new OverlappingNames([a]).overlap(b), overlap, `${b} of ${a}`);
    assert.equal(new OverlappingNames([b]).overlap(a), overlap, `${a} of ${b}`);
  }
});

test('names in a configuration are read as those of peers are', () => {
  assert.equal(normalHostPattern('*.Example.ORG.'), '*.example.org');
  assert.equal(normalHostPattern('[::0]'), '[::]');
  for (const name of ['*', '*.', '**.a', 'a.*', '*a.b', '*.10.0.0.1', '*.[::1]', 'b\u00fccher']) {
    assert.equal(normalHostPattern(name), null, name);
  }
});
