/**
 * Known field names found by their bytes: no string is made for them, and each is the one shared
 * instance, so that comparing names is comparing pointers.
 */
import { knownFieldNames } from '../http/field-names.ts';
import { TOKEN } from './characters.ts';

/** Fields that decide about connection and framing come first: their numbers are in FieldId. */
const DECISIVE = [
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'upgrade',
  'expect',
] as const;

export const FieldId = {
  HOST: 0,
  CONTENT_LENGTH: 1,
  TRANSFER_ENCODING: 2,
  CONNECTION: 3,
  UPGRADE: 4,
  EXPECT: 5,
} as const;

/** Below this a field decides about connection or framing. */
export const DECISIVE_COUNT: number = DECISIVE.length;

/** Result for a name that is not in the table. */
export const UNKNOWN_NAME = -1;

export const knownNames: readonly string[] = [
  ...DECISIVE,
  ...knownFieldNames.filter((name) => !(DECISIVE as readonly string[]).includes(name)),
];

const SLOT_COUNT = 1024;
/** Numbers of names by hash, open addressing; -1 for an empty slot. */
const slots = new Int16Array(SLOT_COUNT).fill(UNKNOWN_NAME);
const names = knownNames.map((name) => Uint8Array.from(name, (c) => c.charCodeAt(0)));
for (const [id, name] of names.entries()) {
  let slot = hashOf(name, 0, name.length);
  while (slots[slot] !== UNKNOWN_NAME) slot = (slot + 1) & (SLOT_COUNT - 1);
  slots[slot] = id;
}

/** Length and three bytes tell the known names apart well enough. Names are not empty. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const middle = start + (length >> 1);
  let hash = Math.imul(TOKEN[bytes[start]!]!, 31) + TOKEN[bytes[middle]!]!;
  hash = Math.imul(hash, 31) + TOKEN[bytes[end - 1]!]!;
  hash = Math.imul(hash, 31) + length;
  return (hash ^ (hash >>> 10)) & (SLOT_COUNT - 1);
}

/** The number of a field name (a token), whatever its case. */
export function findName(bytes: Uint8Array, start: number, end: number): number {
  let slot = hashOf(bytes, start, end);
  for (;;) {
    const id = slots[slot]!;
    if (id === UNKNOWN_NAME) return UNKNOWN_NAME;
    if (equals(names[id]!, bytes, start, end)) return id;
    slot = (slot + 1) & (SLOT_COUNT - 1);
  }
}

function equals(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  const length = name.length;
  if (length !== end - start) return false;
  for (let i = 0; i < length; i++) if (TOKEN[bytes[start + i]!] !== name[i]) return false;
  return true;
}
