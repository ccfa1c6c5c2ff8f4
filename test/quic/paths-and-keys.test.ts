import assert from 'node:assert/strict';
import test from 'node:test';
import { QuicCipherSuite } from '../../src/quic/contracts.ts';
import type { FakeStream } from '../support/quic/fake-application.ts';
import { Pair } from '../support/quic/pair.ts';

const CONTENT = Buffer.alloc(150_000, 'a download that goes on; ');

/** A client that downloads while something happens. */
function downloading(options: ConstructorParameters<typeof Pair>[0] = {}) {
  const asked: FakeStream[] = [];
  const pair = new Pair({
    ...options,
    begin: (client) => asked.push(client.ask(Buffer.from('please'))!),
    serve: (server) => {
      server.answer = (stream, content) =>
        stream.write([`${content}` === 'please' ? CONTENT : content], true);
    },
  });
  const finish = () => {
    const isWhole = pair.wire.run(() => asked[0]?.isClosed === true);
    assert.equal(isWhole, true, JSON.stringify(pair.client.closed ?? pair.server.closed));
    assert.equal(Buffer.compare(asked[0]!.content, CONTENT), 0);
  };
  return { pair, asked, finish };
}

test('a download goes on when a NAT gives the client another port, and the new address is validated', () => {
  const { asked, finish, pair } = downloading({ wire: { bytesPerMs: 500 } });
  pair.confirm();
  pair.wire.run(() => asked[0]!.bytes > 20_000);
  pair.wire.rebind('client', 'client-behind-another-port');
  finish();
  const facts = pair.serverConnection.facts();
  assert.equal(facts.migrations, 1);
});

test('another port of the same host is the same way: window and round trip are kept', () => {
  const { asked, finish, pair } = downloading({ wire: { bytesPerMs: 500 } });
  pair.confirm();
  pair.wire.run(() => asked[0]!.bytes > 50_000);
  const { path } = pair.serverConnection.core.recovery;
  // Names of one length have one address on this wire.
  pair.wire.rebind('client', 'cl1ent');
  pair.wire.run(() => pair.serverConnection.facts().migrations === 1);
  const now = pair.serverConnection.core.recovery.path;
  assert.notEqual(now, path);
  assert.equal(now.controller, path.controller);
  assert.equal(now.roundTrip, path.roundTrip);
  finish();
});

test('an address that does not answer gets three times what came, and the old one is gone back to', () => {
  const { asked, finish, pair } = downloading({ wire: { bytesPerMs: 500 } });
  pair.confirm();
  pair.wire.run(() => asked[0]!.bytes > 20_000);
  // An attacker on the way sends a packet of the client from an address of a victim (RFC 9000 §9.3.2).
  let copies = 0;
  pair.wire.options.pass = (datagram) => {
    if (datagram.from !== 'client' || copies > 0) return true;
    copies++;
    pair.wire.inject({ ...datagram, from: 'victim' }, pair.wire.nowMs + 1);
    return false;
  };
  finish();
  assert.equal(copies, 1);
  const sent = pair.serverEnd.sent.get('victim') ?? 0;
  assert.ok(sent <= 3 * 1_452, `${sent} bytes to the victim`);
});

test('who begins from one address and goes on from another has validated only the other', () => {
  const pair = new Pair({ serverTls: { flightBytes: 9_000 } });
  pair.wire.run(() => pair.servers.length > 0);
  pair.wire.rebind('client', 'elsewhere');
  pair.wire.run(() => {
    const sent = pair.serverEnd.sent.get('client') ?? 0;
    const arrived = pair.serverEnd.arrived.get('client') ?? 0;
    assert.ok(sent <= 3 * arrived, `${sent} for ${arrived}`);
    return pair.client.isConfirmed;
  }, 5_000);
});

for (const [name, suite] of Object.entries(QuicCipherSuite)) {
  test(`keys of ${name} are updated again and again by both sides while content goes on`, () => {
    const { asked, finish, pair } = downloading({
      clientTls: { suite },
      serverTls: { suite },
      wire: { jitterMs: 3, lost: 0.01 },
    });
    pair.confirm();
    for (let bytes = 10_000; bytes < 140_000; bytes += 20_000) {
      pair.wire.run(() => asked[0]!.bytes > bytes);
      const updater = bytes % 40_000 === 10_000 ? pair.connection : pair.serverConnection;
      // An answer that asks for an acknowledgement is what lets keys be updated again.
      pair.client.ask(Buffer.from('ping'));
      pair.wire.run(() => updater.updateKeys(), 1_000);
    }
    finish();
    assert.ok(pair.connection.facts().keyUpdates >= 4, `${pair.connection.facts().keyUpdates}`);
    assert.equal(pair.client.closed, undefined);
  });
}

test('keys are updated by themselves before they are used up', () => {
  const { finish, pair } = downloading();
  pair.confirm();
  pair.serverConnection.core.phases.use = { sealedMax: 60, forgedMax: 10 };
  finish();
  assert.ok(pair.serverConnection.facts().keyUpdates >= 2);
});

test('too many forged packets end a connection with AEAD_LIMIT_REACHED', () => {
  const pair = new Pair();
  pair.confirm();
  pair.serverConnection.core.phases.use = { sealedMax: 1_000, forgedMax: 3 };
  for (let i = 0; i < 5; i++) {
    const bytes = new Uint8Array(100).fill(i);
    bytes[0] = 0x40;
    bytes.set(pair.connection.core.remoteIds.active, 1);
    pair.wire.inject({ from: 'client', to: 'server', bytes, ecn: 0, sentMs: 0 });
  }
  pair.wire.run(() => pair.client.closed !== undefined);
  assert.equal(pair.server.closed!.errorCode, 0x0f);
});

test('a path that carries more gets larger datagrams; a narrow one keeps those that it carries', () => {
  const wide = downloading();
  wide.finish();
  wide.pair.wire.pass(500);
  assert.equal(wide.pair.serverConnection.facts().datagramBytes, 1_452);
  const narrow = downloading({ wire: { mtu: 1_300 } });
  narrow.finish();
  narrow.pair.wire.pass(5_000);
  const found = narrow.pair.serverConnection.facts().datagramBytes;
  assert.ok(found > 1_260 && found <= 1_300, `${found}`);
});

test('a path that becomes narrower while content goes on is noticed', () => {
  const { asked, finish, pair } = downloading({ wire: { bytesPerMs: 200 } });
  pair.confirm();
  pair.wire.run(() => asked[0]!.bytes > 60_000);
  pair.wire.options.mtu = 1_250;
  finish();
  assert.equal(pair.serverConnection.facts().datagramBytes, 1_200);
});

test('ECN is used where it works, and left where marks do not arrive', () => {
  const { finish, pair } = downloading({ wire: { congested: 0.05 } });
  finish();
  assert.equal(pair.serverConnection.core.paths.active.ecn.hasFailed, false);
  assert.ok(pair.connection.core.applicationSpace.schedule.congested > 0);
  const bleached = downloading({ wire: { isBleaching: true } });
  bleached.finish();
  assert.equal(bleached.pair.serverConnection.core.paths.active.ecn.hasFailed, true);
});
