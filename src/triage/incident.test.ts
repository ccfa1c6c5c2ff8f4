import assert from 'node:assert/strict';
import test from 'node:test';
import { gzipSync } from 'node:zlib';
import { sampleIncident } from '../../test/support/incident-sample.ts';
import type { Incident } from './incident.ts';
import { IncidentError } from './incident-check.ts';
import { decodeIncident, encodeIncident } from './incident-file.ts';

/** Replaces the value at a path such as `connections.0.id`; undefined removes it. */
function changed(path: string, value: unknown): Buffer {
  const copy = { ...structuredClone(sampleIncident) } as Record<string, unknown>;
  const names = path.split('.');
  const last = names.pop()!;
  let at = copy;
  for (const name of names) at = at[name] as Record<string, unknown>;
  at[last] = value;
  return Buffer.from(JSON.stringify(copy));
}

function complaint(bytes: Uint8Array): string {
  try {
    decodeIncident(bytes);
  } catch (error) {
    assert.ok(error instanceof IncidentError);
    return error.message;
  }
  return 'accepted';
}

for (const compress of [false, true]) {
  test(`an incident is read back as it was written (gzip: ${compress})`, () => {
    assert.deepEqual(decodeIncident(encodeIncident(sampleIncident, compress)), sampleIncident);
  });
}

test('what is not an incident is refused with the place and what is needed there', () => {
  const connection = 'connections.0';
  const cases: [Uint8Array, RegExp][] = [
    [Buffer.from('hello'), /^the incident is not JSON: /],
    [Buffer.from('[]'), /^the incident is not an object$/],
    [gzipSync('{').subarray(0, 15), /^the incident cannot be unpacked: /],
    [gzipSync(Buffer.alloc(65 * 1024 * 1024)), /^the incident cannot be unpacked: /],
    [changed('format', 'tarball'), /format is "tarball", and "sluice-incident" is needed$/],
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
  assert.deepEqual((decodeIncident(bytes) as Incident).worker.pid, sampleIncident.worker.pid);
});
