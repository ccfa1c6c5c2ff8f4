/**
 * A load generator for machines without wrk: `generator.ts URL CONNECTIONS SECONDS`. One request at a
 * time on each connection; prints one JSON object.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

const [target = '', connections = '1', seconds = '1'] = process.argv.slice(2);
const url = new URL(target);
const request = `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`;

/** Latencies are kept in hundredths of a millisecond, up to a second. */
const buckets = new Uint32Array(100_000);
let done = 0;
let errors = 0;

function open(): Socket {
  const port = Number(url.port);
  return url.protocol === 'https:'
    ? connectTls({ host: url.hostname, port, rejectUnauthorized: false })
    : connect({ host: url.hostname, port, noDelay: true });
}

function drive(): void {
  const socket = open();
  let sentAt = 0;
  let expected = -1;
  let received = 0;
  const send = () => {
    expected = -1;
    received = 0;
    sentAt = performance.now();
    socket.write(request);
  };
  socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', send);
  socket.on('error', () => {
    errors++;
  });
  socket.on('data', (bytes: Buffer) => {
    received += bytes.length;
    if (expected === -1) {
      const head = bytes.toString('latin1', 0, Math.min(bytes.length, 4096));
      const end = head.indexOf('\r\n\r\n');
      const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
      if (end === -1 || length === undefined || !head.startsWith('HTTP/1.1 200')) {
        errors++;
        socket.destroy();
        return;
      }
      expected = end + 4 + Number(length);
    }
    if (received < expected) return;
    done++;
    const bucket = Math.floor((performance.now() - sentAt) * 100);
    buckets[Math.min(bucket, buckets.length - 1)]! += 1;
    send();
  });
}

for (let i = 0; i < Number(connections); i++) drive();
setTimeout(() => {
  process.stdout.write(
    `${JSON.stringify({ rate: done / Number(seconds), errors, p50Ms: quantile(0.5), p99Ms: quantile(0.99) })}\n`,
    () => process.exit(0),
  );
}, Number(seconds) * 1000);

function quantile(fraction: number): number {
  let seen = 0;
  for (const [bucket, count] of buckets.entries()) {
    seen += count;
    if (seen >= done * fraction) return bucket / 100;
  }
  return 0;
}
