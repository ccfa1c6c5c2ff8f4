import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { NativeBuffer } from '../../src/native/memory.ts';
import { clientContext, liveHandles, Pair, serverContext } from './wire.ts';

after(() => assert.deepEqual(liveHandles(), {}, 'every native handle was freed'));

/** Text in which every place is told from every other one. */
function numbered(bytes: number, seed: number): string {
  let text = '';
  for (let index = 0; text.length < bytes; index++) text += `${seed}:${index};`;
  return text.slice(0, bytes);
}

describe('output', () => {
  test('of every size reaches the peer whole, small and large in turns', () => {
    using server = serverContext();
    using client = clientContext();
    using pair = new Pair(server, client).settle();
    const sizes = [1, 300_000, 16_384, 16_385, 8_192, 8_193, 65_536, 100, 500_000, 1];
    let expected = '';
    for (const [index, size] of sizes.entries()) {
      const text = numbered(size, index);
      pair.server.send(text);
      if (index % 3 !== 2) pair.settle();
      expected += text;
    }
    pair.settle();
    assert.equal(pair.client.received, expected);
  });

  test('of many connections at once does not mix, though large buffers are shared', () => {
    using server = serverContext();
    using client = clientContext();
    const pairs = Array.from({ length: 40 }, () => new Pair(server, client).settle());
    const expected = pairs.map(() => '');
    for (let round = 0; round < 6; round++) {
      for (const [index, pair] of pairs.entries()) {
        const text = numbered(5_000 + ((index * 7_919 + round * 104_729) % 90_000), index);
        pair.server.send(text);
        expected[index] += text;
      }
      // Some are drained now, some only after they have written again.
      for (const [index, pair] of pairs.entries()) if ((index + round) % 2 === 0) pair.settle();
      if (round === 3) pairs[5]!.server.connection[Symbol.dispose]();
      if (round === 3) expected.splice(5, 1);
      if (round === 3) pairs.splice(5, 1)[0]![Symbol.dispose]();
    }
    for (const [index, pair] of pairs.entries()) {
      pair.settle();
      assert.equal(pair.client.received, expected[index], `connection ${index}`);
      pair[Symbol.dispose]();
    }
  });

  test('is taken in pieces as small as the owner likes', () => {
    using server = serverContext();
    using client = clientContext();
    using pair = new Pair(server, client).settle();
    const text = numbered(40_000, 1);
    pair.server.send(text);
    using target = NativeBuffer.allocate(1_000);
    while (pair.server.connection.hasOutput) {
      const count = pair.server.connection.takeOutput(target);
      pair.client.receive(Buffer.from(target.bytes.subarray(0, count)));
    }
    assert.equal(pair.client.received, text);
    assert.equal(pair.server.connection.takeOutput(target), 0);
  });

  test('may be written from native memory', () => {
    using server = serverContext();
    using client = clientContext();
    using pair = new Pair(server, client).settle();
    using source = NativeBuffer.allocate(50_000);
    const text = numbered(source.length, 2);
    source.bytes.write(text, 'latin1');
    pair.server.connection.writeNative(source, source.length);
    pair.server.connection.writeNative(source, 0);
    source.bytes.fill(0);
    pair.settle();
    assert.equal(pair.client.received, text);
  });

  test('is refused by an assertion before there may be any', () => {
    using server = serverContext();
    using client = clientContext();
    using pair = new Pair(server, client);
    assert.equal(pair.server.connection.isWritable, false);
    assert.throws(() => pair.server.send('too soon'), { name: 'AssertionError' });
    pair.settle();
    pair.server.connection.shutdown();
    assert.throws(() => pair.server.send('too late'), { name: 'AssertionError' });
  });
});

test('one connection may receive inside the handler of another', () => {
  using server = serverContext();
  using client = clientContext();
  using inner = new Pair(server, client).settle();
  const seen: string[] = [];
  using outer = new Pair(server, client).settle();
  outer.server.onPlaintext = (bytes) => {
    inner.client.send('inner');
    inner.settle();
    seen.push(Buffer.from(bytes).toString());
  };
  outer.client.send('outer');
  outer.settle();
  assert.deepEqual(seen, ['outer'], 'what it was shown is still there');
  assert.equal(inner.server.received, 'inner');
});
