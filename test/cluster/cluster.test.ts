/** Several instances that meet at a Redis, which comes, goes, hangs and forgets. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { KEYS_KEY } from '../../src/cluster/ticket-key-sync.ts';
import { Authority } from '../support/authority.ts';
import { replayFlight, startFlightRelay } from '../support/flight-relay.ts';
import { type Origin, startOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { RunningRedis, startRedis } from '../support/redis.ts';
import { startConfigured } from '../support/routes.ts';
import { hasSession, RunningClient, sClient, sessionFile } from '../support/s-client.ts';
import { type RunningSluice, startSluice, sumOf } from '../support/sluice.ts';
import { freePort, inParallel, until } from '../support/waiting.ts';

const skip = unlessInstalled('redis-server') || unlessInstalled('openssl');

const message = (path: string) =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;

const startUpstream = () =>
  startOrigin((request, response) => {
    response.setHeader('Cache-Control', 'no-store');
    response.end(`answer to ${request.url}`);
  });

/** One instance that has the keys of the cluster and may ask it. */
async function join(origin: Origin, redis: RunningRedis, timeout = '5s'): Promise<RunningSluice> {
  const flags = ['--cluster', redis.url, '--cluster-timeout', timeout];
  const sluice = await startSluice({ origin: origin.url, flags });
  await untilJoined(sluice);
  return sluice;
}

/** As `join`, by a section of the file. */
async function joinByFile(origin: Origin, redis: RunningRedis, timeout: string) {
  const cluster = { redis: redis.url, timeout };
  const sluice = await startConfigured({ file: { origin: origin.url, cluster } });
  await untilJoined(sluice);
  return sluice;
}

async function untilJoined(sluice: RunningSluice): Promise<void> {
  await until(async () => {
    const stats = await sluice.stats();
    const changes = sumOf(stats, 'sluice_ticket_key_changes_total', { source: 'cluster' });
    return changes > 0 && sumOf(stats, 'sluice_cluster_connected') === 2;
  }, 'the instance to meet its cluster');
}

async function ticketOf({ httpsPort }: RunningSluice): Promise<string> {
  const session = sessionFile();
  await sClient(httpsPort, { words: ['-tls1_3'], request: message('/ticket'), keep: session });
  assert.ok(hasSession(session));
  return session;
}

/** What becomes of early data under a fresh ticket of the instance. */
async function earlyDataOf(sluice: RunningSluice, path: string): Promise<string> {
  const session = await ticketOf(sluice);
  const client = await sClient(sluice.httpsPort, {
    session,
    early: message(path),
    request: message(path),
  });
  assert.equal(client.resumed, true);
  assert.match(client.http, new RegExp(`answer to ${path}`));
  return client.earlyData;
}

const refusals = (sluice: RunningSluice, reason: string) =>
  sluice.sum('sluice_early_data_rejected_total', { reason });

test('a second instance refuses what the first has accepted, and resumes its tickets', {
  skip,
}, async () => {
  await using origin = await startUpstream();
  await using redis = await startRedis();
  await redis.ripen();
  await using first = await join(origin, redis);
  await using second = await join(origin, redis);
  const session = await ticketOf(first);
  await using relay = await startFlightRelay({
    target: first.httpsPort,
    earlyRecords: 1,
    hold: true,
  });
  const client = new RunningClient(relay.port, { session, early: message('/once') });
  try {
    await until(() => client.output.includes('answer to /once'), 'the answer before Finished');
    const flight = await relay.firstFlight();
    await inParallel(40, 20, () => replayFlight(second.httpsPort, flight, 100));
  } finally {
    await client.end();
  }
  assert.equal(origin.asked('/once').length, 1);
  await until(async () => (await refusals(second, 'replayed')) > 0, 'the replays to be counted');

  const ticket = await ticketOf(first);
  const early = { session: ticket, early: message('/other') };
  const moved = await sClient(second.httpsPort, early);
  assert.deepEqual([moved.resumed, moved.earlyData], [true, 'accepted']);
  assert.equal(await second.sum('sluice_cluster_answers_total', { answer: 'first' }), 1);
});

test('a Redis that hangs costs early data and nothing else, until it goes on', {
  skip,
}, async () => {
  await using origin = await startUpstream();
  await using redis = await startRedis();
  await redis.ripen();
  await using sluice = await join(origin, redis, '250ms');
  await using other = await joinByFile(origin, redis, '1s');
  assert.equal(await earlyDataOf(sluice, '/before'), 'accepted');
  assert.equal(await earlyDataOf(other, '/before'), 'accepted');
  redis.pause();
  try {
    for (const one of [sluice, other]) {
      assert.equal(await earlyDataOf(one, '/meanwhile'), 'rejected');
      await until(
        async () => (await refusals(one, 'cluster did not answer')) === 1,
        'the reason to be counted',
      );
    }
  } finally {
    redis.resume();
  }
  await until(
    async () => (await earlyDataOf(sluice, '/after')) === 'accepted',
    'early data to be accepted again',
  );
});

test('a Redis that hesitates is waited for as long as is said', { skip }, async () => {
  await using origin = await startUpstream();
  await using redis = await startRedis();
  await redis.ripen();
  await using byFlag = await join(origin, redis, '20s');
  await using byFile = await joinByFile(origin, redis, '20s');
  for (const [i, sluice] of [byFlag, byFile].entries()) {
    const session = await ticketOf(sluice);
    const accepted = () => sluice.sum('sluice_connections_accepted_total', { listener: 'https' });
    const before = await accepted();
    redis.pause();
    const path = `/patient/${i}`;
    const early = sClient(sluice.httpsPort, { session, early: message(path) });
    try {
      await until(async () => (await accepted()) > before, 'the connection');
      // By the default of some milliseconds it would be over by the time of these.
      for (let look = 0; look < 10; look++) await sluice.stats();
      assert.deepEqual([...origin.asked(path)], []);
    } finally {
      redis.resume();
    }
    assert.equal((await early).earlyData, 'accepted');
  }
});

test('a Redis that is killed costs early data; a new one waits for a whole window', {
  skip,
}, async () => {
  await using origin = await startUpstream();
  await using redis = await startRedis();
  await redis.ripen();
  await using sluice = await join(origin, redis);
  const before = await ticketOf(sluice);
  await redis.kill();
  await until(() => sluice.output.includes('the connection has ended'), 'the loss to be told');
  assert.equal(await earlyDataOf(sluice, '/without'), 'rejected');

  await redis.start();
  await untilJoined(sluice);
  assert.equal(await earlyDataOf(sluice, '/young'), 'rejected');
  await until(
    async () => (await refusals(sluice, 'cluster register too young')) === 1,
    'the reason to be counted',
  );
  await redis.ripen();
  // The keys have been put back: a ticket of before is as good as any.
  const client = await sClient(sluice.httpsPort, { session: before, early: message('/again') });
  assert.deepEqual([client.resumed, client.earlyData], [true, 'accepted']);
});

test('a Redis that is flushed gets the keys back, and waits for a whole window', {
  skip,
}, async () => {
  await using origin = await startUpstream();
  await using redis = await startRedis();
  await redis.ripen();
  await using sluice = await join(origin, redis);
  const keysOf = () => redis.ask((one) => one.get(KEYS_KEY));
  const keys = await keysOf();
  await redis.ask((one) => one.flushall());
  assert.equal(await earlyDataOf(sluice, '/flushed'), 'rejected');
  await until(
    async () => (await refusals(sluice, 'cluster register too young')) === 1,
    'the reason to be counted',
  );
  await until(async () => (await keysOf()) === keys, 'the same keys to be there again');
  await redis.ripen();
  assert.equal(await earlyDataOf(sluice, '/ripe'), 'accepted');
});

test('without its Redis an instance starts, and serves without early data', { skip }, async () => {
  await using origin = await startUpstream();
  const flags = ['--cluster', 'redis://:secret@127.0.0.1:1'];
  await using sluice = await startSluice({ origin: origin.url, flags });
  assert.equal(await earlyDataOf(sluice, '/alone'), 'rejected');
  await until(() => /cluster: 127\.0\.0\.1:1: ECONNREFUSED/.test(sluice.output), 'a word about it');
  assert.doesNotMatch(sluice.output, /secret/);
  const reason = { reason: 'cluster did not answer' };
  assert.equal(await sluice.sum('sluice_early_data_refused_as_a_whole', reason), 1);
});

test('a Redis behind TLS is met when its authority is trusted, and not otherwise', {
  skip,
}, async () => {
  const authority = new Authority();
  const { certificateFile, keyFile } = authority.issue({ names: ['localhost'] });
  await using redis = new RunningRedis(await freePort(), {
    certificateFile,
    keyFile,
    authorityFile: authority.certificateFile,
  });
  await redis.start();
  await using origin = await startUpstream();
  const flags = ['--cluster', redis.url, '--cluster-timeout', '5s'];
  await using stranger = await startSluice({ origin: origin.url, flags });
  await until(() => /cluster: \S+: \w*CERT/.test(stranger.output), 'a word about trust');
  assert.equal(await earlyDataOf(stranger, '/alone'), 'rejected');
  process.env.NODE_EXTRA_CA_CERTS = authority.certificateFile;
  await using sluice = await startSluice({ origin: origin.url, flags });
  delete process.env.NODE_EXTRA_CA_CERTS;
  await untilJoined(sluice);
  await redis.ripen();
  assert.equal(await earlyDataOf(sluice, '/with-tls'), 'accepted');
});

test('a Redis that answers with an error is named in the log, and counted apart from silence', {
  skip,
}, async () => {
  await using origin = await startUpstream();
  await using redis = await startRedis();
  await redis.ripen();
  await using sluice = await join(origin, redis);
  await redis.ask((one) => one.config('SET', 'maxmemory', '1'));
  assert.equal(await earlyDataOf(sluice, '/full'), 'rejected');
  await until(
    async () => (await sluice.sum('sluice_cluster_answers_total', { answer: 'error' })) > 0,
    'the answer to be counted',
  );
  assert.match(sluice.output, /cluster: 127\.0\.0\.1:\d+ answers OOM: its memory is full/);
});
