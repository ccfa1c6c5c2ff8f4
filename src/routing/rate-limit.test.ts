// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
import assert from 'node:assert/strict';
import test from 'node:test';
import { configuredAuthority } from '../http/authority.ts';
import { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import { RateLimiter } from './rate-limit.ts';
import { RateTable, rateTableBytes } from './rate-table.ts';
import type { RateLimit } from './route.ts';

const secret = new Uint8Array(16).fill(7);

function memory(places: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(rateTableBytes(places)));
}

function requestWith(fields: Record<string, string> = {}): RequestHead {
  const common = {
    method: 'GET',
    version: '1.1',
    scheme: 'http',
    authority: configuredAuthority('a'),
  } as const;
  const rest = { path: '/', contentLength: 0, expectContinue: false, upgrade: '' };
  return { ...common, ...rest, fields: FieldSection.of(...Object.entries(fields)) };
}

function limiter(limit: Partial<RateLimit>, words = memory(64), name = 'route') {
  const all: RateLimit = { requestsPerSecond: 10, burst: 0, delayMs: 0, key: 'address', ...limit };
  return new RateLimiter(new RateTable(words, words.length / 4), secret, name, all);
}

/** Requests out of `count`, all at `nowMs`, that were allowed. */
function allowed(one: RateLimiter, count: number, nowMs: number, address = '192.0.2.1'): number {
  let passed = 0;
  for (let i = 0; i < count; i++) if (one.take(requestWith(), address, nowMs) === 0) passed++;
  return passed;
}

test('a client gets its burst at once and its rate from then on', () => {
  const one = limiter({ requestsPerSecond: 10, burst: 5 });
  assert.equal(allowed(one, 100, 1_000), 6);
  assert.equal(allowed(one, 100, 1_100), 1);
  assert.equal(allowed(one, 100, 1_500), 4);
  assert.equal(allowed(one, 100, 60_000), 6, 'an unused bucket is full, not fuller');
});

test('the wait is said in whole seconds, and asking in vain does not lengthen it', () => {
  const one = limiter({ requestsPerSecond: 0.1, burst: 0 });
  assert.equal(one.take(requestWith(), '192.0.2.1', 0), 0);
  const waitSeconds = () => Math.ceil(one.take(requestWith(), '192.0.2.1', 500) / 1_000);
  for (let i = 0; i < 50; i++) assert.equal(waitSeconds(), 10);
  assert.equal(one.take(requestWith(), '192.0.2.1', 10_000), 0);
});

test('clients are told apart by address, of IPv6 by /64, and mapped addresses are one', () => {
  const one = limiter({});
  assert.equal(allowed(one, 1, 0, '192.0.2.1'), 1);
  assert.equal(allowed(one, 1, 0, '192.0.2.2'), 1);
  assert.equal(allowed(one, 1, 0, '::ffff:192.0.2.2'), 0);
  assert.equal(allowed(one, 1, 0, '2001:db8::1'), 1);
  assert.equal(allowed(one, 1, 0, '2001:db8::2:3:4:5'), 0);
  assert.equal(allowed(one, 1, 0, '2001:db8:0:1::1'), 1);
});

test('clients can be told apart by a field, and those without it by address', () => {
  const one = limiter({ key: { text: '${header:X-Api-Key}' } });
  const take = (key: string) => one.take(requestWith({ 'x-api-key': key }), '192.0.2.1', 0);
  assert.equal(take('a'), 0);
  assert.equal(take('b'), 0);
  assert.ok(take('a') > 0);
  assert.equal(take('192.0.2.1'), 0, 'a value is not taken for an address');
  assert.equal(allowed(one, 3, 0), 1);
});

test('a limit is the machine’s: workers count in one table, and routes apart', () => {
  const words = memory(64);
  const [first, second] = [limiter({ burst: 4 }, words), limiter({ burst: 4 }, words)];
  assert.equal(allowed(first, 3, 0) + allowed(second, 10, 0), 5);
  assert.equal(allowed(limiter({ burst: 4 }, words, 'other route'), 10, 0), 5);
});

test('with more clients than places nobody gets less than the rate', () => {
  const one = limiter({ burst: 2 }, memory(16));
  for (let i = 0; i < 1_000; i++) assert.ok(allowed(one, 3, i, `10.0.${i >> 8}.${i & 255}`) === 3);
});

test('a clock that is set back locks nobody out for long', () => {
  const one = limiter({ requestsPerSecond: 1, burst: 1 });
  assert.equal(allowed(one, 5, 1_000_000_000), 2);
  assert.equal(allowed(one, 5, 999_990_000), 2);
});

test('a request beyond the burst waits for its turn, as long as it may, and is then refused', () => {
  const one = limiter({ requestsPerSecond: 10, burst: 1, delayMs: 250 });
  const at = (nowMs: number) => one.take(requestWith(), '192.0.2.1', nowMs);
  assert.deepEqual([at(0), at(0)], [0, 0], 'the first and the burst');
  assert.deepEqual([at(0), at(0)], [-100, -200], 'each after the one before');
  assert.ok(at(0) > 0, 'a third would wait longer than 250 ms');
  assert.equal(at(100), -200, 'a turn later there is one more place');
  assert.equal(at(10_000), 0);
});

test('clients are told apart by a cookie, a parameter or several things together', () => {
  const passed = (text: string, requests: readonly (readonly [path: string, cookie: string])[]) => {
    const one = limiter({ key: { text } });
    return requests.filter(([path, cookie]) => {
      return one.take({ ...requestWith({ cookie }), path }, '192.0.2.1', 0) === 0;
    }).length;
  };
  assert.equal(
    passed('${cookie:id}', [
      ['/', 'a=1; id=7'],
      ['/', 'id=7'],
      ['/', 'id=8'],
    ]),
    2,
  );
  assert.equal(
    passed('${query:t}', [
      ['/?a&t=1', ''],
      ['/?t=1', ''],
      ['/?t=2', ''],
    ]),
    2,
  );
  assert.equal(
    passed('${method} ${path}', [
      ['/a', ''],
      ['/a?b', ''],
      ['/b', ''],
    ]),
    2,
  );
  assert.equal(
    passed('${cookie:id}', [
      ['/', ''],
      ['/', 'xid=7'],
    ]),
    1,
    'without it by address',
  );
});
