import assert from 'node:assert/strict';
import test from 'node:test';
import { extension, helloMessage, inRecords } from '../../../test/support/client-hello.ts';
import { parseClientHello } from '../../tls/client-hello.ts';
import type { HandshakeScript } from '../replay/script.ts';
import { firstFlightOf, reducedScript } from './script-reduction.ts';

const FFDHE4096 = 0x0102;
const X25519 = 0x001d;

const hello = inRecords(
  helloMessage({
    cipherSuites: [0x0a0a, 0x1302, 0x1301],
    extensions: [
      extension.serverName('a.example'),
      extension.versions(0x0304, 0x0303),
      extension.groups(0x0a0a, FFDHE4096, X25519),
      extension.keyShares(FFDHE4096),
      extension.alpn('h2', 'http/1.1'),
      extension.schemes(0x0403, 0x0804),
      extension.empty(22),
    ],
  }),
  60,
);

const write = (bytes: Uint8Array, delayMs = 0) => ({
  delayMs,
  bytes: Buffer.from(bytes).toString('base64'),
});

const script: HandshakeScript = {
  mode: 'verbatim',
  flights: [
    { kind: 'bytes', writes: [write(hello.subarray(0, 50)), write(hello.subarray(50), 30)] },
    { kind: 'bytes', writes: [write(Buffer.of(20, 3, 3, 0, 1, 1))] },
  ],
  end: 'close',
};

/** A server that fails at a group that it takes of which there is no share. */
function failsAtRetry(candidate: HandshakeScript): boolean {
  const parsed = parseClientHello(firstFlightOf(candidate)!);
  if (parsed === null) return false;
  return (
    parsed.supportedVersions.includes(0x0304) &&
    parsed.supportedGroups.includes(X25519) &&
    parsed.extensions.some(({ type }) => type === 51) &&
    !parsed.keyShareGroups.includes(X25519) &&
    parsed.cipherSuites.includes(0x1301)
  );
}

test('of a ClientHello exactly what matters is left, in one record and one write', async () => {
  const asked: string[] = [];
  const least = await reducedScript(script, async (candidate, words) => {
    asked.push(words);
    return failsAtRetry(candidate);
  });
  assert.equal(least.flights.length, 1);
  const [flight] = least.flights;
  assert.ok(flight?.kind === 'bytes' && flight.writes.length === 1);
  const parsed = parseClientHello(firstFlightOf(least)!)!;
  assert.deepEqual(parsed.supportedVersions, [0x0304]);
  assert.deepEqual(parsed.supportedGroups, [X25519]);
  assert.deepEqual(parsed.keyShareGroups, []);
  assert.deepEqual(parsed.cipherSuites, [0x1301]);
  assert.deepEqual(
    parsed.extensions.map(({ type }) => type),
    [43, 10, 51],
  );
  assert.ok(asked.length < 80, `${asked.length} questions`);
  assert.ok(
    asked.some((words) => /^without .*group/.test(words)),
    asked.join('\n'),
  );
});

test('what needs a later flight, its writes or its records keeps them', async () => {
  const all = await reducedScript(script, async () => false);
  assert.deepEqual(all, script);
  const flights = await reducedScript(script, async ({ flights: kept }) => kept.length === 2);
  assert.equal(flights.flights.length, 2);
  const split = await reducedScript(script, async (candidate) => {
    const [flight] = candidate.flights;
    return flight?.kind === 'bytes' && flight.writes.length === 2;
  });
  assert.deepEqual(split.flights[0], script.flights[0]);
});

test('early data and the ticket go when they are not needed', async () => {
  const resumed: HandshakeScript = {
    mode: 're-enacted',
    flights: [
      {
        kind: 'client-hello',
        template: hello.toString('base64'),
        writes: [
          { delayMs: 0, length: 10 },
          { delayMs: 5, length: 20 },
        ],
        earlyData: [100],
        resumes: true,
      },
      { kind: 'finish', applicationData: [10] },
    ],
    end: 'close',
  };
  const least = await reducedScript(resumed, async (candidate) => failsAtRetry(candidate));
  const [flight] = least.flights;
  assert.ok(flight?.kind === 'client-hello');
  assert.deepEqual([flight.earlyData, flight.resumes, flight.writes], [[], false, []]);
});

test('bytes that are no ClientHello are left as they are', async () => {
  const plain = {
    ...script,
    flights: [{ kind: 'bytes' as const, writes: [write(Buffer.from('GET'))] }],
  };
  assert.deepEqual(await reducedScript(plain, async () => true), plain);
});
