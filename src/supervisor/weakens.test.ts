import assert from 'node:assert/strict';
import { test } from 'node:test';
import { featureTable } from '../tls/features.ts';
import { weakenings } from './weakens.ts';

const weakens = (from: object, to: object) => weakenings(from, to).length > 0;

const base = {
  drainTimeoutMs: 8_000,
  drainGraceMs: 2_000,
  logs: [],
  routes: [{ access: [{ deny: 'all' }], rateLimits: [{ requests: 10 }], match: { hosts: ['a'] } }],
  hosts: [{ tls: { versionMin: '1.3', clientCertificates: { mode: 'require' } } }],
  connect: { allow: [443] },
  origins: [{ name: 'a', timeouts: { responseMs: 1_000 }, servers: [{ verify: true }] }],
  listeners: [{ tunnels: [], connectionsPerClientMax: 5 }],
  trustedProxies: [new Uint8Array([10, 0, 0, 0])],
  features: { 'early-data': true, ja4: true },
};

/** Every place of the options at which something stands. */
function leaves(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [path];
  const inner = Object.entries(value).flatMap(([name, one]) => leaves(one, [...path, name]));
  return path.length === 0 ? inner : [path, ...inner];
}

function changed(path: readonly string[], change: (value: unknown) => unknown): object {
  const copy = structuredClone<Record<string, unknown>>(base);
  const parent = path.slice(0, -1).reduce((at, name) => at[name] as Record<string, unknown>, copy);
  parent[path.at(-1)!] = change(parent[path.at(-1)!]);
  return copy;
}

const HARMLESS = /^(drain(TimeoutMs|GraceMs)|logs|origins\/0\/timeouts)/;

test('whatever a change touches counts as weaker, but what is known to have no weight', () => {
  const places = leaves(base);
  assert.ok(places.length > 25);
  for (const path of places) {
    for (const change of [() => 'something else', () => undefined, () => null]) {
      const key = path.join('/');
      assert.equal(weakens(base, changed(path, change)), !HARMLESS.test(key), key);
      assert.equal(weakens(changed(path, change), base), !HARMLESS.test(key), `${key}, back`);
    }
  }
});

test('a rule that comes with the newer configuration is not taken away by going back', () => {
  const without = changed(['routes', '0', 'access'], () => []);
  assert.deepEqual(weakenings(base, without), ['routes/0/access/0']);
  assert.ok(!weakens(base, structuredClone(base)));
});

test('early data that is switched off allows less', () => {
  const off = changed(['features', 'early-data'], () => false);
  assert.ok(!weakens(base, off));
  assert.ok(weakens(off, base));
});

test('of a feature it is known whether anybody may do more without it', () => {
  const without = (name: string) => ({ ...base, features: { ...base.features, [name]: false } });
  for (const { name, offAllowsMore } of featureTable) {
    assert.equal(weakens(base, without(name)), offAllowsMore, name);
  }
  assert.ok(!weakens(base, without('danger-observer')), 'what only looks on allows nothing');
  assert.ok(weakens(base, without('unheard-of')), 'what is not known is not trusted');
});
