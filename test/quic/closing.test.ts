import assert from 'node:assert/strict';
import test from 'node:test';
import { Pair } from '../support/quic/pair.ts';

test('a close is told to the other side with its code and reason, and everything is freed', () => {
  const pair = new Pair();
  pair.confirm();
  pair.connection.close(0x0100, 'no error');
  assert.equal(
    pair.wire.run(() => pair.server.closed !== undefined),
    true,
  );
  assert.deepEqual(pair.server.closed, {
    by: 'peer',
    isApplication: true,
    errorCode: 0x0100,
    reason: 'no error',
  });
  assert.equal(pair.client.closed!.by, 'us');
  pair.wire.pass(2_000);
  for (const { endpoint, protection } of [pair.clientEnd, pair.serverEnd]) {
    assert.equal(endpoint.connectionCount, 0);
    assert.equal(endpoint.handshakingCount, 0);
    assert.equal(protection.live, 0);
    assert.equal(endpoint.deadlineMs, Number.POSITIVE_INFINITY);
  }
  assert.equal(pair.clientTls.isFree && pair.serverTls[0]!.isFree, true);
});

test('a close that is lost is told again to a peer that goes on sending, ever less often', () => {
  let isOpen = true;
  let closes = 0;
  const pair = new Pair({
    wire: {
      pass: ({ from }) => {
        if (!isOpen && from === 'server') closes++;
        return isOpen || from === 'client';
      },
    },
  });
  pair.confirm();
  pair.wire.pass(100);
  isOpen = false;
  pair.server.connection.close(1, 'gone');
  const goOn = (count: number) => {
    for (let i = 0; i < count; i++) {
      pair.client.ask(Buffer.alloc(10));
      pair.wire.pass(1);
    }
  };
  goOn(50);
  assert.ok(closes >= 4 && closes <= 8, `${closes} for about 40 packets`);
  isOpen = true;
  goOn(45);
  assert.equal(pair.client.closed?.errorCode, 1);
});

test('an application error before the handshake is over shows nothing of the application', () => {
  const pair = new Pair({
    serve: (application) => {
      application.onHandshakeComplete = () => application.connection.close(0x107, 'secret');
    },
  });
  assert.equal(
    pair.wire.run(() => pair.client.closed !== undefined),
    true,
  );
  const early = new Pair();
  early.wire.run(() => early.servers.length > 0);
  early.server.connection.close(0x107, 'secret');
  assert.equal(
    early.wire.run(() => early.client.closed !== undefined),
    true,
  );
  assert.equal(early.client.closed!.isApplication, false);
  assert.equal(early.client.closed!.errorCode, 0x0c, 'APPLICATION_ERROR');
  assert.equal(early.client.closed!.reason, '');
});

test('a TLS alert is told as CRYPTO_ERROR', () => {
  const pair = new Pair({ serverTls: { alert: 120 } });
  assert.equal(
    pair.wire.run(() => pair.client.closed !== undefined),
    true,
  );
  assert.equal(pair.client.closed!.errorCode, 0x0178);
  assert.equal(pair.serverEnd.endpoint.handshakingCount, 0);
});

test('a connection on which nothing happens is over after the idle time-out, without a word', () => {
  const pair = new Pair({ server: { limits: { idleTimeoutMs: 5_000 } } });
  pair.confirm();
  pair.wire.pass(100);
  const count = pair.wire.datagrams;
  assert.equal(
    pair.wire.run(() => pair.client.closed !== undefined, 6_000),
    true,
  );
  pair.wire.pass(200);
  assert.equal(pair.client.closed!.by, 'idle');
  assert.equal(pair.server.closed!.by, 'idle');
  assert.equal(pair.wire.datagrams, count);
  assert.equal(pair.serverEnd.endpoint.connectionCount, 0);
});

test('a handshake that is not complete in time is given up', () => {
  const pair = new Pair({ serverTls: { isPaused: true } });
  pair.wire.run(() => pair.client.closed !== undefined, 11_000);
  pair.wire.pass(1_000);
  assert.equal(pair.client.closed!.by, 'idle');
  assert.equal(pair.serverEnd.endpoint.connectionCount, 0);
  assert.equal(pair.serverEnd.protection.live, 0);
});

test('a handshake that has waited goes on when TLS does', () => {
  const pair = new Pair({ serverTls: { isPaused: true } });
  pair.wire.pass(500);
  assert.equal(pair.client.isComplete, false);
  pair.serverTls[0]!.resume();
  assert.equal(pair.confirm(), true);
});
