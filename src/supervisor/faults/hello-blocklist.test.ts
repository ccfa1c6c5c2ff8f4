import assert from 'node:assert/strict';
import test from 'node:test';
import { defaultRefusalLimits, HelloBlocklist } from './hello-blocklist.ts';

const settings = { deathsMax: 3, windowMs: 60_000 };

/** Dies until it is refused; how often that took. */
function deathsToRefusal(refused: HelloBlocklist, nowMs: number): number {
  for (let deaths = 1; ; deaths++) if (refused.died('print', nowMs)) return deaths;
}

test('a fingerprint that kills beyond what trips a rollback is refused for a minute, and again', () => {
  const refused = new HelloBlocklist(settings);
  const { refusedMs } = defaultRefusalLimits;
  assert.ok(refusedMs <= 60_000, 'honest clients of the same shape are not shut out for longer');
  for (let nowMs = 0; nowMs < 12 * refusedMs; nowMs += refusedMs) {
    assert.equal(deathsToRefusal(refused, nowMs), 5);
    assert.deepEqual(refused.list(nowMs), ['print']);
    assert.deepEqual(refused.list(nowMs + refusedMs - 1), ['print']);
    assert.deepEqual(refused.list(nowMs + refusedMs), []);
  }
});

test('deaths far apart refuse nobody, and what is remembered is bounded', () => {
  const refused = new HelloBlocklist(settings);
  for (let i = 0; i < 20; i++) assert.equal(refused.died('print', i * 30_000), false);
  for (let i = 0; i < 5_000; i++) for (let n = 0; n < 5; n++) refused.died(`${i}`, 0);
  assert.equal(refused.list(1).length, defaultRefusalLimits.fingerprintsMax);
  refused.clear();
  assert.deepEqual(refused.list(1), []);
});
