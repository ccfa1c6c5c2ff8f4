import assert from 'node:assert/strict';
import test from 'node:test';
import { runSluice } from '../cli/sluice-process.ts';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startConfigured } from '../support/routes.ts';
import { until } from '../support/waiting.ts';

/** The query says what the response bears: `cc` is Cache-Control, `status` and `cookie` likewise. */
const origin = await startOrigin((request, response) => {
  const { searchParams: query } = new URL(request.url!, 'http://origin');
  const [cc, cookie] = [query.get('cc'), query.get('cookie')];
  if (cc !== null) response.setHeader('Cache-Control', cc);
  if (cookie !== null) response.setHeader('Set-Cookie', cookie);
  response.statusCode = Number(query.get('status') ?? 200);
  request.resume();
  response.end(`content ${origin.seen.length}`);
});

const route = (prefix: string, cache: object) => {
  return { match: { 'path-prefix': prefix }, origin: 'default', cache };
};
const routes = [
  route('/off', { enabled: false }),
  route('/default', { lifetime: { default: '1m' } }),
  route('/min', { lifetime: { min: '1m' } }),
  route('/max', { lifetime: { max: '1s' } }),
  route('/override', { lifetime: { override: '1m' } }),
  route('/negative', { lifetime: { negative: { 404: '1m' } } }),
  route('/cookies', { 'set-cookie': 'never' }),
  route('/no-query', { key: { query: 'ignore' } }),
  route('/without', { key: { query: { without: ['utm_*', 'cc'] }, 'sort-query': true } }),
  route('/fields', { key: { headers: ['X-Country'], cookies: ['plan'] } }),
  { origin: 'default' },
];

const sluice = await startConfigured({ file: { origin: origin.url, routes } });
test.after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

async function ask(path: string, fields = '', method = 'GET') {
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send(`${method} ${path} HTTP/1.1\r\nHost: a.example\r\n${fields}\r\n`);
  const response = await connection.response();
  const cacheStatus = response.fields.get('cache-status') ?? '';
  return { ...response, isHit: cacheStatus.startsWith('sluice; hit'), cacheStatus };
}

/** Asserts that the second request is a hit for what the first has stored, or is not. */
async function assertStored(first: string, expected: boolean, second = first): Promise<void> {
  await ask(first);
  const { isHit, cacheStatus } = await ask(second);
  assert.equal(isHit, expected, `${second}: ${cacheStatus}`);
}

const MINUTE = 'cc=max-age=60';

const lifetimes: readonly [string, boolean][] = [
  [`/off?${MINUTE}`, false],
  [`/plain?${MINUTE}`, true],
  ['/plain', false],
  ['/default', true],
  ['/default?status=404', false],
  ['/default?cc=no-store', false],
  ['/min?cc=max-age=0', true],
  ['/min?cc=private', false],
  ['/override?cc=max-age=0', true],
  ['/override?status=500', false],
  ['/negative?status=404', true],
  ['/negative?status=410', false],
  [`/negative?status=404&${MINUTE}`, true],
  [`/cookies?${MINUTE}`, true],
  [`/cookies?cookie=a&${MINUTE}`, false],
  [`/plain?cookie=a&${MINUTE}`, true],
];
for (const [path, expected] of lifetimes) {
  test(`${path} is ${expected ? '' : 'not '}answered from the cache`, async () => {
    await assertStored(path, expected);
  });
}

test('a lifetime that the route bounds ends with it', async () => {
  await ask('/max?cc=max-age=600');
  await until(async () => !(await ask('/max?cc=max-age=600')).isHit, 'the end of a second');
});

test('what a route leaves out of the query does not tell responses apart', async () => {
  await assertStored(`/no-query?a=1&${MINUTE}`, true, '/no-query?b=2');
  await assertStored(`/plain?a=1&${MINUTE}`, false, `/plain?b=2&${MINUTE}`);
  await assertStored(`/without?b=1&a=2&utm_source=x&${MINUTE}`, true, '/without?a=2&utm_id=3&b=1');
  await assertStored(`/without?b=1&${MINUTE}`, false, `/without?b=2&${MINUTE}`);
});

test('fields and cookies of the key tell responses apart, and go together', async () => {
  const path = `/fields?${MINUTE}`;
  const variants = ['X-Country: at\r\n', 'X-Country: ch\r\n', 'Cookie: plan=gold; x=1\r\n', ''];
  const contents = new Set<string>();
  for (const fields of variants) contents.add((await ask(path, fields)).content);
  assert.equal(contents.size, variants.length);
  assert.equal((await ask(path, 'Cookie: x=2; plan=gold\r\n')).isHit, true);
  const purged = await ask(path, '', 'PURGE');
  assert.deepEqual(JSON.parse(purged.content), { purged: variants.length });
  for (const fields of variants) assert.equal((await ask(path, fields)).isHit, false);
  // RFC 9111 §4.4: so does an unsafe request.
  await ask(path, 'Content-Length: 0\r\n', 'POST');
  for (const fields of variants) assert.equal((await ask(path, fields)).isHit, false);
});

async function command(...words: string[]) {
  const all = ['cache', ...words, '--admin', `127.0.0.1:${sluice.adminPort}`, '--json'];
  const { code, stdout, stderr } = await runSluice(all);
  assert.equal(stderr, '');
  return { code, answer: JSON.parse(stdout) };
}

test('a URL is looked up and purged by the key that its route makes of it', async () => {
  await ask(`/no-query?x=1&${MINUTE}`);
  const found = await command('lookup', 'http://a.example/no-query?y=2');
  assert.equal(found.answer.state, 'fresh');
  await command('purge', '--url', 'http://a.example/no-query?z=3');
  assert.equal((await command('lookup', 'http://a.example/no-query')).code, 1);
});

test('a list of what is stored, page by page', async () => {
  const paths = Array.from({ length: 7 }, (_, i) => `/listed/${i}?${MINUTE}`);
  for (const path of paths) await ask(path);
  const keys: string[] = [];
  let after: string | null = '';
  while (after !== null) {
    const words = ['--prefix', 'http://a.example/listed/', '--limit', '3', '--after', after];
    const { answer } = await command('list', ...words);
    assert.ok(answer.entries.length <= 3);
    for (const { key, isFresh } of answer.entries) {
      keys.push(key);
      assert.equal(isFresh, true);
    }
    after = answer.next;
  }
  assert.deepEqual(
    keys,
    paths.map((path) => `http://a.example${path}`),
  );
});
