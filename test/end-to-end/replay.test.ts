import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { replayFlight, startFlightRelay } from '../support/flight-relay.ts';
import { startOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { hasSession, RunningClient, sClient, sessionFile } from '../support/s-client.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { inParallel, until } from '../support/waiting.ts';

const REPLAYS = 1_000;
const skip = unlessInstalled('openssl');

const message = (path: string, fields = '') =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`;

/** How many each worker has seen, by its index. */
function replaysRefused(log: string): Map<number, number> {
  const counts = new Map<number, number>();
  for (const line of readFileSync(log, 'utf8').split('\n').slice(0, -1)) {
    const { code, worker, fields } = JSON.parse(line) as LoggedHandshake;
    if (code !== 'handshake-failed' || fields.earlyDataReason !== 'replayed') continue;
    counts.set(worker, (counts.get(worker) ?? 0) + 1);
  }
  return counts;
}

interface LoggedHandshake {
  readonly code: string | null;
  readonly worker: number;
  readonly fields: { readonly earlyDataReason?: string };
}

for (const workers of [1, 3]) {
  // RFC 8446 §8: a server instance accepts the same 0-RTT handshake at most once.
  test(`one first flight sent ${REPLAYS} times to ${workers} workers is executed once`, {
    skip,
  }, async () => {
    await using origin = await startOrigin((request, response) => {
      response.setHeader('Cache-Control', 'no-store');
      response.end(`answer to ${request.url}`);
    });
    const log = join(temporaryDirectory(), 'error.log');
    const flags = ['--error-log', log, '--error-log-format', 'json', '--log-level', 'tls=debug'];
    await using sluice = await startSluice({ origin: origin.url, workers, flags });
    const session = sessionFile();
    const request = message('/ticket', 'Connection: close\r\n');
    await sClient(sluice.httpsPort, { words: ['-tls1_3'], request, keep: session });
    assert.ok(hasSession(session));

    await using relay = await startFlightRelay({
      target: sluice.httpsPort,
      earlyRecords: 1,
      hold: true,
    });
    const client = new RunningClient(relay.port, { session, early: message('/once') });
    try {
      await until(() => client.output.includes('answer to /once'), 'the answer before Finished');
      const flight = await relay.firstFlight();
      await inParallel(REPLAYS, REPLAYS, () => replayFlight(sluice.httpsPort, flight, 100));
      // A connection that is reset before its worker has read it was no replay.
      const counts = await until(() => {
        const found = replaysRefused(log);
        const sum = [...found.values()].reduce((all, one) => all + one, 0);
        return sum >= REPLAYS / 2 ? found : undefined;
      }, 'the replays to be refused');
      assert.deepEqual([...counts.keys()].toSorted(), [...Array(workers).keys()]);
    } finally {
      await client.end();
    }
    assert.equal(origin.asked('/once').length, 1);
    assert.ok(sluice.isRunning);
  });
}
