import assert from 'node:assert/strict';
import test from 'node:test';
import {
  data,
  END_HEADERS,
  END_STREAM,
  goaway,
  headers,
  PREFACE,
  reset,
  settings,
} from '../http2/wire.ts';
import { type FlightRelay, replayFlight, startFlightRelay } from '../support/flight-relay.ts';
import { startOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { hasSession, RunningClient, sClient, sessionFile } from '../support/s-client.ts';
import { startSluice } from '../support/sluice.ts';
import { sleep, until } from '../support/waiting.ts';

const skip = unlessInstalled('openssl');

const origin = await startOrigin((request, response, seen) => {
  response.setHeader('Cache-Control', 'no-store');
  request.on('end', () => response.end(`<${seen.method} ${seen.url} ${seen.contentBytes}>`));
});
const sluice = await startSluice({ origin: origin.url });
test.after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const words = ['-tls1_3', '-alpn', 'h2'];
const HELLO = Buffer.concat([PREFACE, settings()]);
let paths = 0;

function request(id: number, method: string, path: string, endStream = true): Buffer {
  const fields = [
    [':method', method],
    [':scheme', 'https'],
    [':path', path],
    [':authority', 'localhost'],
  ] as const;
  return headers(id, END_HEADERS | (endStream ? END_STREAM : 0), fields);
}

/** Frames as the text that s_client's helper takes, one character per byte. */
function flight(...frames: Buffer[]): string {
  return Buffer.concat([HELLO, ...frames]).toString('latin1');
}

/** A session whose ticket permits early data with HTTP/2. */
async function session(): Promise<string> {
  const keep = sessionFile();
  const path = `/ticket/${++paths}`;
  await sClient(sluice.httpsPort, {
    words,
    request: flight(request(1, 'GET', path), goaway(0)),
    keep,
  });
  assert.ok(hasSession(keep), 'the server gave a ticket');
  return keep;
}

/** The value of Early-Data on each request that the origin saw for a path. */
function marks(path: string): (string | undefined)[] {
  return origin.asked(path).map((seen) => seen.headers['early-data'] as string | undefined);
}

/** Runs `job` with a client whose Finished is held back until `relay.release()`. */
async function withFinishedHeld(
  early: string,
  job: (client: RunningClient, relay: FlightRelay) => Promise<void>,
): Promise<void> {
  await using relay = await startFlightRelay({
    target: sluice.httpsPort,
    earlyRecords: 1,
    hold: true,
  });
  const client = new RunningClient(relay.port, { words, session: await session(), early });
  try {
    await job(client, relay);
  } finally {
    await client.end();
  }
}

test('several requests in one flight: each is judged alone', { skip }, async () => {
  const path = `/flight/${++paths}`;
  const early = flight(
    request(1, 'GET', `${path}/a`),
    request(3, 'POST', `${path}/post`, false),
    data(3, 'abc', END_STREAM),
    request(5, 'GET', `${path}/b`),
  );
  await withFinishedHeld(early, async (client, relay) => {
    // Those that do no harm are answered before the handshake ends, past the one that waits.
    for (const name of ['a', 'b']) {
      await until(() => client.output.includes(`<GET ${path}/${name} 0>`), `the answer to ${name}`);
    }
    assert.ok(relay.heldBytes > 0, 'the client’s second flight is with the relay');
    assert.deepEqual(marks(`${path}/a`), ['1']);
    assert.deepEqual(marks(`${path}/b`), ['1']);
    assert.equal(origin.asked(`${path}/post`).length, 0, 'what could do harm waits');
    relay.release();
    await until(() => client.output.includes(`<POST ${path}/post 3>`), 'the answer to POST');
    assert.deepEqual(marks(`${path}/post`), [undefined]);
  });
  assert.equal(origin.asked(`${path}/post`).length, 1);
});

test('content in early data and after it is one request’s content', { skip }, async () => {
  const path = `/split/${++paths}`;
  const early = flight(request(1, 'POST', path, false), data(1, 'early,'), data(1, 'too,'));
  await withFinishedHeld(early, async (client, relay) => {
    await until(() => relay.heldBytes > 0, 'the handshake to have got that far');
    relay.release();
    client.send(data(1, 'late', END_STREAM).toString('latin1'));
    await until(() => client.output.includes(`<POST ${path} 14>`), 'the answer');
  });
  assert.deepEqual(marks(path), [undefined]);
});

test('a held request that is reset in early data never reaches the origin', { skip }, async () => {
  const path = `/taken-back/${++paths}`;
  const early = flight(request(1, 'POST', path), reset(1), request(3, 'DELETE', `${path}/kept`));
  await withFinishedHeld(early, async (client, relay) => {
    await until(() => relay.heldBytes > 0, 'the handshake to have got that far');
    relay.release();
    await until(() => client.output.includes(`<DELETE ${path}/kept 0>`), 'the other answer');
  });
  assert.equal(origin.asked(path).length, 0);
});

test('requests after the handshake on the same connection bear no mark', { skip }, async () => {
  const path = `/later/${++paths}`;
  await withFinishedHeld(flight(request(1, 'GET', path)), async (client, relay) => {
    await until(() => client.output.includes(`<GET ${path} 0>`), 'the early answer');
    relay.release();
    client.send(request(3, 'GET', `${path}/3`).toString('latin1'));
    await until(() => client.output.includes(`<GET ${path}/3 0>`), 'the later answer');
  });
  assert.deepEqual(marks(`${path}/3`), [undefined]);
});

test('a replayed flight of many requests executes none of them again', { skip }, async () => {
  const path = `/replayed/${++paths}`;
  const early = flight(
    request(1, 'GET', `${path}/get`),
    request(3, 'POST', `${path}/post`, false),
    data(3, 'abc', END_STREAM),
    goaway(0),
  );
  await using relay = await startFlightRelay({ target: sluice.httpsPort, earlyRecords: 1 });
  const client = await sClient(relay.port, { words, session: await session(), early });
  assert.equal(client.earlyData, 'accepted');
  const recorded = await relay.firstFlight();
  for (let i = 0; i < 5; i++) await replayFlight(sluice.httpsPort, recorded, 100);
  await sleep(100);
  assert.equal(origin.asked(`${path}/get`).length, 1);
  assert.equal(origin.asked(`${path}/post`).length, 1);
});
