/** Session tickets over rotations, restarts and crashes, as clients of a running sluice meet them. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { replayFlight, startFlightRelay } from '../support/flight-relay.ts';
import { startOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { startConfigured } from '../support/routes.ts';
import { hasSession, RunningClient, sClient, sessionFile } from '../support/s-client.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { inParallel, until } from '../support/waiting.ts';

const skip = unlessInstalled('openssl');
const directory = temporaryDirectory();

const message = (path: string) =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;

const origin = () =>
  startOrigin((request, response) => {
    response.setHeader('Cache-Control', 'no-store');
    response.end(`answer to ${request.url}`);
  });

async function ticketOf({ httpsPort }: RunningSluice): Promise<string> {
  const session = sessionFile();
  await sClient(httpsPort, { words: ['-tls1_3'], request: message('/ticket'), keep: session });
  assert.ok(hasSession(session));
  return session;
}

function comeBack({ httpsPort }: RunningSluice, session: string, path: string) {
  return sClient(httpsPort, { session, early: message(path), request: message(path) });
}

test('tickets of a former run resume with the same key file, at first without early data', {
  skip,
}, async () => {
  const file = join(directory, 'kept.key');
  writeFileSync(file, randomBytes(80), { mode: 0o600 });
  await using upstream = await origin();
  let session = '';
  {
    // By the section of a file, and then by a flag.
    const tls = { 'ticket-key-file': file };
    await using former = await startConfigured({ file: { origin: upstream.url, tls } });
    session = await ticketOf(former);
  }
  const flags = ['--ticket-key-file', file];
  await using sluice = await startSluice({ origin: upstream.url, flags });
  const client = await comeBack(sluice, session, '/again');
  assert.equal(client.resumed, true);
  assert.equal(client.earlyData, 'rejected');
  assert.match(client.http, /answer to \/again/);
  const reason = { reason: 'register too young' };
  assert.equal(await sluice.sum('sluice_early_data_refused_as_a_whole', reason), 1);
  await until(
    async () => (await sluice.sum('sluice_early_data_rejected_total', reason)) === 1,
    'the reason to be counted',
  );
});

test('a key file that changes is taken in by all workers; a bad one leaves the keys as they are', {
  skip,
}, async () => {
  const file = join(directory, 'changing.key');
  const first = randomBytes(80);
  writeFileSync(file, first, { mode: 0o600 });
  await using upstream = await origin();
  const flags = ['--ticket-key-file', file];
  await using sluice = await startSluice({ origin: upstream.url, workers: 2, flags });
  const session = await ticketOf(sluice);

  writeFileSync(file, Buffer.concat([randomBytes(80), first]));
  chmodSync(file, 0o644);
  sluice.signal('SIGHUP');
  await until(() => sluice.output.includes('ticket keys: changed by the file'), 'the new key');
  assert.match(sluice.output, /changing\.key: others than its owner may read/);
  assert.equal((await comeBack(sluice, session, '/old-key')).resumed, true);

  writeFileSync(file, 'not a key');
  const looked = 'those that were in use stay';
  await until(() => sluice.output.includes(looked), 'the bad file to be found by itself');
  assert.equal((await comeBack(sluice, session, '/still')).resumed, true);
  assert.equal(await sluice.sum('sluice_ticket_key_changes_total', { source: 'file' }), 1);
});

test('a ticket says how long it lives', { skip }, async () => {
  await using upstream = await origin();
  const tls = { 'ticket-lifetime': '2h' };
  await using sluice = await startConfigured({ file: { origin: upstream.url, tls } });
  const options = { words: ['-tls1_3'], request: message('/lifetime') };
  const { text } = await sClient(sluice.httpsPort, options);
  assert.match(text, /TLS session ticket lifetime hint: 7200 \(seconds\)/);
});

test('a start with a bad key file says what is wrong with it', { skip }, async () => {
  const file = join(directory, 'bad.key');
  writeFileSync(file, randomBytes(48), { mode: 0o600 });
  const flags = ['--ticket-key-file', file];
  await assert.rejects(
    startSluice({ origin: 'http://127.0.0.1:9', flags }),
    /48 bytes, which is not one or more keys of 80[\s\S]*openssl rand 80/,
  );
});

test('a replay that comes after its worker was killed is not executed', { skip }, async () => {
  await using upstream = await origin();
  await using sluice = await startSluice({ origin: upstream.url, workers: 2 });
  const session = await ticketOf(sluice);
  await using relay = await startFlightRelay({
    target: sluice.httpsPort,
    earlyRecords: 1,
    hold: true,
  });
  const client = new RunningClient(relay.port, { session, early: message('/once') });
  try {
    await until(() => client.output.includes('answer to /once'), 'the answer before Finished');
    const flight = await relay.firstFlight();
    const pids = await sluice.workerPids();
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await until(async () => {
      const { workers } = await sluice.stats();
      return workers.every(({ pid, state }) => state === 'running' && !pids.includes(pid!));
    }, 'both workers to be replaced');
    await inParallel(40, 20, () => replayFlight(sluice.httpsPort, flight, 100));
  } finally {
    await client.end();
  }
  assert.equal(upstream.asked('/once').length, 1);
  await until(
    async () => (await sluice.sum('sluice_early_data_rejected_total', { reason: 'replayed' })) > 0,
    'replays to be counted as such',
  );
});
