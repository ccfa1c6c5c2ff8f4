/**
 * What is written to segment files. A record is a head (a checked header and the response's control
 * data) and, after it or elsewhere, content in fragments of 64 KiB, each followed by a checksum.
 *
 * A checksum starts from a seed that belongs to one content and from the fragment's number: bytes
 * that are whole but in the wrong place fail like damaged ones. That of the last fragment starts from
 * the length of all of the content, too: content that ends early or late is damaged, however whole
 * its fragments are.
 */

import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { assertByteString } from '../../../base/bytes.ts';
import { internFieldName } from '../../../http/field-names.ts';
import { FieldSection } from '../../../http/field-section.ts';
import type { PartialContent, StoredResponse } from '../../contract.ts';
import { placeOfPart } from '../../parts.ts';
import type { DecidedFreshness, LifetimeSource } from '../../rules/freshness.ts';
import { targetOfKey } from '../../rules/key.ts';
import type { StoredFacts } from '../../rules/stored-response.ts';
import { variantKey } from '../../rules/vary.ts';

export const FRAGMENT_BYTES = 65_536;
export const CHECKSUM_BYTES = 4;
export const FRAMED_FRAGMENT_BYTES = FRAGMENT_BYTES + CHECKSUM_BYTES;

/** Magic, length of what follows, its checksum, and the seed of the content's checksums. */
const HEADER_BYTES = 16;
/** `SLC3`; another format gets another number, and old records are then misses. */
const MAGIC = 0x33434c53;

export const KEY_HASH_BYTES = 16;
export const VARIANT_HASH_BYTES = 8;

/** The name of one stored response in the index: of its key, then of its variant. */
export const RECORD_NAME_BYTES = KEY_HASH_BYTES + VARIANT_HASH_BYTES;

/** Of a key's hash, the part that is its target's: what rules and slices add to it comes after. */
export const TARGET_HASH_BYTES = 12;

export function keyHash(key: string): Buffer {
  const target = targetOfKey(key);
  const bytes = sha256(target).subarray(0, KEY_HASH_BYTES);
  if (target === key) bytes.fill(0, TARGET_HASH_BYTES);
  else sha256(key).copy(bytes, TARGET_HASH_BYTES, 0, KEY_HASH_BYTES - TARGET_HASH_BYTES);
  return bytes;
}

function sha256(text: string): Buffer {
  assertByteString(text);
  return hash('sha256', Buffer.from(text, 'latin1'), 'buffer');
}

/** Parts and a complete response of one variant live side by side. */
export function objectName(key: string, response: StoredResponse): Buffer {
  const name = Buffer.allocUnsafe(RECORD_NAME_BYTES);
  keyHash(key).copy(name);
  const place = response.partial === null ? '' : `part ${placeOfPart(response.partial)}\r`;
  const variant = place + variantKey(response.varyFields);
  if (variant === '') name.fill(0, KEY_HASH_BYTES);
  else sha256(variant).copy(name, KEY_HASH_BYTES, 0, VARIANT_HASH_BYTES);
  return name;
}

// ------------------------------------------------------------------ head

/** What a head tells, beside what the index knows. */
export interface HeadFacts {
  readonly key: string;
  readonly facts: Omit<StoredFacts, 'markedStaleMs'>;
  readonly decided: DecidedFreshness;
  readonly varyFields: StoredResponse['varyFields'];
  readonly partial: PartialContent | null;
  readonly seed: number;
}

type Written = [
  key: string,
  status: number,
  names: string[],
  values: string[],
  vary: (string | null)[],
  times: [
    requestTimeMs: number,
    responseTimeMs: number,
    initialAgeMs: number,
    pinnedUntilMs: number,
  ],
  partial: [first: number, last: number, completeLength: number] | null,
  decided: [
    lifetimeMs: number,
    source: LifetimeSource,
    targetedBy: string,
    staleWhileRevalidateMs: number,
    staleIfErrorMs: number,
  ],
];

/** `length` bytes at least: spaces take what is left, so that it can be written anew in its place. */
export function encodeHead(
  key: string,
  response: StoredResponse,
  seed: number,
  length = 0,
): Buffer {
  const { fields, partial, freshness } = response;
  const written: Written = [
    key,
    response.status,
    fields.names,
    fields.values,
    response.varyFields.flatMap(([name, value]) => [name, value ?? null]),
    [
      response.requestTimeMs,
      response.responseTimeMs,
      response.initialAgeMs,
      response.pinnedUntilMs,
    ],
    partial === null ? null : [partial.first, partial.last, partial.completeLength],
    [
      freshness.lifetimeMs,
      freshness.source,
      freshness.targetedBy,
      freshness.staleWhileRevalidateMs,
      freshness.staleIfErrorMs,
    ],
  ];
  const text = JSON.stringify(written).padEnd(length - HEADER_BYTES);
  const head = Buffer.allocUnsafe(HEADER_BYTES + text.length);
  // Field values are byte strings, so one character is one byte.
  assertByteString(text);
  head.write(text, HEADER_BYTES, 'latin1');
  head.writeUInt32LE(MAGIC, 0);
  head.writeUInt32LE(text.length, 4);
  head.writeUInt32LE(crc32(head.subarray(HEADER_BYTES), seed), 8);
  head.writeUInt32LE(seed, 12);
  return head;
}

/** Undefined when the first `headLength` bytes are not a whole and undamaged head, all of it. */
export function decodeHead(bytes: Buffer, headLength = bytes.length): HeadFacts | undefined {
  if (headLength < HEADER_BYTES || bytes.length < headLength) return undefined;
  const length = bytes.readUInt32LE(4);
  if (bytes.readUInt32LE(0) !== MAGIC || length !== headLength - HEADER_BYTES) return undefined;
  const seed = bytes.readUInt32LE(12);
  const body = bytes.subarray(HEADER_BYTES, HEADER_BYTES + length);
  if (crc32(body, seed) !== bytes.readUInt32LE(8)) return undefined;
  const written = JSON.parse(body.toString('latin1')) as Written;
  const [key, status, names, values, vary, times, partial, decided] = written;
  const fields = new FieldSection();
  for (let i = 0; i < names.length; i++) fields.append(internFieldName(names[i]!), values[i]!);
  const varyFields: [string, string | undefined][] = [];
  for (let i = 0; i < vary.length; i += 2) varyFields.push([vary[i]!, vary[i + 1] ?? undefined]);
  const [requestTimeMs, responseTimeMs, initialAgeMs, pinnedUntilMs] = times;
  const [lifetimeMs, source, targetedBy, staleWhileRevalidateMs, staleIfErrorMs] = decided;
  return {
    key,
    facts: { status, fields, requestTimeMs, responseTimeMs, initialAgeMs, pinnedUntilMs },
    decided: { lifetimeMs, source, targetedBy, staleWhileRevalidateMs, staleIfErrorMs },
    varyFields,
    partial:
      partial === null ? null : { first: partial[0], last: partial[1], completeLength: partial[2] },
    seed,
  };
}

// ------------------------------------------------------------------ content

/** Bytes in the file for content of a length. */
export function framedLength(contentLength: number): number {
  return contentLength + Math.ceil(contentLength / FRAGMENT_BYTES) * CHECKSUM_BYTES;
}

/** Where in the framed content the fragment begins that has an offset of the content. */
export function framedOffset(contentOffset: number): number {
  return Math.floor(contentOffset / FRAGMENT_BYTES) * FRAMED_FRAGMENT_BYTES;
}

/** A fragment's place in its content. */
export interface FragmentPlace {
  readonly seed: number;
  readonly index: number;
  /** Of all of the content, when the fragment is its last; else -1. */
  readonly endsAt: number;
}

/** `total` is the length of all of the content, or -1 when more is to come than is known of. */
export function fragmentPlace(seed: number, index: number, total: number): FragmentPlace {
  const isLast = total !== -1 && (index + 1) * FRAGMENT_BYTES >= total;
  return { seed, index, endsAt: isLast ? total : -1 };
}

/** Writes one fragment with its checksum at `at` of `target`; returns where the next begins. */
export function frameFragment(
  target: Buffer,
  at: number,
  payload: Uint8Array,
  place: FragmentPlace,
): number {
  target.set(payload, at);
  const end = at + payload.length;
  target.writeUInt32LE(checksum(payload, place), end);
  return end + CHECKSUM_BYTES;
}

/** All of a content, framed, after `head`. */
export function frameContent(content: Uint8Array, seed: number, head: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(head.length + framedLength(content.length));
  framed.set(head);
  let at = head.length;
  for (let i = 0; i * FRAGMENT_BYTES < content.length; i++) {
    const payload = content.subarray(i * FRAGMENT_BYTES, (i + 1) * FRAGMENT_BYTES);
    at = frameFragment(framed, at, payload, fragmentPlace(seed, i, content.length));
  }
  return framed;
}

/** Whether the checksum after a fragment's `length` bytes is right. */
export function isFragmentWhole(
  framed: Buffer,
  at: number,
  length: number,
  place: FragmentPlace,
): boolean {
  if (at + length + CHECKSUM_BYTES > framed.length) return false;
  const payload = framed.subarray(at, at + length);
  return checksum(payload, place) === framed.readUInt32LE(at + length);
}

/** Checks all fragments of a small content and copies it out; undefined when one is damaged. */
export function unframeContent(framed: Buffer, length: number, seed: number): Buffer | undefined {
  const content = Buffer.allocUnsafeSlow(length);
  for (let i = 0; i * FRAGMENT_BYTES < length; i++) {
    const at = i * FRAMED_FRAGMENT_BYTES;
    const size = Math.min(FRAGMENT_BYTES, length - i * FRAGMENT_BYTES);
    if (!isFragmentWhole(framed, at, size, fragmentPlace(seed, i, length))) return undefined;
    framed.copy(content, i * FRAGMENT_BYTES, at, at + size);
  }
  return content;
}

/** Odd, so that no two lengths below 2^32 give one number. */
const LENGTH_FACTOR = 0x9e3779b1;

function checksum(payload: Uint8Array, { seed, index, endsAt }: FragmentPlace): number {
  const end =
    endsAt === -1 ? 0 : Math.imul(endsAt + 1, LENGTH_FACTOR) ^ Math.floor(endsAt / 2 ** 32);
  return crc32(payload, ((seed + index) ^ end) >>> 0);
}
