/**
 * Nanoseconds per request that the HTTP/2 core takes for a cached hit, as `h2load -m32` asks for it:
 * 32 HEADERS frames of indexed fields in one piece, each answered with a prepared 1 KiB response, all
 * in one write. No socket, no TLS, no cache.
 *
 * Run: node bench/micro/http2-hit.ts [requests]
 */
import type {
  PreparedResponse,
  RequestFacts,
  RequestHandler,
  RequestSink,
} from '../../src/http/exchange.ts';
import { FieldBlock } from '../../src/http/field-block.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import { HpackEncoder } from '../../src/http2/hpack-encoder.ts';
import { CONNECTION_PREFACE } from '../../src/http2/protocol.ts';
import { Http2ServerConnection } from '../../src/http2/server-connection.ts';

const STREAMS = 32;
const requests = Number(process.argv[2] ?? 2_000_000);

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
const connection = new Http2ServerConnection({
  sink,
  output: {
    write: (bytes) => {
      bytesOut += bytes.length;
      return true;
    },
    end: () => {
      throw new Error('the connection ended');
    },
    reset() {},
    pauseReading() {},
    resumeReading() {},
  },
  factsFor: () => facts,
  scheme: 'https',
  isCovered: (authority) => authority.text === '127.0.0.1:8443',
  monotonicMs: () => performance.now(),
});

const lines: [string, string][] = [
  [':path', '/kib.txt'],
  [':scheme', 'https'],
  [':authority', '127.0.0.1:8443'],
  [':method', 'GET'],
  ['user-agent', 'h2load nghttp2/1.52.0'],
];

/** h2load indexes everything: the first block fills the table, the others are five bytes. */
function blocks(): [first: Uint8Array, rest: Uint8Array] {
  const encoder = new HpackEncoder(new FieldBlock(), 4_096);
  const block = (): Uint8Array => {
    encoder.begin();
    for (const [name, value] of lines.slice(1)) encoder.field(name, value);
    return encoder.block.bytes.slice(0, encoder.block.length);
  };
  const path = Buffer.from(lines[0]![1]);
  const literal = Buffer.concat([Buffer.from([0x44, path.length]), path]);
  const first = Buffer.concat([literal, block()]);
  // The path was inserted before the authority and the agent: the oldest of three entries.
  return [first, Buffer.concat([Buffer.from([0xc0]), block()])];
}

function headersFrame(streamId: number, block: Uint8Array): Buffer {
  const frame = Buffer.alloc(9 + block.length);
  frame.writeUIntBE(block.length, 0, 3);
  frame[3] = 1;
  frame[4] = 0x5;
  frame.writeUInt32BE(streamId, 5);
  frame.set(block, 9);
  return frame;
}

function windowUpdate(streamId: number, increment: number): Buffer {
  const frame = Buffer.from([0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  frame.writeUInt32BE(streamId, 5);
  frame.writeUInt32BE(increment, 9);
  return frame;
}

const [first, rest] = blocks();
connection.receive(CONNECTION_PREFACE, false);
connection.receive(Buffer.from([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x3f, 0xff, 0xff, 0xff]), false);
connection.receive(Buffer.from([0, 0, 0, 4, 1, 0, 0, 0, 0]), false);
connection.receive(windowUpdate(0, 0x3fff_ffff), false);
connection.receive(headersFrame(1, first), false);

const size = 9 + rest.length;
const batch = Buffer.concat([
  ...Array.from({ length: STREAMS }, () => headersFrame(0, rest)),
  windowUpdate(0, STREAMS * stored.content.length),
]);
let nextId = 3;

function round(): void {
  for (let i = 0; i < STREAMS; i++, nextId += 2) batch.writeUInt32BE(nextId, i * size + 5);
  connection.receive(batch, false);
}

for (let i = 0; i < 100_000; i += STREAMS) round();
const bytesBefore = bytesOut;
const startMs = performance.now();
for (let i = 0; i < requests; i += STREAMS) round();
const elapsedMs = performance.now() - startMs;
const rounds = Math.ceil(requests / STREAMS) * STREAMS;
const perRequest = (elapsedMs * 1e6) / rounds;
console.log(
  `${Math.round(perRequest)} ns per request, ${(bytesOut - bytesBefore) / rounds} bytes each`,
);
