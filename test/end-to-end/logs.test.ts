// biome-ignore-all lint/suspicious/noTemplateCurlyInString: fields of a format.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test, { after } from 'node:test';
import { runSluice } from '../cli/sluice-process.ts';
import { END_HEADERS, END_STREAM, headers, PREFACE, settings } from '../http2/wire.ts';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const origin = await startOrigin((request, response) => {
  response.statusCode = request.url?.startsWith('/bad') === true ? 503 : 200;
  response.setHeader('Cache-Control', 'max-age=60');
  response.end('ok');
});
after(() => origin[Symbol.asyncDispose]());

async function serve(logs: (directory: string) => object[], workers = 1) {
  const directory = temporaryDirectory();
  const file = join(directory, 'sluice.yaml');
  const write = (next: object[]) =>
    writeFileSync(file, JSON.stringify({ origin: origin.url, logs: next }));
  write(logs(directory));
  const sluice = await startSluice({ workers, flags: ['--config', file] });
  const get = async (path: string) =>
    void (await (await fetch(new URL(path, sluice.httpUrl))).arrayBuffer());
  const lines = (name: string) =>
    readFileSync(join(directory, name), 'utf8').split('\n').slice(0, -1);
  return { sluice, directory, write, get, lines };
}

test('each log has the lines that it wants in the form that it wants', async () => {
  const { sluice, get, lines } = await serve((directory) => [
    { target: join(directory, 'all.log'), format: '${method} ${path} ${status} ${cache}' },
    {
      target: join(directory, 'bad.log'),
      format: 'json',
      fields: ['status', 'path'],
      filter: { status: ['5xx'] },
    },
    { target: join(directory, 'none.log'), sample: '0%' },
    {
      target: join(directory, 'named.log'),
      format: 'json',
      fields: ['header:host', 'response_header:cache-status', 'response_header:age', 'tcp_rtt_ms'],
    },
  ]);
  await using _ = sluice;
  for (const path of ['/a', '/bad', '/a']) await get(path);
  await until(() => lines('all.log').length === 3, 'three lines');
  assert.deepEqual(lines('all.log'), ['GET /a 200 miss', 'GET /bad 503 miss', 'GET /a 200 hit']);
  await until(() => lines('bad.log').length === 1, 'one line');
  assert.deepEqual(lines('bad.log'), ['{"status":503,"path":"/bad"}']);
  assert.deepEqual(lines('none.log'), []);
  await until(() => lines('named.log').length === 3, 'three lines with headers');
  const [missed, , hit] = lines('named.log').map((line) => JSON.parse(line));
  assert.match(missed['header:host'], /^127\.0\.0\.1:\d+$/);
  assert.match(missed['response_header:cache-status'], /fwd=uri-miss/);
  assert.match(hit['response_header:cache-status'], /hit/);
  assert.match(hit['response_header:age'], /^\d+$/);
  assert.ok(missed.tcp_rtt_ms > 0 && missed.tcp_rtt_ms < 10_000, `${missed.tcp_rtt_ms} ms`);
});

test('what never became a request has a line, too, and what did has but one', async () => {
  const { sluice, lines } = await serve((directory) => [
    { target: join(directory, 'all.log'), format: '"${request}" ${status} ${error} ${remote}' },
  ]);
  await using _ = sluice;
  const bad = [
    ['GET / HTTP/1.1\r\nHost : a\r\n\r\n', '"-" 400 space-before-colon 127.0.0.1'],
    ['GET / HTTP/3.0\r\n\r\n', '"-" 505 unsupported-version 127.0.0.1'],
    [
      'POST /cut HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n',
      '"POST /cut HTTP/1.1" 0 bad-chunk 127.0.0.1',
    ],
  ] as const;
  const expected: string[] = [];
  for (const [bytes, line] of bad) {
    using connection = await RawConnection.open(sluice.httpPort);
    connection.socket.write(bytes);
    await until(() => connection.isEnded, 'the refusal');
    expected.push(line);
    await until(() => lines('all.log').length === expected.length, line);
  }
  using connection = await RawConnection.openTls(sluice.httpsPort, { ALPNProtocols: ['h2'] });
  const fields = [
    [':method', 'GET'],
    [':scheme', 'https'],
  ] as const;
  const malformed = headers(1, END_STREAM | END_HEADERS, fields);
  connection.socket.write(Buffer.concat([PREFACE, settings(), malformed]));
  expected.push('"-" 0 http2-protocol-error 127.0.0.1');
  await until(() => lines('all.log').length === expected.length, 'a line about HTTP/2');
  assert.deepEqual(lines('all.log'), expected);
});

test('a log that a reload brings has lines, and one that it takes away has none', async () => {
  const { sluice, directory, write, get, lines } = await serve(
    (to) => [{ target: join(to, 'first.log'), format: '${path}' }],
    2,
  );
  await using _ = sluice;
  const reload = async () => {
    const words = ['reload', '--canary', '0s', '--admin', `127.0.0.1:${sluice.adminPort}`];
    const { code, stderr } = await runSluice(words);
    assert.equal(code, 0, stderr);
  };
  await get('/a');
  await until(() => lines('first.log').length === 1, 'a line in the first');
  write([]);
  await reload();
  await get('/a');
  write([{ target: join(directory, 'second.log'), format: '${remote} ${path} ${cache}' }]);
  await reload();
  for (let i = 0; i < 4; i++) await get('/a');
  await until(() => lines('second.log').length === 4, 'lines in the second');
  assert.equal(lines('second.log').at(-1), '127.0.0.1 /a hit');
  assert.deepEqual(lines('first.log'), ['/a']);
});

test('files are rotated while workers write, and no line is lost', async () => {
  const { sluice, directory, get } = await serve(
    (to) => [
      {
        target: join(to, 'a.log'),
        format: '${path}',
        rotate: { size: 1024, keep: 500 },
      },
    ],
    2,
  );
  await using _ = sluice;
  const logs = () => readdirSync(directory).filter((name) => name.startsWith('a.log'));
  const all = () =>
    logs().flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n').slice(0, -1));
  let count = 0;
  await until(async () => {
    for (let i = 0; i < 50; i++) await get(`/n${count++}`);
    return logs().length >= 4;
  }, 'three rotations');
  await until(() => {
    try {
      const found = all();
      return found.length === count && new Set(found).size === count;
    } catch {
      // A file was moved while they were read.
      return false;
    }
  }, 'every line, once');
  assert.equal(await sluice.sum('sluice_access_log_dropped_total'), 0);
});

test('a log of handshakes is one of the section, and flags add theirs', async () => {
  const directory = temporaryDirectory();
  const file = join(directory, 'sluice.yaml');
  const handshakes = join(directory, 'handshakes.log');
  const failed = join(directory, 'failed.log');
  writeFileSync(
    file,
    JSON.stringify({
      origin: origin.url,
      logs: [
        { target: handshakes, type: 'handshakes' },
        { target: failed, type: 'failed-handshakes' },
      ],
    }),
  );
  const flag = join(directory, 'flag.log');
  await using sluice = await startSluice({ flags: ['--config', file, '--access-log', flag] });
  await fetch(sluice.httpUrl);
  const { connect } = await import('node:tls');
  const socket = connect({ port: sluice.httpsPort, host: '127.0.0.1', rejectUnauthorized: false });
  socket.on('error', () => {});
  socket.once('secureConnect', () => socket.end());
  const text = (name: string) => readFileSync(name, 'utf8');
  await until(() => /"outcome":"complete".*\n/.test(text(handshakes)), 'the handshake');
  await until(() => /\n/.test(text(flag)), 'the request');
  assert.equal(text(failed), '');
});

test('the bytes of a refusal are logged as they are sent', async () => {
  const { sluice, lines } = await serve((directory) => [
    { target: join(directory, 'all.log'), format: '${status} ${bytes} ${error}' },
  ]);
  await using _ = sluice;
  const socket = connect(sluice.httpPort, '127.0.0.1');
  socket.write('NONSENSE\r\n\r\n');
  const answer = await text(socket);
  const [, length] = /content-length: (\d+)/.exec(answer)!;
  await until(() => lines('all.log').length === 1, 'its line');
  assert.deepEqual(lines('all.log'), [`400 ${length} bad-request-line`]);
});
