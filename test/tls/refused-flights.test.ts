/**
 * A flight whose early data was refused has its request repeated in 1-RTT by its client. Whoever has
 * recorded it sends it again when what it was refused for is over: it must not run then (RFC 8446 §8).
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, afterEach, describe, test } from 'node:test';
import { plantFault } from '../support/planted-fault.ts';

const { bootClock } = await import('../../src/native/boot-clock.ts');
const { AntiReplayCheck } = await import('../../src/tls/early-data/anti-replay-check.ts');
const { plainHost } = await import('../../src/tls/host-options.ts');
const { createHostedContext } = await import('../../src/tls/server-context.ts');
const { StrikeRegister, strikeRegisterBytes } = await import(
  '../../src/tls/early-data/strike-register.ts'
);
const { ScriptedClient } = await import('../../src/triage/replay/client/scripted-client.ts');
const { helloOf } = await import('../support/early-client.ts');
const { accept, certificate, clientContext, liveHandles, Pair } = await import('./wire.ts');

type ServerContext = import('../../src/tls/server-context.ts').ServerContext;
type SharedServerOptions = import('../../src/tls/server-context.ts').SharedServerOptions;
type HostTlsOptions = import('../../src/tls/host-options.ts').HostTlsOptions;

after(() => assert.deepEqual(liveHandles(), {}, 'every native handle was freed'));
afterEach(() => plantFault(''));

const REQUEST = 'GET / HTTP/1.1\r\n\r\n';
const earlyData = Buffer.from(REQUEST);
const ticketKeys = [randomBytes(80)];
const authoritiesPem = certificate.certificatePem;

interface Words {
  readonly shared?: Partial<SharedServerOptions>;
  readonly host?: Partial<HostTlsOptions>;
}

/** What all workers of a machine share, and a clock that a test moves. */
function machine() {
  let aheadMs = 0;
  const nowMs = () => bootClock.nowMs() + aheadMs;
  const words = new Int32Array(strikeRegisterBytes(64) / 4);
  const antiReplay = () => new AntiReplayCheck({ register: new StrikeRegister(words, 64), nowMs });
  return {
    pass(ms: number): void {
      aheadMs += ms;
    },
    server({ shared, host }: Words = {}): ServerContext {
      return createHostedContext(
        {
          alpn: ['http/1.1'],
          ticketKeys,
          antiReplay: antiReplay(),
          ticketClock: { id: bootClock.id, nowMs },
          ...shared,
        },
        [{ ...plainHost, certificates: [certificate], ...host }],
      );
    },
  };
}

const AES_128 = 'TLS_AES_128_GCM_SHA256';
const otherwise: readonly (readonly [name: string, reason: string, words: Words])[] = [
  ['prefers another protocol', 'ALPN changed', { shared: { alpn: ['h2', 'http/1.1'] } }],
  ['asks for another group', 'hello retry request', { host: { groups: 'secp384r1' } }],
  [
    'takes no early data',
    'policy off',
    { host: { earlyData: { ...plainHost.earlyData, enabled: false } } },
  ],
  [
    'takes less',
    'over the limit',
    { host: { earlyData: { ...plainHost.earlyData, bytesMax: 9 } } },
  ],
  ['has another policy', 'policy changed', { host: { earlyDataPolicy: 'other' } }],
  [
    'has another suite of the same hash',
    'cipher suite changed',
    { host: { cipherSuites: 'TLS_CHACHA20_POLY1305_SHA256' } },
  ],
  [
    'has a suite of another hash',
    'ticket not accepted',
    { host: { cipherSuites: 'TLS_AES_256_GCM_SHA384' } },
  ],
  [
    'does not have the key of the ticket',
    'ticket not accepted',
    { shared: { ticketKeys: [randomBytes(80)] } },
  ],
  ['takes no tickets', 'ticket not accepted', { shared: { tickets: false } }],
  [
    'asks for client certificates',
    'ticket not accepted',
    { host: { clientCertificates: { mode: 'optional', authoritiesPem } } },
  ],
];

/** A server whose only suite is AES-128, as that of tickets; `words` may say otherwise. */
const plain = ({ shared, host }: Words = {}): Words => ({
  shared: { ...shared },
  host: { cipherSuites: AES_128, ...host },
});

/** What becomes of the bytes of a flight alone: what was executed early. */
function replay(server: ServerContext, flight: Uint8Array): string {
  const side = accept(server);
  side.receive(flight);
  side.connection[Symbol.dispose]();
  return side.received;
}

describe('a flight that was refused by a worker that', () => {
  for (const [name, reason, words] of otherwise) {
    for (const isRefused of [true, false]) {
      const what = isRefused ? 'runs nowhere afterwards' : '… runs where it comes first';
      test(`${name} ${what}`, () => {
        const one = machine();
        using first = one.server(plain());
        using other = one.server(plain(words));
        using client = clientContext({ alpn: ['http/1.1', 'h2'] });
        using before = new Pair(first, client).settle();
        using session = before.takeSession();
        using pair = new Pair(other, client, { session, earlyData });
        const flight = pair.client.takeFlight();
        if (isRefused) {
          pair.server.receive(flight);
          pair.settle();
          const { earlyDataReason } = pair.server.record;
          assert.deepEqual([earlyDataReason, pair.server.received], [reason, '']);
        }
        one.pass(1_000);
        assert.equal(replay(first, flight), isRefused ? '' : REQUEST);
      });
    }
  }

  for (const callback of ['early-data', 'ticket-returned', 'ticket-key']) {
    test(`failed in its callback ${callback} runs nowhere afterwards`, () => {
      const one = machine();
      using first = one.server();
      using client = clientContext();
      using before = new Pair(first, client).settle();
      using session = before.takeSession();
      using pair = new Pair(first, client, { session, earlyData });
      const flight = pair.client.takeFlight();
      plantFault(callback);
      pair.server.receive(flight);
      pair.settle();
      plantFault('');
      assert.equal(pair.server.record.earlyDataReason, 'internal error');
      assert.equal(replay(first, flight), '');
    });
  }
});

describe('a flight that claims more than the age of its ticket', () => {
  for (const aheadMs of [3_000, 30_000, 300_000, 3_600_000]) {
    test(`by ${aheadMs} ms is refused, and runs no more when its claim fits`, () => {
      const one = machine();
      using server = one.server();
      const ticket = ticketOf(server);
      const later = { ...ticket, receivedAtMs: ticket.receivedAtMs - aheadMs };
      const hello = helloOf({ announces: true });
      const early = new ScriptedClient(hello, later, [earlyData]);
      const flight = early.firstFlight();
      const refused = accept(server);
      refused.receive(flight);
      early.receive(refused.takeFlight());
      refused.receive(early.finish([earlyData]));
      const { earlyDataReason } = refused.record;
      assert.deepEqual(
        [earlyDataReason, early.isEarlyDataAccepted],
        ['ticket age implausible', false],
      );
      assert.equal(refused.received, REQUEST, 'answered in 1-RTT');
      refused.connection[Symbol.dispose]();

      one.pass(aheadMs);
      assert.equal(replay(server, flight), '');
      // One that nobody has seen before shows that the claim fits now.
      const unseen = { ...ticketOf(server), receivedAtMs: Date.now() };
      assert.equal(
        replay(server, new ScriptedClient(hello, unseen, [earlyData]).firstFlight()),
        REQUEST,
      );
    });
  }

  test('would run, had it not come before', () => {
    const one = machine();
    using server = one.server();
    const ticket = ticketOf(server);
    const later = { ...ticket, receivedAtMs: ticket.receivedAtMs - 300_000 };
    const hello = helloOf({ announces: true });
    const flight = new ScriptedClient(hello, later, [earlyData]).firstFlight();
    one.pass(300_000);
    assert.equal(replay(server, flight), REQUEST);
  });
});

function ticketOf(server: ServerContext) {
  const client = new ScriptedClient(helloOf(), null);
  const side = accept(server);
  side.receive(client.firstFlight());
  client.receive(side.takeFlight());
  side.receive(client.finish([]));
  client.receive(side.takeFlight());
  side.connection[Symbol.dispose]();
  const [ticket] = client.tickets;
  assert.ok(ticket !== undefined, 'a ticket has come');
  return ticket;
}
