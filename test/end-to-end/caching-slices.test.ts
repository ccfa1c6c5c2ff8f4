import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { startOrigin, unusedPort } from '../support/origins.ts';
import { findProgram, run, start, unlessInstalled } from '../support/programs.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startConfigured } from '../support/routes.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const KIB = 1024;
const SLICE = 64 * KIB;
/** Not a multiple of the slice. */
const LENGTH = 40 * SLICE + 12_345;

const skip = unlessInstalled('nginx') || unlessInstalled('curl');

/** nginx with a film, as people have it, and a log of what it sent. */
async function startNginx() {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'www'));
  const port = await unusedPort();
  const film = randomBytes(LENGTH);
  writeFileSync(join(directory, 'www/film.mp4'), film);
  // Its entity tag is made of the second of its last change: another film gets another one.
  utimesSync(join(directory, 'www/film.mp4'), 1_700_000_000, 1_700_000_000);
  writeFileSync(join(directory, 'www/short.txt'), 'short');
  // As root, nginx would serve as somebody who may not read the directory.
  const user = process.getuid!() === 0 ? 'user root;' : '';
  const configuration = `
    ${user}
    daemon off;
    worker_processes 1;
    pid ${directory}/pid;
    error_log ${directory}/error.log;
    events {}
    http {
      log_format sent '$request_method $uri $http_range $status $body_bytes_sent';
      access_log ${directory}/access.log sent;
      client_body_temp_path ${directory}/body;
      proxy_temp_path ${directory}/proxy;
      fastcgi_temp_path ${directory}/fastcgi;
      uwsgi_temp_path ${directory}/uwsgi;
      scgi_temp_path ${directory}/scgi;
      server {
        listen 127.0.0.1:${port};
        root ${directory}/www;
        add_header Cache-Control max-age=600;
        location /dynamic { return 200 "made anew"; }
      }
    }`;
  writeFileSync(join(directory, 'nginx.conf'), configuration);
  const words = ['-p', directory, '-c', join(directory, 'nginx.conf')];
  const child = start(findProgram('nginx')!, words, { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  await until(
    () =>
      fetch(url)
        .then(() => true)
        .catch(() => false),
    'nginx to serve',
  );
  return {
    url,
    film,
    /** Range, status and bytes of every request for a path. */
    sent(path: string): { range: string; status: number; bytes: number }[] {
      const lines = readFileSync(join(directory, 'access.log'), 'latin1').split('\n');
      return lines.flatMap((line) => {
        const [method, uri, range, status, bytes] = line.split(' ');
        if (method !== 'GET' || uri !== path) return [];
        return [{ range: range!, status: Number(status), bytes: Number(bytes) }];
      });
    },
    /** Another film of the same length in its place. */
    replace(content: Buffer): void {
      writeFileSync(join(directory, 'film.new'), content);
      renameSync(join(directory, 'film.new'), join(directory, 'www/film.mp4'));
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGQUIT');
      await until(() => child.exitCode !== null || child.signalCode !== null, 'nginx to end');
    },
  };
}

async function startSliced(origin: string, workers = 1) {
  const routes = [{ origin: 'default', cache: { slices: '64KiB' } }];
  return startConfigured({ file: { origin, routes }, workers });
}

/** What curl makes of it, which checks ranges and lengths by itself. */
async function curl(url: string, ...words: string[]) {
  const all = ['--silent', '--show-error', '--include', '--max-time', '15', ...words, url];
  const { code, stdout, stderr } = await run('curl', all);
  assert.equal(code, 0, stderr);
  const end = stdout.indexOf('\r\n\r\n');
  const head = stdout.subarray(0, end).toString('latin1');
  const content = stdout.subarray(end + 4);
  const status = Number(/^HTTP\/1\.1 (\d+)/.exec(head)![1]);
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1];
  return { status, content, field, isHit: field('cache-status')!.startsWith('sluice; hit') };
}

const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

test('a seek costs its slices, and is a hit from then on', { skip }, async () => {
  await using nginx = await startNginx();
  await using sluice = await startSliced(nginx.url);
  const url = `${sluice.httpUrl}/film.mp4`;
  const bytesSent = () => nginx.sent('/film.mp4').reduce((sum, one) => sum + one.bytes, 0);
  const first = 10 * SLICE + 100;
  const last = 12 * SLICE + 5;
  for (const isHit of [false, true]) {
    const got = await curl(url, '--range', `${first}-${last}`);
    assert.equal(got.status, 206);
    assert.equal(got.field('content-range'), `bytes ${first}-${last}/${LENGTH}`);
    assert.equal(digest(got.content), digest(nginx.film.subarray(first, last + 1)));
    assert.equal(got.isHit, isHit);
    await until(() => bytesSent() === 3 * SLICE, 'three slices');
  }
  // The end by its distance: the length is known from the first slice.
  const tail = await curl(url, '--range', '-1000');
  assert.equal(digest(tail.content), digest(nginx.film.subarray(-1000)));
  await until(() => nginx.sent('/film.mp4').length === 5, 'the first slice and the last');
  // What lies in stored slices needs nothing; another part of them, several at once.
  assert.equal((await curl(url, '--range', `${11 * SLICE}-${11 * SLICE + 9}`)).isHit, true);
  const several = await curl(url, '--range', `0-9,${12 * SLICE}-${12 * SLICE + 9}`);
  assert.match(several.field('content-type')!, /^multipart\/byteranges/);
  assert.ok(several.content.includes(nginx.film.subarray(0, 10)));
  await curl(`${sluice.httpUrl}/short.txt`);
  await until(() => nginx.sent('/short.txt').length === 1, 'a later line in the log');
  assert.equal(nginx.sent('/film.mp4').length, 5);
});

/** nginx writes its log a moment after it has answered. */
async function assertEachOnce(nginx: Awaited<ReturnType<typeof startNginx>>): Promise<void> {
  const ranges = await until(() => {
    const sent = nginx.sent('/film.mp4').map(({ range }) => range);
    return sent.length >= 41 && sent;
  }, 'every slice');
  assert.equal(ranges.length, 41);
  assert.equal(new Set(ranges).size, 41, 'none twice');
}

test('all of it is served from slices, and only the missing ones are fetched', {
  skip,
}, async () => {
  await using nginx = await startNginx();
  await using sluice = await startSliced(nginx.url);
  const url = `${sluice.httpUrl}/film.mp4`;
  await curl(url, '--range', `${5 * SLICE}-${5 * SLICE + 9}`);
  const whole = await curl(url);
  assert.equal(whole.status, 200);
  assert.equal(whole.field('content-length'), String(LENGTH));
  assert.equal(digest(whole.content), digest(nginx.film));
  await assertEachOnce(nginx);
  assert.equal((await curl(url)).isHit, true);
  const modified = await curl(url, '--header', `If-None-Match: ${whole.field('etag')}`);
  assert.equal(modified.status, 304);
  assert.equal((await curl(url, '--range', '0-9')).isHit, true);
  assert.equal((await curl(url, '--range', `${LENGTH}-`)).status, 416);
  const ranges = nginx.sent('/film.mp4').filter(({ status }) => status === 206);
  assert.equal(ranges.length, 41);
});

test('a purge removes all slices; what has changed meanwhile is never mixed', {
  skip,
}, async () => {
  await using nginx = await startNginx();
  await using sluice = await startSliced(nginx.url);
  const url = `${sluice.httpUrl}/film.mp4`;
  await curl(url, '--range', `0-${3 * SLICE}`);
  assert.equal((await curl(url, '--request', 'PURGE')).status, 200);
  assert.equal((await curl(url, '--range', `${SLICE}-${SLICE + 9}`)).isHit, false);
  // The first slices are of one film, the rest of the next: the answer ends, and nothing stays.
  const other = randomBytes(LENGTH);
  nginx.replace(other);
  const broken = await run('curl', ['--silent', '--max-time', '15', '--output', '/dev/null', url]);
  const isWhole = broken.code === 0;
  if (!isWhole) assert.equal(broken.code, 18, broken.stderr);
  const after = await curl(url);
  assert.equal(digest(after.content), digest(other));
});

test('what cannot be sliced is forwarded and cached as a whole', { skip }, async () => {
  await using nginx = await startNginx();
  await using sluice = await startSliced(nginx.url);
  const dynamic = `${sluice.httpUrl}/dynamic`;
  assert.equal((await curl(dynamic)).content.toString(), 'made anew');
  assert.equal((await curl(dynamic)).isHit, true);
  assert.equal((await curl(`${sluice.httpUrl}/missing`)).status, 404);
  const short = `${sluice.httpUrl}/short.txt`;
  assert.equal((await curl(short)).content.toString(), 'short');
  assert.equal((await curl(short)).isHit, true);
  await until(() => nginx.sent('/short.txt').length === 1, 'one request');
});

test('many at once on one film: every slice is fetched once, for all workers', {
  skip,
}, async () => {
  await using nginx = await startNginx();
  await using sluice = await startSliced(nginx.url, 3);
  const url = `${sluice.httpUrl}/film.mp4`;
  const all = await Promise.all(Array.from({ length: 12 }, () => curl(url)));
  for (const { content } of all) assert.equal(digest(content), digest(nginx.film));
  // What a disk does not answer in time is a miss, and asked for again; on a busy machine that happens.
  if (!sluice.output.includes('cache-disk-slow')) await assertEachOnce(nginx);
});

test('the next slice is asked for while one arrives, and none beyond it', async () => {
  const film = randomBytes(4 * SLICE);
  const held: (() => void)[] = [];
  await using origin = await startOrigin((request, response) => {
    const [, first] = /^bytes=(\d+)-/.exec(request.headers.range!)!;
    const slice = film.subarray(Number(first), Number(first) + SLICE);
    const place = `bytes ${first}-${Number(first) + SLICE - 1}/${film.length}`;
    const fields = { ETag: '"a"', 'Cache-Control': 'max-age=60', 'Content-Length': SLICE };
    response.writeHead(206, { ...fields, 'Content-Range': place });
    response.write(slice.subarray(0, 1000));
    held.push(() => response.end(slice.subarray(1000)));
  });
  await using sluice = await startSliced(origin.url);
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send('GET /film HTTP/1.1\r\nHost: a.example\r\n\r\n');
  for (let i = 0; i < 4; i++) {
    await until(() => held.length === Math.min(4, i + 2), `slice ${i + 1} to be asked for`);
    await until(() => connection.unread.length > i * SLICE + 1000, `slice ${i} to arrive`);
    assert.equal(held.length, Math.min(4, i + 2));
    held[i]!();
  }
  const { content } = await connection.response();
  assert.equal(digest(Buffer.from(content, 'latin1')), digest(film));
  assert.equal(held.length, 4);
});
