import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluiceWith } from '../support/sluice-file.ts';
import { until } from '../support/waiting.ts';
import { appDirectory, HONO_APP, WORKERS_APP } from './apps.ts';

const directory = appDirectory({ 'hono.ts': HONO_APP, 'worker.ts': WORKERS_APP });
const noRetries = { retries: { max: 0 } };
const sluice = await startSluiceWith({
  workers: 1,
  origins: {
    hono: { handler: { file: join(directory, 'hono.ts'), env: { GREETING: 'Good day' } } },
    worker: {
      handler: {
        ...{ file: join(directory, 'worker.ts'), env: { SECRET: 'opensesame' } },
        ...{ threads: 1, memory: '32MiB' },
      },
      timeouts: { response: '3s' },
      ...noRetries,
    },
    loops: { handler: { file: join(directory, 'worker.ts'), threads: 1, 'busy-max': '500ms' } },
    other: { handler: join(directory, 'worker.ts') },
  },
  routes: [
    { match: { hosts: ['hono.example'] }, origin: 'hono' },
    { match: { hosts: ['other.example'] }, origin: 'other' },
    { match: { hosts: ['loops.example'] }, origin: 'loops' },
    { origin: 'worker' },
  ],
});
after(() => sluice[Symbol.asyncDispose]());

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly trailers: NodeJS.Dict<string>;
  readonly body: string;
  readonly hints: Readonly<Record<string, unknown>>[];
}

interface Asked {
  readonly host?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Rejects when the response is broken off. */
function ask(path: string, asked: Asked = {}): Promise<Answer> {
  const { host = 'worker.example', method = 'GET', body = '' } = asked;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const hints: Record<string, unknown>[] = [];
  const headers = { Host: host, ...asked.headers };
  const sent = httpRequest({ port: sluice.httpPort, path, method, headers, agent: false });
  sent.on('information', (information) => hints.push({ ...information.headers }));
  sent.on('error', reject);
  sent.on('response', async (response) => {
    let text = '';
    try {
      for await (const part of response) text += part;
    } catch (error) {
      reject(error as Error);
    }
    const { statusCode: status = 0, headers, trailers } = response;
    resolve({ status, headers, trailers, body: text, hints });
  });
  sent.end(body);
  return promise;
}

const hono = (path: string, asked: Asked = {}) => ask(path, { host: 'hono.example', ...asked });
const faults = (fault: string) => sluice.sum('sluice_handler_faults_total', { fault });
/** It serves again, whatever has become of the thread. */
const recovered = () => until(async () => (await ask('/again')).status === 200, 'an answer');
const counted = (fault: string, count: number) =>
  until(async () => (await faults(fault)) >= count, `${count} faults: ${fault}`);
const seen = (connection: RawConnection, isThere: (text: string) => boolean) =>
  until(
    () => isThere(connection.unread),
    () => connection.unread,
  );

test('a Hono app answers as it is: parameters, bindings, JSON, streams, cookies, redirects', async () => {
  assert.equal((await hono('/hello/Ada')).body, 'Good day, Ada');
  const headers = { 'Content-Type': 'application/json' };
  const posted = await hono('/json', { method: 'POST', headers, body: '{"a":1}' });
  assert.deepEqual([posted.status, posted.body], [201, '{"got":{"a":1}}']);
  assert.equal((await hono('/stream')).body, 'one two three');
  assert.deepEqual((await hono('/cookies')).headers['set-cookie'], ['a=1', 'b=2']);
  const { status, headers: sent } = await hono('/redirect');
  assert.deepEqual([status, sent.location], [302, '/hello/you']);
  const absent = await hono('/nowhere');
  assert.deepEqual([absent.status, absent.body], [404, 'nothing here']);
  assert.equal((await hono('/hello/Ada', { method: 'HEAD' })).body, '');
});

test('the cache stands before a handler: hits, conditional requests, purges by tag', async () => {
  const first = await ask('/cached');
  assert.equal((await ask('/cached')).body, first.body);
  assert.match(String((await ask('/cached')).headers['cache-status']), /hit/);
  const tagged = await hono('/tagged/page');
  const condition = { 'If-None-Match': String(tagged.headers.etag) };
  assert.equal((await hono('/tagged/page', { headers: condition })).status, 304);
  const purged = await fetch(`http://127.0.0.1:${sluice.adminPort}/cache/purge`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{"tag": "news"}',
  });
  assert.equal(purged.status, 200);
  assert.notEqual((await ask('/cached')).body, first.body);
});

test('what a handler hears of the client is from sluice, whatever the client claims', async () => {
  const forged = {
    'Sluice-Client': '{"address":"203.0.113.9"}',
    'sluice-client': '{"address":"203.0.113.8"}',
    Connection: 'close, sluice-client',
  };
  const { body } = await ask('/facts?q=1', { headers: forged });
  const facts = JSON.parse(body);
  assert.equal(facts.client.address, '127.0.0.1');
  assert.equal(facts.client.tls, null);
  assert.doesNotMatch(facts.sent, /203/);
  assert.equal(facts.url, 'http://worker.example/facts?q=1');
  assert.deepEqual(
    [facts.early, facts.secret, facts.env],
    [false, 'opensesame', { SECRET: 'opensesame' }],
  );
});

test('bodies stream both ways: what is sent comes back before the request has ended', async () => {
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send('POST /echo HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n');
  for (const word of ['first', 'other']) {
    connection.send(`5\r\n${word}\r\n`);
    await seen(connection, (text) => text.includes(word));
  }
  connection.send('0\r\n\r\n');
  await seen(connection, (text) => text.endsWith('0\r\n\r\n'));
});

test('an upload that nobody reads is answered, and the connection to the thread serves on', async () => {
  const body = 'x'.repeat(2_000_000);
  for (let i = 0; i < 3; i++) {
    assert.equal((await ask('/unread', { method: 'POST', body })).body, 'POST /unread');
  }
});

test('trailers go both ways, and early hints to the client', async () => {
  const { body, trailers } = await ask('/trailers');
  assert.deepEqual([body, trailers['x-sum']], ['body', '42']);
  const hinted = await ask('/hints');
  assert.equal(hinted.body, 'hinted');
  assert.match(String(hinted.hints[0]?.link), /a\.css/);
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send(
    'POST /sent-trailers HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n' +
      'Trailer: X-Sent\r\n\r\n1\r\na\r\n0\r\nX-Sent: arrived\r\n\r\n',
  );
  await seen(connection, (text) => text.includes('arrived'));
});

test('an exception is a 500, is counted, and its stack is in the error log', async () => {
  const before = await faults('exception');
  assert.equal((await ask('/throw')).status, 500);
  assert.equal((await ask('/none')).status, 500);
  await counted('exception', before + 2);
  assert.match(
    sluice.output,
    /handler worker, thread 0: exception: Error: thrown on purpose\n +at .*worker\.ts:\d+/,
  );
});

test('a body that fails is never taken for complete, and is told', async () => {
  await assert.rejects(ask('/break'));
  await counted('body', 1);
});

test('a promise that is left to itself fails alone: it is told, and the thread serves on', async () => {
  assert.equal((await hono('/later')).body, 'now');
  await counted('rejection', 1);
  assert.equal(await faults('uncaught'), 0);
});

test('a handler that never answers is the origin that does not', async () => {
  assert.equal((await ask('/never')).status, 504);
});

const deaths = {
  '/exit': 'exit',
  '/uncaught': 'uncaught',
  '/heap': 'memory',
  '/buffers': 'memory',
  '/kill': 'crash',
} as const;

for (const [path, fault] of Object.entries(deaths)) {
  test(`${path}: the thread is restarted, named as ${fault}; other handlers notice nothing`, async () => {
    const before = await faults(fault);
    const dying = ask(path, { method: 'POST' });
    assert.equal((await ask('/x', { host: 'other.example' })).status, 200);
    assert.match(String((await dying).status), /^50[24]$/);
    await counted(fault, before + 1);
    await recovered();
    assert.equal((await ask('/x', { host: 'other.example' })).status, 200);
  });
}

test('an endless loop is ended, and where it was is in the error log', async () => {
  const loops = { host: 'loops.example', method: 'POST' };
  assert.match(String((await ask('/loop', loops)).status), /^50[24]$/);
  await counted('busy', 1);
  await until(async () => (await ask('/again', loops)).status === 200, 'an answer');
  assert.match(
    sluice.output,
    /busy: no turn of its event loop for 500 ms\n +at fetch .*worker\.ts:\d+/,
  );
});

test('at the end no process of a handler is left', async () => {
  const { body: pid } = await ask('/pid');
  assert.equal(await sluice.stop(), 0);
  await until(() => !isAlive(Number(pid)), 'the end of the process');
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
