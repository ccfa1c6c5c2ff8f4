import assert from 'node:assert/strict';
import test from 'node:test';
import { Pair } from '../support/quic/pair.ts';

test('a handshake is complete on both sides after one round trip and confirmed after the next', () => {
  const pair = new Pair();
  const startMs = pair.wire.nowMs;
  assert.equal(pair.confirm(), true);
  assert.equal(pair.wire.nowMs - startMs, 40, 'two round trips of 20 ms');
  assert.equal(pair.server.isComplete && pair.client.isComplete, true);
  assert.equal(pair.client.closed ?? pair.server.closed, undefined);
});

test('a stream is echoed whole', () => {
  const content = Buffer.alloc(300_000, 'content of a stream, ');
  let asked: ReturnType<Pair['client']['ask']>;
  const pair = new Pair({ begin: (client) => void (asked = client.ask(content)) });
  assert.equal(
    pair.wire.run(() => asked?.isClosed === true),
    true,
  );
  assert.equal(Buffer.compare(asked!.content, content), 0);
});
