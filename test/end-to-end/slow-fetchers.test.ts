// Whoever asks first fetches for all: its own slowness must be nobody else's.
import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { inParallel, until, within } from '../support/waiting.ts';

const LENGTH = 20_000_000;
const content = Buffer.alloc(LENGTH, 'slow fetcher ');
/** More than two, so that each worker gets some. */
const OTHERS = 12;

const origin = await startOrigin((request, response) => {
  response.setHeader('Cache-Control', 'max-age=60');
  if (request.url!.startsWith('/known')) response.setHeader('Content-Length', LENGTH);
  let sent = 0;
  const more = () => {
    while (sent < LENGTH) {
      const piece = content.subarray(sent, sent + 65_536);
      sent += piece.length;
      if (!response.write(piece)) {
        response.once('drain', more);
        return;
      }
    }
    response.end();
  };
  more();
});
test.after(() => origin[Symbol.asyncDispose]());

/** All of it, on a connection of its own. */
async function get(port: number, path: string): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const request = http.get({ port, path, agent: false }, (response) => {
    const parts: Buffer[] = [];
    response.on('data', (bytes: Buffer) => parts.push(bytes));
    response.on('error', reject);
    response.on('end', () => resolve(Buffer.concat(parts)));
  });
  request.on('error', reject);
  return within(promise, path);
}

for (const [where, flags] of Object.entries({
  'a cache in memory': (): string[] => [],
  'a cache on disk, two workers': () => ['--cache-dir', temporaryDirectory()],
})) {
  for (const length of ['known', 'unknown']) {
    test(`${where}: a first client that does not read holds nobody back, length ${length}`, async () => {
      const workers = where === 'a cache in memory' ? 1 : 2;
      await using sluice = await startSluice({ origin: origin.url, workers, flags: flags() });
      const path = `/${length}/${workers}`;
      using slow = await RawConnection.open(sluice.httpPort);
      slow.socket.removeAllListeners('data');
      slow.socket.pause();
      slow.send(`GET ${path} HTTP/1.1\r\nHost: localhost:${sluice.httpPort}\r\n\r\n`);
      // The fetch is under way, and for an unknown length waits for the client.
      await until(() => origin.asked(path).length === 1, 'the origin to be asked');
      await inParallel(OTHERS, 4, async () => {
        assert.ok((await get(sluice.httpPort, path)).equals(content));
      });
      assert.equal(origin.asked(path).length, 1);
      // The slow one gets all of it when it reads at last.
      let bytes = 0;
      const { promise, resolve } = Promise.withResolvers<void>();
      slow.socket.on('data', (piece: Buffer) => {
        bytes += piece.length;
        if (bytes > LENGTH) resolve();
      });
      slow.socket.resume();
      await within(promise, 'the rest for the slow one');
    });
  }
}
