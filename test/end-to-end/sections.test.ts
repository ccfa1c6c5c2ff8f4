/** Sections whose keys are flags, too, do what they say: a cache, an error log, an admin endpoint. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { launcher, startProgram } from '../cli/sluice-process.ts';
import { curl } from '../support/curl.ts';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startConfigured } from '../support/routes.ts';
import type { RunningSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { freePort, until } from '../support/waiting.ts';

const MIB = 1 << 20;
const COUNT = 100;
const GET = 'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n';

const origin = await startOrigin((request, response) => {
  response.setHeader('Cache-Control', 'max-age=600');
  response.setHeader('X-For', String(request.headers['x-forwarded-for']));
  response.end('x'.repeat(20_000));
});
after(() => origin[Symbol.asyncDispose]());

const serve = (options: object) => startConfigured({ file: { origin: origin.url, ...options } });

/** Two megabytes. */
async function fill(sluice: RunningSluice): Promise<void> {
  for (let i = 0; i < COUNT; i++) await (await fetch(`${sluice.httpUrl}/${i}`)).arrayBuffer();
}

/** Waits until there is about a megabyte in memory, and no more. */
async function untilFull(sluice: RunningSluice): Promise<void> {
  await until(async () => {
    const bytes = await sluice.sum('sluice_cache_bytes');
    return bytes > MIB / 2 && bytes <= MIB;
  }, 'the memory to be full');
}

for (const [form, optionsFor] of Object.entries({
  flags: (directory: string) => ({ 'cache-dir': directory, 'cache-memory': '1MiB' }),
  section: (directory: string) => ({ cache: { directory, memory: '1MiB' } }),
})) {
  test(`a cache on disk keeps as much in memory as it may (${form})`, async () => {
    const directory = join(temporaryDirectory(), 'cache');
    await using sluice = await serve(optionsFor(directory));
    await fill(sluice);
    const onDisk = () => sluice.sum('sluice_cache_disk_entries');
    await until(async () => (await onDisk()) === COUNT, 'all to be on disk');
    assert.ok(readdirSync(directory).length > 0);
    await untilFull(sluice);
  });
}

for (const [form, options] of Object.entries({
  flags: { 'cache-size': '1MiB', 'purge-from': 'off' },
  section: { cache: { size: '1MiB', 'purge-from': 'off' } },
})) {
  test(`a cache in memory has its size, and is purged by nobody else (${form})`, async () => {
    await using sluice = await serve(options);
    await fill(sluice);
    await untilFull(sluice);
    const isEvicted = async () => (await sluice.sum('sluice_cache_evictions_total')) > 0;
    await until(isEvicted, 'an eviction');
    assert.equal((await curl(`${sluice.httpUrl}/0`, '-X', 'PURGE')).status, 403);
  });
}

/** Has an event reported. */
async function purge(sluice: RunningSluice): Promise<void> {
  assert.equal((await curl(`${sluice.httpUrl}/never-asked`, '-X', 'PURGE')).status, 404);
}

test('the error log is rotated by size: so many old files, all but the latest compressed', async () => {
  const directory = temporaryDirectory();
  const target = join(directory, 'error.log');
  const rotate = { size: 1024, keep: 3, gzip: 'on' };
  await using sluice = await serve({ 'error-log': { target, format: 'json', rotate } });
  await purge(sluice);
  const text = await until(() => {
    const read = existsSync(target) && readFileSync(target, 'utf8');
    return read !== false && read.endsWith('\n') && read;
  }, 'a line');
  assert.equal(typeof JSON.parse(text.split('\n')[0]!).message, 'string');
  const files = () => readdirSync(directory).filter((name) => name.startsWith('error.log.'));
  const expected = ['error.log.1', 'error.log.2.gz', 'error.log.3.gz'];
  await until(async () => {
    await purge(sluice);
    return files().toSorted().join() === expected.join();
  }, expected.join());
  const oldest = gunzipSync(readFileSync(`${target}.3.gz`)).toString();
  assert.match(oldest, /^\{/);
  // Another is one too many.
  await until(async () => {
    await purge(sluice);
    const now = existsSync(`${target}.3.gz`) && readFileSync(`${target}.3.gz`);
    return now !== false && now.length > 0 && !files().some((name) => name.includes('.4'))
      ? gunzipSync(now).toString() !== oldest
      : false;
  }, 'the oldest to be gone');
});

test('the error log is rotated by time', async () => {
  const target = join(temporaryDirectory(), 'error.log');
  await using sluice = await serve({ 'error-log': { target, rotate: { every: '1s' } } });
  await until(async () => {
    await purge(sluice);
    return existsSync(`${target}.1`);
  }, 'an old file');
});

test('the section admin has an address and a token', async () => {
  const directory = temporaryDirectory();
  const token = 'a-token-of-more-than-32-characters';
  writeFileSync(join(directory, 'token'), token, { mode: 0o600 });
  const port = await freePort();
  const admin = { address: `127.0.0.1:${port}`, 'token-file': 'token' };
  const file = join(directory, 'sluice.yaml');
  const configuration = { origin: origin.url, http: '127.0.0.1:0', admin };
  writeFileSync(file, JSON.stringify(configuration));
  await using sluice = startProgram(launcher, ['--config', file]);
  await sluice.until(new RegExp(`admin +http://\\S+:${port}/`), 'stderr');
  const statusFor = async (headers: Record<string, string>) =>
    (await fetch(`http://127.0.0.1:${port}/stats`, { headers })).status;
  assert.equal(await statusFor({}), 401);
  assert.equal(await statusFor({ authorization: `Bearer ${token}` }), 200);
});

test('each listener says whether it speaks HTTP/2 without TLS, and whose PROXY header it takes', async () => {
  await using sluice = await startConfigured({
    listensByFile: true,
    file: {
      origin: origin.url,
      listeners: [
        {
          address: '127.0.0.1:0',
          protocol: 'http',
          'http2-cleartext': 'on',
          'proxy-protocol': { accept: 'optional', from: ['127.0.0.0/8'] },
        },
        {
          address: '127.0.0.1:0',
          protocol: 'https',
          'proxy-protocol': { accept: 'required', from: ['192.0.2.0/24'] },
        },
      ],
    },
  });
  const prior = await curl(sluice.httpUrl, '--http2-prior-knowledge');
  assert.equal(prior.status, 200);
  assert.equal(await sluice.sum('sluice_requests_by_version_total', { version: '2' }), 1);
  const told = async (header: string) => {
    using connection = await RawConnection.open(sluice.httpPort);
    const path = `/told/${header.length}`;
    connection.send(header + GET.replace('/', path));
    return (await connection.response()).fields.get('x-for');
  };
  assert.equal(await told(''), '127.0.0.1');
  assert.equal(await told('PROXY TCP4 192.0.2.9 127.0.0.1 5000 80\r\n'), '192.0.2.9');
  await assert.rejects(RawConnection.openTls(sluice.httpsPort), 'it is for others');
});
