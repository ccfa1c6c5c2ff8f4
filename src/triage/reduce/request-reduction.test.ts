import assert from 'node:assert/strict';
import test from 'node:test';
import { bodyBytes } from '../replay/played-message.ts';
import type { RequestScript } from '../replay/script.ts';
import { reducedRequest } from './request-reduction.ts';
import { requestBytes, requestWords } from './request-words.ts';

const recorded: RequestScript = {
  mode: 'request',
  version: '2',
  tls: true,
  method: 'PUT',
  authority: 'shop.example',
  path: '/shop/cart/items?xxxxx',
  headers: [
    ['accept', '*/*'],
    ['cookie', 'xxxxxxxx'],
    ['x-mode', 'fast'],
    ['accept-encoding', 'gzip'],
  ],
  body: { framing: 'chunked', pieces: [10, 700, 300, 4_000], missing: 0 },
  answer: {
    status: 503,
    headers: [
      ['etag', '"1"'],
      ['retry-after', '5'],
    ],
    body: { framing: 'length', pieces: [100, 900], missing: 0 },
  },
  times: 1,
};

/** What is left of the recorded request for a fault, and how many questions it took. */
async function least(fails: (script: RequestScript) => boolean) {
  const asked: string[] = [];
  assert.ok(fails(recorded));
  const script = await reducedRequest(recorded, async (candidate) => {
    asked.push(JSON.stringify(candidate));
    return fails(candidate);
  });
  assert.ok(fails(script), 'what is left fails');
  assert.equal(new Set(asked).size, asked.length, 'no question is asked twice');
  return { script, questions: asked.length };
}

const GET_ROOT = {
  ...{ mode: 'request', version: '1.1', tls: false, method: 'GET', authority: 'localhost' },
  ...{ path: '/', headers: [], answer: null, times: 1 },
  body: { framing: 'none', pieces: [], missing: 0 },
} as const;

test('of a request that kills by two headers these are left', async () => {
  const { script, questions } = await least(({ headers }) =>
    ['cookie', 'x-mode'].every((name) => headers.some((line) => line[0] === name)),
  );
  const headers = [recorded.headers[1], recorded.headers[2]];
  assert.deepEqual(script, { ...GET_ROOT, headers });
  assert.ok(questions < 16, `${questions} questions`);
});

test('of a body the shortest that kills is left, in one piece and announced', async () => {
  const { script, questions } = await least(({ body }) => bodyBytes(body) >= 257);
  assert.deepEqual(script.body, { framing: 'length', pieces: [257], missing: 0 });
  assert.ok(questions < 30, `${questions} questions`);
});

test('where the pieces matter, those that do are left', async () => {
  const { script } = await least(({ body }) => {
    const at = body.pieces.indexOf(700);
    return at >= 0 && body.pieces.indexOf(4_000) > at;
  });
  assert.deepEqual(script.body.pieces, [700, 4_000]);
});

test('a version or TLS that matters stays, and so does a path', async () => {
  const { script } = await least(({ version, tls, path }) => {
    return version === '2' && tls && path.startsWith('/shop/cart');
  });
  assert.deepEqual(script, { ...GET_ROOT, version: '2', tls: true, path: '/shop/cart' });
});

test('of an answer that kills its header and its pieces are left', async () => {
  const { script } = await least(({ answer }) => {
    const hasTag = answer?.headers.some(([name]) => name === 'etag') ?? false;
    return hasTag && (answer?.body.pieces.length ?? 0) > 1;
  });
  const body = { framing: 'length', pieces: [100, 900], missing: 0 };
  assert.deepEqual(script, {
    ...GET_ROOT,
    answer: { status: 200, headers: [['etag', '"1"']], body },
  });
  assert.equal(
    requestWords(script),
    'GET http://localhost/ over HTTP/1.1; the origin answers with status 200, ' +
      'header etag: "1", a body of 1000 bytes in pieces of 100, 900',
  );
  assert.ok(requestBytes(script) < requestBytes(recorded));
});

test('a fault that is always there is of an empty request', async () => {
  const { script, questions } = await least(() => true);
  assert.deepEqual(script, GET_ROOT);
  assert.ok(questions < 8, `${questions} questions`);
});
