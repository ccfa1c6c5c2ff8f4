import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldSection } from '../../http/field-section.ts';
import { NO_RESPONSE_DIRECTIVES, type ResponseDirectives } from './cache-control.ts';
import { effectiveControl, parseTargetedControl } from './targeted-control.ts';

const VALID: readonly [string, Partial<ResponseDirectives>][] = [
  ['max-age=60', { maxAge: 60 }],
  ['max-age=60;why="x y";n=1', { maxAge: 60 }],
  ['max-age=1, max-age=60', { maxAge: 60 }],
  ['max-age=-5', { maxAge: 0 }],
  ['foobar, max-age=60', { maxAge: 60 }],
  ['no-store, private', { noStore: true, private: true }],
  ['no-store=?0, max-age=5', { maxAge: 5 }],
  ['private="Set-Cookie"', { privateFields: ['set-cookie'] }],
  ['max-age=99999999999', { maxAge: 2_147_483_648 }],
  ['a=(1 2;x "s"), b=:aGk=:, c=1.5, max-age=3', { maxAge: 3 }],
];

for (const [value, expected] of VALID) {
  test(`a targeted field is read: ${value}`, () => {
    assert.deepEqual(parseTargetedControl(value), { ...NO_RESPONSE_DIRECTIVES, ...expected });
  });
}

// One error voids the whole field (RFC 9213 §2.1).
for (const value of [
  '',
  'max-age=10000, &&&&&',
  'max-age="10000"',
  'max-age=1.5',
  'max-age',
  'MaX-aGe=3600',
  'max-age =100',
  'max-age= 100',
  'max-age=1,',
  'max-age=1 b',
  'max-age=1;',
  'a="open',
  'a=(1',
  'a=(1,2)',
  'a=?2',
  'a=1.',
  'a=1234567890123456',
]) {
  test(`a targeted field that is not valid is void: "${value}"`, () => {
    assert.equal(parseTargetedControl(value), undefined);
  });
}

test('a valid targeted field decides alone; a void one leaves it to Cache-Control', () => {
  const fields = FieldSection.of(['cache-control', 'no-store'], ['cdn-cache-control', 'max-age=9']);
  const targeted = effectiveControl(fields, ['cdn-cache-control']);
  assert.equal(targeted.targetedBy, 'cdn-cache-control');
  assert.equal(targeted.directives.noStore, false);
  fields.set('cdn-cache-control', 'max-age=9, &');
  const plain = effectiveControl(fields, ['cdn-cache-control']);
  assert.equal(plain.targetedBy, '');
  assert.equal(plain.directives.noStore, true);
});

test('the first targeted field of the list goes first', () => {
  const fields = FieldSection.of(['cdn-cache-control', 'max-age=1'], ['mine', 'max-age=2']);
  assert.equal(effectiveControl(fields, ['mine', 'cdn-cache-control']).directives.maxAge, 2);
});

test('Surrogate-Control is read in its own grammar when asked for', () => {
  const fields = FieldSection.of(['surrogate-control', 'max-age=60+30, content="ESI/1.0"']);
  assert.equal(effectiveControl(fields, ['surrogate-control']).directives.maxAge, 60);
  assert.equal(effectiveControl(fields, []).directives, NO_RESPONSE_DIRECTIVES);
});
