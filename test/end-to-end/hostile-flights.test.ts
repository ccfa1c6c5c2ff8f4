/** First flights as no decent client sends them, record by record: what the user gets of each. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Ticket } from '../../src/triage/replay/client/own-hello.ts';
import { recordsOf } from '../../src/triage/replay/client/own-hello.ts';
import { END_HEADERS, END_STREAM, goaway, headers, PREFACE, settings } from '../http2/wire.ts';
import {
  ContentType,
  EarlyClient,
  type HelloSettings,
  helloOf,
  ticketFor,
} from '../support/early-client.ts';
import { startOrigin } from '../support/origins.ts';
import { startSluice } from '../support/sluice.ts';
import { until } from '../support/waiting.ts';

/** What a ticket permits. */
const EARLY_BYTES_MAX = 16_384;
const LARGE_BYTES = 2_000_000;

const origin = await startOrigin((request, response) => {
  response.setHeader('Cache-Control', 'no-store');
  const answer = `<${request.method} ${request.url}>`;
  request.on('end', () =>
    response.end(request.url!.startsWith('/large') ? answer.padEnd(LARGE_BYTES, '.') : answer),
  );
});
const sluice = await startSluice({ origin: origin.url, workers: 2 });
test.after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

let paths = 0;
const nextPath = () => `/hostile/${++paths}`;
const LAST = 'Connection: close\r\n';

function get(path: string, fields = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`;
}

function http2Get(path: string): string {
  const fields = [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', path],
    [':authority', 'localhost'],
  ] as const;
  const request = headers(1, END_HEADERS | END_STREAM, fields);
  return Buffer.concat([PREFACE, settings(), request, goaway(0)]).toString('latin1');
}

const HTTP2: HelloSettings = { alpn: ['h2'] };

function ticket(settings: HelloSettings = {}): Promise<Ticket> {
  const request = settings.alpn?.[0] === 'h2' ? http2Get(nextPath()) : get(nextPath(), LAST);
  return ticketFor(sluice.httpsPort, helloOf(settings), request);
}

/** A client with a ticket, and so much early data. */
function early(
  ticketOfIt: Ticket,
  data: readonly (string | Buffer)[],
  settings: HelloSettings = {},
) {
  return new EarlyClient(sluice.httpsPort, helloOf(settings), ticketOfIt, data);
}

const handshakes = (labels: Record<string, string> = {}) =>
  sluice.sum('sluice_tls_handshakes_total', labels);
const rejected = (reason: string) => sluice.sum('sluice_early_data_rejected_total', { reason });

/** Runs something in which so many handshakes end, and no more; `failed` of them by a failure. */
async function counted(count: number, failed: number, job: () => Promise<void>): Promise<void> {
  const before = [await handshakes(), await handshakes({ outcome: 'failed' })];
  await job();
  await until(async () => (await handshakes()) >= before[0]! + count, 'handshakes to be counted');
  assert.equal(await handshakes(), before[0]! + count);
  assert.equal(await handshakes({ outcome: 'failed' }), before[1]! + failed);
  assert.ok(sluice.isRunning);
}
function inPieces(text: string, size: number): string[] {
  const count = Math.ceil(text.length / size);
  return Array.from({ length: count }, (_, i) => text.slice(i * size, (i + 1) * size));
}

const times = (path: string) => origin.asked(path).length;

test('early data cut inside a record’s header ends with the connection', async () => {
  for (const cut of [1, 3, 4]) {
    const path = nextPath();
    const known = await ticket();
    await counted(1, 1, async () => {
      using client = early(known, [get(path)]);
      const flight = client.flight();
      const last = recordsOf(flight).at(-1)!;
      await client.send(flight.subarray(0, flight.length - last.length + cut));
      await client.ready();
      client.endOurs();
      await client.closed();
    });
    assert.equal(times(path), 0);
  }
});

test('more early data than the ticket permits ends the connection', async () => {
  const path = nextPath();
  const known = await ticket();
  await counted(1, 1, async () => {
    const more = Buffer.alloc(EARLY_BYTES_MAX, 'x');
    using client = early(known, [get(path), more]);
    await client.send(client.flight());
    await client.closed();
    assert.equal(client.tls.alert, 'unexpected_message');
  });
  assert.ok(times(path) <= 1);
});

test('all that a ticket permits is accepted, in records of any size', async () => {
  for (const size of [EARLY_BYTES_MAX, 16, 1]) {
    const path = nextPath();
    const known = await ticket();
    await counted(1, 0, async () => {
      const head = (length: number) =>
        `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n`;
      const length = EARLY_BYTES_MAX - head(EARLY_BYTES_MAX).length;
      using client = early(known, inPieces(head(length).padEnd(EARLY_BYTES_MAX, 'x'), size));
      await client.send(client.flight());
      await client.finish(get(nextPath(), LAST));
      await client.answered(`<POST ${path}>`);
      assert.ok(client.tls.isEarlyDataAccepted);
    });
    assert.equal(times(path), 1, `records of ${size}`);
  }
});

test('all that a ticket permits is skipped where it is refused, in records of any size', async () => {
  const known = await ticket(HTTP2);
  for (const size of [EARLY_BYTES_MAX, 1_000, 16, 1]) {
    const path = nextPath();
    await counted(1, 0, async () => {
      const text = get(path).padEnd(EARLY_BYTES_MAX, '\n');
      using client = early(known, inPieces(text, size), { alpn: ['http/1.1'] });
      await client.send(client.flight());
      await client.finish(get(path, LAST));
      await client.answered(`<GET ${path}>`);
    });
    assert.equal(times(path), 1, `records of ${size}`);
  }
});

test('a flood of early data that is refused ends the connection', async () => {
  const known = await ticket(HTTP2);
  await counted(1, 1, async () => {
    const records = Array<Buffer>(100).fill(Buffer.alloc(16_000));
    using client = early(known, records, { alpn: ['http/1.1'] });
    await client.send(client.flight());
    await client.closed();
    assert.equal(client.tls.alert, 'unexpected_message');
  });
});

test('empty records of early data are no way to keep sluice busy', async () => {
  const known = await ticket();
  const path = nextPath();
  await counted(1, 1, async () => {
    using client = early(known, [...Array<Buffer>(200).fill(Buffer.alloc(0)), get(path)]);
    await client.send(client.flight());
    await client.closed();
    assert.equal(client.tls.alert, 'unexpected_message');
  });
  assert.equal(times(path), 0);
});

test('the client’s Finished without EndOfEarlyData ends the connection', async () => {
  const known = await ticket();
  const [path, later] = [nextPath(), nextPath()];
  await counted(1, 1, async () => {
    using client = early(known, [get(path)]);
    await client.send(client.flight());
    await client.ready();
    await client.answered(`<GET ${path}>`);
    client.tls.isEarlyDataAccepted = false;
    await client.finish(get(later));
    await client.closed();
    assert.equal(client.tls.alert, 'bad_record_mac');
  });
  assert.deepEqual([times(path), times(later)], [1, 0]);
});

test('early data after its end ends the connection', async () => {
  const known = await ticket();
  const [path, late, later] = [nextPath(), nextPath(), nextPath()];
  await counted(1, 1, async () => {
    using client = early(known, [get(path)]);
    await client.send(client.flight());
    await client.ready();
    const [end, ...others] = recordsOf(client.tls.finish([Buffer.from(get(later))]));
    client.sealEarly('');
    await client.send(end!, client.sealEarly(get(late)), ...others);
    await client.closed();
    assert.equal(client.tls.alert, 'bad_record_mac');
  });
  assert.deepEqual([times(late), times(later)], [0, 0]);
});

test('a handshake message other than EndOfEarlyData among early data ends the connection', async () => {
  const known = await ticket();
  const path = nextPath();
  await counted(1, 1, async () => {
    using client = early(known, [], { announces: true });
    const flight = client.flight();
    const keyUpdate = client.sealEarly(Buffer.of(24, 0, 0, 1, 0), ContentType.handshake);
    await client.send(flight, keyUpdate, client.sealEarly(get(path)));
    await client.closed();
    assert.equal(client.tls.alert, 'unexpected_message');
  });
  assert.equal(times(path), 0);
});

test('HTTP/2: a HelloRetryRequest makes early data be skipped, and sent again once', async () => {
  const [x25519, ffdhe4096] = [29, 258];
  const known = await ticket(HTTP2);
  const path = nextPath();
  const before = await rejected('hello retry request');
  await counted(1, 0, async () => {
    const settings = { ...HTTP2, groups: [ffdhe4096, x25519], shares: [ffdhe4096] };
    using client = early(known, [http2Get(path)], settings);
    await client.send(client.flight());
    await client.finish(http2Get(path));
    await client.answered(`<GET ${path}>`);
    assert.ok(client.isRetried);
  });
  assert.equal(times(path), 1);
  assert.equal(await rejected('hello retry request'), before + 1);
});

for (const [words, made, offered, reason] of [
  ['another protocol than in the ticket', HTTP2, {}, 'ALPN changed'],
  ['no protocol, where the ticket has one', HTTP2, { alpn: [] }, 'ALPN changed'],
  ['a protocol, where the ticket has none', { alpn: [] }, {}, 'ALPN changed'],
  ['another name than in the ticket', {}, { serverName: 'b.test' }, 'server name changed'],
  ['no name, where the ticket has one', {}, { serverName: '' }, 'server name changed'],
  ['a name, where the ticket has none', { serverName: '' }, {}, 'server name changed'],
] as const satisfies readonly (readonly [string, HelloSettings, HelloSettings, string])[]) {
  test(`early data under ${words} is skipped`, async () => {
    const known = await ticket(made);
    const [path, later] = [nextPath(), nextPath()];
    const before = await rejected(reason);
    await counted(1, 0, async () => {
      using client = early(known, [get(path)], offered);
      await client.send(client.flight());
      await client.finish(get(later, LAST));
      await client.answered(`<GET ${later}>`);
      assert.equal(client.tls.isEarlyDataAccepted, false);
    });
    assert.deepEqual([times(path), times(later)], [0, 1]);
    assert.equal(await rejected(reason), before + 1);
  });
}

test('a first flight byte by byte is early data like any other', async () => {
  const known = await ticket();
  const path = nextPath();
  await counted(1, 0, async () => {
    using client = early(known, [get(path)]);
    for (const byte of client.flight()) await client.send(Buffer.of(byte));
    await client.answered(`<GET ${path}>`);
    assert.ok(client.tls.isEarlyDataAccepted);
    await client.finish(get(nextPath(), LAST));
    await client.closed();
  });
  assert.equal(times(path), 1);
});

test('one first flight many times at once, a piece each in turn, is executed once', async () => {
  const known = await ticket();
  const path = nextPath();
  const count = 12;
  await counted(count, count, async () => {
    const original = early(known, [get(path)]);
    const flight = original.flight();
    const clients = [original];
    while (clients.length < count) clients.push(early(known, []));
    try {
      const third = Math.ceil(flight.length / 3);
      for (let at = 0; at < flight.length; at += third) {
        await Promise.all(clients.map((one) => one.send(flight.subarray(at, at + third))));
      }
      await until(() => times(path) > 0, 'one of them to be executed');
      for (const client of clients) client.endOurs();
    } finally {
      for (const client of clients) client[Symbol.dispose]();
    }
  });
  assert.equal(times(path), 1);
});

test('a large answer to early data goes out while the client sends nothing more', async () => {
  const known = await ticket();
  const path = `/large${nextPath()}`;
  await counted(1, 0, async () => {
    using client = early(known, [get(path)]);
    await client.send(client.flight());
    await until(() => client.tls.content.length > LARGE_BYTES, 'all of the answer');
    await client.finish(get(nextPath(), LAST));
    await client.closed();
  });
  assert.equal(times(path), 1);
});

test('early data that is announced and does not come holds nothing up', async () => {
  const known = await ticket();
  const path = nextPath();
  await counted(1, 0, async () => {
    using client = early(known, [], { announces: true });
    await client.send(client.flight());
    await client.finish(get(path, LAST));
    await client.answered(`<GET ${path}>`);
  });
  assert.equal(times(path), 1);
});
