/** Incidents to and from files' bytes. */
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Incident } from './incident.ts';
import { checkIncident, IncidentError } from './incident-check.ts';

/** An incident of 256 connections with the largest flights is a tenth of this. */
export const INCIDENT_BYTES_MAX = 64 * 1024 * 1024;

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);

/** Indented, for people; gzip for keeping. */
export function encodeIncident(incident: Incident, compress: boolean): Buffer {
  const text = Buffer.from(`${JSON.stringify(incident, null, 1)}\n`);
  return compress ? gzipSync(text) : text;
}

/** Throws IncidentError that says where it is wrong. */
export function decodeIncident(bytes: Uint8Array): Incident {
  const text = plainOf(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new IncidentError('', `is not JSON: ${(cause as Error).message}`);
  }
  return checkIncident(value);
}

function plainOf(bytes: Uint8Array): string {
  if (bytes.length > INCIDENT_BYTES_MAX) {
    throw new IncidentError('', `is longer than ${INCIDENT_BYTES_MAX} bytes`);
  }
  if (!GZIP_MAGIC.equals(bytes.subarray(0, 2))) return Buffer.from(bytes).toString('utf8');
  try {
    return gunzipSync(bytes, { maxOutputLength: INCIDENT_BYTES_MAX }).toString('utf8');
  } catch (cause) {
    throw new IncidentError('', `cannot be unpacked: ${(cause as Error).message}`);
  }
}
