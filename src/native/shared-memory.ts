/**
 * Memory that several processes see: one memfd, mapped by each. It survives the death of any of
 * them. Integers in it are read and written with `Atomics`.
 */
import { fstatSync } from 'node:fs';
import { assert } from '../base/assert.ts';
import { counted } from './counters.ts';
import { callError, lastErrno } from './errno.ts';
import { libc } from './libc-table.ts';
import { transientAddressOf } from './load.ts';
import { NativeBuffer } from './memory.ts';
import { closeDescriptor } from './sockets.ts';

const MFD_CLOEXEC = 1;

export class SharedMemory implements Disposable {
  /** Pass it to child processes through `stdio`; there, `SharedMemory.open` it. */
  readonly fd: number;
  readonly length: number;
  readonly #mapping: NativeBuffer;
  #closed = false;

  private constructor(fd: number, length: number) {
    this.fd = fd;
    this.length = length;
    this.#mapping = NativeBuffer.mapShared(fd, length);
    counted('fd', 1);
  }

  /** Makes `length` zeroed bytes. `name` is shown in /proc/PID/maps, at most 249 bytes. */
  static create(name: string, length: number): SharedMemory {
    assert(Number.isSafeInteger(length) && length > 0, 'length must be a positive integer');
    const text = Buffer.from(`${name}\0`);
    const fd = libc.checked.memfd_create(transientAddressOf(text), MFD_CLOEXEC);
    if (fd < 0) throw callError('memfd_create', lastErrno());
    if (libc.checked.ftruncate(fd, BigInt(length)) !== 0) {
      const errno = lastErrno();
      libc.checked.close(fd);
      throw callError(`ftruncate to ${length} bytes`, errno);
    }
    return new SharedMemory(fd, length);
  }

  /** Maps memory that another process made. `length` must be what it was made with, or less. */
  static open(fd: number, length: number): SharedMemory {
    // Touching a mapping past the end of its file is a SIGBUS, so look before.
    assert(fstatSync(fd).size >= length, 'the shared memory is as long as its maker said');
    return new SharedMemory(fd, length);
  }

  /** Empty once closed. Like every view, it must not be used after that. */
  get bytes(): Buffer {
    return this.#mapping.bytes;
  }

  /** `count` 32-bit integers from `offset` on, which is a multiple of 4. */
  int32(offset: number, count: number): Int32Array {
    return new Int32Array(this.#view(offset, count * 4), offset, count);
  }

  /** `count` 64-bit integers from `offset` on, which is a multiple of 8. */
  bigInt64(offset: number, count: number): BigInt64Array {
    return new BigInt64Array(this.#view(offset, count * 8), offset, count);
  }

  /** `count` doubles from `offset` on, which is a multiple of 8; written by one process only. */
  float64(offset: number, count: number): Float64Array {
    return new Float64Array(this.#view(offset, count * 8), offset, count);
  }

  #view(offset: number, bytes: number): ArrayBuffer {
    assert(!this.#closed, 'shared memory is used before it is closed');
    assert(offset >= 0 && offset + bytes <= this.length, 'a view lies inside the shared memory');
    return this.#mapping.bytes.buffer as ArrayBuffer;
  }

  /** Unmaps it and closes the descriptor; other processes keep theirs. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#mapping[Symbol.dispose]();
    closeDescriptor(this.fd);
  }
}
