// Runs alone: it looks at memory.
import assert from 'node:assert/strict';
import test from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { sleep, within } from '../support/waiting.ts';

const MIB = 1 << 20;
const CONTENT_BYTES = 100_000;
const REQUESTS = 1_000;
const GET = 'GET /stored HTTP/1.1\r\nHost: a.example\r\n\r\n';
const LAST = GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n');

const origin = await startOrigin((_request, response) => {
  response.setHeader('Cache-Control', 'max-age=600');
  response.end(Buffer.alloc(CONTENT_BYTES, 'x'));
});
const sluice = await startSluice({ origin: origin.url });
test.after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const open = {
  http: () => RawConnection.open(sluice.httpPort),
  https: () => RawConnection.openTls(sluice.httpsPort),
};

for (const scheme of ['http', 'https'] as const) {
  test(`${scheme}: hits pipelined by a client that does not read wait as requests`, async () => {
    {
      using connection = await open[scheme]();
      assert.equal((await connection.request(GET)).status, 200);
    }
    const resident = await sluice.residentBytes();
    const { socket } = await open[scheme]();
    socket.removeAllListeners('data');
    socket.pause();
    socket.write(GET.repeat(REQUESTS - 1) + LAST);
    await sleep(700);
    const growth = (await sluice.residentBytes()) - resident;
    assert.ok(growth < 32 * MIB, `memory grew by ${Math.round(growth / MIB)} MiB`);

    // All of them are answered, once it reads; the last one closes the connection.
    let bytes = 0;
    const all = (async () => {
      for await (const piece of socket) bytes += (piece as Buffer).length;
    })();
    await within(all, 'the answers');
    const perAnswer = bytes / REQUESTS;
    assert.ok(perAnswer > CONTENT_BYTES && perAnswer < CONTENT_BYTES + 1_000, `${perAnswer} bytes`);
    socket.destroy();
  });
}
