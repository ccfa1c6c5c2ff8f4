/**
 * Locks of files, and room for what is to be mapped. And reading a file only as far as it is in the
 * page cache: `preadv2` with RWF_NOWAIT fails with EAGAIN where it would wait for a device, so the event
 * loop never does. The caller then reads the same through a thread.
 */
import { callError, Errno, errnoName, lastErrno } from './errno.ts';
import { libc } from './libc-table.ts';
import { bind } from './load.ts';
import { addressOf, MAP_FAILED, MAP_SHARED, NativeBuffer } from './memory.ts';

const io = bind({
  fallocate: { arguments: ['i32', 'i32', 'i64', 'i64'], return: 'i32' },
  preadv2: { arguments: ['i32', 'pointer', 'i32', 'i64', 'i32'], return: 'i32' },
});

const { preadv2 } = io.direct;

const RWF_NOWAIT = 8;
const EOPNOTSUPP = 95;

/** struct iovec: base and length, 8 bytes each. */
const vector = NativeBuffer.allocate(16);
const vectorAddress = addressOf(vector);

let supported = true;

/**
 * Reads `length` bytes at `offset` to the start of `target`, if the kernel has them in memory.
 * Returns how many were read (fewer at the end of the file or of what is in memory), or -1 when a
 * device would have to be waited for, or the file system does not know the flag.
 */
export function readResident(
  fd: number,
  target: NativeBuffer,
  length: number,
  offset: number,
): number {
  if (!supported) return -1;
  vector.bytes.writeBigUInt64LE(addressOf(target), 0);
  vector.bytes.writeBigUInt64LE(BigInt(Math.min(length, target.length)), 8);
  const count = preadv2(fd, vectorAddress, 1, BigInt(offset), RWF_NOWAIT);
  if (count >= 0) return count;
  const errno = lastErrno();
  if (errno === EOPNOTSUPP) supported = false;
  return -1;
}

const LOCK_SHARED = 1;
const LOCK_EXCLUSIVE = 2;
const LOCK_NO_WAIT = 4;

/**
 * Takes the lock of an open file, for this description of it alone or together with others, without
 * waiting: false when others have it. What held it of either kind before is given back. It ends with
 * the descriptor, so also with the process.
 */
export function tryLock(fd: number, kind: 'shared' | 'exclusive'): boolean {
  const operation = kind === 'shared' ? LOCK_SHARED : LOCK_EXCLUSIVE;
  return libc.checked.flock(fd, operation | LOCK_NO_WAIT) === 0;
}

const PROT_READ = 1;

/**
 * Sees to it that each of the first `length` bytes of a file has a block: holes get one, what is written
 * stays. To touch a mapped page that a full device has no block for ends the process (SIGBUS). Throws
 * when the device has no room; a file system that cannot say is believed.
 */
export function fillHoles(fd: number, length: number): void {
  if (io.checked.fallocate(fd, 0, 0n, BigInt(length)) === 0) return;
  const errno = lastErrno();
  if (errno !== Errno.ENOSPC && errno !== Errno.EDQUOT) return;
  // In Node's words.
  const code = errnoName(errno);
  throw Object.assign(new Error(`${code}: no space left on device, fallocate`), { code });
}

/** Throws when this process has no room to map so much of a file, or one mapping more. */
export function demandMappable(fd: number, length: number): void {
  const address = libc.checked.mmap(0n, BigInt(length), PROT_READ, MAP_SHARED, fd, 0n);
  if (address === MAP_FAILED) throw callError(`mmap of ${length} bytes`, lastErrno());
  libc.checked.munmap(address, BigInt(length));
}
