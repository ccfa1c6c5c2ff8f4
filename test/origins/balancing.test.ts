import assert from 'node:assert/strict';
import test from 'node:test';
import { serverAt, startGroup } from '../support/origin-group.ts';
import { startOrigin, unusedPort } from '../support/origins.ts';
import { until } from '../support/waiting.ts';

/** An origin that answers with its name, at once or when it is let go. */
async function named(name: string) {
  const held: (() => void)[] = [];
  const state = { isHolding: false };
  const origin = await startOrigin((_request, response) => {
    if (state.isHolding) held.push(() => response.end(name));
    else response.end(name);
  });
  const release = () => {
    for (const answer of held.splice(0)) answer();
  };
  return { origin, port: origin.port, state, held, release };
}

const [a, b, c] = await Promise.all([named('a'), named('b'), named('c')]);
test.after(() => Promise.all([a, b, c].map(({ origin }) => origin[Symbol.asyncDispose]())));

test('round robin gives each server its share by weight', async () => {
  const servers = [serverAt(a.port, { weight: 3 }), serverAt(b.port), serverAt(c.port)];
  await using asked = startGroup(servers);
  assert.equal(await asked.sequence(10), 'abacaabaca');
});

test('least connections passes a busy server over', async () => {
  await using asked = startGroup([serverAt(a.port), serverAt(b.port)], {
    balance: { method: 'least-connections' },
  });
  a.state.isHolding = true;
  const waiting = [asked.begin({}), asked.begin({})];
  await until(() => a.held.length === 1, 'a to hold one request');
  // b has answered its one: it has nothing under way, and a has one.
  assert.equal(await asked.sequence(6), 'bbbbbb');
  a.state.isHolding = false;
  a.release();
  await Promise.all(waiting.map((one) => one.answer));
  const order = await asked.sequence(6);
  assert.match(order, /a/);
});

const client = (remoteAddress: string) => {
  return { remoteAddress, remotePort: 1, localAddress: '127.0.0.1', localPort: 2, tls: null };
};

for (const [title, key, question] of [
  ['the path', { on: 'path' }, (value: string) => ({ path: `/${value}` })],
  [
    'the client’s address',
    { on: 'client-address' },
    (value: string) => ({ client: client(`10.0.0.${value}`) }),
  ],
  [
    'a field',
    { on: 'field', name: 'x-user' },
    (value: string) => ({ fields: [['x-user', value]] as const }),
  ],
  [
    'a cookie',
    { on: 'cookie', name: 'session' },
    (value: string) => ({ fields: [['cookie', `a=1; session=${value}; b=2`]] as const }),
  ],
] as const) {
  test(`consistent hashing on ${title} keeps to one server for each value`, async () => {
    await using asked = startGroup([serverAt(a.port), serverAt(b.port), serverAt(c.port)], {
      balance: { method: 'consistent-hash', key, loadFactor: 2 },
    });
    const used = new Set<string>();
    for (let value = 0; value < 12; value++) {
      const order = await asked.sequence(3, question(String(value)));
      assert.equal(new Set(order).size, 1, `value ${value} went to ${order}`);
      used.add(order[0]!);
    }
    assert.ok(used.size > 1, 'different values go to different servers');
  });
}

test('consistent hashing leaves a server that has too much to do by its load factor', async () => {
  const all = [a, b, c];
  for (const { state } of all) state.isHolding = true;
  for (const [loadFactor, expected] of [
    [1, 3],
    [100, 1],
  ] as const) {
    await using asked = startGroup(
      all.map(({ port }) => serverAt(port)),
      { balance: { method: 'consistent-hash', key: { on: 'path' }, loadFactor } },
    );
    const waiting = Array.from({ length: 6 }, () => asked.begin({ path: '/popular' }));
    const held = () => all.map((one) => one.held.length);
    await until(() => held().reduce((sum, count) => sum + count) === 6, 'all to arrive');
    assert.equal(held().filter((count) => count > 0).length, expected, `factor ${loadFactor}`);
    for (const one of all) one.release();
    await Promise.all(waiting.map((one) => one.answer));
  }
  for (const { state } of all) state.isHolding = false;
});

test('requests without the field or cookie to hash by are spread by their path', async () => {
  await using asked = startGroup([serverAt(a.port), serverAt(b.port), serverAt(c.port)], {
    balance: {
      method: 'consistent-hash',
      key: { on: 'cookie', name: 'session' },
      loadFactor: 2,
    },
  });
  const used = new Set<string>();
  for (let i = 0; i < 12; i++) used.add(await asked.sequence(1, { path: `/${i}` }));
  assert.ok(used.size > 1);
});

test('a backup is asked when no other server can be, and only then', async () => {
  const dead = await unusedPort();
  await using asked = startGroup(
    [serverAt(a.port), serverAt(dead), serverAt(b.port, { backup: true })],
    {},
  );
  // Whoever meets the dead one is answered by the other primary one.
  assert.equal(await asked.sequence(20), 'a'.repeat(20));
  asked.setAdminState(a.port, 'down');
  asked.setAdminState(dead, 'down');
  assert.equal(await asked.sequence(3), 'bbb');
  asked.setAdminState(a.port, 'up');
  assert.equal(await asked.sequence(3), 'aaa');
});

test('a server that is drained gets nothing new, and what runs is finished', async () => {
  await using asked = startGroup([serverAt(a.port), serverAt(b.port)]);
  a.state.isHolding = true;
  const running = asked.begin({});
  await until(() => a.held.length === 1, 'a to hold the request');
  asked.setAdminState(a.port, 'drain');
  a.state.isHolding = false;
  assert.equal(await asked.sequence(4), 'bbbb');
  a.release();
  assert.equal((await running.answer).content, 'a');
});

test('a server that comes back takes its share little by little', async () => {
  const slowStartMs = 60_000;
  await using asked = startGroup([serverAt(a.port), serverAt(b.port)], { slowStartMs });
  asked.setAdminState(a.port, 'down');
  asked.setAdminState(a.port, 'up');
  // A tenth of the weight at first: one in eleven.
  const order = await asked.sequence(22);
  assert.equal(order.replaceAll('b', '').length, 2, order);
});

test('without a server that is up: 503, origin-unavailable', async () => {
  await using asked = startGroup([serverAt(a.port)]);
  asked.setAdminState(a.port, 'down');
  assert.equal((await asked.ask()).error, 'origin-unavailable');
});
