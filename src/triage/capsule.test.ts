import assert from 'node:assert/strict';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { sampleCapsule } from '../../test/support/capsule-sample.ts';
import type { Capsule } from './capsule.ts';
import { CapsuleError } from './capsule-check.ts';
import { decodeCapsule, encodeCapsule } from './capsule-file.ts';

/** Replaces the value at a path such as `connections.0.id`; undefined removes it. */
function changed(path: string, value: unknown): Buffer {
  const copy = structuredClone(sampleCapsule) as unknown as Record<string, unknown>;
  const names = path.split('.');
  const last = names.pop()!;
  let at = copy;
  for (const name of names) at = at[name] as Record<string, unknown>;
  at[last] = value;
  return Buffer.from(JSON.stringify(copy));
}

function complaint(bytes: Uint8Array): string {
  try {
    decodeCapsule(bytes);
  } catch (error) {
    assert.ok(error instanceof CapsuleError);
    return error.message;
  }
  return 'accepted';
}

for (const compress of [false, true]) {
  test(`a capsule is read back as it was written (gzip: ${compress})`, () => {
    assert.deepEqual(decodeCapsule(encodeCapsule(sampleCapsule, compress)), sampleCapsule);
  });
}

test('what is not a capsule is refused with the place and what is needed there', () => {
  const connection = 'connections.0';
  const cases: [Uint8Array, RegExp][] = [
    [Buffer.from('hello'), /^the capsule is not JSON: /],
    [Buffer.from('[]'), /^the capsule is not an object$/],
    [gzipSync('{').subarray(0, 15), /^the capsule cannot be unpacked: /],
    [gzipSync(Buffer.alloc(65 * 1024 * 1024)), /^the capsule cannot be unpacked: /],
    [changed('format', 'tarball'), /format is "tarball", and "sluice-capsule" is needed$/],
    [changed('version', 2), /version is 2, and this sluice reads version 1$/],
    [changed('kind', undefined), /kind is missing: one of crash, /],
    [changed('writtenAt', 'noon'), /writtenAt is "noon", and a time in ISO 8601 is needed$/],
    [changed('worker.pid', -1), /worker\.pid is -1, and a count is needed$/],
    [changed('features', { a: 'yes' }), /features\["a"\] is "yes", and true or false is needed$/],
    [changed(`${connection}.events.0.type`, 'x'), /connections\[0\]\.events\[0\]\.type is "x", /],
    [changed(`${connection}.events.0.parts`, []), /events\[0\]\.parts sum up to 0, not 9$/],
    [changed(`${connection}.events.0.parts.0.bytes`, '?'), /parts\[0\]\.bytes is "\?", and base64/],
    [changed('suspect.connection', 77), /suspect\.connection is 77, which is none of/],
  ];
  for (const [bytes, expected] of cases) assert.match(complaint(bytes), expected);
});

test('fields of later versions are ignored', () => {
  const bytes = changed('worker.mood', 'calm');
  assert.deepEqual((decodeCapsule(bytes) as Capsule).worker.pid, sampleCapsule.worker.pid);
});
