import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import test, { after, before } from 'node:test';
import { type Origin, startOrigin, unusedPort } from '../support/origins.ts';
import { startConfigured } from '../support/routes.ts';
import type { RunningSluice } from '../support/sluice.ts';
import { until } from '../support/waiting.ts';

let a: Origin;
let b: Origin;
let silent: Origin;
const held: ServerResponse[] = [];
let sluice: RunningSluice;

/** Each group is reached by the path that begins with its name. */
before(async () => {
  [a, b] = [await named('a'), await named('b')];
  silent = await startOrigin((_request, response) => held.push(response));
  const gone = `http://127.0.0.1:${await unusedPort()}`;
  const groups = {
    weighted: { servers: [{ url: a.url, weight: 3 }, b.url] },
    backup: { servers: [{ url: a.url, backup: 'on' }, b.url] },
    backed: { servers: [{ url: a.url, backup: 'on' }, gone] },
    hashed: {
      servers: [a.url, b.url],
      balance: { 'consistent-hash': { 'hash-on': 'header:X-User', 'load-factor': 100 } },
    },
    retried: { servers: [gone, a.url], 'passive-health': { failures: 0 } },
    once: { servers: [gone, a.url], retries: { max: 0 }, 'passive-health': { failures: 0 } },
    ejecting: {
      servers: [gone, a.url],
      retries: { max: 0 },
      'passive-health': { failures: 1, ejection: '1m' },
    },
    silent: { servers: [silent.url], timeouts: { response: '100ms' } },
    refusing: { servers: [silent.url], 'requests-max': 1 },
    prefixed: { servers: [`${a.url}/below`] },
  };
  const routes = Object.keys(groups).map((name) => ({
    match: { 'path-prefix': `/${name}` },
    origin: name,
    cache: { enabled: 'off' },
  }));
  sluice = await startConfigured({ file: { origins: groups, routes } });
});

after(async () => {
  await sluice?.[Symbol.asyncDispose]();
  for (const origin of [a, b, silent]) await origin?.[Symbol.asyncDispose]();
});

function named(name: string): Promise<Origin> {
  return startOrigin((_request, response) => response.end(name));
}

/** Who answered, or the status of an error. */
async function ask(path: string, headers: Record<string, string> = {}): Promise<string> {
  const response = await fetch(`${sluice.httpUrl}/${path}`, { headers });
  const text = await response.text();
  return response.status === 200 ? text : String(response.status);
}

async function askTimes(count: number, path: string): Promise<Record<string, number>> {
  const answers: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const answer = await ask(path);
    answers[answer] = (answers[answer] ?? 0) + 1;
  }
  return answers;
}

test('servers get requests by their weight', async () => {
  assert.deepEqual(await askTimes(16, 'weighted'), { a: 12, b: 4 });
});

test('a backup is asked only when no other server can be', async () => {
  assert.deepEqual(await askTimes(4, 'backup'), { b: 4 });
  assert.deepEqual(await askTimes(4, 'backed'), { a: 4 });
});

test('what is hashed by a field goes to one server for one value', async () => {
  const chosen = new Set<string>();
  for (let user = 0; user < 16; user++) {
    const who = () => ask('hashed', { 'X-User': `user-${user}` });
    const first = await who();
    assert.equal(await who(), first);
    chosen.add(first);
  }
  assert.deepEqual([...chosen].sort(), ['a', 'b']);
});

test('a server that is gone costs no request, unless retries are forbidden', async () => {
  assert.deepEqual(await askTimes(6, 'retried'), { a: 6 });
  const { a: answered = 0, 502: failed = 0 } = await askTimes(6, 'once');
  assert.equal(answered + failed, 6);
  assert.ok(failed > 0);
});

test('a server that has failed as often as is allowed is left out', async () => {
  const { 502: failed = 0 } = await askTimes(8, 'ejecting');
  assert.equal(failed, 1);
});

test('an origin that says nothing in time is answered for with 504', async () => {
  assert.equal(await ask('silent'), '504');
});

test('more requests than a group takes get 503', async () => {
  const first = ask('refusing/1');
  await until(() => silent.asked('/refusing/1').length === 1, 'the first request to arrive');
  assert.equal(await ask('refusing/2'), '503');
  held.at(-1)!.end('late');
  assert.equal(await first, 'late');
});

test('the path of the URL is put before that of the request', async () => {
  assert.equal(await ask('prefixed/x'), 'a');
  assert.equal(a.asked('/below/prefixed/x').length, 1);
});
