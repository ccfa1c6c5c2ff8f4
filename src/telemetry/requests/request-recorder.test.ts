import assert from 'node:assert/strict';
import test from 'node:test';
import { REQUEST_SLOTS, RequestPhaseCode, requestRegionBytes } from './request-layout.ts';
import { readRequests } from './request-reading.ts';
import { RequestRecorder } from './request-recorder.ts';

const facts = { early: false, tls: null, remoteAddress: '192.0.2.7' };

function head(path: string, method = 'GET') {
  const fields = { names: ['accept'], values: ['*/*'] };
  return {
    version: '1.1',
    method,
    authority: { text: 'a.example' },
    path,
    fields,
    contentLength: 0,
  };
}

test('a reader finds the requests that are open, how far they are, and which was worked at last', () => {
  const region = new Uint8Array(requestRegionBytes);
  const recorder = new RequestRecorder(region);
  const first = recorder.begin(head('/one?secret=1'), facts, 1_000);
  const over = recorder.begin(head('/over'), facts, 1_001);
  const second = recorder.begin(head('/two', 'POST'), { ...facts, early: true, tls: {} }, 1_002);
  for (const slot of [first, second]) recorder.describe(slot);
  recorder.enter(second, RequestPhaseCode.origin);
  recorder.enter(first, RequestPhaseCode.deliver);
  recorder.end(over);
  const { active, count, leftOut, requests } = readRequests(region);
  assert.deepEqual([active, count, leftOut], [1, 3, 0]);
  const body = { announced: 0, bytes: 0, pieces: [], isWhole: false };
  const message = { headers: [{ name: 'accept', value: '*/*' }], isCut: false, body };
  const common = {
    ...{ version: '1.1', peer: '192.0.2.7', authority: 'a.example', isCut: false },
    ...{ message, response: null },
  };
  assert.deepEqual(requests, [
    {
      ...{ ...common, number: 1, method: 'GET', path: '/one?', phase: 'deliver' },
      ...{ early: false, tls: false, startedAtMs: 1_000, queryBytes: 8 },
    },
    {
      ...{ ...common, number: 3, method: 'POST', path: '/two', phase: 'origin' },
      ...{ early: true, tls: true, startedAtMs: 1_002, queryBytes: 0 },
    },
  ]);
  recorder.touch(second);
  assert.equal(readRequests(region).active, 3);
  recorder.end(second);
  assert.equal(readRequests(region).active, 0, 'nobody is blamed for what comes after its end');
  assert.equal(recorder.activeFields(), null);
});

test('more requests than there is room for are served and counted, and room comes back', () => {
  const region = new Uint8Array(requestRegionBytes);
  const recorder = new RequestRecorder(region);
  const slots = Array.from({ length: REQUEST_SLOTS }, () => recorder.begin(head('/'), facts, 1));
  assert.equal(new Set(slots).size, REQUEST_SLOTS);
  assert.equal(recorder.begin(head('/'), facts, 1), -1);
  recorder.enter(-1, RequestPhaseCode.log);
  recorder.touch(-1);
  recorder.end(-1);
  assert.equal(readRequests(region).leftOut, 1);
  recorder.end(slots[7]!);
  assert.equal(recorder.begin(head('/again'), facts, 1), slots[7]);
});

test('of a request that is not described yet an exception tells all the same', () => {
  const region = new Uint8Array(requestRegionBytes);
  const recorder = new RequestRecorder(region);
  recorder.begin(head('/hit'), facts, 1);
  assert.deepEqual(recorder.activeFields()?.names, ['accept']);
  assert.equal(readRequests(region).requests[0]?.path, '/hit');
});

test('bodies are their lengths, and of headers no secret is there', () => {
  const region = new Uint8Array(requestRegionBytes);
  const recorder = new RequestRecorder(region);
  const asked = {
    ...head('/form', 'POST'),
    contentLength: 500,
    fields: {
      names: ['host', 'cookie', 'x-api-key', 'x-mode', 'x-blob', 'a#7'],
      values: ['a.example', 'id=1', 'short', 'fast', 'Zm9vYmFyYmF6cXV4', ''],
    },
  };
  const slot = recorder.begin(asked, facts, 1);
  recorder.describe(slot);
  for (const bytes of [100, 400]) recorder.requestPiece(slot, bytes);
  recorder.bodyEnded(slot, 'request');
  const fields = { names: ['set-cookie', 'etag'], values: ['id=2', '"v1"'] };
  recorder.answered(slot, { status: 503, fields, contentLength: -1 });
  for (let piece = 0; piece < 20; piece++) recorder.responsePiece(slot, 10);
  recorder.enterFeature(4);
  const { requests, running } = readRequests(region);
  assert.equal(running, 4);
  const [{ message, response }] = requests as [(typeof requests)[0]];
  assert.deepEqual(message, {
    headers: [
      { name: 'host', value: 'a.example' },
      { name: 'cookie', bytes: 4 },
      { name: 'x-api-key', bytes: 5 },
      { name: 'x-mode', value: 'fast' },
      { name: 'x-blob', bytes: 16 },
      { name: 'a#7', value: '' },
    ],
    isCut: false,
    body: { announced: 500, bytes: 500, pieces: [100, 400], isWhole: true },
  });
  assert.deepEqual(response, {
    status: 503,
    headers: [
      { name: 'set-cookie', bytes: 4 },
      { name: 'etag', value: '"v1"' },
    ],
    isCut: false,
    body: { announced: -1, bytes: 200, pieces: new Array(16).fill(10), isWhole: false },
  });
  const large = { names: ['etag', 'via'], values: ['x', 'v'.repeat(5_000)] };
  recorder.answered(slot, { status: 200, fields: large, contentLength: 0 });
  const [again] = readRequests(region).requests;
  assert.deepEqual(again!.response?.headers, [{ name: 'etag', value: 'x' }]);
  assert.ok(again!.response?.isCut);
  assert.deepEqual(again!.message, message, 'what came of the request stays');
});

test('a target that is too long loses its end, and that is told', () => {
  const region = new Uint8Array(requestRegionBytes);
  const recorder = new RequestRecorder(region);
  recorder.describe(recorder.begin(head(`/${'x'.repeat(10_000)}`), facts, 1));
  const [request] = readRequests(region).requests;
  assert.ok(request!.isCut);
  assert.match(request!.path, /^\/x{300,}$/);
});

test('a new process finds nothing of its predecessor; a damaged memory is read without an error', () => {
  const region = new Uint8Array(requestRegionBytes);
  new RequestRecorder(region).begin(head('/old'), facts, 1);
  new RequestRecorder(region);
  assert.deepEqual(readRequests(region), {
    ...{ active: 0, running: -1, count: 0, leftOut: 0, requests: [] },
  });
  for (const byte of [0x01, 0x7f, 0xff]) {
    const { requests } = readRequests(new Uint8Array(requestRegionBytes).fill(byte));
    assert.equal(requests.length, REQUEST_SLOTS);
  }
  assert.deepEqual(readRequests(new Uint8Array(10)).requests, []);
});
