/** Ticket keys that instances share through a Redis. */

import assert from 'node:assert/strict';
import test from 'node:test';
import { endProcess } from '../../src/base/owned.ts';
import { KEYS_KEY, LEASE_KEY, TicketKeySync } from '../../src/cluster/ticket-key-sync.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { unlessInstalled } from '../support/programs.ts';
import { type RunningRedis, startRedis } from '../support/redis.ts';
import { until } from '../support/waiting.ts';

const skip = unlessInstalled('redis-server');

class Instance implements Disposable {
  /** Every ring that it was told, each key by its beginning. */
  readonly rings: string[][] = [];
  readonly #share: TicketKeySync;

  constructor(redis: RunningRedis, rotationMs: number) {
    this.#share = new TicketKeySync({
      onFault: endProcess,
      options: { url: redis.url, timeoutMs: 5 },
      times: () => ({ rotationMs, lifetimeMs: 3_600_000 }),
      onKeys: (keys) => this.rings.push(keys.map((key) => key.toString('hex', 0, 16))),
      metrics: Metrics.unshared().tickets,
      report() {},
    });
  }

  [Symbol.dispose](): void {
    this.#share[Symbol.dispose]();
  }
}

test('instances that begin at once agree on one key', { skip }, async () => {
  await using redis = await startRedis();
  const instances = Array.from({ length: 4 }, () => new Instance(redis, 3_600_000));
  try {
    await until(() => instances.every(({ rings }) => rings.length > 0), 'all to have keys');
    const newest = new Set(instances.map(({ rings }) => rings.at(-1)!.join()));
    assert.equal(newest.size, 1);
  } finally {
    for (const instance of instances) instance[Symbol.dispose]();
  }
});

test('a new key is known to all before one of them issues tickets under it', { skip }, async () => {
  await using redis = await startRedis();
  using first = new Instance(redis, 5_500);
  using second = new Instance(redis, 5_500);
  const both = [first, second];
  await until(() => both.every(({ rings }) => rings.length > 0), 'the first key');
  const oldest = first.rings[0]![0]!;
  await until(
    () => both.every(({ rings }) => rings.some((ring) => ring[0] !== oldest)),
    'another key to encrypt',
    20_000,
  );
  for (const { rings } of both) {
    const announced = rings.findIndex((ring) => ring.length > 1);
    const used = rings.findIndex((ring) => ring[0] !== oldest);
    assert.ok(announced !== -1 && announced < used, JSON.stringify(rings));
    assert.ok(rings[used]!.includes(oldest), 'the old one still decrypts');
  }
  assert.equal(await redis.ask((one) => one.exists(LEASE_KEY)), 1);
});

test('what others have written there is replaced', { skip }, async () => {
  await using redis = await startRedis();
  await redis.ask((one) => one.set(KEYS_KEY, 'not keys'));
  using instance = new Instance(redis, 3_600_000);
  await until(() => instance.rings.length > 0, 'keys');
  const text = await redis.ask((one) => one.get(KEYS_KEY));
  assert.match(text!, /^\{"version":1,/);
});
