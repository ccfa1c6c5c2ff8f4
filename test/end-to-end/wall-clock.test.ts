// Early data while somebody sets the wall clock.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { GENERATION_MS } from '../../src/tls/early-data/strike-register.ts';
import { FakeWallClock, unlessFaketime } from '../support/faketime.ts';
import { replayFlight, startFlightRelay } from '../support/flight-relay.ts';
import { startOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { hasSession, RunningClient, sClient, sessionFile } from '../support/s-client.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { inParallel, until } from '../support/waiting.ts';

const skip = unlessInstalled('openssl') || unlessFaketime;

const HOUR_S = 3_600;
const YEAR_S = 31_536_000;
const isLong = process.env.SLUICE_LONG === '1';
const STEPS_S = isLong
  ? [25, 60, -60, HOUR_S, -HOUR_S, 24 * HOUR_S, YEAR_S, -YEAR_S]
  : [25, -60, 24 * HOUR_S, -YEAR_S];
const STEPS_AFTER_RESTART_S = isLong ? [0, -60, -HOUR_S, 0] : [0, -HOUR_S, 0];
/** So many that each of two workers meets some. */
const REPLAYS = 8;

const message = (path: string) =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;

async function ticketOf({ httpsPort }: RunningSluice): Promise<string> {
  const session = sessionFile();
  await sClient(httpsPort, { words: ['-tls1_3'], request: message('/ticket'), keep: session });
  assert.ok(hasSession(session));
  return session;
}

async function earlyDataUnder({ httpsPort }: RunningSluice, session: string): Promise<string> {
  const request = message('/other');
  return (await sClient(httpsPort, { session, early: request, request })).earlyData;
}

test('a recorded flight runs once, however the wall clock is set, and after a restart', {
  skip,
}, async () => {
  await using origin = await startOrigin((request, response) => {
    response.setHeader('Cache-Control', 'no-store');
    response.end(`answer to ${request.url}`);
  });
  const wallClock = new FakeWallClock();
  const keys = join(temporaryDirectory(), 'tickets.key');
  writeFileSync(keys, randomBytes(80), { mode: 0o600 });
  const settings = {
    origin: origin.url,
    workers: 2,
    flags: ['--ticket-key-file', keys],
    environment: wallClock.environment,
  };
  let sluice = await startSluice(settings);
  try {
    const isOpen = async () =>
      (await earlyDataUnder(sluice, await ticketOf(sluice))) === 'accepted';
    await until(isOpen, 'the window after the start to pass', 2 * GENERATION_MS);
    const session = await ticketOf(sluice);
    const kept = await Promise.all(STEPS_S.map(() => ticketOf(sluice)));
    await using relay = await startFlightRelay({
      target: sluice.httpsPort,
      earlyRecords: 1,
      hold: true,
    });
    const client = new RunningClient(relay.port, { session, early: message('/once') });
    await until(() => client.output.includes('answer to /once'), 'the answer before Finished');
    const flight = await relay.firstFlight();
    await client.end();

    const replay = async (when: string) => {
      await inParallel(REPLAYS, 4, () => replayFlight(sluice.httpsPort, flight, 50));
      assert.equal(origin.asked('/once').length, 1, `runs after replays ${when}`);
    };
    await replay('at once');
    for (const [index, step] of STEPS_S.entries()) {
      wallClock.set(step);
      await replay(`at ${step} s`);
      assert.equal(await isOpen(), true, `early data at ${step} s, by a new ticket`);
      const before = await earlyDataUnder(sluice, kept[index]!);
      // Their age is in seconds, and they were fetched some time ago: by the client's clock as well.
      assert.equal(before, 'accepted', `early data at ${step} s, by a ticket of before`);
      wallClock.set(0);
      await replay(`back from ${step} s`);
    }

    await sluice.stop();
    sluice = await startSluice(settings);
    await replay('after a restart');
    await until(isOpen, 'the window after the restart to pass', 2 * GENERATION_MS);
    for (const step of STEPS_AFTER_RESTART_S) {
      wallClock.set(step);
      await replay(`at ${step} s, a window after the restart`);
    }
  } finally {
    await sluice[Symbol.asyncDispose]();
  }
});
