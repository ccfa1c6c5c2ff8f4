// What early data is tied to besides the ticket (RFC 8446 §4.2.10): tried by a client without rules.
import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { EarlyClient, type HelloSettings, helloOf, ticketFor } from '../support/early-client.ts';
import { replayFlight } from '../support/flight-relay.ts';
import { startOrigin } from '../support/origins.ts';
import { startSluice } from '../support/sluice.ts';
import { until } from '../support/waiting.ts';

const origin = await startOrigin((request, response) => {
  response.setHeader('Cache-Control', 'no-store');
  response.end(`answer to ${request.url}`);
});
const sluice = await startSluice({ origin: origin.url });
after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const [AES_128, AES_256, CHACHA20] = [0x1301, 0x1302, 0x1303];

const message = (path: string) =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;

const rejections = (reason: string) => sluice.sum('sluice_early_data_rejected_total', { reason });

/** The request is asked for early, and after the handshake if that was refused. Returns the reason. */
async function refusalOf(
  path: string,
  suites: { readonly ticket: number; readonly now: number },
  laterMs = 0,
): Promise<string> {
  const before = await reasons();
  const fresh = await ticketFor(
    sluice.httpsPort,
    helloOf({ suite: suites.ticket }),
    message('/ticket'),
  );
  const ticket = { ...fresh, receivedAtMs: fresh.receivedAtMs - laterMs };
  const hello = helloOf({ suite: suites.now, announces: true });
  using client = new EarlyClient(sluice.httpsPort, hello, ticket, [message(path)]);
  await client.send(client.flight());
  await client.ready();
  await client.finish(message(path));
  await client.answered(`answer to ${path}`);
  const counted = async () => {
    const now = await reasons();
    const total = (all: Record<string, number>) => Object.values(all).reduce((a, b) => a + b, 0);
    return total(now) === total(before) + 1 ? now : undefined;
  };
  const now = (await until(counted, 'the handshake to be counted'))!;
  return Object.keys(now).find((reason) => now[reason]! > (before[reason] ?? 0))!;
}

async function reasons(): Promise<Record<string, number>> {
  const names = ['cipher suite changed', 'ticket not accepted', 'ticket age implausible'];
  const counts = await Promise.all(
    names.map(async (name) => [name, await rejections(name)] as const),
  );
  const accepted = await sluice.sum('sluice_early_data_accepted_total');
  return Object.fromEntries([...counts, ['', accepted] as const]);
}

for (const [name, ticket, now, reason] of [
  ['the suite of its ticket is accepted', AES_128, AES_128, ''],
  ['another suite of the same hash is refused', AES_128, CHACHA20, 'cipher suite changed'],
  [
    'another suite of the same hash, the other way, is refused',
    CHACHA20,
    AES_128,
    'cipher suite changed',
  ],
  ['a suite of another hash is refused with its ticket', AES_128, AES_256, 'ticket not accepted'],
] as const) {
  test(`early data under ${name}, and answered once`, async () => {
    const path = `/suite/${ticket}/${now}`;
    assert.equal(await refusalOf(path, { ticket, now }), reason);
    assert.equal(origin.asked(path).length, 1);
  });
}

for (const [laterMs, reason] of [
  [800, ''],
  [2_800, 'ticket age implausible'],
  [3_600_000, 'ticket age implausible'],
] as const) {
  const outcome = reason || 'accepted';
  test(`early data that claims ${laterMs} ms more than its ticket's age is ${outcome}`, async () => {
    const path = `/age/${laterMs}`;
    const suites = { ticket: AES_128, now: AES_128 };
    assert.equal(await refusalOf(path, suites, laterMs), reason);
    assert.equal(origin.asked(path).length, 1);
  });
}

/** A flight that is refused; its request comes again in 1-RTT. Returns the recorded flight. */
async function refusedFlight(path: string, hello: HelloSettings, laterMs = 0): Promise<Buffer> {
  const fresh = await ticketFor(sluice.httpsPort, helloOf(), message('/ticket'));
  const ticket = { ...fresh, receivedAtMs: fresh.receivedAtMs - laterMs };
  const model = helloOf({ ...hello, announces: true });
  using client = new EarlyClient(sluice.httpsPort, model, ticket, [message(path)]);
  const flight = client.flight();
  await client.send(flight);
  await client.ready();
  assert.equal(client.tls.isEarlyDataAccepted, false, 'refused at first');
  await client.finish(message(path));
  await client.answered(`answer to ${path}`);
  assert.equal(origin.asked(path).length, 1, 'answered after the handshake');
  return flight;
}

for (const aheadMs of [3_000]) {
  test(`a flight that claims ${aheadMs} ms too much runs no second time when its claim fits`, async () => {
    const path = `/ahead/${aheadMs}`;
    const flight = await refusedFlight(path, {}, aheadMs);
    // What comes between fits at some moment: its claim may be 8 s less than the age, and 1 s more.
    const endMs = performance.now() + aheadMs + 4_000;
    const stepMs = aheadMs / 12;
    let sent = 0;
    while (performance.now() < endMs) {
      await replayFlight(sluice.httpsPort, flight, stepMs);
      sent++;
    }
    assert.ok(sent >= 12, `${sent} replays`);
    assert.equal(origin.asked(path).length, 1);
    const refused = await rejections('replayed');
    const before = await rejections('ticket refused before');
    assert.ok(refused + before > 0, 'some came when the claim fitted');
    // The next ticket is as good as any.
    const suites = { ticket: AES_128, now: AES_128 };
    assert.equal(await refusalOf(`${path}/after`, suites), '');
  });
}
