// Runs alone: it measures time.
/** No text of a peer costs more than its length: each reader is timed at n and at 4n. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { tagsOf } from '../../src/cache/purge.ts';
import {
  parseRequestDirectives,
  parseResponseDirectives,
} from '../../src/cache/rules/cache-control.ts';
import { appendCacheStatus } from '../../src/cache/rules/cache-status.ts';
import { parseTargetedControl } from '../../src/cache/rules/targeted-control.ts';
import { normalFieldValue, varyNames } from '../../src/cache/rules/vary.ts';
import { parseAuthority } from '../../src/http/authority.ts';
import { parseEntityTags } from '../../src/http/conditionals.ts';
import { parseHttpDate } from '../../src/http/dates.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import { carryOutConnection, copyEndToEndFields } from '../../src/http/hop-by-hop.ts';
import { isFieldValue, isOriginForm } from '../../src/http/made-text.ts';
import { parsePriority } from '../../src/http/priority.ts';
import { parseRange } from '../../src/http/ranges.ts';
import { hopsOf } from '../../src/proxy/request/forwarded-chain.ts';
import { isLooping } from '../../src/proxy/request/forwarding.ts';
import { chooseCoding } from '../../src/routing/compression.ts';
import { readPath } from '../../src/routing/path.ts';
import { readProxyHeader } from '../../src/transport/proxy-protocol.ts';
import { balanceHash } from '../../src/upstream/hash-key.ts';

const one = (name: string, value: string) => FieldSection.of([name, value]);
const all = () => true;

const READERS: Record<string, (text: string) => unknown> = {
  'Vary, of a request': (text) => normalFieldValue('origin', text),
  'Vary, Accept-Encoding': (text) => normalFieldValue('accept-encoding', text),
  'Vary, Accept-Language': (text) => normalFieldValue('accept-language', text),
  'Vary, of a response': (text) => varyNames(one('vary', text)),
  'Cache-Control of requests': parseRequestDirectives,
  'Cache-Control of responses': parseResponseDirectives,
  'CDN-Cache-Control': parseTargetedControl,
  'Cache-Status': (text) => appendCacheStatus(text, 'sluice; hit'),
  'Cache-Tag': (text) => tagsOf(one('cache-tag', text)),
  'Surrogate-Key': (text) => tagsOf(one('surrogate-key', text)),
  'If-None-Match': parseEntityTags,
  dates: (text) => parseHttpDate(text, 0),
  Range: parseRange,
  Priority: (text) => parsePriority(text),
  'Connection, of a request': (text) => carryOutConnection(one('connection', text)),
  'Connection, of a response': (text) =>
    copyEndToEndFields(one('connection', text), new FieldSection()),
  Via: (text) => isLooping(one('via', text)),
  'X-Forwarded-For': (text) => hopsOf('x-forwarded-for', one('x-forwarded-for', text), all),
  Forwarded: (text) => hopsOf('forwarded', one('forwarded', text), all),
  'Accept-Encoding': (text) => chooseCoding(text, ['gzip']),
  Cookie: (text) =>
    balanceHash(
      { on: 'cookie', name: 'x' },
      { path: '/', fields: one('cookie', text) } as never,
      null,
    ),
  authorities: parseAuthority,
  paths: (text) => readPath(`/${text}`),
  'made values': isFieldValue,
  'made targets': (text) => isOriginForm(`/${text}`),
  'PROXY headers': (text) => readProxyHeader(Buffer.from(`PROXY ${text}`, 'latin1')),
};

/** Texts of about n characters that patterns and loops have stumbled over. */
const SHAPES: Record<string, (n: number) => string> = {
  blanks: (n) => `a,"q"${' '.repeat(n)}b`,
  'blanks and tabs': (n) => `a,${' \t'.repeat(n / 2)}b`,
  commas: (n) => ','.repeat(n),
  'commas with blanks': (n) => ' ,\t'.repeat(n / 3),
  quotes: (n) => '"'.repeat(n),
  'quotes with backslashes': (n) => `"${'\\"'.repeat(n / 2)}`,
  backslashes: (n) => `"${'\\'.repeat(n)}`,
  semicolons: (n) => ';'.repeat(n),
  equals: (n) => 'a='.repeat(n / 2),
  letters: (n) => 'a'.repeat(n),
  digits: (n) => `bytes=${'1'.repeat(n)}`,
  hyphens: (n) => `bytes=${'1-,'.repeat(n / 3)}`,
  dots: (n) => '../'.repeat(n / 3),
  escapes: (n) => '%2e%2f%25'.repeat(n / 9),
  slashes: (n) => '/'.repeat(n),
  colons: (n) => ':1'.repeat(n / 2),
  brackets: (n) => '['.repeat(n),
  members: (n) => Array.from({ length: n / 8 }, (_, i) => `m${i};q=0.5`).join(),
  'one weight again and again': (n) => 'max-age=1, '.repeat(n / 11),
  elements: (n) => 'for=10.0.0.1, '.repeat(n / 14),
};

const SHORT = 6_000;
const FACTOR = 4;
/** Sorting and caches cost a little more than the length; a square costs 16 times. */
const RATIO_MAX = 9;
/** Milliseconds below which a measurement says nothing of how time grows. */
const FLOOR_MS = 1;
const TRIES = 20;

/** Of several runs: what else the machine does only adds to a time. */
function leastMs(read: (text: string) => unknown, text: string, least: number): number {
  for (let i = 0; i < 3; i++) {
    const start = performance.now();
    read(text);
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

/** How many times longer the longer text takes, each of the two at its best. */
function growth(
  read: (text: string) => unknown,
  shape: (n: number) => string,
  shortLength = SHORT,
): number {
  const [short, long] = [shape(shortLength), shape(shortLength * FACTOR)];
  // Code that has just begun to run is slow, and which of the two it would be is chance.
  let [shortMs, longMs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let i = 0; i < TRIES; i++) {
    shortMs = leastMs(read, short, shortMs);
    longMs = leastMs(read, long, longMs);
    if (longMs < FLOOR_MS || longMs / shortMs <= RATIO_MAX) break;
  }
  return longMs < FLOOR_MS ? 1 : longMs / shortMs;
}

for (const [name, read] of Object.entries(READERS)) {
  test(`${name}: four times the text costs about four times the time`, () => {
    for (const [shapeName, shape] of Object.entries(SHAPES)) {
      const ratio = growth(read, shape);
      assert.ok(ratio <= RATIO_MAX, `${shapeName}: ${ratio.toFixed(1)} times the time`);
    }
  });
}

test('a reader that costs the square of the length would be found', () => {
  const pattern = /"(?:[^"\\]|\\.)*"?|[ \t]*,[ \t]*/g;
  const square = (text: string) => text.replace(pattern, ',');
  // A look ends at the first moment at which the longer text seems cheap, as while the pattern is
  // compiled. Of what costs no more than its length no look would say otherwise.
  const looks: number[] = [];
  while (looks.length < 10 && (looks.at(-1) ?? 0) <= RATIO_MAX) {
    looks.push(growth(square, SHAPES.blanks!, SHORT / 4));
  }
  assert.ok(looks.at(-1)! > RATIO_MAX, `${looks.map((one) => one.toFixed(1))} times the time`);
});
