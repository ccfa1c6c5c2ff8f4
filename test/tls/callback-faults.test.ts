/** Exceptions of our own in each callback that OpenSSL makes during a handshake. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, afterEach, describe, test } from 'node:test';
import { plantFault } from '../support/planted-fault.ts';
import { until } from '../support/waiting.ts';

const { listenToCallbackFaults } = await import('../../src/native/callbacks.ts');
const { plainHost } = await import('../../src/tls/host-options.ts');
const { createHostedContext } = await import('../../src/tls/server-context.ts');
const { certificate, clientContext, liveHandles, Pair } = await import('./wire.ts');

after(() => assert.deepEqual(liveHandles(), {}, 'every native handle was freed'));
afterEach(() => plantFault(''));

const earlyData = Buffer.from('GET / HTTP/1.1\r\n\r\n');
const told: { name: string; count: number; error: unknown }[] = [];
listenToCallbackFaults((faults) => told.push(faults));

function serverOf() {
  const chain = [{ ...certificate, ocspResponse: Buffer.alloc(64, 5) }];
  const host = { ...plainHost, names: ['x.a.test'], certificates: chain };
  return createHostedContext(
    {
      alpn: ['http/1.1'],
      ticketKeys: [randomBytes(80)],
      logKey: () => {},
      infoObservers: [{ name: 'any', observe: () => {} }],
    },
    [host],
  );
}

/** A full handshake, and one that resumes with early data while the callback throws. */
function handshakes(name: string) {
  using server = serverOf();
  using client = clientContext({ asksForStatus: true });
  const target = { serverName: 'x.a.test' };
  using before = new Pair(server, client, target).settle();
  using session = before.takeSession();
  plantFault(name);
  using full = new Pair(server, client, target).settle();
  using resumed = new Pair(server, client, { ...target, session, earlyData }).settle();
  plantFault('');
  using later = new Pair(server, client, target).settle();
  assert.equal(later.server.record.outcome, 'complete', 'service goes on');
  return { full: full.server.record, resumed: resumed.server.record };
}

describe('an exception of ours in the callback', () => {
  for (const [name, full, resumed, reason] of [
    ['client-hello', 'failed', 'failed', ''],
    ['alpn', 'failed', 'failed', 'internal error'],
    ['early-data', 'complete', 'complete', 'internal error'],
    ['ticket-returned', 'complete', 'complete', 'internal error'],
    ['ticket-key', 'complete', 'complete', 'internal error'],
    ['ticket-made', 'complete', 'complete', ''],
    ['certificate-status', 'complete', 'complete', ''],
    ['key-log', 'complete', 'complete', ''],
    ['info', 'complete', 'complete', ''],
  ] as const) {
    test(`${name} is ours, is told by its name, and service goes on`, async () => {
      told.length = 0;
      const records = handshakes(name);
      assert.equal(records.full.outcome, full);
      assert.equal(records.resumed.outcome, resumed);
      assert.equal(records.resumed.earlyDataReason, reason);
      for (const record of Object.values(records)) {
        if (record.outcome === 'complete') continue;
        assert.deepEqual([record.errorCode, record.blame], ['internal-error', 'self']);
      }
      const faulty = Object.values(records).filter(({ callbackFault }) => callbackFault === name);
      assert.ok(faulty.length > 0, 'a handshake names the callback');
      await until(() => told.length > 0, 'the fault to be told');
      const [first] = told;
      assert.equal(first!.name, name);
      assert.match(String((first!.error as Error).stack), new RegExp(`planted in ${name}[^]+ at `));
    });
  }
});
