// Invariant: no bytes from a client crash, hang or leak in the TLS engine; each connection leaves
// exactly one record, at most one error, and plaintext that is not early only after its handshake.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { nativeBytesLive } from '../../src/native/memory.ts';
import { type ClientHello, parseClientHello } from '../../src/tls/client-hello.ts';
import { ja4Of } from '../../src/tls/ja4.ts';
import type { ServerContext } from '../../src/tls/server-context.ts';
import { helloMessage, inRecords, uint16s } from '../support/client-hello.ts';
import fc from '../support/fast-check.ts';
import {
  accept,
  clientContext,
  liveHandles,
  obtainSession,
  Pair,
  type Side,
  serverContext,
} from '../tls/wire.ts';

/** By hand: FUZZ_SCALE=100 for some minutes, FUZZ_SEED=N to repeat a run that ended the process. */
const scale = Number(process.env.FUZZ_SCALE ?? (process.env.SLUICE_LONG === '1' ? 1 : 1 / 2));
const seed = Number(process.env.FUZZ_SEED ?? 20_261_123);
const runs = (count: number) => ({ seed, numRuns: count * scale });

const corpus = new URL('./client-hello-corpus/', import.meta.url);
const files = readdirSync(corpus);
const flights = files.map((file) => readFileSync(new URL(file, corpus)));
const hellos = flights.map(parseClientHello).filter((hello) => hello !== null);

const servers: readonly ServerContext[] = [
  serverContext({ keepsClientHello: true }),
  serverContext({ keepsClientHello: true, groups: 'P-384:ffdhe2048' }),
  serverContext({ keepsClientHello: true, earlyData: { enabled: false } }),
  serverContext({ keepsClientHello: true, maxVersion: 'TLSv1.2', groups: 'X25519:P-256' }),
];
const client = clientContext({ groups: 'X25519:P-256:P-384' });
const session = obtainSession(servers[0]!, client);
const before = { handles: liveHandles(), bytes: 0 };

after(() => {
  for (const one of [session, client, ...servers]) one[Symbol.dispose]();
  assert.deepEqual(liveHandles(), {}, 'every native handle was freed');
});

// ------------------------------------------------------------------ what is done to bytes

type Mutation = (bytes: Buffer) => Buffer;

const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const at = (bytes: Buffer, where: number) => Math.floor(where * bytes.length);

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(place, fc.integer({ min: 1, max: 255 })).map(
    ([where, mask]): Mutation =>
      (bytes) => {
        const copy = Buffer.from(bytes);
        if (copy.length > 0) copy[at(copy, where)]! ^= mask;
        return copy;
      },
  ),
  fc.tuple(place, fc.nat(0xffff)).map(
    ([where, value]): Mutation =>
      (bytes) => {
        const copy = Buffer.from(bytes);
        if (copy.length > 1) copy.writeUInt16BE(value, Math.min(at(copy, where), copy.length - 2));
        return copy;
      },
  ),
  fc.tuple(place, fc.uint8Array({ maxLength: 30 })).map(
    ([where, added]): Mutation =>
      (bytes) => {
        const start = at(bytes, where);
        return Buffer.concat([bytes.subarray(0, start), added, bytes.subarray(start)]);
      },
  ),
  fc.tuple(place, fc.nat(60)).map(
    ([where, count]): Mutation =>
      (bytes) => {
        const start = at(bytes, where);
        return Buffer.concat([bytes.subarray(0, start), bytes.subarray(start + count)]);
      },
  ),
  fc.tuple(place, fc.constantFrom(...flights)).map(
    ([where, other]): Mutation =>
      (bytes) =>
        Buffer.concat([bytes.subarray(0, at(bytes, where)), other]),
  ),
);

/** A ClientHello whose lengths add up, but whose parts are another's, missing or twice there. */
const reassembled = fc
  .tuple(
    fc.constantFrom(...hellos),
    fc.constantFrom(...hellos),
    fc.array(fc.nat(30), { maxLength: 25 }),
    fc.array(fc.tuple(fc.nat(0xffff), fc.uint8Array({ maxLength: 40 })), { maxLength: 2 }),
    fc.array(fc.nat(0xffff), { maxLength: 3 }),
    fc.constantFrom(1, 7, 100, 16_384),
  )
  .map(([one, other, picks, foreign, ciphers, bytesMax]) => {
    const extensions = [...one.extensions, ...other.extensions].map(
      ({ type, data }) => [type, Buffer.from(data)] as const,
    );
    const picked = picks.map((pick) => extensions[pick % extensions.length]!);
    const added = foreign.map(([type, data]) => [type, Buffer.from(data)] as const);
    const cipherSuites = [...one.cipherSuites, ...ciphers];
    return inRecords(helloMessage({ cipherSuites, extensions: [...picked, ...added] }), bytesMax);
  });

const mutations = fc.array(mutation, { minLength: 1, maxLength: 4 });

function mutated(bytes: Buffer, list: readonly Mutation[]): Buffer {
  return list.reduce<Buffer>((so, mutate) => mutate(so), bytes);
}

const cuts = fc.array(fc.nat(400), { maxLength: 4 });

// ------------------------------------------------------------------ what must hold

function assertSane(side: Side, seen: ClientHello | null): void {
  assert.equal(side.records.length, 1, 'one record');
  assert.ok(side.errors.length <= 1, 'at most one error');
  const [record] = side.records;
  assert.equal(record!.errorCode === '', record!.outcome === 'complete');
  const handshakeAt = side.events.indexOf('handshake');
  assert.ok(side.events.every((event, i) => !event.startsWith('late') || i > handshakeAt));
  if (seen !== null) assert.match(ja4Of(seen), /^t\w{2}[di]\d{4}\w{2}_[0-9a-f]{12}_[0-9a-f]{12}$/);
}

/** The ClientHello that the engine has kept, looked at when the record is taken. */
function watching(side: Side): () => ClientHello | null {
  let seen: ClientHello | null = null;
  const { onHandshakeEnd } = side;
  side.onHandshakeEnd = (record) => {
    const kept = side.connection.clientHello;
    if (kept !== null) seen = parseClientHello(kept);
    onHandshakeEnd.call(side, record);
  };
  return () => seen;
}

function feed(side: Side, bytes: Buffer, sizes: readonly number[]): void {
  for (let offset = 0, i = 0; offset < bytes.length; i++) {
    const length = sizes.length === 0 ? bytes.length : 1 + sizes[i % sizes.length]!;
    side.receive(bytes.subarray(offset, offset + length));
    side.takeFlight();
    offset += length;
  }
}

function end(side: Side, how: number): void {
  if (how === 0) side.connection.receiveEnd();
  else if (how === 1) side.connection.abandon('tls-handshake-timeout');
  if (side.records.length === 0) side.connection.abandon('tls-handshake-timeout');
  side.connection[Symbol.dispose]();
}

function runAgainst(server: ServerContext, bytes: Buffer, sizes: readonly number[], how: number) {
  const side = accept(server);
  const seen = watching(side);
  feed(side, bytes, sizes);
  end(side, how);
  assertSane(side, seen());
}

describe(`ClientHellos and early data, seed ${seed}`, () => {
  test('recorded flights as they are, in pieces of every size', () => {
    for (const server of servers) {
      for (const bytes of flights) {
        for (const size of [[], [0], [1], [4], [99]]) runAgainst(server, bytes, size, 0);
      }
    }
  });

  test('recorded flights that were altered', () => {
    const property = fc.property(
      fc.constantFrom(...servers),
      fc.constantFrom(...flights),
      mutations,
      cuts,
      fc.nat(2),
      (server, flight, list, sizes, how) => {
        const bytes = mutated(flight, list);
        runAgainst(server, bytes, sizes, how);
      },
    );
    fc.assert(property, runs(4_000));
  });

  test('ClientHellos put together from parts of others', () => {
    const property = fc.property(
      fc.constantFrom(...servers),
      reassembled,
      cuts,
      fc.nat(2),
      (server, bytes, sizes, how) => runAgainst(server, bytes, sizes, how),
    );
    fc.assert(property, runs(3_000));
  });

  // Here the client is real and alive, so that early data is accepted, a HelloRetryRequest answered,
  // and one flight altered in the middle of it.
  test('handshakes of which one flight was altered', () => {
    const property = fc.property(
      fc.constantFrom(...servers),
      fc.boolean(),
      fc.nat(2),
      mutations,
      cuts,
      fc.nat(2),
      (server, isEarly, altered, list, sizes, how) => {
        const earlyData = Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
        const options = isEarly && server !== servers[3] ? { session, earlyData } : {};
        using pair = new Pair(server, client, options);
        const seen = watching(pair.server);
        for (let flight = 0; flight < 3; flight++) {
          const bytes = pair.client.takeFlight();
          const sent = flight === altered ? mutated(bytes, list) : bytes;
          feedTo(pair, sent, sizes);
        }
        end(pair.server, how);
        assertSane(pair.server, seen());
      },
    );
    fc.assert(property, runs(1_500));
  });

  function feedTo(pair: Pair, bytes: Buffer, sizes: readonly number[]): void {
    for (let offset = 0, i = 0; offset < bytes.length; i++) {
      const length = sizes.length === 0 ? bytes.length : 1 + sizes[i % sizes.length]!;
      pair.server.receive(bytes.subarray(offset, offset + length));
      offset += length;
    }
    pair.toClient();
  }

  test('nothing is left behind', () => {
    assert.deepEqual(liveHandles(), before.handles);
    const bytes = nativeBytesLive();
    for (const flight of flights) runAgainst(servers[0]!, flight, [3], 0);
    assert.equal(nativeBytesLive(), bytes);
  });

  test('the reader of ClientHellos takes whatever comes', () => {
    const property = fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
        fc
          .tuple(fc.constantFrom(...flights), mutations)
          .map(([flight, list]) => mutated(flight, list)),
        fc
          .uint8Array({ maxLength: 300 })
          .map((body) => inRecords(Buffer.concat([Buffer.of(1, 0), uint16s(body.length), body]))),
      ),
      (bytes) => {
        const hello = parseClientHello(bytes);
        if (hello !== null) assert.ok(ja4Of(hello).length >= 36);
      },
    );
    fc.assert(property, runs(5_000));
  });
});
