import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldSection } from './field-section.ts';
import { copyEndToEndFields } from './hop-by-hop.ts';

function forwarded(...lines: [string, string][]): string[] {
  const target = new FieldSection();
  copyEndToEndFields(FieldSection.of(...lines), target);
  return target.names;
}

test('connection-specific fields go no further', () => {
  assert.deepEqual(
    forwarded(
      ['connection', 'close'],
      ['keep-alive', 'timeout=5'],
      ['proxy-connection', 'keep-alive'],
      ['te', 'trailers'],
      ['transfer-encoding', 'chunked'],
      ['upgrade', 'h2c'],
      ['proxy-authorization', 'Basic x'],
      ['accept', '*/*'],
    ),
    ['accept'],
  );
});

test('fields that Connection names go no further, in whatever case and line', () => {
  assert.deepEqual(
    forwarded(
      ['x-one', '1'],
      ['connection', 'X-One,close'],
      ['connection', ' x-TWO '],
      ['x-two', '2'],
      ['x-three', '3'],
    ),
    ['x-three'],
  );
});

test('well-known fields that Connection names go no further either', () => {
  const names = ['accept-language', 'user-agent', 'etag', 'x-request-id'];
  const lines = names.map((name): [string, string] => [name, '1']);
  assert.deepEqual(forwarded(['connection', names.join(', ')], ...lines), []);
});

test('Connection cannot take away a field that routing, access or caching rest on', () => {
  const names = [
    'host',
    'cookie',
    'authorization',
    'cache-control',
    'x-forwarded-for',
    'x-real-ip',
    'early-data',
  ];
  const lines = names.map((name): [string, string] => [name, '1']);
  assert.deepEqual(forwarded(['connection', names.join(', ')], ...lines), names);
});

test('order and repetition of what goes on are kept', () => {
  const lines: [string, string][] = [
    ['via', '1.1 a'],
    ['accept', 'b'],
    ['via', '1.1 c'],
  ];
  const target = new FieldSection();
  copyEndToEndFields(FieldSection.of(...lines), target);
  assert.deepEqual([...target], lines);
});
