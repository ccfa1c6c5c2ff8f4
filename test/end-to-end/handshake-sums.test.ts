import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { runSluice } from '../cli/sluice-process.ts';
import { startFlightRelay } from '../support/flight-relay.ts';
import { startOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { sClient, sessionFile } from '../support/s-client.ts';
import { type Stats, startSluice, sumOf } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const GET = 'GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
const skip = unlessInstalled('openssl');

const log = join(temporaryDirectory(), 'handshakes.log');
const origin = await startOrigin((_request, response) => response.end('ok'));
const sluice = await startSluice({
  origin: origin.url,
  workers: 2,
  flags: ['--handshake-log', log, '--handshake-log-scope', 'all'],
});
test.after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

/** How many handshakes of each outcome there were so far. */
const expected = { complete: 0, failed: 0, notBegun: 0 };
const reasons: string[] = [];

async function full(...words: string[]): Promise<void> {
  const client = await sClient(sluice.httpsPort, { words, request: GET });
  assert.match(client.http, /^HTTP\/1\.1 200 /);
  expected.complete++;
}

async function resumed(version: string): Promise<void> {
  const session = sessionFile();
  const words = [version];
  await sClient(sluice.httpsPort, { words, request: GET, keep: session });
  const again = await sClient(sluice.httpsPort, { words, request: GET, session });
  assert.equal(again.resumed, true);
  expected.complete += 2;
}

async function early(words: string[], outcome: 'accepted' | 'rejected'): Promise<void> {
  const session = sessionFile();
  await sClient(sluice.httpsPort, { words: ['-tls1_3'], request: GET, keep: session });
  const request = outcome === 'accepted' ? '' : GET;
  const options = { words: ['-tls1_3', ...words], early: GET, request, session };
  assert.equal((await sClient(sluice.httpsPort, options)).earlyData, outcome);
  expected.complete += 2;
  if (outcome === 'rejected') reasons.push('hello retry request');
}

/** Sends so many bytes of a client's first flight, and goes away. */
async function cut(flight: Buffer, bytes: number, how: 'end' | 'reset'): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port: sluice.httpsPort, noDelay: true });
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on('error', () => {}).on('close', () => resolve());
  await new Promise<void>((ready) => socket.on('connect', ready));
  if (bytes > 0)
    await new Promise<unknown>((sent) => socket.write(flight.subarray(0, bytes), sent));
  if (bytes === flight.length) await new Promise((came) => socket.once('data', came));
  if (how === 'end') socket.end().resume();
  else socket.resetAndDestroy();
  await promise;
  if (bytes === 0) expected.notBegun++;
  else expected.failed++;
}

async function firstFlight(): Promise<Buffer> {
  await using relay = await startFlightRelay({ target: sluice.httpsPort, earlyRecords: 0 });
  using connection = await RawConnection.openTls(relay.port);
  await connection.request(GET);
  expected.complete++;
  return relay.firstFlight();
}

async function refused(...words: string[]): Promise<void> {
  await sClient(sluice.httpsPort, { words, request: GET });
  expected.failed++;
}

/** The client finds our certificate bad, and sends an alert that says so. */
async function refusedByClient(): Promise<void> {
  const strict = { rejectUnauthorized: true, ca: [] };
  await assert.rejects(RawConnection.openTls(sluice.httpsPort, strict), /self-signed|verif/i);
  // What a client finds wrong with a certificate it finds when our side of TLS 1.3 is not done yet.
  expected.failed++;
}

async function noise(text: string): Promise<void> {
  using connection = await RawConnection.open(sluice.httpsPort);
  connection.send(text).end();
  await connection.closed();
  expected.failed++;
}

const handshakes = 'sluice_tls_handshakes_total';

function sumsOf(stats: Stats, metric: string, label: string): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { labels, value, count } of stats.metrics[metric] ?? []) {
    const name = labels[label]!;
    sums[name] = (sums[name] ?? 0) + (value ?? count ?? 0);
  }
  return sums;
}

const total = (sums: Record<string, number>) => Object.values(sums).reduce((a, b) => a + b, 0);

test('every handshake of every kind is counted exactly once, and has one line', {
  skip,
}, async (t) => {
  await t.test('full, by version and group', async () => {
    await full('-tls1_3');
    await full('-tls1_2');
    for (const group of ['X25519', 'P-256', 'P-384', 'P-521', 'X448', 'ffdhe2048']) {
      await full('-tls1_3', '-groups', group);
    }
    using connection = await RawConnection.openTls(sluice.httpsPort, {
      ecdhCurve: 'X25519MLKEM768',
      minVersion: 'TLSv1.3',
    });
    assert.equal((await connection.request(GET)).status, 200);
    expected.complete++;
  });
  await t.test('resumed', async () => {
    await resumed('-tls1_3');
    await resumed('-tls1_2');
  });
  await t.test('early data accepted, and rejected for a HelloRetryRequest', async () => {
    await early([], 'accepted');
    await early(['-groups', 'ffdhe4096:X25519'], 'rejected');
  });
  await t.test('a HelloRetryRequest', () => full('-tls1_3', '-groups', 'ffdhe4096:X448:X25519'));
  await t.test('broken off by the client at every flight', async () => {
    const flight = await firstFlight();
    for (const how of ['end', 'reset'] as const) {
      for (const bytes of [0, 1, 5, 100, flight.length]) await cut(flight, bytes, how);
    }
  });
  await t.test('ended by an alert of ours', async () => {
    await refused('-tls1_3', '-groups', 'ffdhe8192');
    await refused('-alpn', 'imaginary');
    await refused('-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0');
    await refused('-tls1_2', '-cipher', 'AES128-SHA');
  });
  await t.test('ended by an alert of the client', refusedByClient);
  await t.test('no TLS at all', async () => {
    await noise(GET);
    await noise('\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00');
  });

  const { complete, failed, notBegun } = expected;
  const all = complete + failed + notBegun;
  await until(async () => (await sluice.sum(handshakes)) >= all, `${all} handshakes`);
  const stats = await sluice.stats();
  for (const label of ['version', 'group', 'cipher', 'resumed', 'outcome']) {
    const sums = sumsOf(stats, handshakes, label);
    assert.equal(total(sums), all, `by ${label}: ${JSON.stringify(sums)}`);
    assert.ok(!Object.hasOwn(sums, 'other'), label);
  }
  const accepted = sumOf(stats, 'sluice_connections_accepted_total', { listener: 'https' });
  assert.equal(accepted, all, 'each connection is one handshake');
  assert.deepEqual(sumsOf(stats, handshakes, 'outcome'), { complete, failed: failed + notBegun });
  const durations = 'sluice_tls_handshake_duration_seconds';
  assert.equal(sumOf(stats, durations), complete);
  assert.equal(total(sumsOf(stats, 'sluice_tls_handshake_signatures_total', 'scheme')), complete);
  for (const group of ['x25519', 'secp521r1', 'ffdhe2048', 'X25519MLKEM768']) {
    assert.ok((sumsOf(stats, durations, 'group')[group] ?? 0) > 0, group);
  }
  const codes = sumsOf(stats, 'sluice_tls_handshake_failures_total', 'code');
  assert.equal(total(codes), failed + notBegun);
  assert.equal(codes['tls-handshake-not-begun'], notBegun);
  assert.equal(codes['connection-closed'], undefined);
  const rejected = sumsOf(stats, 'sluice_early_data_rejected_total', 'reason');
  assert.deepEqual(rejected, { 'hello retry request': reasons.length });
  assert.equal(sumOf(stats, 'sluice_early_data_offered_total'), 2);

  const lines = await until(
    () => {
      const text = readFileSync(log, 'utf8');
      const whole = text.endsWith('\n') ? text.trimEnd().split('\n') : [];
      return whole.length >= complete + failed && whole;
    },
    `${complete + failed} lines`,
  );
  assert.equal(
    lines.length,
    complete + failed,
    'one line each, but for connections without a byte',
  );
});

test('the log says who, where and why', { skip }, async () => {
  const before = readFileSync(log, 'utf8').length;
  await refused('-tls1_3', '-groups', 'ffdhe8192', '-alpn', 'h2');
  const line = await until(() => {
    const text = readFileSync(log, 'utf8').slice(before);
    return text.endsWith('\n') && (JSON.parse(text.split('\n')[0]!) as Record<string, unknown>);
  }, 'its line');
  assert.partialDeepStrictEqual(line, {
    remote: '127.0.0.1',
    local_port: sluice.httpsPort,
    sni: 'localhost',
    outcome: 'failed',
    error: 'tls-no-shared-group',
    alert: 'handshake_failure',
    alert_sent_by: 'us',
  });
  assert.match(String(line.ja4), /^t13d\d{4}h2_[0-9a-f]{12}_[0-9a-f]{12}$/);
  assert.ok(String(line.last_state).length > 3);
  assert.ok(Number(line.duration_ms) > 0 && Number(line.bytes_received) > 100);
});

test('the most frequent failures are one command away', { skip }, async () => {
  const admin = ['--admin', String(sluice.adminPort)];
  for (let i = 0; i < 8; i++) await refused('-alpn', 'imaginary');
  const kindsNow = async () => {
    const { stdout } = await runSluice(['handshakes', 'failures', '--json', ...admin]);
    return JSON.parse(stdout).failures as { error: string; count: number }[];
  };
  const isCounted = async () => {
    const kinds = await kindsNow();
    return (kinds.find((one) => one.error === 'tls-no-application-protocol')?.count ?? 0) >= 9;
  };
  await until(isCounted, 'all workers to have counted');
  const [first] = await kindsNow();
  assert.equal(first!.error, 'tls-no-application-protocol');
  assert.partialDeepStrictEqual(first, {
    alert: 'no_application_protocol',
    alertSentBy: 'us',
    addresses: [{ value: '127.0.0.1', uncertainty: 0 }],
    serverNames: [{ value: 'localhost' }],
  });
  const { stdout, code } = await runSluice(['handshakes', 'failures', ...admin]);
  assert.equal(code, 0);
  assert.match(stdout, /^ +\d+ {2}tls-no-application-protocol, alert no_application_protocol sent/);
  assert.match(stdout, /from 127\.0\.0\.1 \(\d+\)/);
});

test('observers are listed, and can be enabled again by name', async () => {
  const admin = ['--admin', String(sluice.adminPort)];
  const listed = await runSluice(['handshakes', 'observers', ...admin]);
  for (const name of ['handshake-metrics', 'ja4', 'handshake-failures', 'handshake-log']) {
    assert.match(listed.stdout, new RegExp(`^${name} +enabled\\b`, 'm'));
    assert.equal(await sluice.sum('sluice_observer_enabled', { observer: name }), 2);
  }
  const enabled = await runSluice(['handshakes', 'enable', 'ja4', ...admin]);
  assert.equal(enabled.code, 0);
  assert.match(enabled.stdout, /^ja4 +enabled\b/);
  const unknown = await runSluice(['handshakes', 'enable', 'ja3', ...admin]);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /no observer "ja3"; there is handshake-metrics, ja4/);
});
