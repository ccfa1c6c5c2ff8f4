import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';
import { runSluice } from '../cli/sluice-process.ts';
import { corruptFile } from '../support/damage.ts';
import { type Origin, startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { sleep, until } from '../support/waiting.ts';

/** `?cc=` and `?tag=` are fields of the response; `ms` is how long its content takes. */
const origin: Origin = await startOrigin((request, response) => {
  const { searchParams: query } = new URL(request.url!, 'http://origin');
  response.setHeader('Cache-Control', query.get('cc') ?? 'max-age=600');
  if (query.has('tag')) response.setHeader('Surrogate-Key', query.get('tag')!);
  response.setHeader('ETag', '"one"');
  const serial = String(origin.seen.length);
  response.write('half ');
  setTimeout(() => response.end(serial), Number(query.get('ms') ?? 0));
});
test.after(() => origin[Symbol.asyncDispose]());

async function start(workers: number, ...flags: string[]): Promise<RunningSluice> {
  const sluice = await startSluice({ origin: origin.url, workers, flags });
  if (workers === 1) single.add(sluice);
  return sluice;
}

/** Those with one worker, which every connection meets. */
const single = new WeakSet<RunningSluice>();

/** On a connection of its own each time, so that all workers are met. */
async function ask(sluice: RunningSluice, path: string, method = 'GET', fields = '') {
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send(`${method} ${path} HTTP/1.1\r\nHost: a.example\r\n${fields}\r\n`);
  const response = await connection.response({ toHead: method === 'HEAD' });
  const cacheStatus = response.fields.get('cache-status') ?? '';
  return { ...response, isHit: /^sluice; hit\b/.test(cacheStatus), cacheStatus };
}

/** Enough connections that each of two workers gets one, but for once in eight million times. */
const CONNECTIONS = 24;

const connectionsTo = (sluice: RunningSluice) => (single.has(sluice) ? 1 : CONNECTIONS);

async function fill(sluice: RunningSluice, ...paths: string[]): Promise<void> {
  for (const path of paths) {
    for (let i = 0; i < connectionsTo(sluice); i++) await ask(sluice, path);
  }
  await sleep(100);
}

/** Whether all of some requests were hits, or none; else throws. */
async function hits(sluice: RunningSluice, path: string, method = 'HEAD'): Promise<boolean> {
  const results = new Set<boolean>();
  for (let i = 0; i < connectionsTo(sluice); i++)
    results.add((await ask(sluice, path, method)).isHit);
  assert.equal(results.size, 1, `${path}: some requests are hits, and some are not`);
  return results.has(true);
}

interface AdminAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function admin(
  sluice: RunningSluice,
  path: string,
  body?: unknown,
  headers: Record<string, string> = { 'content-type': 'application/json' },
): Promise<AdminAnswer> {
  const method = body === undefined ? 'GET' : 'POST';
  const options = { port: sluice.adminPort, path, method, headers, agent: false };
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  const request = http.request(options, resolve).on('error', reject);
  request.end(body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body));
  const response = await promise;
  const text = Buffer.concat(await response.toArray()).toString();
  return { status: response.statusCode!, body: JSON.parse(text) };
}

const purge = (sluice: RunningSluice, selection: object) =>
  admin(sluice, '/cache/purge', selection);

const arrangements: readonly (readonly [string, number, () => string[]])[] = [
  ['one worker, in memory', 1, () => []],
  ['two workers, each with its memory', 2, () => ['--cache-size', '2MiB']],
  ['three workers that share a directory', 3, () => ['--cache-dir', temporaryDirectory()]],
];

for (const [name, workers, flags] of arrangements) {
  test(`a purge takes effect everywhere before it is answered: ${name}`, async () => {
    await using sluice = await start(workers, ...flags());
    const url = (path: string) => `http://a.example${path}`;
    const selections: readonly (readonly [object, string, string])[] = [
      [{ url: url('/u') }, '/u', '/u2'],
      [{ prefix: url('/p/') }, '/p/1', '/q/1'],
      [{ tag: 'Red' }, '/t?tag=blue+red', '/t?tag=reddish'],
    ];
    for (const [selection, gone, stays] of selections) {
      await fill(sluice, gone, stays);
      const { status } = await purge(sluice, selection);
      assert.equal(status, 200);
      assert.equal(await hits(sluice, gone), false, `${JSON.stringify(selection)} purges ${gone}`);
      assert.equal(await hits(sluice, stays), true, `${JSON.stringify(selection)} leaves ${stays}`);
    }
    for (const selection of [{ host: 'a.example' }, { all: true }]) {
      await fill(sluice, '/h');
      assert.equal(await hits(sluice, '/h'), true);
      await purge(sluice, { host: 'b.example' });
      assert.equal(await hits(sluice, '/h'), true);
      await purge(sluice, selection);
      assert.equal(await hits(sluice, '/h'), false);
    }
    assert.match(sluice.output, /^sluice: cache: purge of tag "Red" by the admin endpoint: /m);
  });

  test(`a soft purge has the origin asked, which need not send it again: ${name}`, async () => {
    await using sluice = await start(workers, ...flags());
    await fill(sluice, '/soft');
    const before = origin.asked('/soft').length;
    await purge(sluice, { url: 'http://a.example/soft', soft: true });
    const { cacheStatus, isHit } = await ask(sluice, '/soft');
    assert.equal(isHit, false);
    assert.match(cacheStatus, /fwd=stale/);
    const asked = origin.asked('/soft').slice(before);
    assert.equal(asked[0]!.headers['if-none-match'], '"one"');
  });

  test(`what is on its way during a purge is not stored: ${name}`, async () => {
    await using sluice = await start(workers, ...flags());
    const path = '/way?ms=300';
    const several = () => Promise.all(Array.from({ length: 6 }, () => ask(sluice, path)));
    const early = several();
    await sleep(100);
    // Those who waited ask again after the purge: what they get then may be shared.
    const before = origin.seen.length;
    await purge(sluice, { url: `http://a.example${path}` });
    const late = several();
    await early;
    const serialOf = (content: string) => Number(content.split(' ')[1]);
    for (const { content } of await late) {
      assert.ok(serialOf(content) > before, 'who asked after the purge got what was before it');
    }
    await sleep(100);
    for (const { content } of await several()) assert.ok(serialOf(content) > before);
  });
}

test('PURGE from this machine: 200, 404 when nothing was stored, never forwarded', async () => {
  await using sluice = await start(2, '--cache-dir', temporaryDirectory());
  await fill(sluice, '/purged');
  const first = await ask(sluice, '/purged', 'PURGE');
  assert.equal(first.status, 200);
  assert.deepEqual(JSON.parse(first.content), { purged: 1 });
  assert.equal(await hits(sluice, '/purged'), false);
  await until(async () => (await ask(sluice, '/purged', 'PURGE')).status === 404, 'a 404');
  await fill(sluice, '/purged');
  const soft = await ask(sluice, '/purged', 'PURGE', 'Soft-Purge: 1\r\n');
  assert.equal(soft.status, 200);
  assert.match((await ask(sluice, '/purged')).cacheStatus, /fwd=stale/);
  assert.equal(origin.seen.filter((one) => one.method === 'PURGE').length, 0);
  assert.match(
    sluice.output,
    /cache: purge of "http:\/\/a.example\/purged", .* by a PURGE request/,
  );
});

const refusals: readonly (readonly [string, string[], string])[] = [
  ['that another proxy passed on', [], 'Via: 1.1 front\r\n'],
  ['with X-Forwarded-For', [], 'X-Forwarded-For: 127.0.0.1\r\n'],
  ['with a word of some balancer about its client', [], 'True-Client-IP: 127.0.0.1\r\n'],
  ['that names X-Real-IP away', [], 'Connection: X-Real-IP\r\nX-Real-IP: 192.0.2.1\r\n'],
  ['from another address than those listed', ['--purge-from', '192.0.2.0/24'], ''],
  ['when it is switched off', ['--purge-from', 'off'], ''],
];
for (const [name, flags, fields] of refusals) {
  test(`PURGE ${name} is refused with 403, purges nothing, and is not forwarded`, async () => {
    await using sluice = await start(1, ...flags);
    await fill(sluice, '/kept');
    const { status } = await ask(sluice, '/kept', 'PURGE', fields);
    assert.equal(status, 403);
    assert.equal(await hits(sluice, '/kept'), true);
    assert.equal(origin.seen.filter((one) => one.method === 'PURGE').length, 0);
  });
}

test('the admin endpoint refuses purges that a web page could send, and malformed ones', async () => {
  await using sluice = await start(1);
  await fill(sluice, '/safe');
  const all = { all: true };
  const json = { 'content-type': 'application/json' };
  const cases: readonly (readonly [unknown, Record<string, string>, number])[] = [
    [all, { 'content-type': 'text/plain' }, 415],
    [all, {}, 415],
    [all, { ...json, origin: 'http://evil.example' }, 403],
    [all, { ...json, host: 'evil.example' }, 403],
    ['{', json, 400],
    [{}, json, 400],
    [{ all: false }, json, 400],
    [{ all: true, host: 'a.example' }, json, 400],
    [{ all: true, soft: 'yes' }, json, 400],
    [{ url: '/safe' }, json, 400],
    [{ everything: true }, json, 400],
    [`"${'x'.repeat(70_000)}"`, json, 413],
  ];
  for (const [body, headers, status] of cases) {
    const answer = await admin(sluice, '/cache/purge', body, headers).catch((error) => {
      // The body of a 403 for a foreign host is text.
      assert.ok(error instanceof SyntaxError);
      return { status: 403, body: { error: 'text' } };
    });
    assert.equal(answer.status, status, JSON.stringify(body).slice(0, 80));
    assert.equal(typeof answer.body.error, 'string');
  }
  assert.equal((await admin(sluice, '/cache/purge')).status, 405);
  assert.equal((await admin(sluice, '/cache/other')).status, 404);
  assert.equal(await hits(sluice, '/safe'), true);
});

test('sluice cache: lookup says why, status counts, purge purges', async () => {
  await using sluice = await start(2, '--cache-dir', temporaryDirectory());
  const at = ['--admin', `127.0.0.1:${sluice.adminPort}`];
  const command = (...words: string[]) => runSluice(['cache', ...words, ...at]);
  const url = (path: string) => `http://a.example${path}`;
  await fill(sluice, '/known?tag=a');
  await ask(sluice, '/secret?cc=private');
  const known = await command('lookup', url('/known?tag=a'));
  assert.equal(known.code, 0, known.stderr);
  assert.match(
    known.stdout,
    /^http:\/\/a.example\/known\?tag=a\nfresh: fresh for \d+ s more by max-age/,
  );
  assert.match(known.stdout, /cache-control: max-age=600\n[\s\S]*surrogate-key: a\n/);
  const secret = await command('lookup', url('/secret?cc=private'));
  assert.equal(secret.code, 1);
  assert.match(secret.stdout, /not-stored: the response has Cache-Control: private \(status 200, /);
  const unknown = await command('lookup', url('/unknown'));
  assert.match(unknown.stdout, /not-stored: not asked for yet/);
  const counts = await until(async () => {
    const { stdout } = await runSluice(['cache', 'status', '--json', ...at]);
    const result = JSON.parse(stdout);
    return result.disk.entries === 1 && result;
  }, 'the count of a second');
  assert.ok(counts.requests.hit > 0);
  assert.match((await command('status')).stdout, /^disk +1 responses, /m);
  const nothing = 'purged: nothing, because nothing that is stored matches\n';
  const none = await command('purge', '--tag', 'nope', '--fail-if-none');
  assert.deepEqual([none.code, none.stdout], [1, nothing]);
  const purged = await command('purge', '--tag', 'a', '--fail-if-none');
  assert.deepEqual([purged.code, purged.stdout], [0, 'purged: 1 stored response\n']);
  const again = await command('purge', '--host', 'b.example');
  assert.deepEqual([again.code, again.stdout], [0, nothing]);
  assert.equal(await hits(sluice, '/known?tag=a'), false);
});

test('sluice cache verify: whole directories pass, damaged ones are told of', async () => {
  const directory = temporaryDirectory();
  {
    await using sluice = await start(1, '--cache-dir', directory);
    await fill(sluice, '/v/1', '/v/2', '/v/3');
    await sluice.stop();
  }
  const whole = await runSluice(['cache', 'verify', directory]);
  assert.equal(whole.code, 0, whole.stderr);
  assert.match(whole.stdout, /^3 stored responses with 0.0 MiB are whole; 1 segments/);
  corruptFile(`${directory}/segments/01/1.segment`, 'flip', 0.5);
  const damaged = await runSluice(['cache', 'verify', directory]);
  assert.equal(damaged.code, 1);
  assert.match(damaged.stdout, /^2 stored responses .*\ndamaged: segment 1: the /);
  const none = await runSluice(['cache', 'verify', temporaryDirectory()]);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /^sluice: cache verify ".*": no cache is there; name a directory/);
});

test('mistakes in cache commands are one line with a remedy', async () => {
  const cases: readonly (readonly [string[], RegExp])[] = [
    [['cache'], /cache: nothing to do; write one of status, list, lookup, purge, verify/],
    [['cache', 'stauts'], /cache: unknown "stauts"; did you mean status\?/],
    [['cache', 'purge'], /what to purge is one flag; write one of --url/],
    [['cache', 'purge', '--all', '--tag', 'x'], /one flag/],
    [['cache', 'lookup'], /no URL; write sluice cache lookup URL/],
    [['cache', 'status', '--sot'], /unknown flag --sot/],
    [['cache', 'status', '--admin', '127.0.0.1:1'], /no admin endpoint at 127.0.0.1:1/],
    [['cahce'], /unknown command "cahce"; did you mean cache\?/],
  ];
  for (const [words, pattern] of cases) {
    const { code, stderr } = await runSluice(words);
    assert.equal(code, 2, words.join(' '));
    assert.match(stderr, pattern);
  }
});
