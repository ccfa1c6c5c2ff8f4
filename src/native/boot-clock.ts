/**
 * The clock that counts from the start of the machine (CLOCK_BOOTTIME): every process of the machine
 * reads the same one, nobody sets it, and it goes on while the machine sleeps.
 */
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { assert } from '../base/assert.ts';
import { CLOCK_ID_BYTES, type SteadyClock } from '../base/clock.ts';
import { libc } from './libc-table.ts';
import { addressOf, NativeBuffer } from './memory.ts';

/** `CLOCK_BOOTTIME` of time.h. */
const CLOCK_BOOTTIME = 7;

const { clock_gettime } = libc.direct;

/** A `struct timespec`: seconds and nanoseconds, 64 bits each on x64 and arm64. */
const moment = NativeBuffer.allocate(16);
const momentAddress = addressOf(moment);
const [SECONDS, NANOSECONDS] = [0, 1];
const fields = new BigInt64Array(moment.bytes.buffer, moment.bytes.byteOffset, 2);

function nowMs(): number {
  const status = clock_gettime(CLOCK_BOOTTIME, momentAddress);
  assert(status === 0, 'Linux has CLOCK_BOOTTIME');
  return Number(fields[SECONDS]) * 1_000 + Number(fields[NANOSECONDS]) / 1_000_000;
}

/**
 * Another one after each start of the machine, and in a time namespace, where the clock is shifted
 * (time_namespaces(7)). Where neither can be read the clock is this process's alone.
 */
function clockId(): Uint8Array {
  const text = attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1'));
  const space = attempt(() => readlinkSync('/proc/self/ns/time')) ?? '';
  const name = text === null ? `${process.pid} ${performance.timeOrigin}` : `${text} ${space}`;
  return createHash('sha256').update(name).digest().subarray(0, CLOCK_ID_BYTES);
}

function attempt<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

let id: Uint8Array | undefined;

export const bootClock: SteadyClock = {
  get id() {
    return (id ??= clockId());
  },
  nowMs,
};
