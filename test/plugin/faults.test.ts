/** Every way in which a hook can fail, in every hook: what the client gets, and what is told of it. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { PluginScene, pluginOf, settled } from '../support/plugin-scene.ts';

/** Hooks that a request meets, with what a fault in each comes to where it is refused. */
const hooks = {
  onRequest: { isAsync: true, asksOrigin: false },
  cacheKey: { isAsync: false, asksOrigin: false },
  onOriginRequest: { isAsync: true, asksOrigin: false },
  onOriginResponse: { isAsync: false, asksOrigin: true },
  onResponse: { isAsync: false, asksOrigin: true },
} as const;

/** What a hook does, and what its fault is called where it may take its time, and where it may not. */
const ways: Record<string, { body: string; later: string; now: string }> = {
  throws: { body: '() => { throw new Error("out"); }', later: 'threw', now: 'threw' },
  'throws what is no error': { body: '() => { throw null; }', later: 'threw', now: 'threw' },
  'throws what cannot be looked at': {
    body: '() => { throw { get message() { throw 1; }, toString() { throw 2; } }; }',
    later: 'threw',
    now: 'threw',
  },
  'is rejected': {
    body: 'async () => { throw new Error("later"); }',
    later: 'rejected',
    now: 'returned',
  },
  'is never settled': { body: '() => new Promise(() => {})', later: 'timed-out', now: 'returned' },
  'returns what it cannot': { body: '() => true', later: 'returned', now: 'returned' },
  'resolves with what it cannot': { body: 'async () => 7', later: 'returned', now: 'returned' },
  'ends the process': { body: '() => process.exit(3)', later: 'exited', now: 'exited' },
  'aborts the process': { body: '() => process.abort()', later: 'exited', now: 'exited' },
  'kills the process': { body: '() => process.kill(process.pid)', later: 'exited', now: 'exited' },
};

for (const [hook, { isAsync, asksOrigin }] of Object.entries(hooks)) {
  for (const [way, { body, later, now }] of Object.entries(ways)) {
    test(`${hook} ${way}: refused where it decides, else as if it were not there`, async () => {
      const fault = `tested/${hook} ${isAsync ? later : now}`;
      for (const onFault of ['refuse', 'skip'] as const) {
        const plugin = pluginOf(`{ ${hook}: ${body} }`, { onFault, timeoutMs: 5 });
        using edge = new PluginScene([plugin]);
        const { client } = edge.ask();
        // A time limit of some milliseconds: the request waits for nothing else.
        while (!client.isComplete && edge.origin.requests.length === 0) await pause(1);
        const isAsked = edge.origin.requests.length > 0;
        assert.equal(isAsked, onFault === 'skip' || asksOrigin);
        if (isAsked) edge.origin.asked.answer(200, ['cache-control', 'max-age=60'], 'origin');
        await settled();
        assert.ok(client.isComplete);
        assert.equal(client.status, onFault === 'refuse' ? 500 : 200);
        assert.equal(client.content.includes('origin'), onFault === 'skip');
        assert.deepEqual(edge.faults, [fault]);
        assert.equal(edge.words.length, 1);
        if (onFault === 'refuse')
          assert.match(client.field('proxy-status'), /a plugin of the route failed/);
      }
    });
  }
}

test('what a hook that fails has changed did not happen, and what others changed did', async () => {
  const good = pluginOf('{ onRequest(r) { r.headers.set("X-Good", "1"); } }', { name: 'good' });
  const bad = pluginOf(
    `{ onRequest(r) { r.headers.set('X-Bad', '1'); r.headers.delete('X-Good'); r.origin = 'other'; throw 1; } }`,
    { name: 'bad', onFault: 'skip' },
  );
  using edge = new PluginScene([good, bad]);
  edge.ask();
  const { fields } = edge.origin.asked.head;
  assert.deepEqual([fields.first('x-good'), fields.first('x-bad')], ['1', undefined]);
  assert.deepEqual(edge.faults, ['bad/onRequest threw']);
});

test('what a hook does when its time is over changes nothing, also while others run', async () => {
  const late = pluginOf(
    `{ async onRequest(r) { const { headers } = r; await new Promise((go) => { r.signal.onabort = go; });
       await null; try { r.headers.set('X-Late', '1'); } catch {} try { headers.set('X-Late', '1'); } catch {}
       try { r.origin = 'other'; } catch {} return deny(418); } }`,
    { name: 'late', onFault: 'skip', timeoutMs: 5 },
  );
  const slow = pluginOf(
    '{ async onRequest(r) { for (let i = 0; i < 9; i++) await new Promise(setImmediate); r.headers.set("X-Slow", "1"); } }',
    { name: 'slow' },
  );
  using edge = new PluginScene([late, slow]);
  edge.ask();
  while (edge.origin.requests.length === 0) await pause(1);
  const { fields } = edge.origin.asked.head;
  assert.deepEqual([fields.first('x-slow'), fields.first('x-late')], ['1', undefined]);
  assert.deepEqual(edge.faults, ['late/onRequest timed-out']);
});

test('a key that nobody knows keeps the cache out: nobody gets what was made for others', () => {
  const plugin = pluginOf('{ cacheKey() { throw 1; } }', { onFault: 'skip' });
  using edge = new PluginScene([plugin]);
  for (const content of ['one', 'two']) {
    const { client } = edge.ask();
    edge.origin.asked.answer(200, ['cache-control', 'max-age=60'], content);
    assert.equal(client.content, content);
  }
});

test('a plugin that cannot be set up, or is disabled, answers 503 where it decides', () => {
  const broken = pluginOf('{ get onRequest() { throw new Error("no"); } }');
  const unknown = pluginOf('{ onRequset() {} }');
  const fine = pluginOf('{ onRequest() {} }');
  for (const [plugin, isEnabled, faults] of [
    [broken, true, ['tested/setup threw', 'tested/onRequest disabled']],
    [unknown, true, ['tested/setup threw', 'tested/onRequest disabled']],
    [fine, false, ['tested/onRequest disabled']],
  ] as const) {
    using edge = new PluginScene([plugin], {}, () => isEnabled);
    const { client } = edge.ask();
    assert.equal(client.status, 503);
    assert.equal(edge.origin.requests.length, 0);
    assert.deepEqual(edge.faults, faults);
    using skipping = new PluginScene([{ ...plugin, onFault: 'skip' }], {}, () => isEnabled);
    skipping.ask();
    assert.equal(skipping.origin.requests.length, 1);
    assert.equal(skipping.environment.plugins, null);
  }
});

test('what all code uses is put back, and who changed it is named', () => {
  const { map } = Array.prototype;
  for (const [body, what] of [
    ['Array.prototype.map = () => [];', 'Array.prototype.map'],
    ['Object.defineProperty(Map.prototype, "get", { value() {} });', 'Map.prototype.get'],
    ['globalThis.fetch = null;', 'globalThis.fetch'],
    ['String.prototype.mine = 1;', 'String.prototype.mine'],
    ['delete JSON.parse;', 'JSON.parse'],
  ] as const) {
    using edge = new PluginScene([pluginOf(`{ onRequest() { ${body} } }`)]);
    edge.ask();
    assert.deepEqual(edge.faults, ['tested/onRequest globals'], what);
    assert.ok(edge.words[0]?.includes(what), what);
  }
  assert.equal(Array.prototype.map, map);
  assert.equal(JSON.parse('1'), 1);
});

test('a call that takes long is counted and its result used', () => {
  const plugin = pluginOf(
    '{ onRequest() { const used = () => { const { user, system } = process.threadCpuUsage(); return user + system; }; const end = used() + 40_000; while (used() < end); return deny(403); } }',
  );
  using edge = new PluginScene([plugin]);
  assert.equal(edge.ask().client.status, 403);
  assert.deepEqual(edge.faults, ['tested/onRequest overran']);
});

test('timers and promises that nobody awaits are the fault of the plugin, and end nothing', async () => {
  const plugin = pluginOf(`{ onRequest() {
    setTimeout(() => { throw new Error('timer'); }, 0);
    setImmediate(() => { throw new Error('immediate'); });
    queueMicrotask(() => { throw new Error('microtask'); });
    setTimeout(async () => { throw new Error('rejected'); }, 0);
  } }`);
  using edge = new PluginScene([plugin]);
  edge.ask();
  while (edge.faults.length < 4) await pause(1);
  assert.deepEqual(new Set(edge.faults), new Set(['tested/background threw']));
});

test('the recorder hears which hook runs, and that it has ended, however it ended', () => {
  const plugin = pluginOf('{ onRequest() {}, onResponse() { throw 1; } }', { onFault: 'skip' });
  using edge = new PluginScene([plugin]);
  edge.ask();
  edge.origin.asked.answer(200);
  assert.deepEqual(edge.marks, ['tested:onRequest', 'left', 'tested:onResponse', 'left']);
});
