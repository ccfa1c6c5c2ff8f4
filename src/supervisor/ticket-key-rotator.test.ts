import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { endProcess } from '../base/owned.ts';
import { plainTls, type TlsOptions } from '../config/options.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { GENERATION_MS } from '../tls/early-data/strike-register.ts';
import { TICKET_KEYS_MAX, type TicketRing } from '../tls/ticket-ring.ts';
import { TicketKeyRotator } from './ticket-key-rotator.ts';
import { TicketSchedule } from './ticket-schedule.ts';

const file = join(temporaryDirectory(), 'tickets.key');
const write = (...keys: Buffer[]) => writeFileSync(file, Buffer.concat(keys), { mode: 0o600 });

class Scene {
  nowMs = 1_000_000;
  tls: TlsOptions;
  readonly rings: TicketRing[] = [];
  readonly reports: string[] = [];
  readonly keeper: TicketKeyRotator;

  constructor(tls: Partial<TlsOptions> = {}) {
    this.tls = { ...plainTls, ...tls };
    this.keeper = new TicketKeyRotator({
      onFault: endProcess,
      tls: () => this.tls,
      cluster: () => null,
      apply: (ring) => this.rings.push(ring),
      metrics: Metrics.unshared().tickets,
      nowMs: () => this.nowMs,
      report: (message) => this.reports.push(message),
    });
  }

  async after(ms: number): Promise<void> {
    this.nowMs += ms;
    await this.keeper.look();
  }
}

describe('a schedule of ticket keys', () => {
  const times = { rotationMs: 100, lifetimeMs: 250 };

  test('brings a new key first, and keeps the old ones as long as their tickets live', () => {
    let made = 0;
    const schedule = new TicketSchedule(() => Buffer.from([made++]), 0);
    const seen = [0, 99, 100, 199, 200, 300, 349, 350].map((nowMs) => {
      schedule.turn(nowMs, times);
      return Buffer.concat(schedule.keys).join('');
    });
    assert.deepEqual(seen, ['0', '0', '10', '10', '210', '3210', '3210', '321']);
  });

  test('is bounded, however short its turns are', () => {
    const schedule = new TicketSchedule(() => randomBytes(80), 0);
    for (let nowMs = 0; nowMs < 100; nowMs++)
      schedule.turn(nowMs, { rotationMs: 1, lifetimeMs: 1e9 });
    assert.equal(schedule.keys.length, TICKET_KEYS_MAX);
  });

  test('goes on when the clock is put back', () => {
    const schedule = new TicketSchedule(() => randomBytes(80), 10_000);
    assert.equal(schedule.turn(0, times), true);
    assert.equal(schedule.turn(100, times), true);
  });
});

describe('ticket keys of a run', () => {
  test('that sluice makes itself allow early data at once, and turn by the schedule', async () => {
    const scene = new Scene({ ticketRotationMs: 1_000 });
    const { keys, earlyDataFromMs } = scene.keeper.ring;
    assert.deepEqual([keys.length, earlyDataFromMs], [1, 0]);
    await scene.after(999);
    assert.equal(scene.rings.length, 0);
    await scene.after(1);
    assert.equal(scene.rings.length, 1);
    assert.deepEqual(scene.rings[0]!.keys.slice(1), keys);
  });

  test('of a file allow early data when a whole window has passed since the start', () => {
    const [newest, older] = [randomBytes(80), randomBytes(80)];
    write(newest, older);
    const { ring } = new Scene({ ticketKeyFile: file }).keeper;
    assert.deepEqual(ring.keys.slice(0, 2), [newest, older]);
    assert.equal(ring.earlyDataFromMs, 1_000_000 + GENERATION_MS);
  });

  test('of a file allow no early data while a sluice with a register of its own takes over', () => {
    write(randomBytes(80));
    const scene = new Scene({ ticketKeyFile: file });
    const { ring } = scene.keeper;
    scene.keeper.handOver(true);
    const [applied] = scene.rings;
    assert.deepEqual(applied!.keys, ring.keys, 'sessions are resumed as before');
    // As it reaches another process.
    const { earlyDataFromMs } = JSON.parse(JSON.stringify(applied)) as typeof ring;
    assert.ok(earlyDataFromMs > Date.parse('9000-01-01'));
    scene.keeper.handOver(false);
    assert.equal(scene.rings[1]!.earlyDataFromMs, ring.earlyDataFromMs);
    const own = new Scene();
    own.keeper.handOver(true);
    assert.deepEqual(own.rings, [], 'nobody else has its own keys');
  });

  test('are taken in when their file changes, and stay when it is damaged', async () => {
    const [first, second] = [randomBytes(80), randomBytes(80)];
    write(first);
    const scene = new Scene({ ticketKeyFile: file });
    await scene.after(2_000);
    await scene.after(2_000);
    assert.equal(scene.rings.length, 0);
    write(second, first);
    await scene.after(2_000);
    await scene.after(2_000);
    assert.deepEqual(scene.rings.at(-1)!.keys.slice(0, 2), [second, first]);
    writeFileSync(file, 'torn');
    await scene.after(2_000);
    await scene.after(2_000);
    assert.equal(scene.rings.length, 1);
    assert.match(scene.reports.at(-1)!, /4 bytes.*those that were in use stay.*openssl rand/);
    assert.deepEqual(scene.keeper.ring.keys.slice(0, 2), [second, first]);
  });

  test('of a file are read again at once when the configuration is', () => {
    const [first, second] = [randomBytes(80), randomBytes(80)];
    write(first);
    const scene = new Scene({ ticketKeyFile: file });
    write(second, first);
    scene.keeper.adopt();
    assert.deepEqual(scene.rings[0]!.keys[0], second);
    scene.tls = { ...scene.tls, ticketKeyFile: null };
    scene.keeper.adopt();
    assert.equal(scene.rings[1]!.keys.length, 1);
  });
});
