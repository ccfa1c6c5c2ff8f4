import assert from 'node:assert/strict';
import test from 'node:test';
import { Facts, Scene } from '../../test/support/exchange-parts.ts';
import { SluiceError } from '../base/errors.ts';
import type { ContentReader, StoredContentReceiver, StoreHit } from '../cache/contract.ts';
import { ErrorPageSet } from '../routing/error-pages.ts';
import { NO_RULES } from '../routing/rules.ts';

const gone = new SluiceError('connection-closed', 'the client has gone', { blame: 'downstream' });
const refused = new SluiceError('origin-unreachable', 'nobody is there', { blame: 'upstream' });

test('what the origin has said is answered from the cache until it is stale', () => {
  using scene = new Scene();
  scene.fill('first');
  const again = scene.ask().client;
  assert.equal(again.content, 'first');
  assert.ok(again.isComplete);
  assert.match(again.field('cache-status'), /hit/);
  assert.equal(scene.origin.requests.length, 1);
  scene.nowMs += 61_000;
  const late = scene.ask().client;
  assert.equal(scene.origin.requests.length, 2);
  scene.origin.asked.answer(200, ['cache-control', 'max-age=60'], 'second');
  assert.equal(late.content, 'second');
  assert.deepEqual(
    scene.records.map(({ cache }) => cache),
    ['miss', 'hit', 'miss'],
  );
});

test('a client that asks for nothing but the cache gets 504 when it has nothing', () => {
  using scene = new Scene();
  const { client } = scene.ask({ fields: ['cache-control', 'only-if-cached'] });
  assert.equal(client.status, 504);
  assert.equal(scene.origin.requests.length, 0);
});

test('a client that has the same gets 304, one that asks for a range that range', () => {
  using scene = new Scene();
  scene.fill('0123456789', ['cache-control', 'max-age=60', 'etag', '"a"']);
  const same = scene.ask({ fields: ['if-none-match', '"a"'] }).client;
  assert.deepEqual([same.status, same.content], [304, '']);
  const range = scene.ask({ fields: ['range', 'bytes=2-4'] }).client;
  assert.deepEqual([range.status, range.content], [206, '234']);
  assert.equal(scene.origin.requests.length, 1);
});

test('a stale response that the origin confirms is served, and no content is asked for', () => {
  using scene = new Scene();
  scene.fill('kept', ['cache-control', 'max-age=1', 'etag', '"a"']);
  scene.nowMs += 5_000;
  const { client } = scene.ask();
  assert.equal(scene.origin.asked.head.fields.first('if-none-match'), '"a"');
  scene.origin.asked.answer(304, ['etag', '"a"', 'cache-control', 'max-age=60']);
  assert.deepEqual([client.status, client.content], [200, 'kept']);
  assert.equal(scene.records.at(-1)?.cache, 'revalidated');
});

test('a stale response that may stand in for an error does so when the origin is gone', () => {
  using scene = new Scene();
  scene.fill('kept', ['cache-control', 'max-age=1, stale-if-error=60']);
  scene.nowMs += 5_000;
  const { client } = scene.ask();
  scene.origin.asked.fail(refused);
  assert.deepEqual([client.status, client.content], [200, 'kept']);
  assert.match(client.field('cache-status'), /stale-if-error/);
});

test('who asks for the same at once waits, and reads what comes as it comes', () => {
  using scene = new Scene();
  const first = scene.ask().client;
  const second = scene.ask().client;
  assert.equal(scene.origin.requests.length, 1);
  scene.origin.asked.begin(200, ['cache-control', 'max-age=60'], 6);
  scene.origin.asked.send('abc');
  assert.equal(second.content, 'abc');
  scene.origin.asked.send('def');
  scene.origin.asked.end();
  assert.deepEqual([first.content, second.content], ['abcdef', 'abcdef']);
  assert.match(second.field('cache-status'), /collapsed/);
});

test('who waits for what turns out to be another’s asks alone', () => {
  using scene = new Scene();
  scene.ask();
  const { client } = scene.ask();
  scene.origin.asked.answer(200, ['cache-control', 'private'], 'yours');
  assert.equal(scene.origin.requests.length, 2);
  scene.origin.asked.answer(200, ['cache-control', 'private'], 'mine');
  assert.equal(client.content, 'mine');
});

test('who waits and leaves is forgotten; who fetches and leaves is replaced by who waits', () => {
  using scene = new Scene();
  const first = scene.ask();
  const second = scene.ask();
  const third = scene.ask();
  assert.equal(scene.environment.collapse.waiterCount, 2);
  second.exchange.onAbort(gone);
  assert.equal(scene.environment.collapse.waiterCount, 1);
  first.exchange.onAbort(gone);
  assert.ok(scene.origin.requests[0]!.isCancelled);
  assert.equal(scene.origin.requests.length, 2);
  scene.origin.asked.answer(200, ['cache-control', 'max-age=60'], 'here');
  assert.equal(third.client.content, 'here');
  assert.equal(second.client.status, 0);
  assert.equal(scene.records.length, 3);
});

test('content stays with the client until the origin can take it', () => {
  using scene = new Scene();
  scene.origin.withholds = true;
  const { client, exchange } = scene.ask({ method: 'POST', contentLength: -1 });
  assert.ok(client.isPaused);
  scene.origin.give(scene.origin.waiting[0]!);
  assert.ok(!client.isPaused);
  exchange.onContent(Buffer.from('hello'));
  exchange.onEnd(null);
  assert.equal(scene.origin.asked.content, 'hello');
  assert.ok(scene.origin.asked.isEnded);
  scene.origin.asked.answer(201);
  assert.equal(client.status, 201);
});

test('an answer before the end of the content ends the request, and no content follows', () => {
  using scene = new Scene();
  const { client, exchange } = scene.ask({ method: 'PUT', contentLength: -1 });
  exchange.onContent(Buffer.from('a'));
  scene.origin.asked.answer(413);
  assert.equal(client.status, 413);
  assert.ok(client.isDiscarding);
  exchange.onContent(Buffer.from('b'));
  exchange.onEnd(null);
  assert.equal(scene.origin.asked.content, 'a');
  assert.ok(!scene.origin.asked.isEnded);
});

test('what a replay could repeat is sent on when the handshake has ended, and not if it fails', () => {
  using scene = new Scene();
  const ends = scene.ask({ method: 'POST', contentLength: 0 }, new Facts(true));
  const fails = scene.ask({ method: 'POST', contentLength: 0 }, new Facts(true));
  assert.equal(scene.origin.requests.length, 0);
  fails.facts.endHandshake(false);
  assert.equal(scene.origin.requests.length, 0);
  ends.facts.endHandshake(true);
  assert.equal(scene.origin.requests.length, 1);
  scene.origin.asked.answer(204);
  assert.equal(ends.client.status, 204);
});

test('an origin that says 425 is asked once more after the handshake, and then believed', async () => {
  using scene = new Scene();
  const { client, facts } = scene.ask({}, new Facts(true));
  scene.origin.asked.answer(425);
  await new Promise(setImmediate);
  assert.equal(scene.origin.requests.length, 1);
  facts.endHandshake(true);
  assert.equal(scene.origin.requests.length, 2);
  scene.origin.asked.answer(200, [], 'now');
  assert.equal(client.content, 'now');
});

/** Says that the handshake has ended, and goes on to mark requests as early. */
class EverEarly extends Facts {
  override whenHandshakeEnds(callback: (complete: boolean) => void): void {
    callback(true);
  }
}

test('an origin that says 425 again ends the request: it is not sent for ever', async () => {
  using scene = new Scene();
  const { client } = scene.ask({}, new EverEarly(true));
  for (let asked = 1; asked <= 2; asked++) {
    assert.equal(scene.origin.requests.length, asked);
    scene.origin.asked.answer(425);
    await new Promise(setImmediate);
  }
  assert.equal(scene.origin.requests.length, 2);
  assert.ok(client.isComplete);
  assert.equal(scene.records.at(-1)?.errorCode, 'too-early');
});

test('a wrong 304 and a 425 to one request are each answered by one more request', async () => {
  using scene = new Scene();
  scene.fill('old', ['cache-control', 'max-age=1', 'etag', '"a"']);
  scene.nowMs += 5_000;
  const { client, facts } = scene.ask({}, new Facts(true));
  scene.origin.asked.answer(304, ['etag', '"b"']);
  await new Promise(setImmediate);
  scene.origin.asked.answer(425);
  await new Promise(setImmediate);
  facts.endHandshake(true);
  assert.equal(scene.origin.requests.length, 4);
  scene.origin.asked.answer(200, [], 'new');
  assert.deepEqual([client.status, client.content], [200, 'new']);
});

test('a page of ours takes the place of the origin’s, whose content goes nowhere', () => {
  const pages = { 500: { contentType: 'text/plain', content: 'sorry' } };
  const errorPages = new ErrorPageSet({ pages, intercept: true });
  using scene = new Scene({ route: { ...NO_RULES, errorPages } });
  const { client, exchange } = scene.ask();
  scene.origin.asked.begin(500);
  assert.deepEqual([client.status, client.content], [500, 'sorry']);
  scene.origin.asked.send('a stack trace');
  exchange.onAbort(gone);
  assert.equal(client.content, 'sorry');
  assert.ok(!scene.origin.asked.isCancelled);
  // As long as it is worth the connection.
  scene.origin.asked.send('x'.repeat(2_000_000));
  assert.ok(scene.origin.asked.isCancelled);
  assert.equal(scene.records.length, 1);
});

test('a response that breaks off never looks complete, and is noted once', () => {
  using scene = new Scene();
  const { client, exchange } = scene.ask();
  scene.origin.asked.begin(200, ['cache-control', 'max-age=60'], 10);
  scene.origin.asked.send('half');
  scene.origin.asked.fail(refused);
  exchange.onAbort(gone);
  assert.ok(!client.isComplete);
  assert.equal(client.error, refused);
  assert.deepEqual(scene.records, [{ status: 200, cache: 'miss', errorCode: refused.code }]);
});

test('PURGE is answered here, also when it is not allowed', () => {
  using scene = new Scene();
  assert.equal(scene.ask({ method: 'PURGE' }).client.status, 403);
  assert.equal(scene.origin.requests.length, 0);
});

test('a slow client gets what is stored ahead of it when it can take more', () => {
  using scene = new Scene();
  const { client, exchange } = scene.ask();
  client.room = 1;
  scene.origin.asked.begin(200, ['cache-control', 'max-age=60'], 6);
  scene.origin.asked.send('abc');
  scene.origin.asked.send('def');
  scene.origin.asked.end();
  assert.equal(client.content, 'abc');
  client.room = Number.POSITIVE_INFINITY;
  exchange.onWritable();
  assert.equal(client.content, 'abcdef');
  assert.ok(client.isComplete);
});

/** A POST whose response may be stored under its target (RFC 9110 §9.3.3). */
const STORABLE = ['cache-control', 'max-age=60', 'content-location', 'http://site.example/'];

test('a slow client that still sends is read to its end, and the origin gets all of it', () => {
  using scene = new Scene();
  const { client, exchange } = scene.ask({ method: 'POST', contentLength: -1 });
  exchange.onContent(Buffer.from('one,'));
  client.room = 1;
  scene.origin.asked.begin(200, STORABLE, 6);
  // More than it takes: from here on it reads what is stored.
  scene.origin.asked.send('abc');
  exchange.onContent(Buffer.from('two'));
  exchange.onEnd(null);
  assert.equal(scene.origin.asked.content, 'one,two');
  assert.ok(scene.origin.asked.isEnded);
  scene.origin.asked.send('def');
  scene.origin.asked.end();
  client.room = Number.POSITIVE_INFINITY;
  exchange.onWritable();
  assert.deepEqual([client.content, client.isComplete], ['abcdef', true]);
});

for (const how of ['in time', 'slowly'] as const) {
  test(`an origin that takes content slowly gets all of it while its response is stored, read ${how}`, () => {
    using scene = new Scene();
    const { client, exchange } = scene.ask({ method: 'POST', contentLength: -1 });
    if (how === 'slowly') client.room = 1;
    const { asked } = scene.origin;
    asked.begin(200, STORABLE, 6);
    asked.send('abc');
    asked.isFull = true;
    exchange.onContent(Buffer.from('one'));
    assert.ok(client.isPaused);
    asked.isFull = false;
    asked.handler.onWritable();
    assert.ok(!client.isPaused, 'what is left is asked for');
    exchange.onContent(Buffer.from(',two'));
    exchange.onEnd(null);
    assert.deepEqual([asked.content, asked.isEnded], ['one,two', true]);
  });
}

/** From now on, what is stored of a length can be read to `bytes` and is damaged there. */
function damage(scene: Scene, bytes: number): void {
  const { store } = scene;
  const lookup = store.lookup.bind(store);
  store.lookup = (key, done) =>
    lookup(key, (hits) => done(hits.map((hit) => damagedHit(hit, bytes))));
}

function damagedHit(hit: StoreHit, bytes: number): StoreHit {
  const open = (): ContentReader => {
    const reader = hit.open();
    return {
      read(start, receiver, end = Number.POSITIVE_INFINITY) {
        let left = bytes - start;
        const part: StoredContentReceiver = {
          onBytes: (piece) => {
            const isReady = receiver.onBytes(piece.subarray(0, Math.max(0, left)));
            left -= piece.length;
            return isReady;
          },
          onEnd: (error) => receiver.onEnd(error ?? new Error('a block is damaged')),
        };
        return reader.read(start, part, end);
      },
      whole: undefined,
      close: () => reader.close(),
    };
  };
  return { response: hit.response, prepared: () => null, open };
}

test('a stored response that turns out to be damaged is completed from the origin', () => {
  using scene = new Scene();
  scene.fill('0123456789', ['cache-control', 'max-age=60', 'etag', '"a"']);
  damage(scene, 4);
  const { client } = scene.ask();
  assert.equal(client.content, '0123');
  const { asked } = scene.origin;
  assert.equal(asked.head.fields.first('range'), 'bytes=0-9');
  const place = ['content-range', 'bytes 0-9/10', 'etag', '"a"'];
  asked.answer(206, place, '0123456789');
  assert.deepEqual([client.status, client.content, client.isComplete], [200, '0123456789', true]);
});

for (const [what, fields] of [
  ['has changed at the origin', ['etag', '"b"']],
  ['has no validator to tell versions apart', []],
] as const) {
  test(`and broken off when it ${what}: never a mix, and never complete`, () => {
    using scene = new Scene();
    const stored = ['cache-control', 'max-age=60', ...(fields.length > 0 ? ['etag', '"a"'] : [])];
    scene.fill('0123456789', stored);
    damage(scene, 4);
    const { client } = scene.ask();
    if (fields.length > 0) {
      scene.origin.asked.answer(206, ['content-range', 'bytes 0-9/10', ...fields], 'xxxxxxxxxx');
    }
    assert.deepEqual([client.content, client.isComplete], ['0123', false]);
    assert.ok(client.error);
  });
}
