/**
 * What TLS costs a server beyond sockets, in processor time:
 *
 * - one request of 200 bytes received and one response of 1 KiB sent over an open TLS 1.3
 *   connection, through the engine, and through OpenSSL's functions alone for comparison;
 * - handshakes: full, resumed, resumed with early data, the client's half included;
 * - memory per idle connection.
 *
 *     node bench/micro/tls-records.ts [seconds per figure]
 */
import { randomBytes } from 'node:crypto';
import { systemClock } from '../../src/base/clock.ts';
import { NativeBuffer } from '../../src/native/memory.ts';
import { type ClientContext, createClientContext } from '../../src/tls/client-context.ts';
import type { TlsEngine } from '../../src/tls/connection.ts';
import type { TlsConnection, TlsHandler } from '../../src/tls/contract.ts';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';
import { createServerContext, type ServerContext } from '../../src/tls/server-context.ts';

const SECONDS = Number(process.argv[2] ?? 1);
const REQUEST = Buffer.from(`GET /item HTTP/1.1\r\nHost: ${'h'.repeat(170)}\r\n\r\n`);
const RESPONSE = NativeBuffer.allocate(1_024 + 200);
const BATCH = 256;

const wire = NativeBuffer.allocate(1 << 16);
const outlet = NativeBuffer.allocate(1 << 16);

const contexts: { server: ServerContext; client: ClientContext } = {
  server: createServerContext({
    ...makeSelfSignedCertificate({ names: ['localhost'], nowMs: Date.now() }),
    alpn: ['http/1.1'],
    earlyData: { enabled: true },
    ticketKeys: [randomBytes(80)],
    groups: 'X25519',
  }),
  client: createClientContext({ verify: false, alpn: ['http/1.1'], groups: 'X25519' }),
};

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

function move(from: TlsConnection, to: TlsConnection): boolean {
  let moved = false;
  for (;;) {
    const count = from.takeOutput(wire);
    if (count === 0) return moved;
    to.receive(wire, count);
    moved = true;
  }
}

function open(options: Partial<Parameters<ClientContext['connect']>[0]> = {}) {
  const responder = new Responder();
  responder.connection = contexts.server.accept(responder, systemClock);
  const client = contexts.client.connect(
    { serverName: 'localhost', ...options },
    new Peer(),
    systemClock,
  );
  const server = responder.connection;
  while (move(client, server) || move(server, client)) {}
  return { client, server };
}

function close(pair: { client: TlsConnection; server: TlsConnection }): void {
  pair.client[Symbol.dispose]();
  pair.server[Symbol.dispose]();
}

/** Nanoseconds that the server spends per request and response. */
function measureRecords(): number {
  const { client, server } = open();
  const inputs = NativeBuffer.allocate(BATCH * 512);
  let bestNs = Number.POSITIVE_INFINITY;
  const until = performance.now() + SECONDS * 1_000;
  while (performance.now() < until) {
    const lengths: number[] = [];
    const flights: Buffer[] = [];
    for (let index = 0; index < BATCH; index++) {
      client.write(REQUEST);
      lengths.push(client.takeOutput(wire));
      flights.push(Buffer.from(wire.bytes.subarray(0, lengths[index])));
    }
    const answers: Buffer[] = [];
    let spent = 0n;
    for (let index = 0; index < BATCH; index++) {
      inputs.bytes.set(flights[index]!);
      const start = process.hrtime.bigint();
      server.receive(inputs, lengths[index]!);
      const count = server.takeOutput(outlet);
      spent += process.hrtime.bigint() - start;
      answers.push(Buffer.from(outlet.bytes.subarray(0, count)));
    }
    for (const answer of answers) {
      wire.bytes.set(answer);
      client.receive(wire, answer.length);
    }
    bestNs = Math.min(bestNs, Number(spent) / BATCH);
  }
  close({ client, server });
  inputs[Symbol.dispose]();
  return bestNs;
}

/** Handshakes per second, both halves in this process. */
function measureHandshakes(options: () => Parameters<typeof open>[0]): number {
  let count = 0;
  const start = process.cpuUsage();
  const until = performance.now() + SECONDS * 1_000;
  while (performance.now() < until) {
    close(open(options()));
    count++;
  }
  const used = process.cpuUsage(start);
  return count / ((used.user + used.system) / 1e6);
}

function measureMemory(): number {
  const pairs = Array.from({ length: 200 }, () => open());
  for (const pair of pairs) pair.client[Symbol.dispose]();
  const before = process.memoryUsage.rss();
  const more: TlsConnection[] = [];
  for (let index = 0; index < 2_000; index++) {
    const pair = open();
    pair.client.write(REQUEST);
    move(pair.client, pair.server);
    move(pair.server, pair.client);
    pair.client[Symbol.dispose]();
    more.push(pair.server);
  }
  const bytes = (process.memoryUsage.rss() - before) / more.length;
  for (const server of [...more, ...pairs.map((pair) => pair.server)]) server[Symbol.dispose]();
  return bytes;
}

const fixed = (value: number) => value.toFixed(0).padStart(9);
console.log(`${fixed(measureRecords())} ns per request and response of 1.2 KiB, server only`);
const session = (open().client as TlsEngine).takeSession()!;
console.log(`${fixed(measureHandshakes(() => ({})))} full handshakes/s, both halves`);
console.log(`${fixed(measureHandshakes(() => ({ session })))} resumed/s, both halves`);
console.log(
  `${fixed(measureHandshakes(() => ({ session, earlyData: REQUEST })))} with early data/s, both halves`,
);
console.log(`${fixed(measureMemory())} bytes of memory per idle server connection`);
