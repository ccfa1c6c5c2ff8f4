// Runs alone: it looks at memory and at the event loop's delay.
import assert from 'node:assert/strict';
import test from 'node:test';
import { assertAllClosed, assertNoStall, atRest } from '../support/leaks.ts';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { inParallel, sleep, until } from '../support/waiting.ts';

const MIB = 1 << 20;
const SLOW_BYTES = 64 * MIB;
const block = Buffer.alloc(64 * 1024, 'slow ');

/** Bytes that the origin has handed to the kernel for each response of `/slow`. */
const written: number[] = [];

const origin = await startOrigin((request, response) => {
  response.setHeader('Cache-Control', 'no-store');
  request.resume();
  if (request.url !== '/slow') {
    request.on('end', () => response.end('ok'));
    return;
  }
  const index = written.push(0) - 1;
  response.setHeader('Content-Length', SLOW_BYTES);
  let left = SLOW_BYTES;
  const more = () => {
    while (left > 0) {
      left -= block.length;
      written[index]! += block.length;
      if (!response.write(block)) {
        response.once('drain', more);
        return;
      }
    }
    response.end();
  };
  more();
});
const sluice = await startSluice({ origin: origin.url });
test.after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const GET = 'GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n';

async function request(): Promise<void> {
  using connection = await RawConnection.open(sluice.httpPort);
  assert.equal((await connection.request(GET)).status, 200);
}

test('slow readers of 64 MiB cost little memory, get every byte, and stall nobody', async () => {
  await request();
  const before = await atRest(sluice);
  await assertNoStall(sluice, readSlowly);
  await assertAllClosed(sluice, before);
});

/** Four clients that do not read for a second, and then slowly. */
async function readSlowly(): Promise<void> {
  const resident = await sluice.residentBytes();
  written.length = 0;
  const readers = await Promise.all(
    [0, 1, 2, 3].map((i) =>
      i % 2 === 0 ? RawConnection.open(sluice.httpPort) : RawConnection.openTls(sluice.httpsPort),
    ),
  );
  for (const { socket } of readers) {
    socket.removeAllListeners('data');
    socket.pause();
    socket.write('GET /slow HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n');
  }
  await until(() => written.length === 4, 'the origin to be asked');
  await sleep(1_000);
  const growth = (await sluice.residentBytes()) - resident;
  assert.ok(growth < 32 * MIB, `memory grew by ${Math.round(growth / MIB)} MiB`);
  for (const bytes of written) {
    assert.ok(bytes < 32 * MIB, `the origin could send ${Math.round(bytes / MIB)} MiB to nobody`);
  }
  // Others are served meanwhile.
  await inParallel(100, 10, () => request());

  const received = await Promise.all(
    readers.map(async ({ socket }) => {
      let bytes = 0;
      let isHead = true;
      for await (const piece of socket) {
        const part = piece as Buffer;
        bytes += isHead ? part.length - (part.indexOf('\r\n\r\n') + 4) : part.length;
        isHead = false;
        // A pause each MiB or so: 64 MiB take about a second.
        if (bytes % MIB < 64 * 1024) await sleep(10);
      }
      return bytes;
    }),
  );
  for (const { socket } of readers) socket.destroy();
  assert.deepEqual(received, [SLOW_BYTES, SLOW_BYTES, SLOW_BYTES, SLOW_BYTES]);
}
