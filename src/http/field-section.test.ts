import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../test/support/fast-check.ts';
import { fieldNameInfo, internFieldName, knownFieldNames } from './field-names.ts';
import { FieldSection } from './field-section.ts';
import { reasonPhrase } from './status.ts';

const lines = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.string({ maxLength: 3 })));

test('lines stay in order, and those of one name are found, counted and joined', () => {
  const section = FieldSection.of(['via', '1'], ['a', 'x'], ['via', '2']);
  assert.deepEqual(
    [...section],
    [
      ['via', '1'],
      ['a', 'x'],
      ['via', '2'],
    ],
  );
  assert.equal(section.first('via'), '1');
  assert.equal(section.combined('via'), '1, 2');
  assert.deepEqual(section.all('via'), ['1', '2']);
  assert.deepEqual([section.count('via'), section.count('b')], [2, 0]);
  assert.deepEqual([section.has('a'), section.has('b')], [true, false]);
  assert.deepEqual([section.first('b'), section.combined('b')], [undefined, undefined]);
  assert.equal(FieldSection.of(['a', ''], ['a', '']).combined('a'), ', ');
});

test('setting a field leaves one line, in the place of the first, and all others alone', () => {
  const property = fc.property(lines, fc.constantFrom('a', 'b'), (given, name) => {
    const section = FieldSection.of(...given);
    section.set(name, 'new');
    const place = given.findIndex(([one]) => one === name);
    const expected = given.filter(([one], i) => one !== name || i === place);
    if (place === -1) expected.push([name, 'new']);
    else expected[expected.findIndex(([one]) => one === name)] = [name, 'new'];
    assert.deepEqual([...section], expected);
  });
  fc.assert(property);
});

test('removing a field removes every line of it, and a clone keeps them', () => {
  const property = fc.property(lines, fc.constantFrom('a', 'b'), (given, name) => {
    const section = FieldSection.of(...given);
    const copy = section.clone();
    section.remove(name);
    const left = given.filter(([one]) => one !== name);
    assert.deepEqual([...section], left);
    assert.equal(section.length, left.length);
    assert.deepEqual([...copy], given);
  });
  fc.assert(property);
});

test('known names are lower-case tokens and one shared instance each', () => {
  assert.equal(new Set(knownFieldNames).size, knownFieldNames.length);
  for (const name of knownFieldNames) {
    assert.match(name, /^[a-z0-9-]+$/);
    assert.equal(fieldNameInfo(name)?.name, name);
  }
  assert.equal(internFieldName('x-unheard-of'), 'x-unheard-of');
  assert.equal(fieldNameInfo('x-unheard-of'), undefined);
  assert.equal(fieldNameInfo('constructor'), undefined);
});

test('what is about the connection or the framing is never a trailer', () => {
  for (const name of [
    'connection',
    'keep-alive',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
  ]) {
    const info = fieldNameInfo(name);
    assert.deepEqual([info?.hopByHop, info?.forbiddenInTrailers], [true, true], name);
  }
  // RFC 9110 §6.5.1: framing, routing, authentication, and what says how to read the content.
  for (const name of ['content-length', 'host', 'authorization', 'cookie', 'content-encoding']) {
    const info = fieldNameInfo(name);
    assert.deepEqual([info?.hopByHop, info?.forbiddenInTrailers], [false, true], name);
  }
  // Who asks, and how caches may use the response: not to be said after the fact.
  for (const name of ['forwarded', 'via', 'x-forwarded-for', 'x-real-ip', 'cdn-cache-control']) {
    assert.equal(fieldNameInfo(name)?.forbiddenInTrailers, true, name);
  }
  assert.equal(fieldNameInfo('etag')?.forbiddenInTrailers, false);
});

test('registered codes have their phrase, others none', () => {
  assert.equal(reasonPhrase(200), 'OK');
  assert.equal(reasonPhrase(425), 'Too Early');
  assert.equal(reasonPhrase(299), '');
});
