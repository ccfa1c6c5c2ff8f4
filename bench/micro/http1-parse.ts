/**
 * Parsing of HTTP/1 heads: the reader of src/http1 beside a naive one that splits strings and
 * validates nothing, on a benchmark tool's request and on a browser's; and one whole request with a
 * cached answer through the server connection.
 *
 *     node bench/micro/http1-parse.ts [seconds per figure]
 */
import type { PreparedResponse, RequestFacts } from '../../src/http/exchange.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import { HeadReader } from '../../src/http1/head-reader.ts';
import { defaultHttp1Limits } from '../../src/http1/limits.ts';
import { refuseRequest } from '../../src/http1/message-error.ts';
import { parseRequest } from '../../src/http1/request-head.ts';
import { Http1ServerConnection } from '../../src/http1/server-connection.ts';

const SECONDS = Number(process.argv[2] ?? 0.5);
const BATCH = 10_000;

const TOOL = Buffer.from('GET /o/1k HTTP/1.1\r\nHost: 127.0.0.1:8443\r\n\r\n');
const BROWSER = Buffer.from(
  [
    'GET /index.html?x=1 HTTP/1.1',
    'Host: www.example.com',
    'Connection: keep-alive',
    'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"',
    'Upgrade-Insecure-Requests: 1',
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) ' +
      'Chrome/130.0.0.0 Safari/537.36',
    'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
    'Sec-Fetch-Site: none',
    'Sec-Fetch-Mode: navigate',
    'Sec-Fetch-Dest: document',
    'Accept-Encoding: gzip, deflate, br, zstd',
    'Accept-Language: en-US,en;q=0.9',
    'Cookie: session=0123456789abcdef; theme=dark',
    '\r\n',
  ].join('\r\n'),
);

/** Kept, so that nothing measured can be left out as unused. */
let kept = 0;

function parseNaively(bytes: Buffer): void {
  const text = bytes.toString('latin1');
  const [startLine = '', ...lines] = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n');
  const [method, target, version] = startLine.split(' ');
  const fields = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    fields.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  kept += fields.size + method!.length + target!.length + version!.length;
}

const { headBytesMax, startLineBytesMax, fieldLinesMax, emptyLinesMax } = defaultHttp1Limits;
const reader = new HeadReader({
  kind: 'head',
  bytesMax: headBytesMax,
  startLineBytesMax,
  fieldLinesMax,
  emptyLinesMax,
  startLinePrefix: new Uint8Array(0),
  blanksBeforeColonMax: 0,
  refuse: refuseRequest,
});

function parseFast(bytes: Buffer): void {
  reader.find(bytes, 0);
  kept += parseRequest(reader, 'https').head.fields.length;
  reader.reset();
}

const answer: PreparedResponse = {
  status: 200,
  fields: FieldSection.of(['content-type', 'text/plain'], ['cache-control', 'max-age=60']),
  content: Buffer.alloc(1_024, 'x'),
  ageSeconds: 3,
};
const facts: RequestFacts = {
  early: false,
  beganEarly: false,
  whenHandshakeEnds: (callback) => callback(true),
  remoteAddress: '127.0.0.1',
  peerAddress: '127.0.0.1',
  remotePort: 1,
  localAddress: '127.0.0.1',
  localPort: 443,
  tls: null,
};
const handler = { onContent() {}, onEnd() {}, onAbort() {}, onWritable() {} };
const buffer = Buffer.alloc(65_536);
const connection = new Http1ServerConnection({
  sink: {
    onRequest(_head, sender) {
      sender.sendStored(answer);
      return handler;
    },
  },
  output: {
    buffer,
    reserve: () => 0,
    commit(end) {
      kept += end;
      return true;
    },
    bytesAtOnce: 131_072,
    write: () => true,
    end() {},
    reset() {},
    pauseReading() {},
    resumeReading() {},
  },
  scheme: 'https',
  factsFor: () => facts,
  onRefused() {},
});

function serve(bytes: Buffer): void {
  connection.receive(bytes, false);
}

/** Nanoseconds per call: the median of batches. */
function measure(body: (bytes: Buffer) => void, bytes: Buffer): number {
  const samples: number[] = [];
  for (let end = performance.now() + SECONDS * 1000; performance.now() < end; ) {
    const started = performance.now();
    for (let i = 0; i < BATCH; i++) body(bytes);
    samples.push(((performance.now() - started) * 1e6) / BATCH);
  }
  samples.sort((a, b) => a - b);
  return samples[samples.length >> 1]!;
}

const print = (line: string) => process.stdout.write(`${line}\n`);

for (const [name, bytes] of [
  ["a tool's request, 2 lines", TOOL],
  ["a browser's, 13 lines", BROWSER],
] as const) {
  const naive = measure(parseNaively, bytes);
  const fast = measure(parseFast, bytes);
  const served = measure(serve, bytes);
  print(`${name} (${bytes.length} bytes)`);
  print(`  naive split    ${naive.toFixed(0).padStart(6)} ns`);
  print(
    `  strict parser  ${fast.toFixed(0).padStart(6)} ns   ${(naive / fast).toFixed(2)} times as fast`,
  );
  print(`  with a cached answer of 1 KiB written  ${served.toFixed(0)} ns`);
}
if (kept === 0) throw new Error('nothing was measured');
