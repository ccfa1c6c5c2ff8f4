/**
 * A cluster of two instances whose Redis goes through twelve states: no request and no handshake fails
 * for it, and no early request runs twice.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { replayFlight, startFlightRelay } from '../support/flight-relay.ts';
import { startOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { type RunningRedis, startRedis } from '../support/redis.ts';
import { hasSession, sClient, sessionFile } from '../support/s-client.ts';
import { type RunningSluice, startSluice, sumOf } from '../support/sluice.ts';
import { until } from '../support/waiting.ts';

const skip = unlessInstalled('redis-server') || unlessInstalled('openssl');

const message = (path: string) =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;

/** What is done to the Redis before a flight is played, and what puts it right again. */
const states: Record<string, (redis: RunningRedis) => Promise<() => Promise<void> | void>> = {
  well: async () => () => {},
  'stopped in its tracks': async (redis) => {
    redis.pause();
    return () => redis.resume();
  },
  killed: async (redis) => {
    await redis.kill();
    return () => redis.start();
  },
  'out of memory': (redis) => set(redis, 'maxmemory', '1', '0'),
  'read-only, a replica of nobody': async (redis) => {
    await redis.ask((one) => one.replicaof('127.0.0.1', 1));
    return async () => void (await redis.ask((one) => one.replicaof('NO', 'ONE')));
  },
  'asking for another password': (redis) => set(redis, 'requirepass', 'another', redis.password),
  flushed: async (redis) => {
    await redis.ask((one) => one.flushall());
    return () => {};
  },
  'killing its clients': async (redis) => {
    await redis.ask((one) => one.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'));
    return () => {};
  },
  'busy for a second': async (redis) => {
    void redis.ask((one) => one.call('DEBUG', 'SLEEP', '1')).catch(() => {});
    return () => {};
  },
  'without room for a client': (redis) => set(redis, 'maxclients', '1', '10000'),
  'without writes (min-replicas)': (redis) => set(redis, 'min-replicas-to-write', '1', '0'),
  restarted: async (redis) => {
    await redis.kill();
    await redis.start();
    return () => {};
  },
};

async function set(redis: RunningRedis, key: string, bad: string, good: string) {
  await redis.ask((one) => one.config('SET', key, bad));
  // A password that has changed is in the way of putting it right: the server is made anew.
  if (key === 'requirepass' || key === 'maxclients') {
    return async () => {
      await redis.kill();
      await redis.start();
    };
  }
  return async () => void (await redis.ask((one) => one.config('SET', key, good)));
}

test('whatever state the Redis is in, requests are answered and no flight runs twice', {
  skip,
}, async (t) => {
  const runs = new Map<string, number>();
  await using origin = await startOrigin((request, response) => {
    runs.set(request.url!, (runs.get(request.url!) ?? 0) + 1);
    response.setHeader('Cache-Control', 'no-store');
    response.end(`answer to ${request.url}`);
  });
  await using redis = await startRedis();
  const join = () =>
    startSluice({
      origin: origin.url,
      flags: ['--cluster', redis.url, '--cluster-timeout', '500ms'],
    });
  await using first = await join();
  await using second = await join();
  for (const sluice of [first, second]) await untilJoined(sluice);
  await redis.ripen();
  for (const [index, [name, enter]] of Object.entries(states).entries()) {
    const path = `/flight-${index}`;
    const session = sessionFile();
    await sClient(first.httpsPort, {
      words: ['-tls1_3'],
      request: message('/ticket'),
      keep: session,
    });
    assert.ok(hasSession(session), name);
    const leave = await enter(redis);
    await using relay = await startFlightRelay({ target: first.httpsPort, earlyRecords: 1 });
    const client = await sClient(relay.port, {
      session,
      early: message(path),
      request: message(`${path}/later`),
    });
    assert.match(client.http, new RegExp(`answer to ${path}`), `${name}: it is answered`);
    const flight = await relay.firstFlight();
    for (const target of [first, second, first]) await replayFlight(target.httpsPort, flight, 100);
    await leave();
    for (const target of [first, second]) await replayFlight(target.httpsPort, flight, 100);
    const count = runs.get(path) ?? 0;
    t.diagnostic(`${name}: early data ${client.earlyData}, ${count} runs`);
    assert.ok(count <= 1, `${name}: ${count} runs`);
    await until(
      async () => sumOf(await first.stats(), 'sluice_cluster_connected') > 0,
      `${name}: it to be back`,
    );
  }
  for (const sluice of [first, second])
    assert.equal(await sluice.sum('sluice_worker_restarts_total'), 0);
});

async function untilJoined(sluice: RunningSluice): Promise<void> {
  await until(async () => {
    const stats = await sluice.stats();
    const changes = sumOf(stats, 'sluice_ticket_key_changes_total', { source: 'cluster' });
    return changes > 0 && sumOf(stats, 'sluice_cluster_connected') === 2;
  }, 'the instance to meet its cluster');
}
