import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test from 'node:test';
import { metricsRegionBytes } from '../telemetry/metric-layout.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { StrikeRegister, strikeRegisterBytes } from '../tls/early-data/strike-register.ts';
import { clusterLinks, earlyDataState } from './early-data-state.ts';

const NOW_MS = 1_000_000;
const ring = (earlyDataFromMs: number) => ({ keys: [], earlyDataFromMs });

function facts() {
  const register = new StrikeRegister(new Int32Array(strikeRegisterBytes(64) / 4), 64);
  return { isOn: true, ring: ring(0), register, clusterLinks: null, nowMs: NOW_MS };
}

test('what is refused as a whole is said with its reason and how long it lasts', () => {
  assert.deepEqual(earlyDataState(facts()), { refusal: '', forSeconds: 0 });
  const young = earlyDataState({ ...facts(), ring: ring(NOW_MS + 24_500) });
  assert.deepEqual(young, { refusal: 'register too young', forSeconds: 25 });
  const handingOver = earlyDataState({ ...facts(), ring: ring(Number.MAX_SAFE_INTEGER) });
  assert.deepEqual(handingOver, { refusal: 'register too young', forSeconds: null });
  const away = earlyDataState({ ...facts(), clusterLinks: 0 });
  assert.deepEqual(away, { refusal: 'cluster did not answer', forSeconds: null });
  const off = earlyDataState({ ...facts(), isOn: false });
  assert.deepEqual(off, { refusal: 'policy off', forSeconds: null });
});

test('a register that is full or whose clock has gone back says so', () => {
  const full = facts();
  for (let i = 0; i < 500; i++) full.register.strike(randomBytes(32), NOW_MS);
  assert.equal(earlyDataState(full).refusal, 'register full');
  const stepped = facts();
  stepped.register.strike(randomBytes(32), NOW_MS + 1e9);
  stepped.register.strike(randomBytes(32), NOW_MS);
  const { refusal, forSeconds } = earlyDataState(stepped);
  assert.equal(refusal, 'clock stepped');
  assert.ok(forSeconds !== null && forSeconds > 0 && forSeconds <= 26);
});

test('a cluster is away when no process is connected to its register', () => {
  const region = () => new Uint8Array(metricsRegionBytes);
  const regions = [region(), region()];
  const metrics = new Metrics(regions[1]!);
  metrics.tickets.clusterConnected('keys', true);
  assert.equal(clusterLinks(regions), 0);
  metrics.tickets.clusterConnected('register', true);
  assert.equal(clusterLinks(regions), 1);
});
