import assert from 'node:assert/strict';
import test from 'node:test';
import type { QuicRole } from '../contracts.ts';
import { QuicFault, TransportErrorCode } from './transport-error.ts';
import {
  decodeTransportParameters,
  defaultTransportParameters,
  encodeTransportParameters,
} from './transport-parameters.ts';

const id = (byte: number, length = 8) => new Uint8Array(length).fill(byte);

test('transport parameters are read as they were written, greased', () => {
  const parameters = {
    ...defaultTransportParameters(),
    originalDestinationId: id(1),
    initialSourceId: id(2),
    retrySourceId: id(3, 0),
    resetToken: id(4, 16),
    idleTimeoutMs: 30_000,
    dataMax: 2 ** 40,
    streamsMaxBidirectional: 100,
    ackDelayMsMax: 10,
    activeIdsMax: 4,
    datagramFrameBytesMax: 1_200,
    isActiveMigrationDisabled: true,
    acceptsClearFixedBit: true,
    versions: { chosen: 1, available: [1, 0x0a1a2a3a] },
  };
  const bytes = encodeTransportParameters(parameters, 200);
  assert.deepEqual(decodeTransportParameters(bytes, 'server'), parameters);
});

function codeOf(bytes: number[], sender: QuicRole = 'client'): number {
  try {
    decodeTransportParameters(Uint8Array.from(bytes), sender);
  } catch (error) {
    assert.ok(error instanceof QuicFault, String(error));
    return error.errorCode;
  }
  return assert.fail('they were read');
}

test('transport parameters that RFC 9000 §18 forbids are refused', () => {
  const wrong: [number[], QuicRole?][] = [
    [[0x04, 1, 5, 0x04, 1, 5]],
    [[0x04, 2, 5]],
    [[0x04, 2, 5, 6]],
    [[0x04, 0]],
    [[0x03, 2, 0x44, 0xaf]],
    [[0x0a, 1, 21]],
    [[0x0b, 4, 0x80, 0, 0x40, 0]],
    [[0x0e, 1, 1]],
    [[0x08, 8, 0xd0, 0, 0, 0, 0, 0, 0, 1]],
    [[0x0c, 1, 0]],
    [[0x0f, 21, ...id(1, 21)]],
    [[0x00, 1, 1]],
    [[0x02, 16, ...id(1, 16)]],
    [[0x10, 1, 1]],
    [[0x02, 15, ...id(1, 15)], 'server'],
    [[0x0d, 3, 1, 1, 1], 'server'],
    [[0x0d, 41, ...id(1, 24), 0, ...id(2, 16)], 'server'],
    [[0x11, 5, 0, 0, 0, 1, 0]],
    [[0x11, 8, 0, 0, 0, 1, 0, 0, 0, 0]],
  ];
  for (const [bytes, sender] of wrong) {
    assert.equal(codeOf(bytes, sender), TransportErrorCode.transportParameterError, `${bytes}`);
  }
});

test('a limit beyond 2^53 is taken, and unknown parameters are passed over', () => {
  const bytes = [0x04, 8, ...id(255, 8), 0xff, ...id(255, 7), 1, 9, 0xff, ...id(255, 6), 254, 1, 9];
  const read = decodeTransportParameters(Uint8Array.from(bytes), 'client');
  assert.equal(read.dataMax, Number.MAX_SAFE_INTEGER);
});
