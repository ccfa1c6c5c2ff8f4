import assert from 'node:assert/strict';
import test from 'node:test';
import { replayFlight, startFlightRelay } from '../support/flight-relay.ts';
import { startOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { hasSession, RunningClient, sClient, sessionFile } from '../support/s-client.ts';
import { startSluice } from '../support/sluice.ts';
import { inParallel, until } from '../support/waiting.ts';

const REPLAYS = 1_000;
const skip = unlessInstalled('openssl');

const message = (path: string, fields = '') =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`;

for (const workers of [1, 3]) {
  // RFC 8446 §8: a server instance accepts the same 0-RTT handshake at most once.
  test(`one first flight sent ${REPLAYS} times to ${workers} workers is executed once`, {
    skip,
  }, async () => {
    await using origin = await startOrigin((request, response) => {
      response.setHeader('Cache-Control', 'no-store');
      response.end(`answer to ${request.url}`);
    });
    await using sluice = await startSluice({ origin: origin.url, workers });
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
    } finally {
      await client.end();
    }
    assert.equal(origin.asked('/once').length, 1);
    assert.ok(sluice.isRunning);
  });
}
