import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import {
  SLOT_HEADER_WORDS,
  slotWord,
  TRACE_SLOTS,
  TraceCall,
  TraceText,
  traceRegionBytes,
} from '../../src/tls/trace-layout.ts';
import { type HandshakeTrace, TraceRecorder } from '../../src/tls/trace-recorder.ts';
import type { IncidentConnection } from '../../src/triage/incident.ts';
import { readIdentity, readTraces, type TraceReading } from '../../src/triage/trace-reader.ts';
import { takeSnapshot } from '../../src/triage/trace-snapshot.ts';
import fc from '../support/fast-check.ts';
import { clientContext, Pair, serverContext, steppingClock } from '../tls/wire.ts';

const region = new Uint8Array(traceRegionBytes);
const OBSERVERS = ['one', 'two'];

function recorder(): TraceRecorder {
  return new TraceRecorder(region, 4711, steppingClock());
}

function read(peers = true): TraceReading {
  return readTraces(takeSnapshot(region)!, { observers: OBSERVERS, peers });
}

function receivedOf({ events }: IncidentConnection): Buffer {
  const parts = events.flatMap((event) => (event.type === 'received' ? event.parts : []));
  return Buffer.concat(
    parts.map((part) =>
      'bytes' in part ? Buffer.from(part.bytes, 'base64') : Buffer.alloc(part.omitted, '.'),
    ),
  );
}

function record(type: number, content: Buffer): Buffer {
  const header = Buffer.from([type, 3, 1, content.length >> 8, content.length & 0xff]);
  return Buffer.concat([header, content]);
}

test('a handshake is told from its first byte to its end, and nothing that was sealed', () => {
  const watch = { recorder: recorder(), peer: '192.0.2.1', guard: null };
  using server = serverContext();
  using client = clientContext();
  using pair = new Pair(server, client, {}, watch);
  pair.settle();
  const [connection, ...more] = read().connections;
  assert.deepEqual(more, []);
  assert.equal(connection!.outcome, 'complete');
  assert.equal(connection!.peer, '192.0.2.1');
  assert.equal(connection!.serverName, 'localhost');
  assert.match(connection!.clientHello!.ja4, /^t13d/);
  assert.equal(read(false).connections[0]!.peer, '');
  const types = connection!.events.map((event) =>
    event.type === 'entered' || event.type === 'left' ? `${event.type} ${event.call}` : event.type,
  );
  assert.deepEqual(types.slice(0, 4), [
    'received',
    'entered SSL_read_early_data',
    'left SSL_read_early_data',
    'state',
  ]);
  assert.equal(types.at(-1), 'ended');
  const sealed = connection!.records.filter(({ type }) => type === 23);
  assert.equal(sealed.length, 1, 'the client’s Finished');
  const bytes = receivedOf(connection!);
  const { offset, length } = sealed[0]!;
  assert.equal(bytes.toString('latin1', offset + 5), '.'.repeat(length));
  assert.equal(read().inside.call, '');
});

test('our own handshakes with origins are told, too', () => {
  using server = serverContext();
  using client = clientContext({ recorder: recorder() });
  using pair = new Pair(server, client);
  pair.settle();
  const [connection] = read().connections;
  assert.deepEqual([connection!.role, connection!.outcome], ['client', 'complete']);
  const sealed = connection!.events.flatMap((event) =>
    event.type === 'received' ? event.parts.filter((part) => 'why' in part) : [],
  );
  assert.ok(sealed.length > 0, 'the server’s certificate is not recorded');
});

test('the call that was entered and not left is known, and whose it is', () => {
  const flights = recorder();
  const first = flights.begin('server');
  const second = flights.begin('server');
  first.enter(TraceCall.handshake);
  first.leave(TraceCall.handshake, 22);
  second.enter(TraceCall.readEarlyData);
  flights.enterObserver(1);
  assert.deepEqual(read().inside, { connection: 2, call: 'SSL_read_early_data', observer: 1 });
  const [one, two] = read().connections;
  const last = one!.events.at(-1)!;
  assert.deepEqual([last.type, 'state' in last && last.state], ['state', 'SR_CLNT_HELLO']);
  assert.deepEqual(
    two!.events.map(({ type }) => type),
    ['entered', 'observer-entered'],
  );
});

test('of early data there is the length, and the digest for who asks for it', () => {
  const flights = recorder();
  const flight = flights.begin('server');
  const content = Buffer.from('GET / HTTP/1.1\r\nCookie: secret\r\n\r\n');
  flight.earlyData(content);
  flights.digestsEarlyData = true;
  flight.earlyData(content);
  const { length } = content;
  const sha256 = createHash('sha256').update(content).digest('hex');
  assert.deepEqual(
    read().connections[0]!.events.map(({ atMs: _, ...event }) => event),
    [
      { type: 'early-data', length },
      { type: 'early-data', length, sha256 },
    ],
  );
});

test('of a request in plain text there are five bytes', () => {
  const flight = recorder().begin('server');
  const text = Buffer.from('GET / HTTP/1.1\r\nCookie: secret\r\n\r\n');
  flight.received(text.subarray(0, 3), 3);
  flight.received(text.subarray(3), text.length - 3);
  assert.equal(
    receivedOf(read().connections[0]!).toString(),
    `GET /${'.'.repeat(text.length - 5)}`,
  );
});

test('a slow handshake keeps its beginning while others come and go', () => {
  const flights = recorder();
  const slow = flights.begin('server');
  slow.received(record(22, Buffer.from('beginning')), 14);
  for (let i = 0; i < 5 * TRACE_SLOTS; i++) flights.begin('server').end('complete');
  slow.enter(TraceCall.handshake);
  const { connections, inside } = read();
  assert.equal(connections.length, TRACE_SLOTS);
  const found = connections.find(({ id }) => id === inside.connection)!;
  assert.equal(receivedOf(found).toString('latin1', 5), 'beginning');
  assert.equal(found.isCut, false);
});

test('with more open handshakes than there is room for, the one in a call is there all the same', () => {
  const flights = recorder();
  const open = Array.from({ length: 3 * TRACE_SLOTS }, () => flights.begin('server'));
  open[0]!.enter(TraceCall.handshake);
  const { connections, inside } = read();
  const found = connections.find(({ id }) => id === inside.connection)!;
  assert.deepEqual([found.id, found.isCut, found.events.length], [1, true, 1]);
});

test('bytes beyond the room of a connection are counted, and later events still have room', () => {
  const flight = recorder().begin('server');
  const piece = record(22, Buffer.alloc(16_000, 'x'));
  for (let i = 0; i < 4; i++) flight.received(piece, piece.length);
  flight.enter(TraceCall.handshake);
  const [connection] = read().connections;
  assert.equal(receivedOf(connection!).length, 4 * piece.length);
  assert.equal(connection!.isCut, true);
  assert.equal(connection!.events.at(-1)!.type, 'entered');
});

test('the identity is read back, or is not there: never a wrong one', () => {
  const flights = recorder();
  assert.equal(flights.identify('{"a":1}'), true);
  assert.deepEqual(readIdentity(takeSnapshot(region)!), { a: 1 });
  region[64 * 4 + 2]! ^= 1;
  assert.equal(readIdentity(takeSnapshot(region)!), null);
  assert.equal(flights.identify('x'.repeat(100_000)), false);
});

/** One thing that happens to a connection. */
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ received: fc.uint8Array({ maxLength: 300 }) }),
  fc.record({
    framed: fc.tuple(fc.constantFrom(20, 21, 22, 23), fc.uint8Array({ maxLength: 99 })),
  }),
  fc.constantFrom<Step>('enter', 'leave', 'note', 'end', 'early', 'sent'),
);
type Step =
  | { received: Uint8Array }
  | { framed: [number, Uint8Array] }
  | 'enter'
  | 'leave'
  | 'note'
  | 'end'
  | 'early'
  | 'sent';
const script: fc.Arbitrary<[number, Step][]> = fc.array(fc.tuple(fc.nat({ max: 4 }), step), {
  maxLength: 60,
});

function perform(flights: TraceRecorder, steps: readonly [number, Step][]): void {
  const open: HandshakeTrace[] = [];
  for (const [index, what] of steps) {
    const flight = (open[index] ??= flights.begin('server'));
    if (typeof what === 'object') {
      const bytes =
        'received' in what ? what.received : record(what.framed[0], Buffer.from(what.framed[1]));
      if (bytes.length > 0) flight.received(bytes, bytes.length);
    } else if (what === 'enter') flight.enter(TraceCall.handshake);
    else if (what === 'leave') flight.leave(TraceCall.handshake, index);
    else if (what === 'note') flight.note(TraceText.serverName, 'example.org');
    else if (what === 'early') {
      flights.digestsEarlyData = index % 2 === 0;
      flight.earlyData(Buffer.alloc(index));
    } else if (what === 'sent') flight.sent(index);
    else flight.end('failed');
  }
}

test('whatever happened, all of it is read back whole', () => {
  fc.assert(
    fc.property(script, (steps) => {
      perform(recorder(), steps);
      assert.equal(read().damagedEvents, 0);
    }),
    { numRuns: 100 },
  );
});

test('memory that breaks off or was written over is read without an exception', () => {
  const hits = fc.array(
    fc.record({ slot: fc.nat({ max: 4 }), word: fc.nat({ max: 200 }), mask: fc.integer() }),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(script, hits, (steps, strays) => {
      const flights = recorder();
      perform(flights, steps);
      const before = read();
      for (const { slot, word, mask } of strays) {
        flights.words[slotWord(slot) + (word % 100) + (word > 150 ? 0 : SLOT_HEADER_WORDS)]! ^=
          mask;
      }
      const after = read();
      const whole = new Set(before.connections.flatMap(({ events }) => events.map(textOf)));
      // What is told has happened, unless the connection's own header was hit.
      if (strays.every(({ word }) => word <= 150)) {
        for (const { events } of after.connections) {
          for (const event of events) assert.ok(whole.has(textOf(event)), textOf(event));
        }
      }
    }),
    { numRuns: 200 },
  );
});

function textOf(event: unknown): string {
  return JSON.stringify(event);
}

test('what is found after a death stays, though its successor begins to write: of any kind of bytes', () => {
  const bytes = Buffer.from(region.buffer);
  const first = recorder();
  first.identify('{"worker":"first"}');
  first.noteException('{"type":"first"}');
  const facts = { early: false, tls: null, remoteAddress: '192.0.2.7' };
  const fields = { names: [], values: [] };
  const head = {
    version: '2',
    method: 'GET',
    authority: { text: 'a.test' },
    path: '/',
    fields,
    contentLength: 0,
  };
  first.requests.describe(first.requests.begin(head, facts, 1));
  const snapshot = takeSnapshot(bytes)!;
  recorder().identify('{"worker":"other"}');
  assert.deepEqual(readIdentity(snapshot), { worker: 'first' });
  const { requests } = readTraces(snapshot, { observers: OBSERVERS, peers: true });
  assert.equal(requests.open[0]?.authority, 'a.test');
  assert.equal(Buffer.from(snapshot.exception).toString(), '{"type":"first"}');
  assert.equal(takeSnapshot(bytes)!.exception.length, 0);
});
