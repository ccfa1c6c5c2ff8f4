import assert from 'node:assert/strict';
import test from 'node:test';
import { Scene } from '../../../test/support/exchange-parts.ts';
import { SluiceError } from '../../base/errors.ts';

const CONTENT = '0123456789';
const gone = new SluiceError('connection-closed', 'the client has gone', { blame: 'downstream' });
const broken = new SluiceError('origin-closed', 'it has closed', { blame: 'upstream' });

/** Answers every request for a range that waits, as an origin with ranges does. */
function answerRanges(scene: Scene, tag = '"a"', from = 0): void {
  for (let i = from; i < scene.origin.requests.length; i++) {
    const { first, last } = rangeOf(scene, i);
    scene.origin.requests[i]!.answer(206, partFields(first, last, tag), slice(first, last));
  }
}

function rangeOf(scene: Scene, index: number) {
  const range = scene.origin.requests[index]!.head.fields.first('range') ?? '';
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range)!;
  const end = last === '' ? CONTENT.length - 1 : Number(last);
  return { first: Number(first), last: Math.min(end, CONTENT.length - 1) };
}

function partFields(first: number, last: number, tag: string): string[] {
  const place = `bytes ${first}-${last}/${CONTENT.length}`;
  return ['cache-control', 'max-age=60', 'etag', tag, 'content-range', place];
}

const slice = (first: number, last: number) => CONTENT.slice(first, last + 1);

test('a large response is asked for slice by slice, and then comes from the cache', () => {
  using scene = new Scene({ sliceBytes: 4 });
  const { client } = scene.ask();
  answerRanges(scene);
  assert.deepEqual([client.status, client.content], [200, CONTENT]);
  assert.ok(client.isComplete);
  assert.equal(client.head?.contentLength, CONTENT.length);
  assert.equal(scene.origin.requests.length, 3);
  const again = scene.ask().client;
  assert.equal(again.content, CONTENT);
  assert.match(again.field('cache-status'), /; hit/);
  assert.equal(scene.origin.requests.length, 3);
});

test('a range needs only the slices that have it', () => {
  using scene = new Scene({ sliceBytes: 4 });
  const { client } = scene.ask({ fields: ['range', 'bytes=5-6'] });
  answerRanges(scene);
  assert.deepEqual([client.status, client.content], [206, '56']);
  assert.equal(client.field('content-range'), 'bytes 5-6/10');
  assert.equal(scene.origin.requests.length, 1);
});

test('what has changed in the middle is broken off, and never mixed', () => {
  using scene = new Scene({ sliceBytes: 4 });
  const { client } = scene.ask();
  scene.origin.asked.answer(206, partFields(0, 3, '"a"'), slice(0, 3));
  answerRanges(scene, '"b"', 1);
  assert.equal(client.content, '0123');
  assert.ok(!client.isComplete);
  assert.equal(client.error?.code, 'response-incomplete');
});

test('an origin without ranges answers as it does without slices', () => {
  using scene = new Scene({ sliceBytes: 4 });
  const { client } = scene.ask();
  scene.origin.asked.answer(200, ['cache-control', 'max-age=60'], CONTENT);
  assert.deepEqual([client.status, client.content], [200, CONTENT]);
  assert.equal(scene.ask().client.content, CONTENT);
  assert.equal(scene.origin.requests.length, 1);
});

test('what cannot be combined is forwarded as it was asked for, and no slice of it is asked again', () => {
  using scene = new Scene({ sliceBytes: 4 });
  const { client } = scene.ask();
  scene.origin.asked.answer(206, ['content-range', 'bytes 0-3/10'], '0123');
  assert.equal(scene.origin.asked.head.fields.first('range'), undefined);
  scene.origin.asked.answer(200, [], CONTENT);
  assert.equal(client.content, CONTENT);
  scene.ask();
  assert.equal(scene.origin.asked.head.fields.first('range'), undefined);
});

test('a part that breaks off is asked for again from where it stands, some times', async () => {
  using scene = new Scene({ sliceBytes: 4 });
  const { client } = scene.ask();
  scene.origin.asked.begin(206, partFields(0, 3, '"a"'), 4);
  scene.origin.requests[0]!.send('01');
  scene.origin.requests[0]!.fail(broken);
  assert.equal(client.content, '01');
  await new Promise(setImmediate);
  answerRanges(scene, '"a"', 1);
  assert.equal(client.content, CONTENT);
  assert.ok(client.isComplete);
});

test('stored parts are completed by what lacks between them', () => {
  using scene = new Scene();
  scene.ask({ fields: ['range', 'bytes=0-3'] });
  answerRanges(scene);
  const { client } = scene.ask();
  assert.equal(scene.origin.requests.length, 2);
  answerRanges(scene, '"a"', 1);
  assert.deepEqual([client.status, client.content], [200, CONTENT]);
});

test('a slow client is waited for, and one that leaves gets nothing more and is noted once', () => {
  using scene = new Scene({ sliceBytes: 4 });
  const { client, exchange } = scene.ask();
  client.room = 1;
  scene.origin.asked.begin(206, partFields(0, 3, '"a"'), 4);
  // By now the slice after it has been asked for, too.
  scene.origin.requests[0]!.send('01');
  scene.origin.requests[0]!.send('23');
  assert.equal(client.content, '01');
  client.room = 2;
  exchange.onWritable();
  assert.equal(client.content, '0123');
  exchange.onAbort(gone);
  exchange.onWritable();
  assert.equal(client.content, '0123');
  assert.equal(scene.records.length, 1);
});

test('a client that is full at the end of a part gets nothing of the next until it takes more', () => {
  using scene = new Scene({ sliceBytes: 4 });
  const { client, exchange } = scene.ask();
  client.room = 1;
  scene.origin.asked.begin(206, partFields(0, 3, '"a"'), 4);
  const [first, second] = scene.origin.requests;
  second!.answer(206, partFields(4, 7, '"a"'), slice(4, 7));
  first!.send('0123');
  first!.end();
  assert.equal(client.content, '0123', 'the slice after it is there, and is held');
  client.room = 1;
  exchange.onWritable();
  assert.equal(client.content, '01234567');
  client.room = Number.POSITIVE_INFINITY;
  exchange.onWritable();
  answerRanges(scene, '"a"', 2);
  assert.deepEqual([client.content, client.isComplete], [CONTENT, true]);
});
