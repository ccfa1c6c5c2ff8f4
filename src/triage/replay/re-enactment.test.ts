import assert from 'node:assert/strict';
import test from 'node:test';
import { extension, helloMessage, inRecords } from '../../../test/support/client-hello.ts';
import type { IncidentConnection, IncidentEvent } from '../incident.ts';
import { verbatimScript } from './from-incident.ts';
import { reenactedScript } from './re-enactment.ts';

const hello = (...more: readonly (readonly [number, Buffer])[]) =>
  inRecords(
    helloMessage({
      extensions: [extension.versions(0x0304), extension.groups(29), ...more],
    }),
  );

/** A read of bytes that are known, and of so many that were sealed. */
function received(atMs: number, bytes: Buffer, sealed = 0): IncidentEvent {
  const omitted = sealed > 0 ? [{ omitted: sealed, why: 'sealed' as const }] : [];
  const parts = [{ bytes: bytes.toString('base64') }, ...omitted];
  return { type: 'received', atMs, length: bytes.length + sealed, parts };
}

const sealedHeader = (length: number) => Buffer.of(23, 3, 3, length >> 8, length & 0xff);

function connectionOf(
  events: readonly IncidentEvent[],
  lengths: readonly number[],
  first: Buffer,
): IncidentConnection {
  let offset = first.length;
  const records = lengths.map((length) => {
    const record = { offset, type: 23, length };
    offset += 5 + length;
    return record;
  });
  return {
    id: 7,
    role: 'server',
    peer: '',
    startedAt: '2026-11-23T02:00:00.000Z',
    serverName: '',
    clientHello: null,
    outcome: 'open',
    errorCode: '',
    alert: '',
    records: [{ offset: 0, type: 22, length: first.length - 5 }, ...records],
    events,
    isCut: false,
  };
}

test('a connection with early data is re-enacted with its writes and sizes', () => {
  const ticket = [41, Buffer.alloc(50)] as const;
  const first = hello(extension.empty(42), ticket);
  const events: IncidentEvent[] = [
    received(0, first.subarray(0, 40)),
    received(12, Buffer.concat([first.subarray(40), sealedHeader(117)]), 117),
    { type: 'early-data', atMs: 12.1, length: 100 },
    { type: 'sent', atMs: 12.2, length: 900 },
    received(13, sealedHeader(67), 67),
    { type: 'early-data', atMs: 13.1, length: 50 },
    received(20, sealedHeader(21), 21 + 5 + 53 + 5 + 217),
  ];
  // Early data twice, its end, the Finished, and a request.
  const connection = connectionOf(events, [117, 67, 21, 53, 217], first);
  const { script, notes } = reenactedScript(connection);
  assert.deepEqual(script?.flights, [
    {
      kind: 'client-hello',
      template: first.toString('base64'),
      writes: [
        { delayMs: 0, length: 40 },
        { delayMs: 12, length: first.length - 40 + 5 + 117 },
      ],
      earlyData: [100, 50],
      resumes: true,
    },
    { kind: 'finish', applicationData: [200] },
  ]);
  assert.ok(notes.some((note) => /early data is a request of the same sizes/.test(note)));
});

test('what was refused as early data is early data all the same', () => {
  const first = hello(extension.empty(42), [41, Buffer.alloc(50)]);
  const events: IncidentEvent[] = [
    received(0, Buffer.concat([first, sealedHeader(97)]), 97),
    { type: 'sent', atMs: 1, length: 900 },
    received(5, sealedHeader(53), 53),
  ];
  const { script } = reenactedScript(connectionOf(events, [97, 53], first));
  assert.deepEqual(script?.flights, [
    {
      kind: 'client-hello',
      template: first.toString('base64'),
      writes: [{ delayMs: 0, length: first.length + 5 + 97 }],
      earlyData: [80],
      resumes: true,
    },
    { kind: 'finish', applicationData: [] },
  ]);
});

test('byte for byte ends where keys begin, and says so', () => {
  const first = hello();
  const events = [
    received(0, first),
    { type: 'sent', atMs: 1, length: 900 } as const,
    received(9_000, Buffer.concat([Buffer.of(20, 3, 3, 0, 1, 1), sealedHeader(53)]), 53),
  ];
  const { script, notes } = verbatimScript(connectionOf(events, [53], first));
  const change = Buffer.of(20, 3, 3, 0, 1, 1).toString('base64');
  assert.deepEqual(script?.flights, [
    { kind: 'bytes', writes: [{ delayMs: 0, bytes: first.toString('base64') }] },
    { kind: 'bytes', writes: [{ delayMs: 2_000, bytes: change }] },
  ]);
  assert.match(notes.join(), /sealed with keys, and left out/);
});

test('what is no TLS 1.3 is not re-enacted, and the reason is told', () => {
  const old = inRecords(helloMessage({ extensions: [extension.versions(0x0303)] }));
  const reason = (first: Buffer) =>
    reenactedScript(connectionOf([received(0, first)], [], first)).notes.join();
  assert.match(reason(old), /TLS 1\.2 or older is not re-enacted/);
  assert.match(reason(Buffer.from('GET / ')), /is not whole/);
});
