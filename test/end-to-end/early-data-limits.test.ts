// Needs openssl: it makes the certificates.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { recordsOf } from '../../src/triage/replay/client/own-hello.ts';
import {
  data,
  END_HEADERS,
  END_STREAM,
  goaway,
  headers,
  PREFACE,
  settings,
} from '../http2/wire.ts';
import { Authority } from '../support/authority.ts';
import { EarlyClient, helloOf, ticketFor } from '../support/early-client.ts';
import { startFlightRelay } from '../support/flight-relay.ts';
import { startOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { hasSession, RunningClient, sClient, sessionFile } from '../support/s-client.ts';
import { startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const skip = unlessInstalled('openssl');

const directory = temporaryDirectory();
const { certificateFile: cert, keyFile: key } = new Authority().issue({ names: ['any.test'] });
const pair = `certificates: [{cert: ${cert}, key: ${key}}]`;
const file = join(directory, 'sluice.yaml');
writeFileSync(
  file,
  `
hosts:
  - {names: [plain.test], ${pair}}
  - {names: [small.test], ${pair}, early-data: {max-size: 4KiB}}
  - {names: [bold.test], ${pair}, early-data: {otherwise: forward}}
  - {names: [strict.test], ${pair}, early-data: {excluded-paths: [/buy], otherwise: too-early}}
  - {names: [late.test], ${pair}, early-data: {enabled: off}}
  - {names: [never.test], ${pair}, early-data: off}
tls: {early-data-in-flight-max: 20KiB}
`,
);

const origin = await startOrigin((request, response, seen) => {
  response.setHeader('Cache-Control', 'no-store');
  request.on('end', () => response.end(`<${seen.method} ${seen.url} ${seen.contentBytes}>`));
});
// One worker: what is in flight is bounded for each.
const sluice = await startSluice({ origin: origin.url, flags: ['--config', file] });
after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const LAST = 'Connection: close\r\n';

function message(method: string, host: string, path: string, fields = LAST, content = ''): string {
  return `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n${content}`;
}

const named = (host: string) => ['-tls1_3', '-servername', host];

/** A session with a ticket of the host; how much early data the ticket permits. */
async function session(host: string): Promise<{ keep: string; permits: number }> {
  const keep = sessionFile();
  const request = message('GET', host, '/ticket');
  const { text } = await sClient(sluice.httpsPort, { words: named(host), request, keep });
  assert.ok(hasSession(keep), 'the server gave a ticket');
  return { keep, permits: Number(/Max Early Data: (\d+)/.exec(text)?.[1]) };
}

test('tickets permit as much early data as their host takes', { skip }, async () => {
  assert.equal((await session('plain.test')).permits, 16_384);
  assert.equal((await session('small.test')).permits, 4_096);
  for (const host of ['late.test', 'never.test']) assert.equal((await session(host)).permits, 0);
});

test('early data of open handshakes is bounded; beyond it they go on without', {
  skip,
}, async () => {
  const ask = async (host: string, path: string) => {
    const request = message('GET', host, path);
    const { keep } = await session(host);
    const { earlyData, http } = await sClient(sluice.httpsPort, {
      words: named(host),
      session: keep,
      early: request,
      request,
    });
    assert.match(http, new RegExp(`<GET ${path} 0>`));
    return earlyData;
  };
  const refused = () =>
    sluice.sum('sluice_early_data_rejected_total', { reason: 'over the limit' });
  await using relay = await startFlightRelay({
    target: sluice.httpsPort,
    earlyRecords: 1,
    hold: true,
  });
  const open = new RunningClient(relay.port, {
    words: named('plain.test'),
    session: (await session('plain.test')).keep,
    early: message('GET', 'plain.test', '/open', ''),
  });
  try {
    await until(() => open.output.includes('<GET /open 0>'), 'the answer, with Finished held back');
    const before = await refused();
    assert.equal(await ask('plain.test', '/second'), 'rejected');
    assert.equal(await refused(), before + 1);
    assert.equal(await ask('small.test', '/fits'), 'accepted');
    relay.release();
    await until(async () => {
      const complete = await sluice.sum('sluice_early_data_accepted_total');
      return complete >= 2;
    }, 'the end of the first handshake');
    assert.equal(await ask('plain.test', '/third'), 'accepted');
  } finally {
    await open.end();
  }
});

test('a host that sends everything on marks it, and the origin decides', { skip }, async () => {
  const { keep } = await session('bold.test');
  const early = message('POST', 'bold.test', '/bold', `Content-Length: 4\r\n${LAST}`, 'four');
  const { http } = await sClient(sluice.httpsPort, {
    words: named('bold.test'),
    session: keep,
    early,
  });
  assert.match(http, /<POST \/bold 4>/);
  assert.deepEqual(
    origin.asked('/bold').map((seen) => seen.headers['early-data']),
    ['1'],
  );
});

test('over HTTP/2 each request in early data is judged alone by the host’s policy', {
  skip,
}, async () => {
  const request = (id: number, method: string, path: string, endStream = true) =>
    headers(id, END_HEADERS | (endStream ? END_STREAM : 0), [
      [':method', method],
      [':scheme', 'https'],
      [':path', path],
      [':authority', 'strict.test'],
    ]);
  const flight = (...frames: Buffer[]) =>
    Buffer.concat([PREFACE, settings(), ...frames]).toString('latin1');
  const words = [...named('strict.test'), '-alpn', 'h2'];
  const keep = sessionFile();
  const first = flight(request(1, 'GET', '/ticket'), goaway(0));
  await sClient(sluice.httpsPort, { words, request: first, keep });
  const early = flight(
    request(1, 'GET', '/h2/fine'),
    request(3, 'GET', '/buy/h2'),
    request(5, 'POST', '/h2/post', false),
    data(5, 'abc', END_STREAM),
    request(7, 'GET', '/h2/also'),
    goaway(0),
  );
  const { earlyData, text } = await sClient(sluice.httpsPort, { words, session: keep, early });
  assert.equal(earlyData, 'accepted');
  for (const path of ['/h2/fine', '/h2/also']) {
    assert.ok(text.includes(`<GET ${path} 0>`), path);
    assert.equal(origin.asked(path)[0]?.headers['early-data'], '1');
  }
  assert.equal(text.split('425 Too Early').length - 1, 2, 'both of the others');
  assert.deepEqual([...origin.asked('/buy*'), ...origin.asked('/h2/post')], []);
});

/** A relay that passes the ClientHello at once, and what follows a byte every 100 ms. */
async function tricklingRelay(): Promise<{ port: number; close: () => void }> {
  const server = createServer((client) => {
    const target = connect({ host: '127.0.0.1', port: sluice.httpsPort, noDelay: true });
    const rest: number[] = [];
    let helloBytes = -1;
    let passed = 0;
    client.on('data', (bytes: Buffer) => {
      if (helloBytes === -1) helloBytes = 5 + bytes.readUInt16BE(3);
      const now = bytes.subarray(0, Math.max(0, helloBytes - passed));
      passed += now.length;
      if (now.length > 0) target.write(now);
      rest.push(...bytes.subarray(now.length));
    });
    const timer = setInterval(() => {
      const byte = rest.shift();
      if (byte !== undefined) target.write(Buffer.of(byte));
    }, 100);
    const end = () => {
      clearInterval(timer);
      client.destroy();
      target.destroy();
    };
    for (const socket of [client, target]) socket.on('error', end).on('close', end);
    target.resume();
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

test('early data that trickles in, or stops inside a request or a record, ends with the handshake’s time', {
  skip,
}, async () => {
  const relay = await tricklingRelay();
  await using silent = await startFlightRelay({
    target: sluice.httpsPort,
    earlyRecords: 1,
    hold: true,
  });
  const noted = await ticketFor(
    sluice.httpsPort,
    helloOf({ serverName: 'small.test' }),
    message('GET', 'small.test', '/ticket'),
  );
  using cut = new EarlyClient(sluice.httpsPort, helloOf({ serverName: 'small.test' }), noted, [
    message('GET', 'small.test', '/header'),
  ]);
  const flight = cut.flight();
  // The last record's header, less a byte.
  await cut.send(flight.subarray(0, 4 - recordsOf(flight).at(-1)!.length));
  const content = 'x'.repeat(2_000);
  const clients = [
    new RunningClient(relay.port, {
      words: named('plain.test'),
      session: (await session('plain.test')).keep,
      early: message('POST', 'plain.test', '/slow', `Content-Length: 2000\r\n`, content),
    }),
    new RunningClient(silent.port, {
      words: named('small.test'),
      session: (await session('small.test')).keep,
      early: 'GET /cut HTTP/1.1\r\nHost: small.test\r\nX-Cut: her',
    }),
  ];
  try {
    const late = () =>
      sluice.sum('sluice_tls_handshake_failures_total', { code: 'tls-handshake-timeout' });
    // The handshake's deadline is 10 s, however its bytes come.
    await until(async () => (await late()) >= 3, 'all to be given up');
    await cut.closed();
    const asked = ['/slow', '/cut', '/header'].flatMap((path) => origin.asked(path));
    assert.deepEqual(asked, []);
    // What was set aside for them is free again.
    const { keep } = await session('plain.test');
    const early = message('GET', 'plain.test', '/afterwards');
    const words = named('plain.test');
    const { earlyData } = await sClient(sluice.httpsPort, { words, session: keep, early });
    assert.equal(earlyData, 'accepted');
  } finally {
    for (const client of clients) await client.end();
    relay.close();
  }
});
