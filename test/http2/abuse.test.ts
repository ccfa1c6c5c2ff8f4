import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defaultHttp2Limits } from '../../src/http2/limits.ts';
import { echo, prepared, ServerUnderTest } from './server-under-test.ts';
import {
  ACK,
  data,
  END_HEADERS,
  END_STREAM,
  frame,
  GET_FIELDS,
  get,
  headers,
  hex,
  latin1,
  ping,
  post,
  reset,
  settings,
  TYPE,
  u32,
  windowUpdate,
} from './wire.ts';

const { budgets } = defaultHttp2Limits;

/** Calls until the connection ends; returns how often. */
function untilEnded(
  server: ServerUnderTest,
  attack: (round: number) => void,
  max = 100_000,
): number {
  for (let round = 1; round <= max; round++) {
    attack(round);
    if (server.ended) return round;
  }
  assert.fail(`the connection took ${max} rounds`);
}

function assertCalmed(server: ServerUnderTest, kind: string): void {
  assert.deepEqual(server.abuses, [kind]);
  assert.match(server.told().at(-1)!, /^GOAWAY \d+ ENHANCE_YOUR_CALM$/);
}

describe('a flood ends the connection with ENHANCE_YOUR_CALM', () => {
  test('rapid reset (CVE-2023-44487)', () => {
    const server = new ServerUnderTest().greet();
    const rounds = untilEnded(server, (i) => server.receive(get(2 * i - 1), reset(2 * i - 1)));
    assert.ok(rounds <= budgets['rapid-reset'].burst + 2);
    assertCalmed(server, 'rapid-reset');
    assert.ok(server.requests.every(({ aborted }) => aborted !== undefined));
  });

  test('streams that we are made to reset (MadeYouReset, CVE-2025-8671)', () => {
    for (const poison of [
      (id: number) => windowUpdate(id, 0),
      (id: number) => windowUpdate(id, 0x7fff_ffff),
      (id: number) => data(id, 'x'),
      (id: number) => get(id),
      (id: number) => frame(TYPE.PRIORITY, 0, id, u32(0)),
      (id: number) => frame(TYPE.PRIORITY, 0, id, Buffer.concat([u32(id), Buffer.from([0])])),
    ]) {
      const server = new ServerUnderTest().greet();
      const rounds = untilEnded(server, (i) => server.receive(get(2 * i - 1), poison(2 * i - 1)));
      assert.ok(rounds <= budgets['stream-errors'].burst + 2);
      assertCalmed(server, 'stream-errors');
    }
  });

  test('malformed requests', () => {
    const server = new ServerUnderTest().greet();
    untilEnded(server, (i) => server.receive(get(2 * i - 1, ['connection', 'x'])));
    assertCalmed(server, 'stream-errors');
    assert.equal(server.requests.length, 0);
  });

  test('more streams than allowed, once the settings are acknowledged', () => {
    const server = new ServerUnderTest().greet();
    untilEnded(server, (i) => server.receive(post(2 * i - 1)));
    assertCalmed(server, 'stream-errors');
    assert.equal(server.requests.length, 128);
  });

  test('CONTINUATION frames: many', () => {
    const server = new ServerUnderTest().greet();
    server.receive(frame(TYPE.HEADERS, 0, 1));
    const rounds = untilEnded(server, () => server.receive(frame(TYPE.CONTINUATION, 0, 1)));
    assert.equal(rounds, defaultHttp2Limits.continuationFramesMax + 1);
    assertCalmed(server, 'continuation');
  });

  test('CONTINUATION frames: large', () => {
    const server = new ServerUnderTest().greet();
    const large = Buffer.alloc(16_384);
    server.receive(frame(TYPE.HEADERS, 0, 1, large));
    const rounds = untilEnded(server, () => server.receive(frame(TYPE.CONTINUATION, 0, 1, large)));
    assert.equal(rounds, 4);
    assertCalmed(server, 'continuation');
  });

  test('an HPACK bomb: one byte for a field of 4,000', () => {
    const server = new ServerUnderTest().greet();
    const large = Buffer.concat([hex('40 01 61 7f b1 1e'), Buffer.alloc(4_000, 97)]);
    const bomb = Buffer.concat([large, Buffer.alloc(8_000, 0xbe)]);
    server.receive(frame(TYPE.HEADERS, END_HEADERS | END_STREAM, 1, bomb));
    assertCalmed(server, 'field-section-size');
    assert.ok(server.connection.connection.decoder.fields.count < 20);
  });

  test('SETTINGS (CVE-2019-9515)', () => {
    const server = new ServerUnderTest().greet();
    untilEnded(server, () => server.receive(settings()));
    assertCalmed(server, 'settings');
  });

  test('acknowledgements that nothing asked for', () => {
    const server = new ServerUnderTest().greet();
    untilEnded(server, () => server.receive(frame(TYPE.SETTINGS, ACK, 0)));
    assertCalmed(server, 'settings');
    const other = new ServerUnderTest().greet();
    untilEnded(other, () => other.receive(ping('12345678', ACK)));
    assertCalmed(other, 'ping');
  });

  test('PING (CVE-2019-9512)', () => {
    const server = new ServerUnderTest().greet();
    untilEnded(server, () => server.receive(ping()));
    assertCalmed(server, 'ping');
  });

  test('PRIORITY and PRIORITY_UPDATE (CVE-2019-9513)', () => {
    const attacks = [
      frame(TYPE.PRIORITY, 0, 1, Buffer.concat([u32(3), Buffer.from([1])])),
      frame(TYPE.PRIORITY_UPDATE, 0, 0, Buffer.concat([u32(1), latin1('u=1')])),
    ];
    for (const attack of attacks) {
      const server = new ServerUnderTest().greet();
      untilEnded(server, () => server.receive(attack));
      assertCalmed(server, 'priority');
    }
  });

  test('empty DATA frames (CVE-2019-9518), and those of padding only', () => {
    for (const attack of [data(1, ''), frame(TYPE.DATA, 8, 1, Buffer.from([3, 0, 0, 0]))]) {
      const server = new ServerUnderTest().greet();
      server.receive(post(1));
      untilEnded(server, () => server.receive(attack));
      assertCalmed(server, 'empty-frames');
    }
  });

  test('empty frames of unknown types', () => {
    const server = new ServerUnderTest().greet();
    untilEnded(server, () => server.receive(frame(0x55, 0, 0)));
    assertCalmed(server, 'empty-frames');
  });

  test('tiny WINDOW_UPDATE frames', () => {
    const server = new ServerUnderTest().greet();
    untilEnded(server, () => server.receive(windowUpdate(0, 1)));
    assertCalmed(server, 'window-update');
  });

  test('a peer that asks and does not read (CVE-2019-9517)', () => {
    const server = new ServerUnderTest({
      highWater: 0,
      limits: { budgets: { ...budgets, ping: { burst: 1e9, perSecond: 0 } } },
    }).greet();
    untilEnded(server, () => server.receive(ping()));
    assertCalmed(server, 'unread-control-frames');
  });
});

describe('an honest client keeps its connection', () => {
  test('budgets fill up again with time', () => {
    const server = new ServerUnderTest().greet();
    for (let i = 0; i < 2_000; i++) {
      server.nowMs += 1_000 / budgets['rapid-reset'].perSecond;
      server.receive(post(2 * i + 1), reset(2 * i + 1));
    }
    assert.equal(server.ended, false);
  });

  test('that opens as many streams as are allowed, cancels them, and does so again', () => {
    const server = new ServerUnderTest().greet();
    for (let page = 0; page < 20; page++) {
      server.nowMs += 10_000;
      for (let i = 0; i < 128; i++) server.receive(get(1 + 2 * (page * 128 + i)));
      for (let i = 0; i < 128; i++) server.receive(reset(1 + 2 * (page * 128 + i)));
    }
    assert.equal(server.ended, false);
    assert.equal(server.requests.length, 20 * 128);
  });

  test('that updates its windows after every DATA frame', () => {
    const content = prepared('x'.repeat(1_000));
    const server = new ServerUnderTest({
      onRequest: ({ sender }) => sender.sendStored(content),
    }).greet();
    for (let i = 0; i < 10_000; i++) {
      server.receive(windowUpdate(0, 1_000), get(2 * i + 1));
    }
    assert.equal(server.ended, false);
  });

  test('that reads slowly: requests stop being read, and go on when it has', () => {
    const server = new ServerUnderTest({
      highWater: 1_000,
      onRequest: ({ sender }) => sender.sendStored(prepared('', 304)),
    }).greet();
    let id = 1;
    for (; !server.readingPaused; id += 2) server.receive(get(id));
    assert.ok(Buffer.concat(server.written).length < 200_000);
    assert.equal(server.ended, false);
    server.drain();
    assert.equal(server.readingPaused, false);
  });
});

test('a field section above the limit is answered with 431, and the connection goes on', () => {
  const server = new ServerUnderTest({ onRequest: echo }).greet();
  const large: [string, string][] = Array.from({ length: 5 }, () => ['x', 'y'.repeat(3_000)]);
  const limited = new ServerUnderTest({
    onRequest: echo,
    limits: { fieldSectionBytesMax: 10_000 },
  }).greet();
  limited.receive(get(1, ...large));
  assert.deepEqual(limited.told(), ['HEADERS 1 431 END_STREAM']);
  limited.receive(headers(3, END_HEADERS, [...GET_FIELDS, ...large]));
  assert.deepEqual(limited.told(), ['HEADERS 3 431 END_STREAM', 'RST_STREAM 3 NO_ERROR']);
  limited.receive(get(5));
  assert.equal(limited.told()[0], 'HEADERS 5 200 END_STREAM');
  server.receive(get(1, ...large));
  assert.equal(server.requests.length, 1, 'the same is taken where the limit is higher');
});

test('a stalled window shows in oldestStalledMs, however it drips', () => {
  const server = new ServerUnderTest({
    onRequest: ({ sender }) => sender.sendStored(prepared('x'.repeat(5_000))),
  }).greet([4, 0]);
  server.nowMs = 1_000;
  server.receive(get(1));
  for (let i = 0; i < 10; i++) {
    server.nowMs += 1_000;
    server.receive(windowUpdate(1, 1));
  }
  assert.equal(server.connection.oldestStalledMs(server.nowMs), 10_000);
  server.receive(windowUpdate(1, 2_000));
  assert.equal(server.connection.oldestStalledMs(server.nowMs), 0);
  server.receive(windowUpdate(1, 4_000));
  assert.equal(server.connection.openStreams, 0);
  assert.equal(server.connection.oldestStalledMs(server.nowMs + 99_999), 0);
});
