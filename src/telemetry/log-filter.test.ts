// biome-ignore-all lint/suspicious/noTemplateCurlyInString: fields of a format.
import assert from 'node:assert/strict';
import test from 'node:test';
import { lineMaker } from './access-log-line.ts';
import { type ExchangeSummary, emptySummary } from './exchange-summary.ts';
import { lineFilter } from './log-filter.ts';
import { everyExchange, type LogFilter } from './log-options.ts';

const request = (facts: Partial<ExchangeSummary> = {}): ExchangeSummary => ({
  ...emptySummary(),
  startedAtMs: Date.UTC(2026, 10, 23, 3, 4, 5, 6),
  remoteAddress: '192.0.2.7',
  method: 'GET',
  authority: 'www.example.org:8443',
  host: 'www.example.org',
  path: '/api/a',
  version: '2',
  status: 404,
  durationMs: 100,
  cache: 'miss',
  ...facts,
});

const cases: readonly (readonly [Partial<LogFilter>, Partial<ExchangeSummary>])[] = [
  [{ statuses: [{ from: 400, to: 499 }] }, { status: 500 }],
  [{ hosts: ['*.example.org'] }, { host: 'example.org' }],
  [{ hosts: ['www.example.org'] }, { host: 'a.example.org' }],
  [{ hosts: ['*.example.org'] }, { host: 'a.www.example.org' }],
  [{ pathPrefix: '/api/' }, { path: '/ap' }],
  [{ methods: ['GET', 'HEAD'] }, { method: 'POST' }],
  [{ slowerThanMs: 100 }, { durationMs: 99.9 }],
  [{ cache: ['miss', 'bypass'] }, { cache: 'hit' }],
];

for (const [filter, other] of cases) {
  test(`${JSON.stringify(filter)} takes what it names and leaves ${JSON.stringify(other)}`, () => {
    const isWanted = lineFilter({ ...everyExchange, ...filter }, 1)!;
    assert.equal(isWanted(request()), true);
    assert.equal(isWanted(request(other)), false);
  });
}

test('all parts of a filter must hold', () => {
  const isWanted = lineFilter({ ...everyExchange, methods: ['GET'], cache: ['hit'] }, 1)!;
  assert.equal(isWanted(request()), false);
  assert.equal(isWanted(request({ cache: 'hit' })), true);
});

test('a filter that wants all is none', () => {
  assert.equal(lineFilter(everyExchange, 1), null);
});

test('a sample has its share, and a smaller sample is a part of it', () => {
  const one = lineFilter(everyExchange, 0.01)!;
  const ten = lineFilter(everyExchange, 0.1)!;
  const none = lineFilter(everyExchange, 0)!;
  let ones = 0;
  let tens = 0;
  for (let i = 0; i < 100_000; i++) {
    const summary = request({
      remotePort: 1024 + (i % 20_000),
      startedAtMs: Date.UTC(2026, 10, 23) + i * 3,
      path: `/page/${i % 100}`,
    });
    if (ten(summary)) tens++;
    assert.equal(none(summary), false);
    if (!one(summary)) continue;
    ones++;
    assert.equal(ten(summary), true);
  }
  assert.ok(ones > 800 && ones < 1200, `${ones}`);
  assert.ok(tens > 9_400 && tens < 10_600, `${tens}`);
});

test('requests of one connection and one millisecond are told apart by their paths', () => {
  const half = lineFilter(everyExchange, 0.5)!;
  const paths = Array.from({ length: 1000 }, (_, i) => `/p${i}`);
  const taken = paths.filter((path) => half(request({ path }))).length;
  assert.ok(taken > 400 && taken < 600, `${taken}`);
});

test('a format string has text and fields, with - for what is not known', () => {
  const format = '[${time_combined}] ${host} "${request}" ${status} ${cipher} ${time_unix}|';
  assert.equal(
    lineMaker(format, [])(request()),
    '[23/Nov/2026:03:04:05 +0000] www.example.org "GET /api/a HTTP/2" 404 - 1795403045.006|\n',
  );
});

test('no request can forge a line or a field of a format string', () => {
  const line = lineMaker(
    '"${path}" ${user_agent}',
    [],
  )(request({ path: '/"\n', userAgent: '\x1b[2J\\' }));
  assert.equal(line, '"/\\x22\\x0a" \\x1b[2J\\x5c\n');
});

test('a JSON line has the fields that were asked for, in their order', () => {
  const line = lineMaker('json', ['status', 'host', 'early_data'])(request());
  assert.equal(line, '{"status":404,"host":"www.example.org","early_data":0}\n');
});
