/** Exceptions of our own in the callbacks of a QUIC handshake are ours, and service goes on. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { plantFault } from '../support/planted-fault.ts';

const { liveHandles } = await import('./wire.ts');
const { obtainQuicSession, QuicPair, quicClient, quicServer } = await import('./quic-wire.ts');

after(() => assert.deepEqual(liveHandles(), {}, 'every native handle was freed'));

describe('an exception of ours in the callback of QUIC', () => {
  for (const name of [
    'quic-send',
    'quic-receive',
    'quic-release',
    'quic-secret',
    'quic-parameters',
    'client-hello',
    'alpn',
  ] as const) {
    test(`${name} is blamed on us, and the peer gets an alert`, () => {
      using server = quicServer();
      using client = quicClient();
      using session = obtainQuicSession(server, client);
      for (const options of [{}, { session }]) {
        using pair = new QuicPair(server, client, options);
        plantFault(name, 1);
        pair.toServer();
        plantFault('');
        const { record } = pair.server;
        assert.equal(record.outcome, 'failed');
        assert.deepEqual([record.errorCode, record.blame], ['internal-error', 'self']);
        assert.equal(record.callbackFault, name);
        assert.ok(pair.server.alert > 0);
        using later = new QuicPair(server, client).settle();
        assert.equal(later.server.record.outcome, 'complete', 'service goes on');
      }
    });
  }

  test('quic-alert costs the name of the alert, not who is to blame', () => {
    using server = quicServer();
    using client = quicClient({ alpn: ['h2'] });
    using pair = new QuicPair(server, client);
    plantFault('quic-alert', 1);
    pair.toServer();
    plantFault('');
    assert.deepEqual([pair.server.record.outcome, pair.server.record.blame], ['failed', 'self']);
    assert.ok(pair.server.alert > 0);
  });
});
