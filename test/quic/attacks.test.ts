import assert from 'node:assert/strict';
import test from 'node:test';
import { QuicFrameType } from '../../src/quic/wire/frame-types.ts';
import {
  writeHandshakeDataHead,
  writeNewConnectionId,
  writeNumbers,
  writePathData,
  writeResetStream,
  writeStreamHead,
} from '../../src/quic/wire/frame-writer.ts';
import type { WireWriter } from '../../src/quic/wire/varint.ts';
import { sendFrames } from '../support/quic/hostile-frames.ts';
import { Pair, type PairOptions } from '../support/quic/pair.ts';

function confirmed(options: PairOptions = {}): Pair {
  const pair = new Pair(options);
  assert.equal(pair.confirm(), true);
  pair.wire.pass(200);
  return pair;
}

/** The code that the server closes with when a client says this; undefined when it does not. */
function codeFor(write: (writer: WireWriter) => void, options: PairOptions = {}) {
  const pair = confirmed(options);
  sendFrames(pair.wire, pair.connection, write);
  pair.wire.pass(20);
  return pair.server.closed?.errorCode;
}

const bytes =
  (...list: number[]) =>
  (writer: WireWriter) =>
    writer.put(Uint8Array.from(list));

test('PATH_CHALLENGE without end makes no queue of answers (CVE-2023-49295)', () => {
  const pair = confirmed();
  // The client never acknowledges, so that the server's window fills.
  pair.wire.options.pass = ({ from }) => from === 'server';
  for (let i = 0; i < 500; i++) {
    sendFrames(pair.wire, pair.connection, (writer) => {
      for (let k = 0; k < 100; k++) {
        writePathData(writer, QuicFrameType.pathChallenge, new Uint8Array(8).fill(i));
      }
    });
  }
  const before = pair.wire.datagrams;
  pair.wire.pass(100);
  const { core } = pair.serverConnection;
  assert.ok(core.paths.all.every(({ responses }) => responses.length <= 4));
  assert.ok(pair.wire.datagrams - before <= 1_100, 'no more than one answer for each datagram');
});

test('NEW_CONNECTION_ID that retires without end is cut off (CVE-2024-22189)', () => {
  const pair = confirmed();
  pair.wire.options.pass = ({ from }) => from === 'server';
  for (let i = 10; i < 100; i++) {
    sendFrames(pair.wire, pair.connection, (writer) =>
      writeNewConnectionId(writer, {
        sequence: i,
        retirePriorTo: i,
        id: new Uint8Array(8).fill(i),
        resetToken: new Uint8Array(16).fill(i),
      }),
    );
  }
  pair.wire.pass(50);
  assert.equal(pair.server.closed?.errorCode, 0x09, 'CONNECTION_ID_LIMIT_ERROR');
});

test('an ID that came with two numbers, and more IDs than were allowed, are refused', () => {
  const newId = (sequence: number, fill: number) => (writer: WireWriter) =>
    writeNewConnectionId(writer, {
      sequence,
      retirePriorTo: 0,
      id: new Uint8Array(8).fill(fill),
      resetToken: new Uint8Array(16).fill(fill),
    });
  const twice = (writer: WireWriter) => [newId(20, 1)(writer), newId(21, 1)(writer)];
  assert.equal(
    codeFor((writer) => void twice(writer), { client: { limits: { activeIdsMax: 2 } } }),
    0x0a,
  );
  const many = (writer: WireWriter) => [20, 21, 22, 23].map((one) => newId(one, one)(writer));
  assert.equal(
    codeFor((writer) => void many(writer)),
    0x09,
  );
});

test('acknowledging what was never sent ends the connection, at no cost (trafficserver#3314)', () => {
  const hugeRange = (writer: WireWriter) => {
    writer.byte(QuicFrameType.ack);
    writer.varint(2 ** 50);
    for (const value of [0, 0, 2 ** 50]) writer.varint(value);
  };
  const startMs = performance.now();
  assert.equal(codeFor(hugeRange), 0x0a);
  assert.ok(performance.now() - startMs < 20_000, 'a loop over the range would take days');
});

test('a long range over what was sent costs what is open, not its length', () => {
  const pair = confirmed();
  pair.serverConnection.core.applicationSpace.nextNumber = 2 ** 40;
  sendFrames(pair.wire, pair.connection, (writer) => {
    writer.byte(QuicFrameType.ack);
    for (const value of [2 ** 40 - 1, 0, 0, 2 ** 40 - 1]) writer.varint(value);
  });
  const startMs = performance.now();
  pair.wire.pass(20);
  assert.equal(pair.server.closed, undefined);
  assert.ok(performance.now() - startMs < 20_000, 'a loop over the range would take hours');
});

test('who acknowledges a number that was left out has not read what it acknowledges', () => {
  const pair = confirmed();
  const space = pair.serverConnection.core.applicationSpace;
  const skipped = space.nextNumber;
  space.skipNumber();
  sendFrames(pair.wire, pair.connection, (writer) => {
    writer.byte(QuicFrameType.ack);
    for (const value of [skipped, 0, 0, 0]) writer.varint(value);
  });
  pair.wire.pass(20);
  assert.equal(pair.server.closed?.errorCode, 0x0a);
});

test('streams beyond the limit are refused, whatever frame names them (lsquic#654)', () => {
  const id = 4 * 128;
  assert.equal(
    codeFor((writer) => writeStreamHead(writer, id, 0, { length: 0, isFin: true })),
    0x04,
  );
  assert.equal(
    codeFor((writer) => writeResetStream(writer, id, 0, 0)),
    0x04,
  );
  assert.equal(
    codeFor((writer) => writeNumbers(writer, QuicFrameType.stopSending, id, 0)),
    0x04,
  );
  assert.equal(
    codeFor((writer) => writeNumbers(writer, QuicFrameType.maxStreamData, id, 0)),
    0x04,
  );
  assert.equal(
    codeFor((writer) => writeNumbers(writer, QuicFrameType.streamDataBlocked, id, 0)),
    0x04,
  );
});

test('frames about streams that cannot be are refused (RFC 9000 §19)', () => {
  const state = 0x05;
  assert.equal(
    codeFor((writer) => writeStreamHead(writer, 3, 0, { length: 0, isFin: true })),
    state,
  );
  assert.equal(
    codeFor((writer) => writeStreamHead(writer, 1, 0, { length: 0, isFin: true })),
    state,
  );
  assert.equal(
    codeFor((writer) => writeNumbers(writer, QuicFrameType.stopSending, 2, 0)),
    state,
  );
  assert.equal(
    codeFor((writer) => writeNumbers(writer, QuicFrameType.maxStreamData, 2, 9)),
    state,
  );
  assert.equal(
    codeFor((writer) => writeNumbers(writer, QuicFrameType.maxStreamData, 1, 9)),
    state,
  );
  assert.equal(
    codeFor((writer) => writeResetStream(writer, 3, 0, 0)),
    state,
  );
});

test('flow control and final sizes hold for content and for resets (RFC 9000 §4)', () => {
  const beyond = defaultWindow + 1;
  assert.equal(
    codeFor((writer) => writeStreamHead(writer, 0, beyond, { length: 0, isFin: false })),
    0x03,
  );
  assert.equal(
    codeFor((writer) => writeResetStream(writer, 0, 0, beyond)),
    0x03,
  );
  const all = (writer: WireWriter) => {
    for (let i = 0; i < 5; i++) writeResetStream(writer, 4 * i, 0, defaultWindow);
  };
  assert.equal(codeFor(all), 0x03, 'all together');
  const twoSizes = (writer: WireWriter) => {
    writeResetStream(writer, 0, 0, 10);
    writeResetStream(writer, 0, 0, 11);
  };
  // The server has reset its own direction, and the stream is not over.
  assert.equal(codeFor(twoSizes), 0x06);
});

const defaultWindow = 262_144;

test('frames that only a server sends are refused', () => {
  assert.equal(codeFor(bytes(QuicFrameType.handshakeDone)), 0x0a);
  assert.equal(codeFor(bytes(QuicFrameType.newToken, 1, 1)), 0x0a);
});

test('retiring an ID that was not given, or the one in use, is refused', () => {
  assert.equal(
    codeFor((writer) => writeNumbers(writer, QuicFrameType.retireConnectionId, 99)),
    0x0a,
  );
  assert.equal(
    codeFor((writer) => writeNumbers(writer, QuicFrameType.retireConnectionId, 0)),
    0x0a,
  );
});

test('datagrams that we do not take are refused', () => {
  assert.equal(codeFor(bytes(QuicFrameType.datagramWithLength, 1, 1)), 0x0a);
});

test('TLS messages after the handshake, of which there are none from a client, are refused', () => {
  const keyUpdate = (writer: WireWriter) => {
    writeHandshakeDataHead(writer, 0, 5);
    writer.put(Uint8Array.of(24, 0, 0, 1, 0));
  };
  assert.equal(codeFor(keyUpdate), 0x010a);
});

test('CRYPTO with holes holds no more than its limit', () => {
  const far = (writer: WireWriter) => {
    writeHandshakeDataHead(writer, 1_000_000, 1);
    writer.byte(0);
  };
  assert.equal(codeFor(far), 0x0d, 'CRYPTO_BUFFER_EXCEEDED');
  const pair = confirmed({ server: { limits: { gapsMax: 50 } } });
  sendFrames(pair.wire, pair.connection, (writer) => {
    for (let i = 1; i < 100; i++) {
      writeHandshakeDataHead(writer, 2 * i, 1);
      writer.byte(0);
    }
  });
  pair.wire.pass(20);
  assert.equal(pair.server.closed?.errorCode, 0x0d);
});

test('streams in the smallest pieces out of order hold no more memory than their window', () => {
  const pair = confirmed({ server: { limits: { gapsMax: 200 } } });
  for (let i = 0; i < 10; i++) {
    sendFrames(pair.wire, pair.connection, (writer) => {
      for (let k = 0; k < 100; k++) {
        writeStreamHead(writer, 0, 2 * (100 * i + k) + 1, { length: 1, isFin: false });
        writer.byte(0);
      }
    });
  }
  pair.wire.pass(20);
  assert.equal(pair.server.closed?.errorCode, 0x01);
});

test('what comes before its keys is kept for a while, and not without end', () => {
  const pair = new Pair({ serverTls: { isPaused: true } });
  pair.wire.pass(20);
  const { core } = pair.connection;
  for (let i = 0; i < 1_000; i++) {
    const packet = new Uint8Array(1_200).fill(0x40);
    packet.set(core.originalId, 1);
    packet[0] = 0xd0;
    packet.set([0, 0, 0, 1, 8, ...core.originalId, 8, ...core.localIds.first, 0x44, 0x90], 1);
    pair.wire.inject({ from: 'client', to: 'server', bytes: packet, ecn: 0, sentMs: 0 });
  }
  pair.wire.pass(20);
  assert.equal(pair.serverEnd.endpoint.counts.accepted, 1);
  pair.serverTls[0]!.resume();
  assert.equal(pair.confirm(), true);
});

test('Initials of a thousand clients that never go on are gone after the handshake time-out', () => {
  const pair = confirmed();
  for (let i = 0; i < 300; i++) {
    const bytes = new Uint8Array(1_200).fill(i);
    bytes.set([
      0xc0,
      0,
      0,
      0,
      1,
      8,
      i & 255,
      i >> 8,
      1,
      2,
      3,
      4,
      5,
      6,
      4,
      1,
      1,
      1,
      1,
      0,
      0x44,
      0x90,
    ]);
    pair.wire.inject({ from: `bot${i}`, to: 'server', bytes, ecn: 0, sentMs: 0 });
  }
  pair.wire.pass(20);
  assert.equal(pair.serverEnd.endpoint.handshakingCount, 300);
  pair.wire.pass(11_000);
  assert.equal(pair.serverEnd.endpoint.handshakingCount, 0);
  assert.equal(pair.serverEnd.endpoint.connectionCount, 1);
});

test('a packet with no frame is refused', () => {
  assert.equal(
    codeFor(() => {}),
    0x0a,
  );
});
