import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../test/support/fast-check.ts';
import { FakeApplication } from '../../test/support/quic/fake-application.ts';
import { FakeTls } from '../../test/support/quic/fake-tls.ts';
import { FakeWire } from '../../test/support/quic/fake-wire.ts';
import { Pair } from '../../test/support/quic/pair.ts';
import { DeadlineHeap } from './deadline-heap.ts';
import { QlogTrace } from './qlog.ts';

test('the earliest deadline is found whatever is set, moved and taken out', () => {
  const step = fc.tuple(fc.nat(9), fc.option(fc.nat(50), { nil: undefined }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const heap = new DeadlineHeap<{ heapMs: number; heapAt: number }>();
      const members = Array.from({ length: 10 }, () => ({ heapMs: 0, heapAt: -1 }));
      const model = new Map<object, number>();
      for (const [i, ms] of steps) {
        const member = members[i]!;
        if (ms === undefined) model.delete(member);
        else model.set(member, ms);
        heap.set(member, ms ?? Number.POSITIVE_INFINITY);
        const expected = model.size === 0 ? undefined : Math.min(...model.values());
        assert.equal(heap.earliest?.heapMs, expected);
      }
    }),
  );
});

test('every ID that is given out leads to the worker by its first byte', () => {
  for (let index = 0; index < 3; index++) {
    const pair = new Pair({ server: { worker: { index, count: 3 } } });
    assert.equal(pair.confirm(), true);
    pair.wire.pass(200);
    const { remoteIds } = pair.connection.core;
    for (let i = 0; i < 4; i++) {
      assert.equal(remoteIds.active[0]! % 3, index);
      remoteIds.change();
    }
  }
});

test('a datagram that no connection is for is offered to others before it is answered', () => {
  const offered: number[] = [];
  const wire = new FakeWire();
  wire.add('server', {
    accept: () => undefined,
    onUnclaimed: ({ end }) => offered.push(end) > 0,
  });
  const bytes = new Uint8Array(50).fill(0x41);
  wire.inject({ from: 'client', to: 'server', bytes, ecn: 0, sentMs: 0 });
  wire.pass(10);
  assert.deepEqual(offered, [50]);
  assert.equal(wire.datagrams, 0);
});

test('a socket that is full loses nothing for good, and no time runs while it is', () => {
  let isFull = false;
  const pair = new Pair();
  pair.confirm();
  pair.serverEnd.isFull = () => isFull;
  isFull = true;
  const asked = pair.client.ask(Buffer.alloc(20_000))!;
  pair.wire.pass(300);
  assert.equal(pair.serverEnd.endpoint.deadlineMs, Number.POSITIVE_INFINITY);
  isFull = false;
  pair.serverEnd.endpoint.onWritable(pair.wire.nowMs);
  assert.equal(
    pair.wire.run(() => asked.isClosed),
    true,
  );
});

test('a trace is a sequence of JSON texts that tell of each packet and of the close', () => {
  const records: string[] = [];
  const wire = new FakeWire();
  wire.add('server', {
    accept: () => ({
      tls: new FakeTls('server'),
      trace: new QlogTrace({
        role: 'server',
        name: '0a',
        nowMs: wire.nowMs,
        wallMs: 0,
        write: (record) => records.push(record),
      }),
      application: (connection) => new FakeApplication(connection),
    }),
  });
  const client = wire.add('client');
  const connection = client.endpoint.dial(
    {
      tls: new FakeTls('client'),
      trace: undefined,
      application: (made) => new FakeApplication(made),
    },
    { path: wire.pathTo('server'), token: new Uint8Array(0), rememberedParameters: undefined },
    wire.nowMs,
  );
  wire.pass(200);
  connection.close(0x100, 'done');
  wire.pass(200);
  const events = records.map((record) => {
    assert.match(record, /^\x1e.*\n$/);
    return JSON.parse(record.slice(1)) as { name?: string; time?: number; data?: unknown };
  });
  assert.equal(events[0]!.name, undefined);
  const names = new Set(events.slice(1).map(({ name }) => name));
  for (const name of ['packet_sent', 'packet_received', 'recovery_metrics_updated']) {
    assert.ok(names.has(`quic:${name}`), name);
  }
  assert.deepEqual(events.at(-1)!.data, {
    initiator: 'remote',
    application_error: 0x100,
    reason: 'done',
    trigger: 'peer',
  });
});
