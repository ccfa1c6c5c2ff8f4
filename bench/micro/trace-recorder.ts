/**
 * What the trace recorder costs: nanoseconds per event, and handshakes and requests over TLS with it
 * and without it, in turns within one run, so that the ratio says more than the figures.
 *
 *     node bench/micro/trace-recorder.ts [seconds per figure]
 */
import { randomBytes } from 'node:crypto';
import { systemClock } from '../../src/base/clock.ts';
import { NativeBuffer } from '../../src/native/memory.ts';
import { createClientContext } from '../../src/tls/client-context.ts';
import type { TlsEngine } from '../../src/tls/connection.ts';
import type { TlsConnection, TlsHandler } from '../../src/tls/contract.ts';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';
import { createServerContext } from '../../src/tls/server-context.ts';
import { TraceCall, traceRegionBytes } from '../../src/tls/trace-layout.ts';
import { TraceRecorder, type TraceWatch } from '../../src/tls/trace-recorder.ts';

const SECONDS = Number(process.argv[2] ?? 1);
const ROUNDS = 8;
const REQUEST = Buffer.from(`GET /item HTTP/1.1\r\nHost: ${'h'.repeat(170)}\r\n\r\n`);
const RESPONSE = NativeBuffer.allocate(1_024 + 200);

const memory = NativeBuffer.allocate(traceRegionBytes);
const recorder = new TraceRecorder(memory.bytes, process.pid, systemClock);
const watch: TraceWatch = { recorder, peer: '192.0.2.1', guard: null };

const wire = NativeBuffer.allocate(1 << 16);
const server = createServerContext({
  ...makeSelfSignedCertificate({ names: ['localhost'], nowMs: Date.now() }),
  alpn: ['http/1.1'],
  earlyData: { enabled: true },
  ticketKeys: [randomBytes(80)],
  groups: 'X25519',
});
const client = createClientContext({ verify: false, alpn: ['http/1.1'], groups: 'X25519' });

class Peer implements TlsHandler {
  connection!: TlsConnection;
  onPlaintext(): void {}
  onHandshakeEnd(): void {}
  onEnd(): void {}
  onError(error: Error): void {
    throw error;
  }
}

class Responder extends Peer {
  override onPlaintext(): void {
    this.connection.writeNative(RESPONSE, RESPONSE.length);
  }
}

function settle(one: TlsConnection, other: TlsConnection): void {
  for (let moved = true; moved; ) {
    moved = false;
    for (const [from, to] of [
      [one, other],
      [other, one],
    ] as const) {
      for (let count = from.takeOutput(wire); count > 0; count = from.takeOutput(wire)) {
        to.receive(wire, count);
        moved = true;
      }
    }
  }
}

function pairOf(watched: TraceWatch | null): [TlsEngine, TlsConnection] {
  const [asking, answering] = [new Peer(), new Responder()];
  asking.connection = client.connect({ serverName: 'localhost' }, asking, systemClock);
  answering.connection = server.accept(answering, systemClock, watched);
  settle(asking.connection, answering.connection);
  return [asking.connection as TlsEngine, answering.connection];
}

function shakeHands(watched: TraceWatch | null): void {
  for (const side of pairOf(watched)) side[Symbol.dispose]();
}

/** Calls per second of processor time, within the time. */
function rateOf(body: () => void, seconds: number): number {
  const end = performance.now() + seconds * 1_000;
  const before = process.cpuUsage();
  let calls = 0;
  for (; performance.now() < end; calls++) body();
  const used = process.cpuUsage(before);
  return calls / ((used.user + used.system) / 1e6);
}

/** With and without, in turns; prints the medians and their ratio. */
function compare(what: string, without: () => void, withIt: () => void): void {
  for (const body of [without, withIt]) rateOf(body, 0.2);
  const rates: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    rates[0].push(rateOf(without, SECONDS / ROUNDS));
    rates[1].push(rateOf(withIt, SECONDS / ROUNDS));
  }
  const [off, on] = rates.map((list) => list.sort((a, b) => a - b)[ROUNDS >> 1]!) as [
    number,
    number,
  ];
  const ratio = (on / off).toFixed(3);
  console.log(
    `${what.padEnd(34)} ${off.toFixed(0).padStart(8)} → ${on.toFixed(0).padStart(8)} /s  × ${ratio}`,
  );
}

/** Nanoseconds per event: a connection's worth at a time, so that slots are taken as they are. */
function eventCost(what: string, events: number, body: (calls: number) => void): void {
  const rate = rateOf(() => body(events), SECONDS);
  console.log(`${what.padEnd(34)} ${(1e9 / rate / events).toFixed(0).padStart(8)} ns`);
}

const hello = Buffer.concat([Buffer.from([22, 3, 1, 2, 60]), randomBytes(572)]);
const large = Buffer.concat([Buffer.from([22, 3, 1, 6, 180]), randomBytes(1_716)]);

eventCost('begin and end of a connection', 1, () => recorder.begin('server').end('complete'));
eventCost('entered and left, with the state', 128, (count) => {
  const trace = recorder.begin('server');
  for (let i = 0; i < count; i++) {
    trace.enter(TraceCall.handshake);
    trace.leave(TraceCall.handshake, i);
  }
  trace.end('complete');
});
for (const bytes of [hello, large]) {
  eventCost(`received: ${bytes.length} bytes in a record`, 8, (count) => {
    const trace = recorder.begin('server');
    for (let i = 0; i < count; i++) trace.received(bytes, bytes.length);
    trace.end('complete');
  });
}
const open = recorder.begin('server');
eventCost('mark and unmark (an open connection)', 1_000, (count) => {
  for (let i = 0; i < count; i++) {
    open.mark(TraceCall.read);
    open.unmark();
  }
});
open.end('complete');

compare(
  'full handshakes, both sides',
  () => shakeHands(null),
  () => shakeHands(watch),
);
const [plain, recorded] = [pairOf(null), pairOf(watch)];
const ask = ([asking, answering]: [TlsEngine, TlsConnection]) => {
  asking.write(REQUEST);
  settle(asking, answering);
};
compare(
  'requests of 200 bytes, both sides',
  () => ask(plain),
  () => ask(recorded),
);
