import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { connect } from 'node:tls';
import { startOrigin } from '../support/origins.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until, within } from '../support/waiting.ts';

const GET = 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n';
const origin = await startOrigin((_request, response) => response.end('ok'));
after(() => origin[Symbol.asyncDispose]());

/** Tickets that a client has when its only request has been answered. */
async function ticketsOf(port: number): Promise<number> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
  let tickets = 0;
  socket.on('session', () => tickets++);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.on('error', reject).on('close', () => resolve());
  // Once it is read to its end, so are the tickets, which come first.
  socket.on('data', () => {});
  socket.write(GET);
  await within(promise, 'the response to end');
  return tickets;
}

for (const count of [1, 4]) {
  test(`tickets-per-handshake: a client gets ${count}`, async () => {
    const file = join(temporaryDirectory(), 'sluice.yaml');
    writeFileSync(file, `tls: {tickets-per-handshake: ${count}}\n`);
    await using sluice = await startSluice({ origin: origin.url, flags: ['--config', file] });
    assert.equal(await ticketsOf(sluice.httpsPort), count);
  });
}

/** A client that is too old. Resolves when the failure has been counted. */
async function failHandshake(sluice: RunningSluice): Promise<void> {
  const options = { port: sluice.httpsPort, host: '127.0.0.1', maxVersion: 'TLSv1.1' } as const;
  const ciphers = 'DEFAULT@SECLEVEL=0';
  const socket = connect({ ...options, minVersion: 'TLSv1.1', ciphers });
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on('error', () => resolve());
  await within(promise, 'the alert');
  const failures = () => sluice.sum('sluice_tls_handshakes_total', { outcome: 'failed' });
  await until(async () => (await failures()) === 1, 'the failure to be counted');
}

for (const isOn of [true, false]) {
  const what = isOn ? 'a new way to fail leaves an incident' : 'without it none is left';
  test(`failure-incidents: ${what}`, async () => {
    const directory = join(temporaryDirectory(), 'incidents');
    const flags = ['--incident-dir', directory];
    if (!isOn) flags.push('--feature', 'failure-incidents=off');
    await using sluice = await startSluice({ origin: origin.url, flags });
    await failHandshake(sluice);
    const incidents = () =>
      existsSync(directory) ? readdirSync(directory).filter((name) => /-handshake/.test(name)) : [];
    if (isOn) await until(() => incidents().length === 1, 'the incident');
    assert.equal(await sluice.stop(), 0);
    assert.equal(incidents().length, isOn ? 1 : 0);
  });
}
