import assert from 'node:assert/strict';
import test from 'node:test';
import type { TrafficSample } from '../../telemetry/traffic-sample.ts';
import {
  awayFrame,
  fitted,
  footerText,
  keyPressed,
  lineTone,
  plainView,
  sparkline,
  type TopView,
  topFrame,
  uptimeText,
} from './top-frame.ts';

const nothing: TrafficSample = {
  atMs: 1_000,
  requests: 0,
  byStatus: {},
  byCache: {},
  durations: [0, 0, 0, 0],
  bounds: [0.001, 0.01, 0.1],
  connections: 0,
  handshakes: {},
  handshakesFailed: 0,
  resumed: 0,
  earlyDataAccepted: 0,
  earlyDataRejected: 0,
  bytesOut: 0,
  routes: {},
};

const later: TrafficSample = {
  ...nothing,
  atMs: 3_000,
  requests: 200,
  byStatus: { '2xx': 190, '5xx': 10 },
  byCache: { hit: 150, miss: 50 },
  durations: [120, 60, 18, 2],
  connections: 7,
  handshakes: { X25519MLKEM768: 30, X25519: 10 },
  handshakesFailed: 4,
  resumed: 20,
  earlyDataAccepted: 6,
  earlyDataRejected: 2,
  bytesOut: 4_194_304,
};

const rest = { origins: [], version: '1.2.3', uptimeSeconds: 90, workers: [] };

test('two samples become rates, shares and times', () => {
  const frame = topFrame({
    ...rest,
    before: nothing,
    now: later,
    workers: [
      { state: 'running', restarts: 1 },
      { state: 'starting', restarts: 0 },
    ],
  });
  for (const words of [
    'sluice 1.2.3  up 1 min  1 of 2 workers, 1 replaced',
    'requests    100/s   p50 ≤1.0 ms  p95 ≤100 ms  p99 ≤100 ms',
    'hits         75 % ██████████████████░░░░░░',
    '2xx 95/s  5xx 5.0/s',
    '2.0 MiB/s over 7 connections',
    'handshakes  20/s    50 % resumed, 2.0/s failed',
    '0-RTT       3.0/s accepted, 1.0/s rejected',
    'X25519MLKEM768      75 %',
  ]) {
    assert.ok(frame.includes(words), `${words}\n${frame}`);
  }
});

test('a time beyond the last bound is said to be beyond it', () => {
  const frame = topFrame({
    ...rest,
    before: nothing,
    now: { ...later, durations: [90, 0, 0, 10] },
  });
  assert.match(frame, /p50 ≤1\.0 ms {2}p95 >100 ms {2}p99 >100 ms\n/);
  const idle = topFrame({ ...rest, before: nothing, now: { ...nothing, atMs: 2_000 } });
  assert.match(idle, /p50 – {2}p95 – {2}p99 –\n/);
});

test('without traffic there is nothing to say, and no division by it', () => {
  const frame = topFrame({ ...rest, before: nothing, now: { ...nothing, atMs: 2_000 } });
  assert.match(frame, /requests {4}0\.0\/s {3}p50 – {2}p95 – {2}p99 –/);
  assert.doesNotMatch(frame, /NaN|Infinity|undefined/);
});

test('only what is between the samples counts', () => {
  const frame = topFrame({ ...rest, before: later, now: { ...later, atMs: 4_000 } });
  assert.match(frame, /requests {4}0\.0\/s/);
  assert.doesNotMatch(frame, /X25519/);
});

test('servers of origins are listed, and the rest are counted', () => {
  const server = {
    name: 'http://o',
    state: 'up' as const,
    underWay: 3,
    failures: 0,
    meanResponseMs: 12,
    trouble: null,
  };
  const servers = Array.from({ length: 10 }, () => server);
  const origins = [{ name: 'app', servers }];
  const frame = topFrame({ ...rest, before: nothing, now: later, origins });
  assert.match(frame, /● app\/http:\/\/o {2}up, 3 under way, 12 ms on average/);
  assert.match(frame, /and 4 more: sluice origins/);
});

test('everything at its largest has room in a terminal of 80 columns and 24 lines', () => {
  const server = {
    name: `http://${'o'.repeat(90)}`,
    state: 'up' as const,
    underWay: 3,
    failures: 0,
    meanResponseMs: 12,
    trouble: null,
  };
  const origins = [{ name: 'app', servers: Array.from({ length: 10 }, () => server) }];
  const handshakes = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`group-${i}`, 5]));
  const frame = topFrame({
    ...rest,
    before: nothing,
    now: { ...later, handshakes },
    origins,
  });
  const lines = fitted(frame, 'Ctrl-C ends', 80, 24);
  assert.ok(lines.length <= 24, `${lines.length} lines`);
  assert.ok(lines.every((line) => line.length <= 80));
  assert.match(lines.at(-2)!, /and 4 more/, 'nothing of it was cut');
  assert.equal(lines.at(-1), 'Ctrl-C ends');
  const small = fitted(frame, 'Ctrl-C ends', 20, 5);
  assert.equal(small.length, 5);
  assert.ok(small.every((line) => line.length <= 20));
  assert.equal(small.at(-1), 'Ctrl-C ends');
});

test('a sluice that is away is said to be, above the last that was seen of it', () => {
  const frame = awayFrame('sluice 1  up 1 min\nrequests 5', 'nobody answers', 4_200);
  assert.equal(frame, 'AWAY for 4 s: nobody answers; trying again. Before:\nrequests 5');
});

test('times since the start are said in the two largest units', () => {
  assert.equal(uptimeText(42), '42 s');
  assert.equal(uptimeText(3_700), '1 h 1 min');
  assert.equal(uptimeText(180_000), '2 d 2 h');
});

function pressed(...keys: string[]): TopView | null {
  return keys.reduce<TopView | null>((view, key) => view && keyPressed(view, key), plainView);
}

test('keys sort, filter, pause, help and quit', () => {
  assert.equal(pressed('q'), null);
  assert.equal(pressed('/', '\x03'), null, 'Ctrl-C quits whatever is typed');
  assert.equal(pressed('s')!.sort, 'errors');
  assert.equal(pressed('s', 's', 's')!.sort, 'requests');
  assert.equal(pressed('p')!.isPaused, true);
  assert.equal(pressed('p', ' ')!.isPaused, false);
  assert.equal(pressed('h')!.isHelp, true);
  const typing = pressed('/', 'q', 's', 'x', '\x7f')!;
  assert.deepEqual([typing.filter, typing.isTyping], ['qs', true]);
  assert.match(footerText(typing), /^filter: qs_/);
  assert.equal(pressed('/', 'a', '\r')!.isTyping, false);
  assert.match(
    footerText(pressed('/', 'a', '\r', 's', 'p')!),
    /^PAUSED, by errors, only "a" {3}q quit/,
  );
  assert.deepEqual(pressed('/', 'a', '\r', 's', '\x1b'), plainView);
});

test('routes are listed with what they do, in the order and with the filter that were chosen', () => {
  const route = (requests: number, errors: number) => ({
    ...{ requests, errors, hits: requests / 2, durations: [requests, 0, 0, 0] },
  });
  const now = { ...later, routes: { api: route(20, 8), shop: route(80, 0), blog: route(4, 2) } };
  const names = (view: TopView) =>
    topFrame({ ...rest, before: nothing, now, view })
      .split('\n')
      .flatMap((line) => /^ {2}(api|shop|blog) /.exec(line)?.[1] ?? []);
  assert.deepEqual(names(plainView), ['shop', 'api', 'blog']);
  assert.deepEqual(names(pressed('s')!), ['api', 'blog', 'shop']);
  assert.deepEqual(names(pressed('s', 's')!), ['api', 'blog', 'shop']);
  assert.deepEqual(names(pressed('/', 'o', '\r')!), ['shop', 'blog']);
  const frame = topFrame({ ...rest, before: nothing, now });
  assert.match(frame, /^ {2}api +10\/s, 50 % hits, p95 ≤1\.0 ms, 4\.0\/s errors$/m);
});

test('the latest seconds are a line of bars, and what is not up is to be looked at', () => {
  assert.equal(sparkline([0, 50, 100]), '▁▅█');
  assert.equal(sparkline([0, 0]), '▁▁');
  const frame = topFrame({ ...rest, before: nothing, now: later, history: [1, 2, 4] });
  assert.match(frame, /^requests .*p99 ≤100 ms {2}▃▅█$/m);
  assert.equal(lineTone('  ○ app/a:1  failing'), 'bad');
  assert.equal(lineTone('  ● app/a:1  up'), 'plain');
});
