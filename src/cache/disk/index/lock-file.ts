/**
 * The file of LMDB's locks, which all processes that use an index have mapped: whoever takes a lock whose
 * word was damaged waits for an owner that there is not, and stands still for ever. So the words are
 * looked at before.
 *
 * The layout is that of the LMDB in our package lmdb, on Linux: mutexes of glibc, robust and shared.
 */
import { readFileSync, readSync } from 'node:fs';

/** The header and the places of readers, as LMDB makes it. */
export const LOCK_FILE_BYTES = 8_272;
const HEADER_BYTES = 128;
const MAGIC = 0xbeefc0de;
/** Two numbers that say what the file is: they never change. */
const IDENTITY_BYTES = 8;
const READERS_AT = 16;
/** The places that the table of readers has (LMDB's default). */
const READERS_MAX = 126;
/** Of readers, of writers, and of who writes to the device. */
const MUTEXES_AT = [24, 64, 104] as const;
/** From a mutex to what kind it is. */
const KIND_OFFSET = 16;
const KIND_ROBUST_AND_SHARED = 0x90;

/** The word of a robust mutex: a thread's number, and what the kernel has to say of it (futex(2)). */
const OWNER_DIED = 0x4000_0000;
const OWNER = 0x3fff_ffff;

/** A lock is held for less than a millisecond, if nothing stops who has it; this is 20 of them at least. */
const LOOKS = 200;
const LOOK_MS = 0.1;

const asleep = new Int32Array(new SharedArrayBuffer(4));

export class LockFile {
  readonly #fd: number;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  readonly #identity: Buffer;

  /** `fd` stays the caller's. */
  constructor(fd: number) {
    this.#fd = fd;
    this.#read();
    this.#identity = Buffer.from(this.#header.subarray(0, IDENTITY_BYTES));
  }

  /** Throws when a lock could not be taken, or would be given back to nobody. */
  check(): void {
    this.#read();
    const header = this.#header;
    const isSame = this.#identity.equals(header.subarray(0, IDENTITY_BYTES));
    if (!isSame || header.readUInt32LE(READERS_AT) > READERS_MAX) throw damaged();
    for (const at of MUTEXES_AT) {
      if (header.readUInt32LE(at + KIND_OFFSET) !== KIND_ROBUST_AND_SHARED) throw damaged();
      if (header.readUInt32LE(at) !== 0) this.#checkOwner(at);
    }
  }

  #checkOwner(at: number): void {
    const first = this.#header.readUInt32LE(at);
    for (let look = 0; look < LOOKS; look++) {
      const word = this.#header.readUInt32LE(at);
      // Given back, or taken by the next; or the kernel gives it to whoever asks.
      if (word === 0 || (word & OWNER) !== (first & OWNER) || (word & OWNER_DIED) !== 0) return;
      Atomics.wait(asleep, 0, 0, LOOK_MS);
      this.#read();
    }
    if (!usesLocks(first & OWNER)) throw damaged();
  }

  #read(): void {
    this.#header.fill(0);
    readSync(this.#fd, this.#header, 0, HEADER_BYTES, 0);
  }
}

/** Whether a file that begins so is one. */
export function isLockFile(start: Buffer): boolean {
  return start.readUInt32LE(0) === MAGIC;
}

function damaged(): Error {
  return new Error('its locks are damaged');
}

/** Whether a thread's process has such a file mapped. */
function usesLocks(thread: number): boolean {
  try {
    return readFileSync(`/proc/${thread}/maps`, 'latin1').includes('/lock.mdb');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') return false;
  }
  // One that has become another user shows its maps to nobody: it is one of ours if it is called the same.
  try {
    return nameOf(thread) === nameOf('self');
  } catch {
    return false;
  }
}

function nameOf(process: number | 'self'): string {
  return readFileSync(`/proc/${process}/comm`, 'latin1');
}
