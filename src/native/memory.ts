/**
 * The one allocator of native memory: anonymous or shared mappings, each handed out as one object
 * that owns address and views together, so that neither can outlive the other.
 */
import { assert } from '../base/assert.ts';
import { counted } from './counters.ts';
import { callError, lastErrno } from './errno.ts';
import { libc } from './libc-table.ts';
import { viewOf } from './load.ts';

const PROT_READ_WRITE = 3;
export const MAP_SHARED = 0x01;
const MAP_PRIVATE_ANONYMOUS = 0x22;
export const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

const EMPTY = Buffer.alloc(0);

let liveBytes = 0;

/** Bytes mapped through this allocator and not yet freed. */
export function nativeBytesLive(): number {
  return liveBytes;
}

/**
 * The address inside a NativeBuffer. **For native/ only**: test/tidy.test.ts refuses any other
 * importer.
 */
export let addressOf: (buffer: NativeBuffer) => bigint;

/** Whose `bytes` an array is: for who is given the bytes alone. */
const owners = new WeakMap<Uint8Array, NativeBuffer>();

/**
 * The buffer whose `bytes` these are, by identity; undefined for memory of JavaScript and for a part of a
 * buffer. **For native/ only**.
 */
export function ownerOf(bytes: Uint8Array): NativeBuffer | undefined {
  return owners.get(bytes);
}

/** A fixed block of memory outside V8's heap, closed once. */
export class NativeBuffer implements Disposable {
  /** The whole block. Empty once disposed. */
  bytes: Buffer;
  readonly length: number;
  #address: bigint;

  static {
    addressOf = (buffer) => buffer.#address;
  }

  private constructor(address: bigint, length: number) {
    this.#address = address;
    this.length = length;
    this.bytes = Buffer.from(viewOf(address, length));
    owners.set(this.bytes, this);
    liveBytes += length;
    counted('mapping', 1);
  }

  /** Zeroed private memory; `length` bytes, at least 1. */
  static allocate(length: number): NativeBuffer {
    return NativeBuffer.map(length, MAP_PRIVATE_ANONYMOUS, -1);
  }

  /** Maps a descriptor (memfd or file) shared with other processes. */
  static mapShared(fd: number, length: number): NativeBuffer {
    return NativeBuffer.map(length, MAP_SHARED, fd);
  }

  private static map(length: number, flags: number, fd: number): NativeBuffer {
    assert(Number.isSafeInteger(length) && length > 0, 'length must be a positive integer');
    const address = libc.checked.mmap(0n, BigInt(length), PROT_READ_WRITE, flags, fd, 0n);
    if (address === MAP_FAILED) throw callError(`mmap of ${length} bytes`, lastErrno());
    return new NativeBuffer(address, length);
  }

  [Symbol.dispose](): void {
    if (this.#address === 0n) return;
    libc.checked.munmap(this.#address, BigInt(this.length));
    this.#address = 0n;
    owners.delete(this.bytes);
    this.bytes = EMPTY;
    liveBytes -= this.length;
    counted('mapping', -1);
  }
}
