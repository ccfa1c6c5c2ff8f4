import assert from 'node:assert/strict';
import test from 'node:test';
import type { QuicStream } from '../../src/quic/application.ts';
import { FakeStream } from '../support/quic/fake-application.ts';
import { Pair, type PairOptions } from '../support/quic/pair.ts';

function confirmed(options: PairOptions = {}): Pair {
  const pair = new Pair(options);
  assert.equal(pair.confirm(), true);
  return pair;
}

test('a writer is told when enough waits, and when there is room again', () => {
  const pair = confirmed({ wire: { bytesPerMs: 500 } });
  const fake = new FakeStream();
  const stream = pair.client.connection.openStream('bidirectional', fake)!;
  fake.stream = stream;
  const part = Buffer.alloc(16_384, 'x');
  let written = 0;
  let stops = 0;
  const write = () => {
    while (written < 1_000_000) {
      written += part.length;
      if (stream.write([part], written >= 1_000_000)) continue;
      stops++;
      assert.ok(stream.unsentBytes <= 65_536 + part.length);
      return;
    }
  };
  fake.writable = write;
  write();
  assert.equal(
    pair.wire.run(() => pair.server.streams.get(0)?.isEnded === true),
    true,
  );
  assert.equal(pair.server.streams.get(0)!.bytes, written);
  assert.ok(stops > 5, `${stops}`);
});

test('a reader that does not go on holds the sender at its window, and lets it go on', () => {
  const pair = confirmed();
  pair.client.ask(Buffer.alloc(600_000));
  pair.wire.run(() => pair.server.streams.has(0));
  const reader = pair.server.streams.get(0)!;
  const early = reader.bytes;
  reader.isConsuming = false;
  pair.wire.pass(3_000);
  assert.ok(reader.bytes <= early + 262_144, `${reader.bytes}`);
  const held = reader.bytes;
  pair.wire.pass(3_000);
  assert.equal(reader.bytes, held);
  reader.isConsuming = true;
  reader.stream!.consumed(held);
  assert.equal(
    pair.wire.run(() => reader.isEnded),
    true,
  );
  assert.equal(reader.bytes, 600_000);
});

test('windows grow for a fast and distant peer, so that they are no limit of what it sends', () => {
  const pair = confirmed({ wire: { delayMs: 100, bytesPerMs: 5_000, queueBytes: 500_000 } });
  pair.client.ask(Buffer.alloc(3_000_000));
  const startMs = pair.wire.nowMs;
  assert.equal(
    pair.wire.run(() => pair.server.streams.get(0)?.isEnded === true),
    true,
  );
  const tookMs = pair.wire.nowMs - startMs;
  // At 256 KiB for each round trip of 200 ms it would be 2,300 after slow start.
  assert.ok(tookMs < 2_350, `${tookMs} ms`);
});

test('streams of the most urgent kind come first, others of one urgency in order or in turn', () => {
  const pair = confirmed({ wire: { bytesPerMs: 300 } });
  const order: number[] = [];
  const priorities: [number, boolean][] = [
    [3, false],
    [3, false],
    [0, false],
    [5, true],
    [5, true],
  ];
  const streams: QuicStream[] = priorities.map(() => {
    const fake = new FakeStream();
    fake.stream = pair.client.connection.openStream('bidirectional', fake)!;
    return fake.stream;
  });
  streams.forEach((stream, i) => {
    stream.setPriority(...priorities[i]!);
  });
  for (const stream of streams) stream.write([Buffer.alloc(60_000)], true);
  pair.wire.run(() => {
    for (const [id, { isEnded }] of pair.server.streams) {
      if (isEnded && !order.includes(id)) order.push(id);
    }
    return order.length === 5;
  });
  assert.deepEqual(order.slice(0, 3), [8, 0, 4]);
  const [first, second] = [12, 16].map((id) => pair.server.streams.get(id)!.chunks.length);
  assert.ok(Math.abs(first! - second!) < 10, 'incremental ones took turns');
});

test('a stream that is reset is no more, and its bytes hold no window', () => {
  const pair = confirmed();
  const fakes: FakeStream[] = [];
  for (let i = 0; i < 20; i++) {
    const fake = new FakeStream();
    fake.stream = pair.client.connection.openStream('bidirectional', fake)!;
    fake.stream.write([Buffer.alloc(200_000)], false);
    fakes.push(fake);
    pair.wire.run(() => pair.server.streams.has(4 * i));
    pair.server.streams.get(4 * i)!.isConsuming = false;
    pair.wire.pass(50);
    fake.stream.reset(9);
    fake.stream.stopSending(8);
    assert.equal(
      pair.wire.run(() => fake.isClosed, 5_000),
      true,
      `stream ${i}`,
    );
    const there = pair.server.streams.get(4 * i)!;
    assert.equal(there.resetCode, 9);
    assert.equal(there.stopCode, 8);
    assert.equal(
      pair.wire.run(() => there.isClosed, 1_000),
      true,
    );
  }
  assert.equal(pair.serverConnection.core.streams.openCount, 0);
  assert.equal(pair.connection.core.streams.openCount, 0);
});

test('a reader that wants no more gets no more, and the writer is told once', () => {
  const pair = confirmed();
  const fake = new FakeStream();
  fake.stream = pair.client.connection.openStream('bidirectional', fake)!;
  fake.stream.write([Buffer.alloc(300_000)], true);
  pair.wire.run(() => pair.server.streams.has(0));
  const there = pair.server.streams.get(0)!;
  const before = there.bytes;
  there.stream!.stopSending(77);
  there.stream!.write([Buffer.from('that is enough')], true);
  assert.equal(
    pair.wire.run(() => fake.isClosed),
    true,
  );
  assert.equal(fake.stopCode, 77);
  assert.equal(there.bytes, before);
  assert.equal(there.resetCode, undefined, 'it was asked for');
  assert.equal(String(fake.content), 'that is enough');
});

test('as streams end the peer may open more, in all as many as it likes', () => {
  const limits = { bidirectionalStreamsMax: 4 };
  const pair = confirmed({ server: { limits }, wire: { lost: 0.05 } });
  let done = 0;
  let opened = 0;
  const open = () => {
    while (opened < 100) {
      const fake = pair.client.ask(Buffer.from(`request ${opened}`));
      if (fake === undefined) return;
      opened++;
      fake.onWhole = () => done++;
    }
  };
  pair.client.onStreamsAvailable = () => open();
  open();
  assert.equal(opened, 4);
  assert.equal(
    pair.wire.run(() => done === 100),
    true,
    `${done} of ${opened}`,
  );
});

test('unidirectional streams go one way', () => {
  const pair = confirmed();
  const fake = pair.client.ask(Buffer.from('one way'), 'unidirectional')!;
  assert.equal(
    pair.wire.run(() => fake.isClosed),
    true,
  );
  const there = pair.server.streams.get(2)!;
  assert.equal(String(there.content), 'one way');
  assert.equal(there.stream!.write([Buffer.from('no')], true), true);
  assert.equal(there.isClosed, true);
});

test('datagrams arrive whole or not at all, and too long or too many are refused at once', () => {
  const limits = { datagramFrameBytesMax: 65_535 };
  const pair = confirmed({ server: { limits }, client: { limits } });
  const { connection } = pair.client;
  assert.equal(connection.sendDatagram(new Uint8Array(connection.datagramBytesMax + 1)), false);
  assert.equal(connection.sendDatagram(new Uint8Array(connection.datagramBytesMax)), true);
  let taken = 1;
  while (connection.sendDatagram(Buffer.from(`datagram ${taken}`))) taken++;
  assert.equal(taken, 64);
  pair.wire.pass(100);
  assert.equal(pair.server.datagrams.length, 64);
  const none = confirmed();
  assert.equal(none.client.connection.datagramBytesMax, 0);
  assert.equal(none.client.connection.sendDatagram(Buffer.from('x')), false);
});

test('an application that closes within any of its calls is told so, once and last', () => {
  for (const call of ['onReady', 'onHandshakeComplete', 'onStream'] as const) {
    const pair: Pair = new Pair({
      begin: (client) => void client.ask(Buffer.from('hello')),
      serve: (server) => {
        const original = server[call].bind(server) as (...given: unknown[]) => unknown;
        Object.assign(server, {
          [call]: (...given: unknown[]) => {
            server.connection.close(5, 'enough');
            return original(...given);
          },
        });
      },
    });
    assert.equal(
      pair.wire.run(() => pair.client.closed !== undefined),
      true,
      call,
    );
    assert.equal(pair.server.closed!.by, 'us');
    pair.wire.pass(5_000);
    assert.equal(pair.serverEnd.endpoint.connectionCount, 0);
  }
});
