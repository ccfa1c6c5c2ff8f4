import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import fc from '../support/fast-check.ts';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startConfigured } from '../support/routes.ts';
import type { RunningSluice } from '../support/sluice.ts';
import { until } from '../support/waiting.ts';

const origin = await startOrigin((_request, response, seen) => {
  response.setHeader('Cache-Control', 'no-store');
  response.end(JSON.stringify(seen.headers));
});
const routes = [
  { access: [{ deny: ['192.0.2.66', '127.0.0.1'], paths: ['/admin'] }], origin: 'app' },
];
const file = {
  origins: { app: { servers: [origin.url] } },
  routes,
  connect: { from: ['198.51.100.7'] },
  'access-log': '-',
  'log-format': 'json',
};
const nobody = await startConfigured({ file });
const trusting = await startConfigured({
  file: { ...file, 'trusted-proxies': ['127.0.0.0/8', '10.0.0.0/8'], 'purge-from': '203.0.113.5' },
});
const byForwarded = await startConfigured({
  file: { ...file, 'trusted-proxies': '127.0.0.1', 'trusted-proxies-header': 'forwarded' },
});
after(async () => {
  for (const one of [nobody, trusting, byForwarded]) await one[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

type Line = readonly [name: string, value: string];

interface Answer {
  readonly status: number;
  /** What the origin got. */
  readonly fields: Record<string, string>;
}

async function ask(sluice: RunningSluice, lines: readonly Line[], path = '/'): Promise<Answer> {
  using connection = await RawConnection.open(sluice.httpPort);
  const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const response = await connection.request(`GET ${path} HTTP/1.1\r\nHost: a.test\r\n${text}\r\n`);
  return {
    status: response.status,
    fields: response.status === 200 ? JSON.parse(response.content) : {},
  };
}

const CLAIMS = [
  'Forwarded',
  'Forwarded-For',
  'X-Forwarded',
  ...['For', 'Host', 'Proto', 'Port', 'Prefix', 'Server', 'Ssl', 'User', 'Scheme', 'By', 'Uri'].map(
    (word) => `X-Forwarded-${word}`,
  ),
  ...['X-Real-IP', 'X-Client-IP', 'True-Client-IP', 'CF-Connecting-IP', 'X-Cluster-Client-IP'],
  ...['X-Original-URL', 'X-Original-Host', 'X-Original-Forwarded-For', 'X-Rewrite-URL', 'X-Host'],
  ...['Front-End-Https', 'Client-Cert', 'Client-Cert-Chain'],
];
const VALUES = [
  ...['6.6.6.6', '127.0.0.1', '::1', '10.0.0.1, 127.0.0.1', 'https', 'evil.test', '443', '/evil'],
  ...['for=6.6.6.6;host=evil.test;proto=https', 'for="open', 'unknown', ':AAAA:', ''],
];

const claim = fc.tuple(
  fc.constantFrom(...CLAIMS),
  fc.constantFrom(...VALUES),
  fc.constantFrom('as it is', 'lower', 'underscore', 'half'),
);

function spelt(name: string, spelling: string): string {
  if (spelling === 'lower') return name.toLowerCase();
  if (spelling === 'underscore') return name.replaceAll('-', '_');
  return spelling === 'half' ? name.replace('-', '_') : name;
}

const claimLines = fc.array(claim, { minLength: 1, maxLength: 12 }).chain((claims) => {
  const lines = claims.map(([name, value, spelling]): Line => [spelt(name, spelling), value]);
  const named: Line = ['Connection', ['keep-alive', ...lines.map(([name]) => name)].join(', ')];
  return fc.boolean().map((isNamed) => (isNamed ? [named, ...lines] : lines));
});

test('whatever a client says of itself, the origin gets the same', async () => {
  const honest = await ask(nobody, []);
  assert.equal(honest.fields['x-forwarded-for'], '127.0.0.1');
  assert.equal(honest.fields.forwarded, 'for=127.0.0.1;host="a.test";proto=http');
  await fc.assert(
    fc.asyncProperty(claimLines, async (lines) => {
      assert.deepEqual(await ask(nobody, lines), honest);
      assert.equal((await ask(nobody, lines, '/admin')).status, 403);
    }),
    { numRuns: 60 },
  );
});

test('whatever a client sends through a trusted proxy, that proxy’s word counts', async () => {
  // Of the client's own, before what the proxy appends and sets.
  const own = (lines: readonly Line[]) =>
    lines.filter(([name]) => /^(?:x[-_]forwarded[-_]for|forwarded|.*_.*)$/i.test(name));
  const byProxy: Line[] = [
    ['X-Forwarded-For', '192.0.2.66, 10.0.0.9'],
    ['X-Forwarded-Proto', 'https'],
  ];
  const honest = await ask(trusting, byProxy);
  assert.equal(honest.fields['x-forwarded-for'], '192.0.2.66, 10.0.0.9, 127.0.0.1');
  assert.equal(honest.fields['x-forwarded-proto'], 'https');
  assert.equal(
    honest.fields.forwarded,
    'for=192.0.2.66;host="a.test";proto=https, for=10.0.0.9, ' +
      'for=127.0.0.1;host="a.test";proto=https',
  );
  await fc.assert(
    fc.asyncProperty(claimLines, async (lines) => {
      const sent = [...own(lines), ...byProxy];
      assert.deepEqual(await ask(trusting, sent), honest);
      assert.equal((await ask(trusting, sent, '/admin')).status, 403, 'the client is denied');
    }),
    { numRuns: 40 },
  );
});

test('the client that trusted proxies name is the one of access rules and logs', async () => {
  const as = (address: string, path: string) => ask(trusting, [['X-Forwarded-For', address]], path);
  assert.equal((await as('192.0.2.66', '/admin')).status, 403);
  assert.equal((await as('192.0.2.67', '/admin?named')).status, 200);
  assert.equal((await as('192.0.2.66, 192.0.2.67', '/admin')).status, 200);
  assert.equal((await as('192.0.2.67, 192.0.2.66', '/admin')).status, 403);
  assert.equal((await ask(trusting, [], '/admin')).status, 403, 'the proxy itself');
  assert.equal((await ask(nobody, [['X-Forwarded-For', '192.0.2.67']], '/admin')).status, 403);
  const line = await until(
    () => trusting.output.split('\n').find((one) => one.includes('"path":"/admin?named"')),
    'its log line',
  );
  assert.equal(JSON.parse(line).remote, '192.0.2.67');
});

test('and that of CONNECT and PURGE', async () => {
  const status = async (request: string, address: string) => {
    using connection = await RawConnection.open(trusting.httpPort);
    const field = `X-Forwarded-For: ${address}\r\n`;
    return (await connection.request(`${request} HTTP/1.1\r\nHost: a.test\r\n${field}\r\n`)).status;
  };
  const connect = 'CONNECT 10.0.0.1:443';
  const detail = async (address: string) => {
    using connection = await RawConnection.open(trusting.httpPort);
    const field = `X-Forwarded-For: ${address}\r\n`;
    const text = `${connect} HTTP/1.1\r\nHost: 10.0.0.1:443\r\n${field}\r\n`;
    return (await connection.request(text)).fields.get('proxy-status')!;
  };
  assert.match(await detail('198.51.100.7'), /may not lead to/);
  assert.match(await detail('198.51.100.8'), /may open no tunnels/);
  assert.equal(await status('PURGE /', '203.0.113.5'), 404);
  assert.equal(await status('PURGE /', '203.0.113.6'), 403);
  assert.equal(await status('PURGE /', '203.0.113.5, 203.0.113.6'), 403);
});

test('what trusted proxies say besides goes on, well-formed', async () => {
  const { fields } = await ask(trusting, [
    ['X-Forwarded-For', '192.0.2.1'],
    ['X-Forwarded-Host', 'shop.test:8443'],
    ['X-Forwarded-Port', '8443'],
    ['X-Forwarded-Prefix', '/shop'],
    ['X-Real-IP', '6.6.6.6'],
    ['X-Real_IP', '6.6.6.6'],
  ]);
  assert.equal(fields['x-forwarded-host'], 'shop.test:8443');
  assert.equal(fields['x-forwarded-port'], '8443');
  assert.equal(fields['x-forwarded-prefix'], '/shop');
  assert.equal(fields['x-real-ip'], '192.0.2.1');
  assert.equal(fields['x-real_ip'], undefined);
  const odd = await ask(trusting, [
    ['X-Forwarded-Host', 'a b"'],
    ['X-Forwarded-Port', '443;x'],
    ['X-Forwarded-Proto', 'gopher'],
  ]);
  assert.equal(odd.fields['x-forwarded-host'], 'a.test');
  assert.equal(odd.fields['x-forwarded-port'], undefined);
  assert.equal(odd.fields['x-forwarded-proto'], 'http');
});

test('proxies that write Forwarded are believed by that, and by nothing else', async () => {
  const { fields } = await ask(byForwarded, [
    ['X-Forwarded-For', '6.6.6.6'],
    ['X-Forwarded-Proto', 'http'],
    ['Forwarded', 'for=6.6.6.6, for="[2001:db8::7]:4711";proto=https;host=shop.test'],
  ]);
  assert.equal(fields['x-forwarded-for'], '2001:db8::7, 127.0.0.1');
  assert.equal(fields['x-forwarded-proto'], 'https');
  assert.equal(fields['x-forwarded-host'], 'shop.test');
  assert.match(fields.forwarded!, /^for="\[2001:db8::7\]";host="shop.test";proto=https, for=127/);
});

test('behind the PROXY protocol it is the address of the header that is trusted, or not', async () => {
  await using sluice = await startConfigured({
    file: { ...file, 'trusted-proxies': '10.0.0.0/8', 'proxy-protocol-from': '127.0.0.0/8' },
  });
  const chain = async (source: string) => {
    using connection = await RawConnection.open(sluice.httpPort);
    connection.send(`PROXY TCP4 ${source} 127.0.0.1 5000 80\r\n`);
    const field = 'X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\n';
    const response = await connection.request(`GET / HTTP/1.1\r\nHost: a.test\r\n${field}\r\n`);
    return JSON.parse(response.content)['x-forwarded-for'];
  };
  assert.equal(await chain('10.0.0.9'), '192.0.2.1, 10.0.0.9');
  assert.equal(await chain('192.0.2.9'), '192.0.2.9');
});

test('a scheme that trusted proxies tell is part of what is cached', async () => {
  await using cached = await startOrigin((_request, response, { headers }) => {
    response.setHeader('Cache-Control', 'max-age=600');
    response.end(String(headers['x-forwarded-proto']));
  });
  await using sluice = await startConfigured({
    file: { origin: cached.url, 'trusted-proxies': 'localhost' },
  });
  for (const scheme of ['https', 'http', 'https', 'http']) {
    using connection = await RawConnection.open(sluice.httpPort);
    const field = `X-Forwarded-Proto: ${scheme}\r\n`;
    const response = await connection.request(`GET / HTTP/1.1\r\nHost: a.test\r\n${field}\r\n`);
    assert.equal(response.content, scheme);
  }
  assert.equal(cached.seen.length, 2);
});
