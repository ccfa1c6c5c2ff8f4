import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from '../../../test/support/fast-check.ts';
import {
  FRESHNESS_WINDOW_MS,
  GENERATION_MS,
  StrikeRegister,
  strikeRegisterBytes,
} from './strike-register.ts';

const NOW_MS = 1_800_000_000_000;

function register(slots = 4096): StrikeRegister {
  return new StrikeRegister(
    new Int32Array(new SharedArrayBuffer(strikeRegisterBytes(slots))),
    slots,
  );
}

test('a ClientHello is accepted once, and again by nobody', () => {
  const strikes = register();
  const key = randomBytes(32);
  assert.equal(strikes.strike(key, NOW_MS), 'first');
  for (let i = 0; i < 100; i++) assert.equal(strikes.strike(key, NOW_MS + i), 'replayed');
});

test('different ClientHellos do not disturb one another', () => {
  const strikes = register();
  for (let i = 0; i < 1000; i++) assert.equal(strikes.strike(randomBytes(32), NOW_MS), 'first');
});

test('a key is remembered for the whole freshness window, whenever in a generation it came', () => {
  const moments = fc.record({
    at: fc.integer({ min: 0, max: 3 * GENERATION_MS }),
    later: fc.integer({ min: 0, max: FRESHNESS_WINDOW_MS }),
    between: fc.array(fc.integer({ min: 0, max: FRESHNESS_WINDOW_MS }), { maxLength: 8 }),
  });
  fc.assert(
    fc.property(moments, ({ at, later, between }) => {
      const strikes = register();
      const key = randomBytes(32);
      const start = NOW_MS + at;
      assert.equal(strikes.strike(key, start), 'first');
      for (const offset of between.sort((a, b) => a - b)) {
        if (offset <= later) strikes.strike(randomBytes(32), start + offset);
      }
      assert.equal(strikes.strike(key, start + later), 'replayed');
    }),
  );
});

test('memory is bounded: keys older than two generations are gone', () => {
  const strikes = register();
  const key = randomBytes(32);
  assert.equal(strikes.strike(key, NOW_MS), 'first');
  assert.equal(strikes.strike(key, NOW_MS + 2 * GENERATION_MS), 'first');
});

test('a full register refuses instead of forgetting', () => {
  const strikes = register(64);
  const keys = Array.from({ length: 500 }, () => randomBytes(32));
  const outcomes = keys.map((key) => strikes.strike(key, NOW_MS));
  assert.equal(outcomes.filter((outcome) => outcome === 'first').length, 64);
  assert.ok(outcomes.includes('unavailable'));
  keys.forEach((key, i) => {
    if (outcomes[i] === 'first') assert.equal(strikes.strike(key, NOW_MS), 'replayed');
  });
});

test('a clock that goes back does not open the window', () => {
  const strikes = register();
  const key = randomBytes(32);
  assert.equal(strikes.strike(key, NOW_MS), 'first');
  assert.equal(strikes.strike(key, NOW_MS - GENERATION_MS), 'replayed');
  assert.equal(strikes.strike(key, NOW_MS - 10 * GENERATION_MS), 'begun-anew');
});

test('a clock that was far ahead closes the register for a window, and no longer', () => {
  const YEAR_MS = 31_536_000_000;
  const strikes = register();
  assert.equal(strikes.strike(randomBytes(32), NOW_MS + YEAR_MS), 'first');
  const closed = randomBytes(32);
  assert.equal(strikes.strike(closed, NOW_MS), 'begun-anew');
  assert.equal(strikes.state(NOW_MS).refusal, 'clock stepped');
  const { untilMs } = strikes.state(NOW_MS);
  assert.ok(untilMs <= NOW_MS + GENERATION_MS + 1_000, `${untilMs - NOW_MS} ms`);
  assert.equal(strikes.strike(randomBytes(32), untilMs - 1), 'begun-anew');
  assert.equal(strikes.strike(closed, untilMs), 'replayed', 'what was refused is remembered');
  assert.equal(strikes.strike(randomBytes(32), untilMs), 'first');
  assert.deepEqual(strikes.state(untilMs), { refusal: '', untilMs: 0 });
});

test('a clock that is ahead at times lets no flight run twice while it is fresh', () => {
  const moments = fc.array(
    fc.record({
      passesMs: fc.integer({ min: 0, max: 12_000 }),
      aheadMs: fc.oneof(
        { weight: 3, arbitrary: fc.constant(0) },
        fc.integer({ min: 0, max: 200_000 }),
        fc.constant(31_536_000_000),
      ),
      isOther: fc.boolean(),
    }),
    { maxLength: 40 },
  );
  fc.assert(
    fc.property(moments, (all) => {
      const strikes = register(256);
      const flight = randomBytes(32);
      assert.equal(strikes.strike(flight, NOW_MS), 'first');
      let realMs = NOW_MS;
      for (const { passesMs, aheadMs, isOther } of all) {
        realMs += passesMs;
        const nowMs = realMs + aheadMs;
        // By the very clock of the register a ticket has its age.
        const isFresh = nowMs <= NOW_MS + FRESHNESS_WINDOW_MS;
        if (isOther) strikes.strike(randomBytes(32), nowMs);
        else if (isFresh) assert.notEqual(strikes.strike(flight, nowMs), 'first');
      }
    }),
    { numRuns: 2_000 },
  );
});

test('what a full register could not note is never accepted while it may be fresh', () => {
  const strikes = register(64);
  const late = NOW_MS + GENERATION_MS - 1_000;
  for (let i = 0; i < 500; i++) strikes.strike(randomBytes(32), late);
  const refused = randomBytes(32);
  assert.equal(strikes.strike(refused, late), 'unavailable');
  assert.equal(strikes.state(late).refusal, 'register full');
  // The next generation has room.
  assert.notEqual(strikes.strike(refused, late + 1_500), 'first');
  for (let passed = 2_000; passed <= FRESHNESS_WINDOW_MS; passed += 500) {
    const strike = strikes.strike(randomBytes(32), late + passed);
    assert.equal(strike, 'unavailable', `${passed} ms later`);
  }
  assert.equal(strikes.strike(randomBytes(32), late + 2 * GENERATION_MS), 'first');
});

test('what comes while a dead worker empties the next area is never accepted while it may be fresh', () => {
  const words = new Int32Array(strikeRegisterBytes(64) / 4);
  const strikes = new StrikeRegister(words, 64);
  assert.equal(strikes.strike(randomBytes(32), NOW_MS), 'first');
  const generation = words[0]! + 1;
  // As the emptier has left it: the area is its own, and nothing more.
  words[1 + (generation % 3)] = -generation;
  const refused = randomBytes(32);
  const nowMs = NOW_MS + GENERATION_MS;
  assert.equal(strikes.strike(refused, nowMs), 'unavailable');
  assert.equal(strikes.state(nowMs).refusal, 'register unavailable');
  words[1 + (generation % 3)] = generation;
  for (let passed = 0; passed <= FRESHNESS_WINDOW_MS; passed += 500) {
    assert.notEqual(strikes.strike(refused, nowMs + passed), 'first', `${passed} ms later`);
  }
  assert.equal(strikes.strike(randomBytes(32), nowMs + GENERATION_MS), 'first');
});

test('a ticket that is spent stays so, and one that is made afterwards is not', () => {
  const strikes = register();
  assert.equal(strikes.isSpent(7, NOW_MS), false);
  strikes.spend(7, NOW_MS);
  strikes.spend(-1, NOW_MS);
  for (const mark of [7, -1, 7 + 65_536]) {
    assert.equal(strikes.isSpent(mark, NOW_MS), true);
    assert.equal(strikes.isSpent(mark, NOW_MS - 3_600_000), true);
    assert.equal(strikes.isSpent(mark, NOW_MS + 1_001), false);
  }
  assert.equal(strikes.isSpent(8, NOW_MS), false);
  for (let i = 0; i < 100; i++) {
    assert.equal(strikes.strike(randomBytes(32), NOW_MS), 'first', 'keys are elsewhere');
  }
});

test('a register that is full says so until there is room again', () => {
  const strikes = register(64);
  for (let i = 0; i < 500; i++) strikes.strike(randomBytes(32), NOW_MS);
  const { refusal, untilMs } = strikes.state(NOW_MS);
  assert.equal(refusal, 'register full');
  assert.ok(untilMs > NOW_MS && untilMs <= NOW_MS + GENERATION_MS);
  assert.equal(strikes.state(untilMs).refusal, '');
  assert.equal(strikes.strike(randomBytes(32), untilMs), 'first');
});

test('several workers at once never accept a ClientHello twice, a new generation included', async () => {
  const slots = 65_536;
  const shared = new SharedArrayBuffer(strikeRegisterBytes(slots));
  const keys = Array.from({ length: 5000 }, () => randomBytes(32));
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const counts = await Promise.all(
    [0, 1, 2, 3].map(
      (index) =>
        new Promise<number>((resolve, reject) => {
          const worker = new Worker(new URL('../../../test/tls/strike-race.ts', import.meta.url), {
            workerData: { shared, slots, keys, gate, index, nowMs: NOW_MS },
          });
          worker.once('message', resolve);
          worker.once('error', reject);
        }),
    ),
  );
  // At the start of a generation a few are refused; none may be accepted by two.
  const first = counts.reduce((sum, count) => sum + count, 0);
  assert.ok(first <= keys.length, `${first} accepted`);
  assert.ok(first > keys.length / 2, `only ${first} accepted`);
});
