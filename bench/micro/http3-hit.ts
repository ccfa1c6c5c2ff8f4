/**
 * Nanoseconds per request that the HTTP/3 core takes for a cached hit: a HEADERS frame of indexed fields
 * on a stream of its own, answered with a prepared 1 KiB response. No QUIC, no socket, no cache.
 *
 * Run: node bench/micro/http3-hit.ts [requests]
 */
import type {
  PreparedResponse,
  RequestFacts,
  RequestHandler,
  RequestSink,
} from '../../src/http/exchange.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import { Http3ServerConnection } from '../../src/http3/server-connection.ts';
import type { QuicConnection, QuicStream } from '../../src/quic/application.ts';

const requests = Number(process.argv[2] ?? 1_000_000);

const stored: PreparedResponse = {
  status: 200,
  fields: FieldSection.of(
    ['date', 'Sun, 22 Nov 2026 10:00:00 GMT'],
    ['content-type', 'text/plain; charset=utf-8'],
    ['cache-control', 'public, max-age=3600'],
    ['etag', '"33a64df551425fcc55e4d42a148795d9f25f89d4"'],
    ['via', '1.1 sluice'],
    ['cache-status', 'sluice; hit'],
  ),
  content: new Uint8Array(1_024).fill(97),
  ageSeconds: 10,
};

const handler: RequestHandler = { onContent() {}, onEnd() {}, onAbort() {}, onWritable() {} };
const sink: RequestSink = {
  onRequest: (_head, sender) => {
    sender.sendStored(stored);
    return handler;
  },
};
const facts: RequestFacts = {
  early: false,
  beganEarly: false,
  whenHandshakeEnds() {},
  remoteAddress: '127.0.0.1',
  peerAddress: '127.0.0.1',
  remotePort: 1,
  localAddress: '127.0.0.1',
  localPort: 2,
  tls: null,
};

let bytesOut = 0;

/** Counts what is written; the rest is QUIC's. */
class Stream implements QuicStream {
  readonly id: number;
  readonly kind = 'bidirectional';
  readonly isOurs = false;
  readonly unsentBytes = 0;

  constructor(id: number) {
    this.id = id;
  }

  write(parts: readonly Uint8Array[]): boolean {
    for (const part of parts) bytesOut += part.length;
    return true;
  }

  reset(): void {}
  stopSending(): void {}
  consumed(): void {}
  setPriority(): void {}
}

const quic = {
  openStream: () => new Stream(3),
  close: (code: number, reason: string) => {
    throw new Error(`the connection ended: ${code} ${reason}`);
  },
} as unknown as QuicConnection;

const server = new Http3ServerConnection({
  quic,
  sink,
  factsFor: () => facts,
  isCovered: (authority) => authority.text === '127.0.0.1:8443',
  monotonicMs: () => performance.now(),
});
const { application } = server;
application.onReady();

/** A client fills the table once; then a request is six bytes. */
const encoderBytes = Buffer.concat([
  Buffer.from('023fe11f', 'hex'),
  Buffer.from([0xc0, 14]),
  Buffer.from('127.0.0.1:8443'),
  Buffer.from([0xc1, 8]),
  Buffer.from('/kib.txt'),
]);
const encoderStream = Object.defineProperty(new Stream(6), 'kind', { value: 'unidirectional' });
application.onStream(encoderStream).onData(encoderBytes, false, false);
// Two inserts; GET, https, and the two by index: authority (the older one), path.
const request = Buffer.from('01060300d1d78180', 'hex');

function ask(count: number, from: number): void {
  for (let i = 0; i < count; i++) {
    const stream = application.onStream(new Stream((from + i) * 4));
    stream.onData(request, true, false);
    stream.onClosed();
  }
}

ask(100_000, 0);
const started = performance.now();
ask(requests, 100_000);
const ns = ((performance.now() - started) * 1e6) / requests;
process.stdout.write(
  `${ns.toFixed(0)} ns per request, ${Math.round(bytesOut / (requests + 100_000))} bytes each\n`,
);
