import assert from 'node:assert/strict';
import test from 'node:test';
import type { FakeStream } from '../support/quic/fake-application.ts';
import type { WireOptions } from '../support/quic/fake-wire.ts';
import { Pair } from '../support/quic/pair.ts';

const CONTENT = Buffer.alloc(50_000, 'what both sides must agree on; ');
const STREAMS = 8;
const SEEDS = process.env.SLUICE_LONG === '1' ? 100 : 1;

/** Eight streams are echoed; the time that it took, ms. */
function echoAll(wire: WireOptions): number {
  const asked: FakeStream[] = [];
  const pair = new Pair({
    wire,
    begin: (client) => {
      for (let i = 0; i < STREAMS; i++) asked.push(client.ask(CONTENT.subarray(i))!);
    },
  });
  const isDone = () => asked.length === STREAMS && asked.every((one) => one.isClosed);
  const startMs = pair.wire.nowMs;
  const isWhole = pair.wire.run(isDone, 120_000);
  const how = `seed ${wire.seed}: ${JSON.stringify(pair.client.closed ?? pair.server?.closed)}`;
  assert.equal(isWhole, true, how);
  for (const [i, one] of asked.entries()) {
    assert.equal(Buffer.compare(one.content, CONTENT.subarray(i)), 0, how);
  }
  return pair.wire.nowMs - startMs;
}

const WIRES: Record<string, WireOptions> = {
  'loses 5 %': { lost: 0.05 },
  'loses 20 %': { lost: 0.2 },
  'lets datagrams overtake': { jitterMs: 30 },
  'doubles datagrams': { doubled: 0.3 },
  'damages datagrams': { damaged: 0.05 },
  'is narrow': { mtu: 1_250 },
  'has a queue of 20 packets': { bytesPerMs: 1_000, queueBytes: 24_000 },
  'marks congestion': { congested: 0.05 },
  'clears marks': { isBleaching: true, lost: 0.02 },
  'does everything': { lost: 0.05, jitterMs: 20, doubled: 0.05, damaged: 0.02, congested: 0.02 },
};

for (const [name, wire] of Object.entries(WIRES)) {
  test(`streams are echoed byte for byte over a wire that ${name}`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) echoAll({ ...wire, seed });
  });
}
