import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { clientContext, liveHandles, obtainSession, Pair, serverContext } from './wire.ts';

after(() => assert.deepEqual(liveHandles(), {}, 'every native handle was freed'));

const isEarly = true;

test('what a client writes before the handshake leaves with the ClientHello, piece by piece', () => {
  using server = serverContext();
  using client = clientContext();
  using session = obtainSession(server, client);
  assert.equal(session.lifetimeSeconds > 0, true);
  using pair = new Pair(server, client, { session, isEarly });
  assert.equal(pair.client.connection.hasOutput, false, 'nothing leaves before there is a word');
  assert.equal(pair.client.connection.isWritable, true);
  pair.client.send('one ');
  pair.client.send('two ');
  pair.toServer();
  assert.deepEqual(pair.server.events, ['early:one ', 'early:two ']);
  pair.client.send('three');
  pair.settle();
  // Whether the last one was still early is the server's affair: it comes once, and in order.
  assert.equal(pair.server.received, 'one two three');
  assert.equal(pair.client.record.earlyData, 'accepted');
});

test('what is refused is sent again, once and in order, and the writer need not know', () => {
  for (const [why, options] of [
    ['the server has it off', { earlyData: { enabled: false } }],
    ['the server wants another group first', { groups: 'P-384' }],
  ] as const) {
    using first = serverContext();
    using client = clientContext({ groups: 'X25519:P-384' });
    using session = obtainSession(first, client);
    using server = serverContext(options);
    using pair = new Pair(server, client, { session, isEarly });
    pair.client.send('one ');
    pair.client.send('two ');
    pair.settle();
    pair.client.send('three');
    pair.settle();
    assert.equal(pair.server.received, 'one two three', why);
    assert.ok(!pair.server.events.some((event) => event.startsWith('early:')), why);
    assert.equal(pair.client.record.earlyData, 'rejected', why);
    assert.deepEqual(pair.client.errors, [], why);
  }
});

test('more than the session allows waits for the handshake, and all that follows it', () => {
  using server = serverContext();
  using client = clientContext();
  using session = obtainSession(server, client);
  using pair = new Pair(server, client, { session, isEarly });
  const large = 'x'.repeat(session.earlyDataBytesMax);
  pair.client.send('small ');
  pair.client.send(large);
  pair.client.send(' end');
  pair.toServer();
  assert.equal(pair.server.received, 'small ');
  pair.settle();
  assert.equal(pair.server.received, `small ${large} end`);
});

test('a server that changes the protocol is not sent what was meant for another', () => {
  using before = serverContext();
  using client = clientContext({ alpn: ['h2', 'http/1.1'] });
  using session = obtainSession(before, client);
  using server = serverContext({ alpn: ['h2'] });
  using pair = new Pair(server, client, { session, isEarly });
  pair.client.send('GET / HTTP/1.1\r\n\r\n');
  pair.settle();
  assert.equal(pair.server.received, '');
  assert.deepEqual(
    pair.client.errors.map(({ code, retry }) => [code, retry]),
    [['tls-early-data-refused', 'always']],
  );
});

test('a session without early data begins an ordinary handshake', () => {
  using server = serverContext({ earlyData: { enabled: false } });
  using client = clientContext();
  using session = obtainSession(server, client);
  assert.equal(session.earlyDataBytesMax, 0);
  using pair = new Pair(server, client, { session, isEarly });
  assert.equal(pair.client.connection.isWritable, false);
  pair.settle();
  assert.equal(pair.client.record.resumed, true);
});
