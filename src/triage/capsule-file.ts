/** Capsules to and from files' octets. */
import { gunzipSync, gzipSync } from 'node:zlib';
import type { Capsule } from './capsule.ts';
import { CapsuleError, checkCapsule } from './capsule-check.ts';

/** A capsule of 256 connections with the largest flights is a tenth of this. */
export const CAPSULE_BYTES_MAX = 64 * 1024 * 1024;

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);

/** Indented, for people; gzip for keeping. */
export function encodeCapsule(capsule: Capsule, compress: boolean): Buffer {
  const text = Buffer.from(`${JSON.stringify(capsule, null, 1)}\n`);
  return compress ? gzipSync(text) : text;
}

/** Throws CapsuleError that says where it is wrong. */
export function decodeCapsule(bytes: Uint8Array): Capsule {
  const text = plainOf(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CapsuleError('', `is not JSON: ${(cause as Error).message}`);
  }
  return checkCapsule(value);
}

function plainOf(bytes: Uint8Array): string {
  if (bytes.length > CAPSULE_BYTES_MAX) {
    throw new CapsuleError('', `is longer than ${CAPSULE_BYTES_MAX} octets`);
  }
  if (!GZIP_MAGIC.equals(bytes.subarray(0, 2))) return Buffer.from(bytes).toString('utf8');
  try {
    return gunzipSync(bytes, { maxOutputLength: CAPSULE_BYTES_MAX }).toString('utf8');
  } catch (cause) {
    throw new CapsuleError('', `cannot be unpacked: ${(cause as Error).message}`);
  }
}
