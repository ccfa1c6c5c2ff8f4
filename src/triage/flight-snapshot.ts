/**
 * A copy of a flight recorder's memory, taken at any moment of its writer's life or after it. Only
 * what was written is read: a look at the rest would make the kernel find memory for it.
 */
import {
  FLIGHT_HEADER_WORDS,
  FLIGHT_IDENTITY_BYTES,
  FLIGHT_LAYOUT,
  FLIGHT_MAGIC,
  FLIGHT_SLOT_WORDS,
  FLIGHT_SLOTS,
  FlightHeader,
  flightRegionBytes,
  SLOT_HEADER_WORDS,
  SlotHeader,
  slotWord,
} from '../tls/flight-layout.ts';

export interface FlightSnapshot {
  readonly header: Int32Array;
  readonly startedAtMs: number;
  readonly identity: Uint8Array;
  /** Those in use. */
  readonly slots: readonly SlotSnapshot[];
}

export interface SlotSnapshot {
  readonly connection: number;
  readonly flags: number;
  readonly outcome: number;
  /** Wall-clock milliseconds. */
  readonly startedAtMs: number;
  /** Events, one after the other. */
  readonly words: Int32Array;
}

/**
 * Null when nobody has recorded there, or in another layout. `region` begins at a multiple of 8.
 * `only` is the number of the one connection that is wanted; without it, all.
 */
export function takeSnapshot(region: Uint8Array, only?: number): FlightSnapshot | null {
  if (region.length < flightRegionBytes || region.byteOffset % 8 !== 0) return null;
  const { buffer, byteOffset } = region;
  const words = new Int32Array(buffer, byteOffset, flightRegionBytes / 4);
  const doubles = new Float64Array(buffer, byteOffset, flightRegionBytes / 8);
  const header = words.slice(0, FLIGHT_HEADER_WORDS);
  if (header[FlightHeader.magic] !== FLIGHT_MAGIC) return null;
  if (header[FlightHeader.layout] !== FLIGHT_LAYOUT) return null;
  const identityBytes = clamp(header[FlightHeader.identityBytes]!, FLIGHT_IDENTITY_BYTES);
  const identityStart = FLIGHT_HEADER_WORDS * 4;
  const slots: SlotSnapshot[] = [];
  for (let index = 0; index < FLIGHT_SLOTS; index++) {
    const base = slotWord(index);
    const connection = words[base + SlotHeader.connection]!;
    if (connection === 0 || (only !== undefined && connection !== only)) continue;
    const room = FLIGHT_SLOT_WORDS - SLOT_HEADER_WORDS;
    const start = base + SLOT_HEADER_WORDS;
    slots.push({
      connection,
      flags: words[base + SlotHeader.flags]!,
      outcome: words[base + SlotHeader.outcome]!,
      startedAtMs: doubles[(base + SlotHeader.startedAt) / 2]!,
      words: words.slice(start, start + clamp(words[base + SlotHeader.used]!, room)),
    });
  }
  return {
    header,
    startedAtMs: doubles[FlightHeader.startedAt / 2]!,
    identity: region.slice(identityStart, identityStart + identityBytes),
    slots,
  };
}

function clamp(value: number, max: number): number {
  return Math.max(0, Math.min(value, max));
}
