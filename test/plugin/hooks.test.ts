/** What plugins see and do, hook by hook, in a proxy in memory. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { SluiceError } from '../../src/base/errors.ts';
import { Facts } from '../support/exchange-parts.ts';
import { PluginScene, pluginOf, settled } from '../support/plugin-scene.ts';
import { spellingsOf } from '../support/spellings.ts';

const FRESH = ['cache-control', 'max-age=60'];

function edgeWith(hooks: string, changes = {}): PluginScene {
  return new PluginScene([pluginOf(hooks, changes)]);
}

test('headers that a hook sets reach the origin, and no spelling of theirs from the client does', () => {
  using edge = edgeWith(
    '{ onRequest(r) { r.headers.set("X-User", "bob"); r.headers.delete("X-Role"); } }',
  );
  const sent = [
    'x-user',
    'eve',
    'x_user',
    'eve',
    'x-role',
    'admin',
    'x_role',
    'admin',
    'x-kept',
    '1',
  ];
  edge.ask({ fields: [...sent, 'connection', 'X-User, x-kept'] });
  const { fields } = edge.origin.asked.head;
  assert.equal(fields.combined('x-user'), 'bob');
  for (const name of ['x_user', 'x-role', 'x_role', 'x-kept'])
    assert.equal(fields.has(name), false, name);
});

test('trailers do not say what a hook has said', () => {
  using edge = edgeWith('{ onRequest(r) { r.headers.set("X-User", "bob"); } }');
  const { handler } = edge.ask({ method: 'POST', contentLength: -1 });
  const { names } = edge.origin.asked.head.fields;
  assert.ok(names.includes('x-user'));
  const ended: unknown[] = [];
  edge.origin.asked.sendEnd = ((trailers: { names: string[] } | null) => {
    ended.push(trailers?.names ?? null);
  }) as () => void;
  const trailers = edge.origin.asked.head.fields.clone();
  handler.onEnd(trailers);
  assert.equal(String(ended[0]).includes('x-user'), false);
});

test('headers that no message can have are a fault of the plugin, and are not sent', () => {
  for (const [name, value] of [
    ['X-A', 'a\\r\\nX-B: b'],
    ['X A', 'a'],
    ['X-A', '\\u{1F600}'],
    ['Content-Length', '5'],
    ['Transfer-Encoding', 'chunked'],
    ['Host', 'other.example'],
    ['Connection', 'close'],
  ] as const) {
    using edge = edgeWith(`{ onRequest(r) { r.headers.set("${name}", "${value}"); } }`);
    assert.equal(edge.ask().client.status, 500, name);
    assert.deepEqual(edge.faults, ['tested/onRequest threw']);
  }
});

test('answer, deny, redirect and a web Response answer in place of the origin', async () => {
  for (const [body, status, content, field] of [
    ['answer(201, "made", { "X-A": "1", "Cache-Control": "max-age=5" })', 201, 'made', 'max-age=5'],
    ['deny()', 403, 'denied\n', 'no-store'],
    ['redirect("/login")', 302, '', 'no-store'],
    ['new Response("web", { status: 418, headers: { "X-A": "1" } })', 418, 'web', 'no-store'],
    ['Promise.resolve(deny(401))', 401, 'denied\n', 'no-store'],
  ] as const) {
    using edge = edgeWith(`{ onRequest() { return ${body}; } }`);
    const { client } = edge.ask();
    while (!client.isComplete) await settled();
    assert.deepEqual([client.status, client.content], [status, content], body);
    assert.equal(client.field('cache-control'), field);
    assert.equal(edge.origin.requests.length, 0);
    assert.deepEqual(edge.faults, []);
  }
});

test('a request whose hook takes its time keeps its body for the origin', async () => {
  using edge = edgeWith('{ async onRequest(r) { await null; r.headers.set("X-Late", "1"); } }');
  const { client, handler } = edge.ask({ method: 'POST', contentLength: 3 });
  assert.equal(client.isPaused, true);
  while (client.isPaused) await settled();
  handler.onContent(Buffer.from('abc'));
  handler.onEnd(null);
  assert.equal(edge.origin.asked.content, 'abc');
  assert.equal(edge.origin.asked.head.fields.first('x-late'), '1');
});

test('a client that goes while a hook takes its time is recorded, and the origin not asked', async () => {
  using edge = edgeWith(
    '{ async onRequest(r) { await new Promise((go) => r.signal.addEventListener("abort", go)); }, onFinish(f) { tools.log(f.error); } }',
  );
  const { handler } = edge.ask();
  handler.onAbort(new SluiceError('gone-away', 'gone', { blame: 'downstream' }));
  await settled();
  assert.deepEqual(edge.logged, ['tested: gone-away']);
  assert.equal(edge.origin.requests.length, 0);
  assert.deepEqual(
    edge.scene.records.map(({ errorCode }) => errorCode),
    ['gone-away'],
  );
  assert.deepEqual(edge.faults, []);
});

test('every spelling of a path is under a rule that denies it', () => {
  using edge = edgeWith('{ onRequest(r) { if (r.isUnder("/private")) return deny(); } }');
  for (const path of spellingsOf('/private/a')) {
    assert.equal(edge.ask({ path }).client.status, 403, path);
  }
  assert.equal(edge.origin.requests.length, 0);
  edge.ask({ path: '/privateer' });
  assert.equal(edge.origin.requests.length, 1);
});

test('a rule that allows wants every way to read the path, and a pattern any', () => {
  using edge = edgeWith(
    '{ onRequest(r) { return answer(200, [r.isOnlyUnder("/public"), r.pathMatches(/^\\/admin/)].join()); } }',
  );
  assert.equal(edge.ask({ path: '/public/a' }).client.content, 'true,false');
  assert.equal(edge.ask({ path: '/public/..%2fadmin' }).client.content, 'false,true');
});

test('a plugin for some paths is for every spelling of them, and one for a method for no other', () => {
  const match = { routes: [], paths: ['/private'], methods: ['GET'] };
  using edge = edgeWith('{ onRequest() { return deny(); } }', { match });
  for (const path of spellingsOf('/private/a')) {
    assert.equal(edge.ask({ path }).client.status, 403, path);
  }
  assert.equal(edge.ask({ path: '/private', method: 'HEAD' }).client.status, 403);
  edge.ask({ path: '/other' });
  edge.ask({ path: '/private', method: 'DELETE' });
  assert.equal(edge.origin.requests.length, 2);
});

test('each value of a key has a stored response of its own, and what is merged is shared', () => {
  using edge = edgeWith(
    `{ cacheKey(r) { return { vary: { device: r.headers.get('x-device') ?? 'none' }, target: r.target.split('?')[0] }; } }`,
  );
  for (const [device, target, isHit] of [
    ['phone', '/?a', false],
    ['phone', '/?b', true],
    ['desk', '/?a', false],
    ['desk\nplugin x', '/', false],
  ] as const) {
    const before = edge.origin.requests.length;
    const { client } = edge.ask({ path: target, fields: ['x-device', device] });
    if (edge.origin.requests.length > before) edge.origin.asked.answer(200, FRESH, device);
    assert.equal(edge.origin.requests.length === before, isHit, device + target);
    assert.equal(client.content, device);
  }
});

test('a header that onRequest sets is no part of the key: Vary and cacheKey keep users apart', () => {
  const sets = 'onRequest(r) { r.headers.set("X-User", r.state = r.cookie("user")); }';
  const keyed = `${sets}, cacheKey: (r) => ({ vary: { user: r.state } })`;
  for (const [hooks, fields, asked] of [
    [sets, FRESH, 1],
    [sets, [...FRESH, 'vary', 'X-User'], 2],
    [sets, ['cache-control', 'private, max-age=60'], 4],
    [keyed, FRESH, 2],
  ] as const) {
    using edge = edgeWith(`{ ${hooks} }`);
    for (const user of ['ann', 'bob', 'ann', 'bob']) {
      const before = edge.origin.requests.length;
      const { client } = edge.ask({ fields: ['cookie', `user=${user}`] });
      if (edge.origin.requests.length > before) edge.origin.asked.answer(200, fields, user);
      assert.equal(client.content === user || asked === 1, true);
    }
    assert.equal(edge.origin.requests.length, asked, hooks + fields.join());
  }
});

test('another group of origins has stored responses of its own', () => {
  using edge = edgeWith('{ onRequest(r) { if (r.cookie("beta") === "1") r.origin = "other"; } }');
  edge.ask({ fields: ['cookie', 'a=2; beta=1'] });
  edge.other.asked.answer(200, FRESH, 'beta');
  const { client } = edge.ask();
  edge.origin.asked.answer(200, FRESH, 'stable');
  assert.equal(client.content, 'stable');
  assert.equal(edge.ask({ fields: ['cookie', 'beta=1'] }).client.content, 'beta');
  assert.deepEqual([edge.origin.requests.length, edge.other.requests.length], [1, 1]);
});

test('onOriginRequest changes what the origin is asked, and waits for what it needs', async () => {
  using edge = edgeWith(
    '{ async onOriginRequest(o, client) { await null; o.target = "/signed" + o.target; o.host = "bucket.example"; o.headers.set("Authorization", client.method); } }',
  );
  edge.ask({ path: '/a' });
  while (edge.origin.requests.length === 0) await settled();
  const { path, fields } = edge.origin.asked.head;
  const said = [path, fields.first('host'), fields.first('authorization')];
  assert.deepEqual(said, ['/signed/a', 'bucket.example', 'GET']);
});

test('onOriginRequest is told by the signal that its time is over', async () => {
  using edge = edgeWith(
    `{ async onOriginRequest(o, client) {
       await new Promise((go) => client.signal.addEventListener('abort', go)); tools.log('aborted'); } }`,
    { onFault: 'skip', timeoutMs: 5 },
  );
  edge.ask();
  while (edge.origin.requests.length === 0) await new Promise((go) => setTimeout(go, 1));
  await settled();
  assert.deepEqual(edge.logged, ['tested: aborted']);
  assert.deepEqual(edge.faults, ['tested/onOriginRequest timed-out']);
});

test('what a plugin keeps is its own, also where sluice asks the origin again by itself', () => {
  const keeps = pluginOf('{ onRequest(r) { r.state = "secret"; } }', { name: 'keeps' });
  const asks = pluginOf(
    '{ onRequest(r) { r.state = "asks"; }, onOriginRequest(o, client) { tools.log(String(client.state)); }, onOriginResponse(o, client) { tools.log(String(client.state)); } }',
    { name: 'asks' },
  );
  const looks = pluginOf('{ onOriginRequest(o, client) { tools.log(String(client.state)); } }', {
    name: 'looks',
  });
  using edge = new PluginScene([keeps, asks, looks]);
  edge.ask();
  const stale = ['cache-control', 'max-age=60, stale-while-revalidate=600'];
  edge.origin.asked.answer(200, stale, 'first');
  const said = ['asks: asks', 'looks: undefined', 'asks: asks'];
  assert.deepEqual(edge.logged.splice(0), said);
  edge.scene.nowMs += 120_000;
  assert.equal(edge.ask().client.content, 'first');
  edge.origin.asked.answer(200, stale, 'second');
  assert.equal(edge.origin.requests.length, 2);
  assert.deepEqual(edge.logged, said);
});

test('onOriginResponse runs once for a fetch: what it sets is stored, and how long is as it says', () => {
  using edge = edgeWith(
    '{ onOriginResponse(o) { tools.log(String(o.lifetime)); o.headers.set("X-Made", "1"); o.lifetime = 600; } }',
  );
  for (const isHit of [false, true]) {
    const { client } = edge.ask();
    if (!isHit) edge.origin.asked.answer(200, FRESH, 'once');
    assert.deepEqual([client.content, client.field('x-made')], ['once', '1']);
    assert.equal(client.field('cache-control'), 'max-age=60');
    assert.equal(
      client.head?.fields.names.some((name) => name.includes('plugin')),
      false,
    );
    edge.scene.nowMs += 120_000;
  }
  assert.deepEqual(edge.logged, ['tested: 60']);
});

test('noStore keeps a response for its client; a lifetime cannot open what is closed to others', () => {
  for (const [hooks, fields, faults] of [
    ['o.noStore()', FRESH, []],
    ['o.lifetime = 60', ['cache-control', 'private'], ['tested/onOriginResponse threw']],
    ['o.lifetime = 60', ['cache-control', 'no-store'], ['tested/onOriginResponse threw']],
    ['o.lifetime = 60', ['set-cookie', 'a=b'], ['tested/onOriginResponse threw']],
    ['o.lifetime = 60; o.headers.set("Set-Cookie", "a=b")', [], []],
  ] as const) {
    using edge = edgeWith(`{ onOriginResponse(o) { ${hooks}; } }`, { onFault: 'skip' });
    edge.ask();
    edge.origin.asked.answer(200, fields, 'mine');
    edge.ask();
    assert.equal(edge.origin.requests.length, 2, hooks);
    assert.deepEqual(edge.faults, faults);
  }
});

test('an origin that speaks as a plugin is not heard', () => {
  using edge = edgeWith('{ onOriginResponse() {} }');
  edge.ask();
  edge.origin.asked.answer(
    200,
    ['cache-control', 'no-store', 'sluice-plugin-cache-control', 'max-age=9'],
    'a',
  );
  edge.ask();
  assert.equal(edge.origin.requests.length, 2);
});

test('onResponse changes each delivery, hits too, and leaves what is stored as it is', () => {
  using edge = edgeWith(
    '{ onResponse(o, r) { r.state = 1; o.headers.set("X-For", r.headers.get("x-me") ?? ""); } }',
  );
  for (const me of ['one', 'two', 'three']) {
    const { client } = edge.ask({ fields: ['x-me', me] });
    if (me === 'one') edge.origin.asked.answer(200, FRESH, 'shared');
    assert.deepEqual([client.field('x-for'), client.content], [me, 'shared']);
  }
  assert.equal(edge.origin.requests.length, 1);
});

test('onFinish hears of each request once: hits, misses and refusals', () => {
  using edge = edgeWith(
    '{ onRequest(r) { r.state = "s"; if (r.target === "/no") return deny(); }, onFinish(f, r) { tools.log([f.status, f.cache, r.state].join()); } }',
  );
  edge.ask();
  edge.origin.asked.answer(200, FRESH, 'x');
  edge.ask();
  edge.ask({ path: '/no' });
  assert.deepEqual(edge.logged, ['tested: 200,miss,s', 'tested: 200,hit,s', 'tested: 403,none,s']);
});

test('no hook decides about an unsafe request in early data, or one that the host holds back', async () => {
  using edge = edgeWith('{ onRequest(r) { tools.log(`${r.method} ${r.early}`); } }');
  const unsafe = edge.ask({ method: 'POST', contentLength: 0 }, new Facts(true));
  assert.deepEqual(edge.logged, []);
  unsafe.facts.endHandshake(true);
  await settled();
  edge.ask({}, new Facts(true));
  assert.deepEqual(edge.logged, ['tested: POST false', 'tested: GET true']);
  const failed = edge.ask({ method: 'DELETE' }, new Facts(true));
  failed.facts.endHandshake(false);
  await settled();
  assert.equal(edge.logged.length, 2);
});

test('a hook can wait until nobody can have sent a copy, and that is not its fault', async () => {
  using edge = edgeWith(
    '{ async onRequest(r) { await r.holdUntilHandshakeEnds(); return answer(200, String(r.early)); } }',
    { timeoutMs: 1 },
  );
  const { client, facts } = edge.ask({}, new Facts(true));
  await new Promise((go) => setTimeout(go, 20));
  assert.equal(client.isComplete, false);
  facts.endHandshake(true);
  while (!client.isComplete) await settled();
  assert.equal(client.content, 'false');
  assert.deepEqual(edge.faults, []);
});
