// Invariant: a word that forbids keeps its force, however Cache-Control or Vary is written around it.
import assert from 'node:assert/strict';
import test from 'node:test';
import {
  NO_REQUEST_DIRECTIVES,
  parseRequestDirectives,
} from '../../src/cache/rules/cache-control.ts';
import { decideReuse, mayServeOnError } from '../../src/cache/rules/reuse.ts';
import { decideStoring } from '../../src/cache/rules/storing.ts';
import { date, type Lines, NOW, policyOf, requestOf, storedOf } from '../cache/messages.ts';
import fc from '../support/fast-check.ts';

const policy = policyOf({ staleIfErrorMs: 9e9, staleWhileRevalidateMs: 9e9 });

/** What becomes of a response that nothing but its Cache-Control keeps from being served for a day. */
function useOf(lines: Lines, request = requestOf()) {
  const all: Lines = [...lines, ['last-modified', date(-1e8)], ['etag', '"a"'], ['date', date(0)]];
  const stored = storedOf(all, { policy, request });
  const isStored = decideStoring(request, NO_REQUEST_DIRECTIVES, stored, policy) === 'store';
  const at = (ms: number) => decideReuse(NO_REQUEST_DIRECTIVES, stored, NOW + ms, policy).use;
  return {
    isStored,
    isFresh: isStored && at(0) === 'fresh',
    isUsed: isStored && at(0) !== 'validate',
    isUsedStale:
      isStored &&
      (at(1e9) !== 'validate' || mayServeOnError(NO_REQUEST_DIRECTIVES, stored, NOW + 1e9, policy)),
  };
}

const inAnyCase = (word: string) =>
  fc
    .infiniteStream(fc.boolean())
    .map((upper) => [...word].map((c) => (upper.next().value ? c.toUpperCase() : c)).join(''));

const delimiter = fc.constantFrom(
  ...[
    ',',
    ';',
    ' ',
    '\t',
    ' ;',
    '; ',
    ' , ',
    ', ,',
    '. ',
    '.',
    ':',
    ': ',
    '/',
    '|',
    '(',
    '{',
    '"',
    '" ',
  ],
  ...[
    '\u00a0',
    '\u00c2\u00a0',
    '=;',
    '="',
    '="; ',
    "='",
    '[',
    '<',
    '&',
    '\\',
    '\\ "',
    '="a" ',
    '="a";',
  ],
);
const word = fc.constantFrom(
  ...['max-age=60', 's-maxage=60', 'public', 'immutable', 'stale-while-revalidate=60', 'x', 'x=1'],
  ...[
    'must-understand',
    'stale-if-error=60',
    'x="a, b"',
    'x="a\\"b"',
    'max-age="60"',
    'proxy-revalidate',
  ],
);
/** Members, well delimited or not; never with a quote that a later one would close. */
const around = fc
  .array(fc.tuple(word, delimiter), { maxLength: 4 })
  .map((pairs) => pairs.flat().join(''));

/** Nothing of what stands before leaves a quote open that what comes after would close. */
const isOpen = (text: string) => (text.replace(/\\./g, '').match(/"/g)?.length ?? 0) % 2 === 1;
const behind = fc.oneof(
  fc.constantFrom(
    '',
    ';',
    ' ',
    ', ',
    '=;',
    '=',
    '="',
    '="; x',
    '="a b"',
    '=1',
    '=true',
    ': 1',
    '.',
  ),
  fc.tuple(delimiter, word).map((pair) => pair.join('')),
);

const value = (forbidding: string) =>
  fc
    .tuple(around, inAnyCase(forbidding), behind)
    .filter(([before, , after]) => !isOpen(before) || !after.includes('"'))
    .filter(([before, , after]) => !/=$/.test(before) && !isQualified(after))
    .map((parts) => parts.join(''));

/** `private="a"`: about one field, and written as it should be. */
function isQualified(after: string): boolean {
  return /^="a"/.test(after);
}

for (const forbidding of ['private', 'no-store']) {
  test(`a response whose Cache-Control has the word ${forbidding} is not stored`, () => {
    fc.assert(
      fc.property(value(forbidding), (control) => {
        // The only exception that is written as it should be (RFC 9111 §5.2.2.3).
        if (forbidding === 'no-store' && isUnderstood(control)) return;
        assert.equal(useOf([['cache-control', control]]).isStored, false, control);
      }),
      { numRuns: 3000 },
    );
  });
}

/** Every member of the grammar, and must-understand one of them. */
function isUnderstood(control: string): boolean {
  const member =
    /^[ \t]*[!#$%&'*+\-.^_`|~\w]+(?:=(?:[!#$%&'*+\-.^_`|~\w]+|"(?:[^"\\]|\\.)*"))?[ \t]*$/;
  const members = control.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? [];
  return (
    members.every((text) => /^[ \t]*$/.test(text) || member.test(text)) &&
    /must-understand/i.test(control)
  );
}

test('a response whose Cache-Control has the word no-cache is not used before it is validated', () => {
  fc.assert(
    fc.property(value('no-cache'), (control) => {
      const use = useOf([['cache-control', control]]);
      assert.deepEqual([use.isUsed, use.isUsedStale], [false, false], control);
    }),
    { numRuns: 3000 },
  );
});

for (const forbidding of ['must-revalidate', 'proxy-revalidate']) {
  test(`a response whose Cache-Control has the word ${forbidding} is not used when it is stale`, () => {
    fc.assert(
      fc.property(value(forbidding), (control) => {
        assert.equal(useOf([['cache-control', control]]).isUsedStale, false, control);
      }),
      { numRuns: 2000 },
    );
  });
}

test('a lifetime of 0 that is not delimited from its neighbours leaves the response stale', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('max-age=0', 'max-age', 'max-age:0', 'max-age 0'),
      delimiter,
      (zero, by) => {
        for (const control of [`public${by}${zero}`, `${zero}${by}public`]) {
          if (/max-age=0"/.test(control) || `public${by}` === 'public"') continue;
          assert.equal(useOf([['cache-control', control]]).isFresh, false, control);
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('what permits is not read out of what is malformed', () => {
  const authorized = requestOf([['authorization', 'Basic x']]);
  const permits = fc.constantFrom('public', 's-maxage=60', 'must-revalidate', 'max-age=60');
  fc.assert(
    fc.property(
      permits,
      fc.constantFrom('; ', ' ', '. ', ': ', ' / '),
      word,
      (permit, by, other) => {
        for (const control of [`${permit}${by}${other}`, `x${by}${permit}`]) {
          assert.equal(useOf([['cache-control', control]], authorized).isStored, false, control);
        }
      },
    ),
  );
});

test('a targeted field that is void forbids what the words in it forbid', () => {
  fc.assert(
    fc.property(value('no-store'), fc.constantFrom('max-age=60', ''), (control, other) => {
      if (isUnderstood(control)) return;
      const lines: Lines = [
        ['cdn-cache-control', control],
        ['cache-control', other],
      ];
      assert.equal(useOf(lines).isStored, false, control);
    }),
    { numRuns: 2000 },
  );
});

test('no-cache and no-store of a request count, whatever stands around them', () => {
  fc.assert(
    fc.property(value('no-cache'), value('no-store'), (noCache, noStore) => {
      assert.equal(parseRequestDirectives(noCache).noCache, true, noCache);
      assert.equal(parseRequestDirectives(noStore).noStore, true, noStore);
    }),
    { numRuns: 2000 },
  );
});

test('a Vary that is not a list of names is read as one that nobody matches', () => {
  const names = fc.array(fc.constantFrom('cookie', 'accept', '*', 'Accept-Encoding'), {
    minLength: 2,
  });
  const by = fc.constantFrom(';', ' ', '; ', '\t', ' / ', '"', ': ', '=', '(');
  fc.assert(
    fc.property(names, by, (list, between) => {
      const lines: Lines = [
        ['cache-control', 'max-age=60'],
        ['vary', list.join(between)],
      ];
      assert.equal(useOf(lines).isStored, false);
    }),
    { numRuns: 300 },
  );
});
