import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { startFlightRelay } from '../support/flight-relay.ts';
import { startOrigin } from '../support/origins.ts';
import { run, unlessInstalled } from '../support/programs.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { hasSession, RunningClient, sClient, sessionFile } from '../support/s-client.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { sleep, until } from '../support/waiting.ts';

const skip = unlessInstalled('openssl');

const origin = await startOrigin((request, response, seen) => {
  const isCacheable = request.url!.startsWith('/cached');
  response.setHeader('Cache-Control', isCacheable ? 'max-age=60' : 'no-store');
  request.on('end', () => {
    if (request.url!.startsWith('/too-early') && seen.headers['early-data'] !== undefined) {
      response.writeHead(425).end('too early');
    } else {
      response.end(`${seen.method} ${seen.url} ${seen.contentBytes}`);
    }
  });
});
const accessLog = join(temporaryDirectory(), 'access.log');
const flags = ['--access-log', accessLog, '--log-format', 'json'];
const sluice = await startSluice({ origin: origin.url, flags });
test.after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

let paths = 0;

function message(method: string, path: string, fields = '', content = ''): string {
  return `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n${content}`;
}

const LAST = 'Connection: close\r\n';

/** A session with a ticket that permits early data. */
async function session(port = sluice.httpsPort): Promise<string> {
  const keep = sessionFile();
  const path = `/ticket/${++paths}`;
  await sClient(port, { words: ['-tls1_3'], request: message('GET', path, LAST), keep });
  assert.ok(hasSession(keep), 'the server gave a ticket');
  assert.match(readFileSync(keep, 'latin1'), /BEGIN SSL SESSION/);
  return keep;
}

/** The value of Early-Data on each request that the origin saw for a path. */
function marks(path: string): (string | undefined)[] {
  return origin.asked(path).map((seen) => seen.headers['early-data'] as string | undefined);
}

test('a request in early data is accepted and answered', { skip }, async () => {
  const path = `/early/${++paths}`;
  const client = await sClient(sluice.httpsPort, {
    session: await session(),
    early: message('GET', path, LAST),
  });
  assert.equal(client.earlyData, 'accepted');
  assert.equal(client.resumed, true);
  assert.match(client.http, new RegExp(`^HTTP/1\\.1 200 [\\s\\S]*GET ${path} 0`));
});

test('the answer is there before the client’s Finished is sent on', { skip }, async () => {
  const path = `/before-finished/${++paths}`;
  await using relay = await startFlightRelay({
    target: sluice.httpsPort,
    earlyRecords: 1,
    hold: true,
  });
  const client = new RunningClient(relay.port, {
    session: await session(),
    early: message('GET', path),
  });
  try {
    await until(
      () => client.output.includes(`GET ${path} 0`),
      'the answer, with Finished held back',
    );
    assert.ok(relay.heldBytes > 0, 'the client’s second flight is with the relay');
    assert.deepEqual(marks(path), ['1']);
    // And the connection is a whole one afterwards.
    relay.release();
    client.send(message('GET', `${path}/later`, LAST));
    await until(() => client.output.includes(`GET ${path}/later 0`), 'a later answer');
    assert.deepEqual(marks(`${path}/later`), [undefined]);
  } finally {
    await client.end();
  }
});

test('behind 50 ms each way, early data saves about a round trip', { skip }, async () => {
  const delayMs = 50;
  /** Milliseconds from TCP's connect, which is not delayed, to the answer. */
  const timeOf = async (early: boolean) => {
    const earlyRecords = early ? 1 : 0;
    await using relay = await startFlightRelay({ target: sluice.httpsPort, earlyRecords, delayMs });
    const connected = Promise.withResolvers<number>();
    relay.server.on('connection', () => connected.resolve(performance.now()));
    const path = `/saved/${++paths}`;
    const ticket = await session();
    const request = message('GET', path);
    const client = new RunningClient(relay.port, {
      session: ticket,
      ...(early ? { early: request } : { request }),
    });
    try {
      await until(() => client.output.includes(`GET ${path} 0`), 'the answer');
      return performance.now() - (await connected.promise);
    } finally {
      await client.end();
    }
  };
  let [late, soon] = [await timeOf(false), await timeOf(true)];
  // The least of some: what a busy machine adds to one is not in all of them.
  for (let i = 0; i < 8 && late - soon <= delayMs; i++) {
    late = Math.min(late, await timeOf(false));
    soon = Math.min(soon, await timeOf(true));
  }
  // That the answer does not wait for Finished is shown above, by order; this is what it is worth.
  assert.ok(late - soon > delayMs, `${Math.round(soon)} ms against ${Math.round(late)} ms`);
});

test('Early-Data: 1 goes with early requests and with no later one', { skip }, async () => {
  const path = `/marks/${++paths}`;
  const client = await sClient(sluice.httpsPort, {
    session: await session(),
    early: message('GET', `${path}/1`) + message('GET', `${path}/2`),
    request: message('GET', `${path}/3`) + message('GET', `${path}/4`, LAST),
  });
  assert.equal(client.earlyData, 'accepted');
  assert.equal(client.http.match(/HTTP\/1\.1 200 /g)?.length, 4);
  assert.deepEqual(marks(`${path}/1`), ['1']);
  assert.deepEqual(marks(`${path}/3`), [undefined]);
  assert.deepEqual(marks(`${path}/4`), [undefined]);
  // The second one may wait for its turn behind the first, until the handshake is over.
  assert.equal(marks(`${path}/2`).length, 1);
});

for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'PROPPATCH']) {
  test(`${method} in early data waits for the handshake's end (RFC 8470 §5.2)`, {
    skip,
  }, async () => {
    const path = `/unsafe/${++paths}`;
    await using relay = await startFlightRelay({
      target: sluice.httpsPort,
      earlyRecords: 1,
      hold: true,
    });
    const client = new RunningClient(relay.port, {
      session: await session(),
      early: message(method, path, `Content-Length: 4\r\n${LAST}`, 'four'),
    });
    try {
      await until(() => relay.heldBytes > 0, 'the client’s second flight');
      await sleep(150);
      assert.equal(origin.asked(path).length, 0, 'the origin has heard nothing');
      assert.doesNotMatch(client.output, /HTTP\/1\.1 /);
      relay.release();
      await until(() => client.output.includes(`${method} ${path} 4`), 'the answer');
      assert.deepEqual(marks(path), [undefined], 'the handshake is over: nothing to warn of');
    } finally {
      await client.end();
    }
  });
}

test('a request whose content goes on after the handshake is one request', { skip }, async () => {
  const path = `/split/${++paths}`;
  const client = await sClient(sluice.httpsPort, {
    session: await session(),
    early: message('POST', path, `Content-Length: 8\r\n${LAST}`, 'four'),
    request: 'more',
  });
  assert.match(client.http, new RegExp(`POST ${path} 8`));
  assert.equal(origin.asked(path).length, 1);
});

test('a request whose head is cut by the handshake’s end is one request', { skip }, async () => {
  const path = `/cut/${++paths}`;
  const text = message('GET', path, LAST);
  const client = await sClient(sluice.httpsPort, {
    session: await session(),
    early: text.slice(0, 9),
    request: text.slice(9),
  });
  assert.match(client.http, new RegExp(`GET ${path} 0`));
  assert.equal(origin.asked(path).length, 1);
});

test('a client’s own Early-Data field is kept (RFC 8470 §5.1)', async () => {
  using connection = await RawConnection.openTls(sluice.httpsPort);
  const path = `/own/${++paths}`;
  await connection.request(message('GET', path, 'Early-Data: 1\r\n'));
  assert.deepEqual(marks(path), ['1']);
  // Several, or invalid ones, are to be read as one "1".
  const odd = `/own/${++paths}`;
  await connection.request(message('GET', odd, 'Early-Data: 1\r\nEarly-Data: 0\r\n'));
  assert.deepEqual(marks(odd), ['1']);
});

test('425 from the origin is tried again when the handshake is over', { skip }, async () => {
  const path = `/too-early/${++paths}`;
  const client = await sClient(sluice.httpsPort, {
    session: await session(),
    early: message('GET', path, LAST),
  });
  assert.match(client.http, /^HTTP\/1\.1 200 /);
  assert.deepEqual(marks(path), ['1', undefined]);
});

test('425 goes to the client whose own field asked for it', async () => {
  using connection = await RawConnection.openTls(sluice.httpsPort);
  const path = `/too-early/${++paths}`;
  const response = await connection.request(message('GET', path, 'Early-Data: 1\r\n'));
  assert.equal(response.status, 425);
  assert.equal(origin.asked(path).length, 1);
});

test('a fresh stored response is served in early data without the origin', { skip }, async () => {
  const path = `/cached/${++paths}`;
  using warm = await RawConnection.openTls(sluice.httpsPort);
  const authority = `Host: localhost\r\n`;
  await warm.request(`GET ${path} HTTP/1.1\r\n${authority}\r\n`);
  await using relay = await startFlightRelay({
    target: sluice.httpsPort,
    earlyRecords: 1,
    hold: true,
  });
  const client = new RunningClient(relay.port, {
    session: await session(),
    early: message('GET', path),
  });
  try {
    await until(() => client.output.includes(`GET ${path} 0`), 'the stored response');
    assert.match(client.output, /^Cache-Status: sluice; hit/im);
    assert.equal(origin.asked(path).length, 1);
  } finally {
    await client.end();
  }
});

test('early data is counted and logged', { skip }, async () => {
  const metrics = ['offered', 'accepted', 'bytes'].map((word) => `sluice_early_data_${word}_total`);
  const sums = () => Promise.all(metrics.map((metric) => sluice.sum(metric)));
  const answered = () => sluice.sum('sluice_early_requests_total', { answered: 'early' });
  const ticket = await session();
  const before = await sums();
  const answeredBefore = await answered();
  const path = `/logged/${++paths}`;
  const early = message('GET', path, LAST);
  await using relay = await startFlightRelay({
    target: sluice.httpsPort,
    earlyRecords: 1,
    hold: true,
  });
  const client = new RunningClient(relay.port, { session: ticket, early });
  await until(() => client.output.includes(`GET ${path} 0`), 'the answer');
  relay.release();
  await until(async () => (await sums())[1]! > before[1]!, 'the handshake to be counted');
  await client.end();
  const now = await sums();
  assert.deepEqual(
    now.map((value, i) => value - before[i]!),
    [1, 1, early.length],
  );
  await until(async () => (await answered()) === answeredBefore + 1, 'the request to be counted');
  const line = await until(
    () =>
      readFileSync(accessLog, 'latin1')
        .split('\n')
        .slice(0, -1)
        .find((one) => one.includes(path)),
    'the log line',
  );
  const record = JSON.parse(line) as Record<string, unknown>;
  assert.equal(record.early_data, 'answered-early');
  assert.equal(record.resumed, true);
});

test('with early data off a client that offers it loses nothing but time', { skip }, async () => {
  await using off = await startSluice({ origin: origin.url, earlyData: 'off' });
  // Its ticket came from a server with early data on, as after a rollback.
  const path = `/off/${++paths}`;
  const client = await sClient(off.httpsPort, {
    session: await session(),
    early: message('GET', `${path}/early`, LAST),
    request: message('GET', path, LAST),
  });
  assert.notEqual(client.earlyData, 'accepted');
  assert.match(client.http, new RegExp(`GET ${path} 0`));
  assert.equal(origin.asked(`${path}/early`).length, 0);
  // Nor do its own tickets invite early data.
  const keep = sessionFile();
  const words = ['-tls1_3'];
  const own = await sClient(off.httpsPort, { words, request: message('GET', path, LAST), keep });
  assert.match(own.text, /Max Early Data: 0/);
});

test('early data for another server name is not accepted', { skip }, async () => {
  const path = `/other-name/${++paths}`;
  const client = await sClient(sluice.httpsPort, {
    words: ['-servername', 'other.example'],
    session: await session(),
    early: message('GET', `${path}/early`, LAST),
    request: message('GET', path, LAST),
  });
  assert.notEqual(client.earlyData, 'accepted');
  assert.equal(origin.asked(`${path}/early`).length, 0);
  assert.match(client.http, new RegExp(`GET ${path} 0`));
});

test('early data followed by silence does not hold the server', { skip }, async () => {
  await using relay = await startFlightRelay({
    target: sluice.httpsPort,
    earlyRecords: 1,
    hold: true,
  });
  const path = `/silent/${++paths}`;
  const client = new RunningClient(relay.port, {
    session: await session(),
    early: message('POST', path, 'Content-Length: 4\r\n', 'four'),
  });
  try {
    // The handshake's deadline is 10 s.
    const code = 'tls-handshake-timeout';
    const failed = () => sluice.sum('sluice_tls_handshake_failures_total', { code });
    const before = await failed();
    await until(async () => (await failed()) > before, 'the handshake to be given up');
    assert.equal(origin.asked(path).length, 0);
  } finally {
    await client.end();
  }
});

test('GnuTLS sends early data and gets its answer', {
  skip: unlessInstalled('gnutls-cli'),
}, async () => {
  const path = `/gnutls/${++paths}`;
  const file = join(temporaryDirectory(), 'early');
  writeFileSync(file, message('GET', path, LAST));
  const words = ['--insecure', '--resume', '--waitresumption', `--earlydata=${file}`, '-p'];
  const result = await run('gnutls-cli', [...words, String(sluice.httpsPort), 'localhost'], {
    input: message('GET', `${path}/later`, LAST),
    timeoutMs: 8_000,
  });
  assert.match(result.text, new RegExp(`GET ${path} 0`));
  assert.deepEqual(marks(path), ['1']);
});
