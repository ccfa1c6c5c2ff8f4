// An upgrade and a drain lose no request of clients that keep their connections and do not retry.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import { join } from 'node:path';
import test from 'node:test';
import { runSluice } from '../cli/sluice-process.ts';
import { startOrigin } from '../support/origins.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { PATIENCE_MS, sleep, until, within } from '../support/waiting.ts';

const UPGRADES = process.env.SLUICE_LONG === '1' ? 20 : 2;
const CLIENTS = 24;
const GET = 'GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n';

async function startSlowOrigin() {
  return startOrigin((_request, response) => {
    response.setHeader('Cache-Control', 'no-store');
    response.flushHeaders();
    setTimeout(() => response.end('ok'), 2);
  });
}

test('a kept connection is answered within the grace of a drain, and closed after it', async () => {
  await using origin = await startSlowOrigin();
  const flags = ['--drain-grace', '600ms'];
  await using sluice = await startSluice({ origin: origin.url, workers: 2, flags });
  using asked = await RawConnection.open(sluice.httpPort);
  assert.equal((await asked.request(GET)).content, 'ok');
  using silent = await RawConnection.open(sluice.httpPort);
  assert.equal((await silent.request(GET)).content, 'ok');
  sluice.signal('SIGTERM');
  await until(() => refuses(sluice.httpPort), 'new connections to be refused');
  const answer = await asked.request(GET);
  assert.equal(answer.content, 'ok');
  assert.equal(answer.fields.get('connection'), 'close');
  await until(() => silent.isEnded, 'the idle one to be closed');
  assert.equal(await sluice.end(), 0);
});

test('a response that had begun when the drain did leaves the connection for one more', async () => {
  let finish = () => {};
  await using origin = await startOrigin((request, response) => {
    response.setHeader('Cache-Control', 'no-store');
    response.flushHeaders();
    if (request.url === '/slow') finish = () => response.end('ok');
    else response.end('ok');
  });
  await using sluice = await startSluice({ origin: origin.url, workers: 1 });
  using connection = await RawConnection.open(sluice.httpPort);
  connection.send('GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n');
  await until(() => connection.unread.includes('200'), 'its head');
  sluice.signal('SIGTERM');
  await until(() => refuses(sluice.httpPort), 'the drain to begin');
  finish();
  assert.equal((await connection.response()).content, 'ok');
  const next = await connection.request(GET);
  assert.equal(next.fields.get('connection'), 'close');
  assert.equal(await sluice.end(), 0);
});

/** Asks on one kept connection without ever repeating; what went wrong is in `faults`. */
async function askOn(url: string, isOn: () => boolean, faults: string[]): Promise<number> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  let count = 0;
  while (isOn()) {
    const { promise, resolve } = Promise.withResolvers<string>();
    http
      .get(url, { agent }, (response) => {
        let content = '';
        response.on('data', (bytes) => {
          content += bytes;
        });
        response.on('end', () => resolve(content));
        response.on('error', (error) => resolve(error.message));
      })
      .on('error', (error) => resolve(error.message));
    const outcome = await promise;
    if (outcome !== 'ok') faults.push(outcome);
    count++;
    await sleep(Math.random() * 20);
  }
  agent.destroy();
  return count;
}

async function askOverHttp2(url: string, isOn: () => boolean, faults: string[]): Promise<number> {
  let count = 0;
  let session = http2.connect(url, { rejectUnauthorized: false });
  session.on('error', () => {});
  let isGoing = false;
  session.on('goaway', () => {
    isGoing = true;
  });
  while (isOn()) {
    if (isGoing || session.closed || session.destroyed) {
      session.close();
      isGoing = false;
      session = http2.connect(url, { rejectUnauthorized: false });
      session.on('error', () => {});
      const made = session;
      session.on('goaway', () => {
        if (made === session) isGoing = true;
      });
    }
    const stream = session.request({ ':path': '/x' });
    let content = '';
    stream.on('data', (bytes) => {
      content += bytes;
    });
    const failed = once(stream, 'error').then(([error]) => String(error.message));
    const closed = once(stream, 'close').then(() => content);
    const outcome = await Promise.race([failed, closed.catch((error) => String(error.message))]);
    // RFC 9113 §8.7: never processed, so that every client sends it again. This client's own library
    // says so of what it is given after a GOAWAY.
    const isUnsent = isGoing && /REFUSED_STREAM/.test(outcome);
    if (outcome !== 'ok' && !isUnsent) faults.push(outcome);
    count++;
    await sleep(Math.random() * 20);
  }
  session.destroy();
  return count;
}

test(`${UPGRADES} upgrades fail no request of busy clients that keep connections`, {
  timeout: PATIENCE_MS * (UPGRADES + 2),
}, async (t) => {
  await using origin = await startSlowOrigin();
  const pidFile = join(temporaryDirectory(), 'pid');
  writeFileSync(pidFile, '');
  const flags = ['--pid-file', pidFile];
  await using sluice = await startSluice({ origin: origin.url, workers: 2, flags });
  let isOn = true;
  const faults: string[] = [];
  const clients = Array.from({ length: CLIENTS }, () => askOn(sluice.httpUrl, () => isOn, faults));
  clients.push(
    ...Array.from({ length: 4 }, () => askOverHttp2(sluice.httpsUrl, () => isOn, faults)),
  );
  let pid = 0;
  try {
    for (let i = 0; i < UPGRADES; i++) {
      const { code, stdout, stderr } = await runSluice([
        'upgrade',
        '--admin',
        `127.0.0.1:${sluice.adminPort}`,
      ]);
      assert.equal(code, 0, stderr);
      pid = Number(/\d+/.exec(stdout)?.[0]);
    }
    // The last of the old ones ends meanwhile.
    await sleep(2_500);
  } finally {
    isOn = false;
    const counts = await within(Promise.all(clients), 'the clients to end');
    t.diagnostic(`${counts.reduce((sum, count) => sum + count, 0)} requests`);
    if (pid > 0) process.kill(pid, 'SIGKILL');
  }
  assert.deepEqual(faults, []);
});

async function refuses(port: number): Promise<boolean> {
  return RawConnection.open(port).then(
    (connection) => {
      connection[Symbol.dispose]();
      return false;
    },
    () => true,
  );
}
