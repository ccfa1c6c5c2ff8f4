/**
 * A copy of a trace recorder's memory, taken at any moment of its writer's life or after it. Only
 * what was written is read: a look at the rest would make the kernel find memory for it.
 */
import { copyOfBytes } from '../base/bytes.ts';
import {
  SLOT_HEADER_WORDS,
  SlotHeader,
  slotWord,
  TRACE_EXCEPTION_AT,
  TRACE_EXCEPTION_BYTES,
  TRACE_HEADER_WORDS,
  TRACE_IDENTITY_BYTES,
  TRACE_LAYOUT,
  TRACE_MAGIC,
  TRACE_REQUESTS_AT,
  TRACE_SLOT_WORDS,
  TRACE_SLOTS,
  TraceHeader,
  traceRegionBytes,
} from '../tls/trace-layout.ts';

export interface TraceSnapshot {
  readonly header: Int32Array;
  readonly startedAtMs: number;
  readonly identity: Uint8Array;
  /** JSON text of the exception that the process ended with; empty without one. */
  readonly exception: Uint8Array;
  /** For `readRequests`; empty when one connection was wanted. */
  readonly requests: Uint8Array;
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
export function takeSnapshot(region: Uint8Array, only?: number): TraceSnapshot | null {
  if (region.length < traceRegionBytes || region.byteOffset % 8 !== 0) return null;
  const { buffer, byteOffset } = region;
  const words = new Int32Array(buffer, byteOffset, traceRegionBytes / 4);
  const doubles = new Float64Array(buffer, byteOffset, traceRegionBytes / 8);
  const header = words.slice(0, TRACE_HEADER_WORDS);
  if (header[TraceHeader.magic] !== TRACE_MAGIC) return null;
  if (header[TraceHeader.layout] !== TRACE_LAYOUT) return null;
  const identityBytes = clamp(header[TraceHeader.identityBytes]!, TRACE_IDENTITY_BYTES);
  const exceptionBytes = clamp(header[TraceHeader.exceptionBytes]!, TRACE_EXCEPTION_BYTES);
  const identityStart = TRACE_HEADER_WORDS * 4;
  const slots: SlotSnapshot[] = [];
  for (let index = 0; index < TRACE_SLOTS; index++) {
    const base = slotWord(index);
    const connection = words[base + SlotHeader.connection]!;
    if (connection === 0 || (only !== undefined && connection !== only)) continue;
    const room = TRACE_SLOT_WORDS - SLOT_HEADER_WORDS;
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
    startedAtMs: doubles[TraceHeader.startedAt / 2]!,
    identity: copyOfBytes(region, identityStart, identityStart + identityBytes),
    exception: copyOfBytes(region, TRACE_EXCEPTION_AT, TRACE_EXCEPTION_AT + exceptionBytes),
    requests:
      only === undefined
        ? copyOfBytes(region, TRACE_REQUESTS_AT, TRACE_EXCEPTION_AT)
        : new Uint8Array(0),
    slots,
  };
}

function clamp(value: number, max: number): number {
  return Math.max(0, Math.min(value, max));
}
