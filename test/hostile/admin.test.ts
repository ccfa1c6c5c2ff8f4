// Invariant: whatever comes to the admin endpoint, its answer is a status that is not sluice's fault,
// the connection that brought it is all that may end, and the data port goes on.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after } from 'node:test';
import fc from '../support/fast-check.ts';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const scale = Number(process.env.FUZZ_SCALE ?? 1);
const origin = await startOrigin((_request, response) => response.end('served'));
const token = 'c0ffee'.repeat(6);
const tokenFile = join(temporaryDirectory(), 'token');
writeFileSync(tokenFile, `${token}\n`);
const many = await startSluice({ origin: origin.url, workers: 2 });
const alone = await startSluice({ origin: origin.url, flags: ['--admin-token-file', tokenFile] });
after(async () => {
  await many[Symbol.asyncDispose]();
  await alone[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

interface Input {
  readonly method?: string;
  readonly target?: string;
  readonly host?: string;
  readonly fields?: readonly string[];
  readonly body?: string;
  readonly isJson?: boolean;
}

/** The status of the answer. */
async function ask(port: number, input: Input): Promise<number> {
  const { method = 'GET', target = '/stats', host = '127.0.0.1', fields = [] } = input;
  const { body = '', isJson = true } = input;
  using connection = await RawConnection.open(port);
  const lines = [
    `${method} ${target} HTTP/1.1`,
    `Host: ${host}`,
    'Connection: close',
    ...(body === '' && method !== 'POST' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]),
    ...(isJson ? ['Content-Type: application/json'] : []),
    ...fields,
  ];
  connection.socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
  await until(() => connection.isEnded, `an answer to ${JSON.stringify(input).slice(0, 300)}`);
  const unread = connection.unread.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '');
  const status = /^HTTP\/1\.[01] (\d{3}) /.exec(unread)?.[1];
  assert.ok(status !== undefined, `no status for ${JSON.stringify(input).slice(0, 300)}`);
  return Number(status);
}

/** Sends it to both, with and without a token, and looks that both serve. */
async function holds(input: Input): Promise<number> {
  const authorized = [...(input.fields ?? []), `Authorization: Bearer ${token}`];
  const statuses = [
    await ask(many.adminPort, input),
    await ask(alone.adminPort, input),
    await ask(alone.adminPort, { ...input, fields: authorized }),
  ];
  for (const status of statuses) {
    // 503: a worker did not answer, or there is no such thing now; never a fault.
    const isFine = (status >= 200 && status < 500) || status === 503;
    assert.ok(isFine, `${status} for ${JSON.stringify(input).slice(0, 300)}`);
  }
  return statuses[0]!;
}

async function assertServing(): Promise<void> {
  for (const sluice of [many, alone]) {
    assert.equal(await (await fetch(sluice.httpUrl)).text(), 'served');
    const { metrics } = await sluice.stats({ Authorization: `Bearer ${token}` });
    const faults = metrics.sluice_supervisor_faults_total!.map(({ value }) => value);
    assert.ok(
      faults.every((count) => count === 0),
      'nothing in the supervisor has failed',
    );
    assert.equal((metrics.sluice_worker_restarts_total ?? [])[0]?.value ?? 0, 0);
  }
}

test('a target that names nothing is answered with a status, and everything goes on', async () => {
  const noTargets = [
    '*',
    'stats',
    'http://[::1',
    'http://',
    'http:///',
    'http://%zz/',
    '/a#b',
    '?',
  ];
  for (const target of noTargets) assert.equal(await holds({ target }), 400, target);
  const noPaths = [
    '//',
    '///',
    '//[',
    '//%',
    '//x:y/',
    '/\\\\',
    '//x/stats',
    '/..//',
    '/%00',
    '/%',
    '/%ff',
  ];
  for (const target of [...noPaths, '/stats/', '/a'.repeat(5_000), '/stats/../stats']) {
    assert.equal(await holds({ target }), 404, target);
  }
  const hosts = [
    'http://evil.example/stats',
    'https://localhost/stats',
    'http://localhost@evil/',
    '//',
  ];
  for (const target of hosts.slice(0, 3)) assert.equal(await holds({ target }), 400, target);
  assert.equal(await holds({ target: 'http://localhost:80/stats' }), 200);
  assert.equal(await holds({ target: `/cache/lookup?url=${'%'.repeat(3_000)}` }), 400);
  await assertServing();
});

test('a body of the wrong type is refused with words, on every path that takes one', async () => {
  const paths = [
    ...['/reload', '/log/levels', '/cache/purge', '/features', '/handshakes/enable'],
    ...['/origins/default/x', '/stop', '/upgrade'],
  ];
  const bodies = ['null', '[]', '[{}]', '"x"', '7', 'true', '{', '\u0000', '{"unheard-of":1}'];
  bodies.push('['.repeat(30_000), `${'{"a":'.repeat(9_000)}1${'}'.repeat(9_000)}`, '1e999');
  for (const target of paths) {
    for (const body of bodies) {
      const response = await fetch(`http://127.0.0.1:${many.adminPort}${target}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      const { error } = (await response.json()) as { error: string };
      const what = `${target} ${body.slice(0, 40)}`;
      assert.equal(response.status, 400, what);
      assert.ok(error.length > 5 && error.length < 300, what);
    }
  }
  await assertServing();
});

test('values of the wrong type are refused, whatever the key', async () => {
  const values = [null, [], {}, '', 'x', -1, 1e300, 0.5, true, [[]], '__proto__', '\u0000\u202e'];
  const keys: readonly (readonly [string, string])[] = [
    ['/reload', 'canaryMs'],
    ['/log/levels', 'levels'],
    ['/log/levels', 'forMs'],
    ...['url', 'prefix', 'host', 'tag', 'all', 'soft'].map((key) => ['/cache/purge', key] as const),
    ...['enable', 'disable', 'reset'].map((key) => ['/features', key] as const),
    ['/handshakes/enable', 'observer'],
    ['/origins/default/x', 'state'],
  ];
  for (const [target, key] of keys) {
    for (const value of values) {
      await holds({ method: 'POST', target, body: JSON.stringify({ [key]: value }) });
    }
  }
  await assertServing();
});

test('methods, hosts and fields of any kind are answered with a status', async () => {
  for (const method of ['PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PURGE', 'HEAD', 'PATCH', 'QUERY']) {
    for (const target of ['/stats', '/reload', '/', '/nothing', '*'])
      await holds({ method, target });
  }
  assert.equal(await holds({ method: 'CONNECT', target: 'localhost:80' }), 405);
  assert.equal(await holds({ method: 'NONSENSE' }), 400);
  for (const host of ['evil.example', '[', '127.0.0.1.evil.example', '[::1', 'a b']) {
    const status = await holds({ host });
    assert.ok(status === 403 || status === 400, `${host}: ${status}`);
  }
  const fields = [
    ['Transfer-Encoding: chunked', 'Content-Length: 3'],
    ['Expect: 100-continue'],
    ['Expect: the-impossible'],
    ['Upgrade: websocket', 'Connection: Upgrade'],
    ['Authorization: \u00ff'],
    ['Origin: null'],
    [`X: ${'y'.repeat(20_000)}`],
    ['Bad name: x'],
    ['Content-Length: -1'],
  ];
  for (const some of fields) {
    await holds({ fields: some });
    await holds({ method: 'POST', target: '/cache/purge', fields: some, body: '{}' });
  }
  await holds({ method: 'POST', target: '/cache/purge', body: `"${'x'.repeat(70_000)}"` });
  await holds({ method: 'POST', target: '/cache/purge', isJson: false, body: '{"all":true}' });
  await assertServing();
});

/** What changes nothing for the tests after it: all but the two that end the process. */
const path = fc.constantFrom(
  ...[
    '/',
    '/stats',
    '/metrics',
    '/healthz',
    '/cache',
    '/cache/lookup',
    '/cache/list',
    '/cache/purge',
  ],
  ...[
    '/reload',
    '/log',
    '/log/levels',
    '/features',
    '/incidents',
    '/triage',
    '/traffic',
    '/config',
  ],
  ...['/origins', '/origins/', '/origins/%', '/handshakes/failures', '/handshakes/enable', '/x'],
);
const mostlyAscii = fc.string({ unit: 'binary', maxLength: 40 });
const target = fc.oneof(
  fc.tuple(path, fc.webQueryParameters()).map(([at, query]) => `${at}?${query}`),
  fc
    .tuple(path, fc.constantFrom('url', 'prefix', 'limit', 'after', 'report', 'level'), mostlyAscii)
    .map(([at, key, value]) => `${at}?${key}=${encodeURIComponent(value.toWellFormed())}`),
  fc.webUrl({ withQueryParameters: true }),
  fc.string({ minLength: 1, maxLength: 60 }).map((text) => text.replace(/[\s\0]/g, '') || '/'),
);
const body = fc.oneof(
  fc.json(),
  fc.string({ maxLength: 200 }),
  fc
    .dictionary(
      fc.constantFrom(
        'url',
        'all',
        'soft',
        'tag',
        'canaryMs',
        'levels',
        'forMs',
        'state',
        'observer',
      ),
      fc.jsonValue(),
    )
    .map((value) => JSON.stringify(value)),
);

test('random requests are answered with a status', async () => {
  const input = fc.record(
    {
      method: fc.constantFrom('GET', 'POST', 'HEAD', 'PUT'),
      target,
      body,
      isJson: fc.boolean(),
    },
    { requiredKeys: ['method', 'target'] },
  );
  await fc.assert(
    fc.asyncProperty(input, async (one) => {
      await holds(one.method === 'POST' ? one : { ...one, body: '' });
    }),
    { numRuns: 200 * scale },
  );
  await assertServing();
});
