import assert from 'node:assert/strict';
import test from 'node:test';
import { Scene } from '../../../test/support/exchange-parts.ts';
import { SluiceError } from '../../base/errors.ts';
import { FieldSection } from '../../http/field-section.ts';
import { NO_RULES } from '../../routing/rules.ts';

const FRESH = ['cache-control', 'max-age=60'];

test('the origin gets who asked, for which host, and no field of one hop', () => {
  using scene = new Scene();
  scene.ask({ fields: ['connection', 'x-hop', 'x-hop', '1', 'accept', 'text/plain'] });
  const { fields } = scene.origin.asked.head;
  assert.equal(fields.first('host'), 'site.example');
  assert.equal(fields.first('x-forwarded-for'), '192.0.2.1');
  assert.equal(fields.first('accept'), 'text/plain');
  assert.equal(fields.first('x-hop'), undefined);
  assert.match(fields.combined('via') ?? '', /sluice/);
});

test('what the origin makes private is not stored, and what it lets be stored is', () => {
  using scene = new Scene();
  for (const [rule, requests] of [
    ['private', 2],
    ['no-store', 4],
    ['max-age=60', 5],
  ] as const) {
    for (let i = 0; i < 2; i++) {
      const before = scene.origin.requests.length;
      scene.ask({ path: `/${rule}` });
      if (scene.origin.requests.length > before) {
        scene.origin.asked.answer(200, ['cache-control', rule], 'x');
      }
    }
    assert.equal(scene.origin.requests.length, requests, rule);
  }
});

test('an unsafe request that succeeds removes what is stored of its target', () => {
  using scene = new Scene();
  scene.fill('before', FRESH);
  scene.ask({ method: 'POST' });
  scene.origin.asked.answer(204);
  const { client } = scene.ask();
  assert.equal(client.status, 0);
  scene.origin.asked.answer(200, FRESH, 'after');
  assert.equal(client.content, 'after');
});

test('an unsafe request that fails removes nothing', () => {
  using scene = new Scene();
  scene.fill('before', FRESH);
  scene.ask({ method: 'POST' });
  scene.origin.asked.answer(500);
  assert.equal(scene.ask().client.content, 'before');
});

test('what was asked for before a change is not stored after it', () => {
  using scene = new Scene();
  const { client } = scene.ask();
  const { asked } = scene.origin;
  scene.ask({ method: 'PUT' });
  scene.origin.asked.answer(204);
  asked.answer(200, FRESH, 'old');
  assert.equal(client.content, 'old');
  assert.equal(scene.ask().client.status, 0);
});

test('and neither is what no other request could have waited for', () => {
  using scene = new Scene();
  // It asks alone, so that there is no fetch of many that would be outdated with it.
  const { client } = scene.ask({ fields: ['cache-control', 'no-cache'] });
  const { asked } = scene.origin;
  scene.ask({ method: 'PUT' });
  scene.origin.asked.answer(204);
  asked.answer(200, FRESH, 'old');
  assert.equal(client.content, 'old');
  assert.equal(scene.ask().client.status, 0, 'the next one asks the origin');
});

test('a 304 for what is not here is no answer: all of it is asked for', async () => {
  using scene = new Scene();
  scene.fill('old', ['cache-control', 'max-age=1', 'etag', '"a"']);
  scene.nowMs += 5_000;
  const { client } = scene.ask();
  scene.origin.asked.answer(304, ['etag', '"b"']);
  await new Promise(setImmediate);
  assert.equal(scene.origin.asked.head.fields.first('if-none-match'), undefined);
  scene.origin.asked.answer(200, ['etag', '"b"'], 'new');
  assert.deepEqual([client.status, client.content], [200, 'new']);
});

test('a response goes on into the store when its client leaves, if its length is known', () => {
  using scene = new Scene();
  const { exchange } = scene.ask();
  const { asked } = scene.origin;
  asked.begin(200, FRESH, 4);
  asked.send('ab');
  exchange.onAbort(new SluiceError('connection-closed', 'gone', { blame: 'downstream' }));
  assert.ok(!asked.isCancelled);
  asked.send('cd');
  asked.end();
  assert.equal(scene.ask().client.content, 'abcd');
});

test('informational responses and trailers come through; edits of the route apply', () => {
  const editTrailers = () => FieldSection.of(['x-edited', '1']);
  using scene = new Scene({ route: { ...NO_RULES, editTrailers } });
  const { client } = scene.ask();
  scene.origin.asked.handler.onInformational(103, FieldSection.of(['link', '</a>']));
  scene.origin.asked.begin(200);
  scene.origin.asked.end(FieldSection.of(['x-sum', '2']));
  assert.deepEqual(client.informational, [103]);
  assert.equal(client.trailers?.first('x-edited'), '1');
});
