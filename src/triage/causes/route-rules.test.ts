import assert from 'node:assert/strict';
import test from 'node:test';
import type { JsonValue } from '../incident.ts';
import { rulesToBlame } from './route-rules.ts';

const compression = { encodings: ['gzip'], minBytes: 1, types: ['text/plain'] };
const plain = { rewrite: null, access: [], rateLimit: null, compression: null };
const options: JsonValue = {
  workers: 2,
  routes: [
    { ...plain, name: 'api', compression, access: [{ effect: 'deny' }] },
    { ...plain, name: 'rest', compression },
  ],
};

type Options = {
  readonly workers: number;
  readonly routes: readonly Readonly<Record<string, JsonValue>>[];
};
const routesOf = (candidate: JsonValue) => candidate as JsonValue & Options;

test('the rules of a route that a fault needs are named, and nothing else is left out', async () => {
  const found = await rulesToBlame(options, async (candidate) => {
    const { routes, workers } = routesOf(candidate);
    assert.deepEqual([workers, routes.length, routes[0]!.name], [2, 2, 'api']);
    return routes[1]!.compression !== null;
  });
  assert.equal(found.status, 'found');
  assert.deepEqual(found.rules, [
    { route: 'rest', rule: 'compression', path: '/routes/1/compression' },
  ]);
});

test('a fault that is there without any rule blames none, in one question', async () => {
  let questions = 0;
  const found = await rulesToBlame(options, async () => {
    questions++;
    return true;
  });
  assert.deepEqual([found, questions], [{ status: 'none', rules: [] }, 1]);
});

test('a rule without which nothing can be tried is neither blamed nor cleared', async () => {
  const found = await rulesToBlame(options, async (candidate) => {
    const { routes } = routesOf(candidate);
    return JSON.stringify(routes[0]!.access) === '[]' ? null : true;
  });
  assert.deepEqual(found, { status: 'unclear', rules: [] });
});
