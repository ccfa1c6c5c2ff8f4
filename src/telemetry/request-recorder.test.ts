import assert from 'node:assert/strict';
import test from 'node:test';
import {
  REQUEST_SLOTS,
  RequestPhaseCode,
  RequestRecorder,
  readRequests,
  requestRegionBytes,
} from './request-recorder.ts';

const facts = { early: false, tls: null, remoteAddress: '192.0.2.7' };

function head(path: string, method = 'GET') {
  const fields = { names: ['accept'], values: ['*/*'] };
  return { version: '1.1', method, authority: { text: 'a.example' }, path, fields };
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
  const common = { version: '1.1', peer: '192.0.2.7', authority: 'a.example', isCut: false };
  assert.deepEqual(requests, [
    {
      ...{ ...common, number: 1, method: 'GET', path: '/one?', phase: 'deliver' },
      ...{ early: false, tls: false, startedAtMs: 1_000 },
    },
    {
      ...{ ...common, number: 3, method: 'POST', path: '/two', phase: 'origin' },
      ...{ early: true, tls: true, startedAtMs: 1_002 },
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
  assert.deepEqual(readRequests(region), { active: 0, count: 0, leftOut: 0, requests: [] });
  for (const byte of [0x01, 0x7f, 0xff]) {
    const { requests } = readRequests(new Uint8Array(requestRegionBytes).fill(byte));
    assert.equal(requests.length, REQUEST_SLOTS);
  }
  assert.deepEqual(readRequests(new Uint8Array(10)).requests, []);
});
