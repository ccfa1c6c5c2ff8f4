import assert from 'node:assert/strict';
import test from 'node:test';
import { ClientCounts } from './client-counts.ts';

test('a client gets so many connections, and another when one of them has ended', () => {
  const counts = new ClientCounts();
  assert.ok(counts.enter('192.0.2.1', 2));
  assert.ok(counts.enter('192.0.2.1', 2));
  assert.ok(!counts.enter('192.0.2.1', 2));
  assert.ok(!counts.enter('::ffff:192.0.2.1', 2));
  assert.ok(counts.enter('192.0.2.2', 2));
  counts.leave('192.0.2.1');
  assert.ok(counts.enter('192.0.2.1', 2));
});

test('a subnet of IPv6 is one client, and without a limit all come in', () => {
  const counts = new ClientCounts();
  assert.ok(counts.enter('2001:db8::1', 1));
  assert.ok(!counts.enter('2001:db8::ffff:1', 1));
  for (let i = 0; i < 100; i++) assert.ok(counts.enter('unix', 0));
});

test('nothing is kept of clients that have gone', () => {
  const counts = new ClientCounts();
  for (let i = 0; i < 10; i++) assert.ok(counts.enter(`192.0.2.${i}`, 1));
  for (let i = 0; i < 10; i++) counts.leave(`192.0.2.${i}`);
  assert.equal(counts.size, 0);
});
