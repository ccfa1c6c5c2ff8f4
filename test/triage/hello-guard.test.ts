import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { clientHelloMessage, parseClientHello } from '../../src/tls/client-hello.ts';
import { HelloGuard, messageDigest } from '../../src/tls/refusal/hello-guard.ts';
import { shapeOf } from '../../src/tls/refusal/hello-shape.ts';
import { patternOf, traitsOf } from '../../src/tls/refusal/hello-traits.ts';
import { traceRegionBytes } from '../../src/tls/trace-layout.ts';
import { TraceRecorder } from '../../src/tls/trace-recorder.ts';
import { accept, clientContext, connect, Pair, serverContext, steppingClock } from '../tls/wire.ts';

const recorder = new TraceRecorder(new Uint8Array(traceRegionBytes), 1, steppingClock());

/** A first flight of a client. */
function firstFlight(options: Parameters<typeof clientContext>[0] = {}): Buffer {
  using context = clientContext(options);
  const side = connect(context);
  const flight = side.takeFlight();
  side.connection[Symbol.dispose]();
  return flight;
}

function guardAgainst(...fingerprints: string[]) {
  const guard = new HelloGuard();
  guard.replace(fingerprints);
  return { recorder, peer: '', guard };
}

const shape = (flight: Buffer) => shapeOf(parseClientHello(flight)!);
const pattern = (flight: Buffer) => patternOf(traitsOf(parseClientHello(flight)!));

describe('ClientHellos that have ended workers', () => {
  test('two of one client have one shape, those of others have others', () => {
    assert.equal(shape(firstFlight()), shape(firstFlight()));
    const others = [{ alpn: ['h2'] }, { maxVersion: 'TLSv1.2' as const }, { groups: 'X25519' }];
    const shapes = new Set([firstFlight(), ...others.map(firstFlight)].map(shape));
    assert.equal(shapes.size, 4);
  });

  test('refuse no other name, ticket or key share of the same program', () => {
    using server = serverContext();
    using client = clientContext();
    const first = (pair: Pair) => pair.client.takeFlight();
    using killer = new Pair(server, client, { serverName: 'killer.example' });
    using again = new Pair(server, client, { serverName: 'killer.example' });
    const refused = pattern(first(killer));
    assert.equal(pattern(first(again)), refused, 'the killer itself');
    using session = new Pair(server, client, { serverName: 'killer.example' })
      .settle()
      .takeSession();
    for (const target of [
      { serverName: 'honest.example' },
      { serverName: 'letter.example' },
      { serverName: '' },
      { serverName: 'killer.example', session },
    ]) {
      using pair = new Pair(server, client, target, guardAgainst(refused));
      assert.equal(pair.settle().server.record.outcome, 'complete', target.serverName);
    }
  });

  for (const [name, chunk] of [
    ['in one piece', 100_000],
    ['byte by byte', 1],
  ] as const) {
    test(`are refused without an answer, ${name}`, () => {
      using server = serverContext();
      const flight = firstFlight();
      const side = accept(server, guardAgainst(pattern(flight)));
      for (let at = 0; at < flight.length && side.records.length === 0; at += chunk) {
        side.receive(flight.subarray(at, at + chunk));
      }
      assert.equal(side.record.errorCode, 'tls-client-hello-refused');
      assert.equal(side.takeFlight().length, 0);
      side.connection[Symbol.dispose]();
    });
  }

  test('are refused by their bytes alone, and others are served', () => {
    using server = serverContext();
    using client = clientContext();
    const flight = firstFlight();
    const watch = guardAgainst(messageDigest(clientHelloMessage(flight)!));
    const side = accept(server, watch);
    side.receive(flight);
    assert.equal(side.record.errorCode, 'tls-client-hello-refused');
    side.connection[Symbol.dispose]();
    using pair = new Pair(server, client, {}, watch);
    assert.equal(pair.settle().server.record.outcome, 'complete');
  });
});
