import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Lines, requestOf, storedOf } from '../../../test/cache/messages.ts';
import fc from '../../../test/support/fast-check.ts';
import { FieldSection } from '../../http/field-section.ts';
import {
  matchesPreferredLanguage,
  matchesVary,
  normalFieldValue,
  variantKey,
  varyFieldsOf,
  varyNames,
} from './vary.ts';

const NAMES: readonly [string[], readonly string[] | null][] = [
  [[], []],
  [['Foo, bar,, foo'], ['bar', 'foo']],
  [['*'], null],
  [['*, *'], null],
  [['', '*'], null],
  [['Foo', 'x, *'], null],
  [[Array.from({ length: 33 }, (_, i) => `f${i}`).join()], null],
];

for (const [values, expected] of NAMES) {
  test(`Vary names: ${values.join(' / ').slice(0, 40)}`, () => {
    const fields = FieldSection.of(...values.map((value) => ['vary', value] as const));
    assert.deepEqual(varyNames(fields), expected);
  });
}

const MATCHES: readonly [vary: string, original: Lines, presented: Lines, boolean][] = [
  ['foo', [['foo', '1']], [['foo', '1']], true],
  ['foo', [['foo', '1']], [['foo', '2']], false],
  ['foo', [['foo', '1']], [], false],
  ['foo', [], [['foo', '1']], false],
  ['foo', [], [], true],
  ['foo', [['foo', '']], [], false],
  [
    'foo',
    [['foo', '1, 2']],
    [
      ['foo', '1'],
      ['foo', '2'],
    ],
    true,
  ],
  ['foo', [['foo', '1,2']], [['foo', '1 ,\t2']], true],
  ['foo', [['foo', '1,2']], [['foo', '2,1']], false],
  ['foo', [['foo', '"a , b"']], [['foo', '"a,b"']], false],
  [
    'foo, bar',
    [
      ['foo', '1'],
      ['bar', '2'],
    ],
    [
      ['bar', '2'],
      ['foo', '1'],
    ],
    true,
  ],
  [
    'foo, bar',
    [
      ['foo', '1'],
      ['bar', '2'],
    ],
    [
      ['bar', '3'],
      ['foo', '1'],
    ],
    false,
  ],
  ['accept-encoding', [['accept-encoding', 'gzip, br']], [['accept-encoding', 'BR,gzip']], true],
  ['accept-encoding', [['accept-encoding', 'x-gzip']], [['accept-encoding', 'gzip;q=1.0']], true],
  ['accept-encoding', [['accept-encoding', 'gzip']], [['accept-encoding', 'gzip;q=0']], false],
  ['accept-encoding', [['accept-encoding', '']], [], false],
  ['accept-language', [['accept-language', 'en, de']], [['accept-language', 'De,eN']], true],
  ['accept-language', [['accept-language', 'en;q=0.5,de']], [['accept-language', 'en,de']], false],
];

for (const [vary, original, presented, expected] of MATCHES) {
  const text = (lines: Lines) => lines.map((line) => line.join(': ')).join(' | ');
  test(`Vary: ${vary}: "${text(original)}" answers "${text(presented)}": ${expected}`, () => {
    const names = varyNames(FieldSection.of(['vary', vary]))!;
    const varyFields = varyFieldsOf(names, requestOf(original).fields);
    assert.equal(matchesVary(varyFields, requestOf(presented).fields), expected);
  });
}

test('a response in the language wanted most is used for another Accept-Language', () => {
  const stored = storedOf(
    [
      ['vary', 'Accept-Language'],
      ['content-language', 'de'],
    ],
    { request: requestOf([['accept-language', 'en, de']]) },
  );
  const wants = (value: string) =>
    matchesPreferredLanguage(stored, requestOf([['accept-language', value]]).fields);
  assert.equal(wants('fr;q=0.5, de;q=1.0'), true);
  assert.equal(wants('de'), true);
  assert.equal(wants('fr, de;q=0.5'), false);
  assert.equal(wants('fr, de'), false);
});

const value = fc.stringMatching(/^[a-z]{0,3}( ?,[ \t]?[a-z"]{0,3}){0,3}$/);

test('matching is reflexive, symmetric, and agrees with the variant key', () => {
  const name = fc.constantFrom('foo', 'accept-encoding', 'accept-language');
  const optional = fc.option(value, { nil: undefined });
  fc.assert(
    fc.property(name, optional, optional, (field, a, b) => {
      const section = (text: string | undefined) =>
        text === undefined ? new FieldSection() : FieldSection.of([field, text.trim()]);
      const [first, second] = [section(a), section(b)];
      const [one, other] = [varyFieldsOf([field], first), varyFieldsOf([field], second)];
      assert.equal(matchesVary(one, first), true);
      assert.equal(matchesVary(one, second), matchesVary(other, first));
      assert.equal(matchesVary(one, second), variantKey(one) === variantKey(other));
    }),
  );
});

test('the normal form of a value is its own normal form', () => {
  fc.assert(
    fc.property(fc.constantFrom('foo', 'accept-encoding'), value, (name, text) => {
      const once = normalFieldValue(name, text.trim());
      assert.equal(normalFieldValue(name, once), once);
    }),
  );
});

test('blanks around commas go, quoted strings stay, however long the text is', () => {
  const cases: [string, string][] = [
    ['a ,\t b', 'a,b'],
    ['a , "b , c" ,d', 'a,"b , c",d'],
    ['a ,"b \\" , c" , d', 'a,"b \\" , c",d'],
    ['a ,"b , c', 'a,"b , c'],
    [' , , ', ',,'],
    ['a  b , c', 'a  b,c'],
  ];
  for (const [value, normal] of cases) assert.equal(normalFieldValue('x', value), normal);
});
