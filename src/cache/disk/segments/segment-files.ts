/**
 * Segment files by number: reading without ever blocking the event loop, appending, removing.
 * Descriptors of segments that are read are kept, the least recently used closed first; those of
 * segments that any process has removed go as soon as nobody here reads them.
 */
import * as nodeFiles from 'node:fs';
import { join } from 'node:path';
import { isOwnShortage } from '../../../base/shortage.ts';
import { readResident } from '../../../native/file-io.ts';
import { NativeBuffer } from '../../../native/memory.ts';
import { DESCRIPTORS_MAX, READ_MS_MAX } from '../limits.ts';

/** Files per directory stay few for file systems that like it so. */
const DIRECTORIES = 256;

/** What the directories take by themselves, in the blocks that most file systems have. */
export const DIRECTORIES_BYTES = DIRECTORIES * 4_096;

/** Bytes of a buffer, on average, above which to hand it over costs less than to copy it. */
const VECTOR_BYTES_MIN = 16_384;

/** What is tried without a thread: reads up to this length. */
const RESIDENT_BYTES_MAX = 400_000;

/** Bytes of a block as `stat` counts them. */
const STAT_BLOCK_BYTES = 512;

/** What the segments need of a file system: `node:fs` has it. */
export type FileOperations = Pick<
  typeof nodeFiles,
  'close' | 'fstatSync' | 'mkdirSync' | 'open' | 'read' | 'readdir' | 'unlink' | 'write' | 'writev'
>;

/** A read's result: null when it failed. The bytes are valid until the callback returns. */
export type ReadCallback = (bytes: Buffer | null) => void;

interface OpenFile {
  readonly fd: number;
  /** Reads under way, and who appends: the descriptor stays open until they have ended. */
  users: number;
  /** No more of use: it goes with its last user. */
  isForgotten: boolean;
  /** It has no name any more; bytes on disk that only this descriptor keeps. */
  removedBytes: number;
}

/** A call that a device has not answered yet. */
interface Pending {
  /** Of the time that this process has run. */
  readonly sinceMs: number;
  giveUp(): void;
}

/** Of the time between two looks, what counts as the device's: they come every COHERENCE_MS. */
const LOOK_MS_MAX = 200;

export class SegmentFiles {
  readonly #directory: string;
  readonly #operations: FileOperations;
  readonly #files = new Map<number, OpenFile>();
  readonly #opening = new Map<number, ((file: OpenFile | null) => void)[]>();
  /** What is being appended to, by descriptor. */
  readonly #appended = new Map<number, OpenFile>();
  /** How many read a segment from run to run, by number. */
  readonly #readers = new Map<number, number>();
  readonly #pending = new Set<Pending>();
  /** For how long this process has run, as far as it has looked. */
  #ranMs = 0;
  #lookedMs = performance.now();
  /** Calls that were given up and have not come back. */
  #lostCalls = 0;
  /** While callbacks are told of a segment that could not be opened for want of a descriptor. */
  #isShort = false;
  #resident: NativeBuffer | null = NativeBuffer.allocate(RESIDENT_BYTES_MAX);
  #residentBusy = false;
  #closed = false;
  /** How reads were served, for metrics. */
  residentReads = 0;
  threadReads = 0;

  constructor(directory: string, operations: FileOperations = nodeFiles) {
    this.#directory = directory;
    this.#operations = operations;
    for (let i = 0; i < DIRECTORIES; i++) {
      operations.mkdirSync(join(directory, hex(i)), { recursive: true, mode: 0o700 });
    }
  }

  path(id: number): string {
    return segmentPath(this.#directory, id);
  }

  // ------------------------------------------------------------------ reading

  /** Reads `length` bytes, all or nothing. */
  read(id: number, offset: number, length: number, callback: ReadCallback): void {
    const file = this.#files.get(id);
    if (file === undefined) {
      this.#open(id, (opened) => {
        if (opened === null) callback(null);
        else this.#readOpen(opened, offset, length, callback);
      });
      return;
    }
    // Most recently used last.
    this.#files.delete(id);
    this.#files.set(id, file);
    this.#readOpen(file, offset, length, callback);
  }

  #readOpen(file: OpenFile, offset: number, length: number, callback: ReadCallback): void {
    const resident = this.#resident;
    if (resident !== null && length <= RESIDENT_BYTES_MAX && !this.#residentBusy) {
      const count = readResident(file.fd, resident, length, offset);
      if (count === length) {
        this.residentReads++;
        // The callback may read again: the buffer is taken until it returns.
        this.#residentBusy = true;
        try {
          callback(resident.bytes.subarray(0, length));
        } finally {
          this.#residentBusy = false;
        }
        return;
      }
    }
    if (this.isStalled) {
      callback(null);
      return;
    }
    this.threadReads++;
    file.users++;
    const bytes = Buffer.allocUnsafe(length);
    const isAnswered = this.#await(() => callback(null));
    this.#operations.read(file.fd, bytes, 0, length, offset, (error, count) => {
      this.#leave(file);
      if (isAnswered()) callback(error === null && count === length ? bytes : null);
    });
  }

  #open(id: number, callback: (file: OpenFile | null) => void): void {
    const waiting = this.#opening.get(id);
    if (waiting !== undefined) {
      waiting.push(callback);
      return;
    }
    if (this.isStalled || this.#closed) {
      callback(null);
      return;
    }
    const callbacks = [callback];
    this.#opening.set(id, callbacks);
    const settle = (file: OpenFile | null) => {
      this.#opening.delete(id);
      for (const each of callbacks) each(file);
    };
    const isAnswered = this.#await(() => settle(null));
    this.#operations.open(this.path(id), 'r', (error, fd) => {
      const isInTime = isAnswered();
      if (error !== null) {
        this.#isShort = isOwnShortage(error);
        if (isInTime) settle(null);
        this.#isShort = false;
      } else if (!isInTime || this.#closed) {
        this.#close(fd);
        if (isInTime) settle(null);
      } else {
        settle(this.#keep(id, fd, 0));
      }
    });
  }

  #keep(id: number, fd: number, users: number): OpenFile {
    const file = { fd, users, isForgotten: false, removedBytes: 0 };
    this.#forget(id);
    this.#files.set(id, file);
    if (this.#files.size > DESCRIPTORS_MAX) this.#forgetOldest();
    return file;
  }

  /** What has no name any more could not be opened again: it stays for those who read it. */
  #forgetOldest(): void {
    for (const [id, { removedBytes }] of this.#files) {
      if (removedBytes > 0 && this.#readers.has(id)) continue;
      this.#forget(id);
      return;
    }
  }

  #forget(id: number): void {
    const file = this.#files.get(id);
    if (file === undefined) return;
    this.#files.delete(id);
    file.isForgotten = true;
    if (file.users === 0) this.#close(file.fd);
  }

  #leave(file: OpenFile): void {
    file.users--;
    if (file.isForgotten && file.users === 0) this.#close(file.fd);
  }

  #close(fd: number): void {
    this.#operations.close(fd, ignore);
  }

  /** A segment is read run after run, until `release`: it stays readable if it is removed meanwhile. */
  hold(id: number): void {
    this.#readers.set(id, (this.#readers.get(id) ?? 0) + 1);
  }

  /** Somebody reads a segment from run to run. */
  get isRead(): boolean {
    return this.#readers.size > 0;
  }

  release(id: number): void {
    const left = this.#readers.get(id)! - 1;
    if (left > 0) {
      this.#readers.set(id, left);
      return;
    }
    this.#readers.delete(id);
    if ((this.#files.get(id)?.removedBytes ?? 0) > 0) this.#forget(id);
  }

  // ------------------------------------------------------------------ a device that does not answer

  /** A device has not answered for long: nothing more is asked of it until it has. */
  get isStalled(): boolean {
    return this.#lostCalls > 0;
  }

  /** In a read's callback: that it failed says nothing about what the segment holds. */
  get cannotTell(): boolean {
    return this.isStalled || this.#isShort;
  }

  /** Returns what says, once the call is back, whether it still counts. */
  #await(giveUp: () => void): () => boolean {
    const pending = { sinceMs: this.#ranMs, giveUp };
    this.#pending.add(pending);
    return () => {
      if (this.#pending.delete(pending)) return true;
      this.#lostCalls--;
      return false;
    };
  }

  /** Gives up what has waited for too long; returns how many that were. Call it often. */
  giveUpLate(): number {
    const nowMs = performance.now();
    // While we stood still ourselves, answers that had come were not heard.
    this.#ranMs += Math.min(nowMs - this.#lookedMs, LOOK_MS_MAX);
    this.#lookedMs = nowMs;
    if (this.#pending.size === 0) return 0;
    const oldestMs = this.#ranMs - READ_MS_MAX;
    const late: Pending[] = [];
    for (const pending of this.#pending) {
      // In the order of their beginning.
      if (pending.sinceMs > oldestMs) break;
      late.push(pending);
    }
    for (const pending of late) {
      this.#pending.delete(pending);
      this.#lostCalls++;
    }
    for (const { giveUp } of late) giveUp();
    return late.length;
  }

  // ------------------------------------------------------------------ writing

  /** Opens a new segment for appending; what is in it can be read at once, whatever becomes of its name. */
  create(id: number, callback: (error: Error | null, fd: number) => void): void {
    // Never `wx`: after a crash of the machine the index may give out a number again.
    this.#operations.open(this.path(id), 'w+', 0o600, (error, fd) => {
      if (error === null) this.#appended.set(fd, this.#keep(id, fd, 1));
      callback(error, fd ?? -1);
    });
  }

  /** Writes all of `bytes` at an offset. */
  write(fd: number, bytes: Buffer, offset: number, callback: (error: Error | null) => void): void {
    this.#operations.write(fd, bytes, 0, bytes.length, offset, (error, count) => {
      if (error !== null) callback(error);
      else if (count === bytes.length) callback(null);
      else if (count === 0) callback(new Error('the file system wrote nothing'));
      else this.write(fd, bytes.subarray(count), offset + count, callback);
    });
  }

  /** The same for several in a row. */
  writeAll(
    fd: number,
    buffers: readonly Buffer[],
    offset: number,
    callback: (error: Error | null) => void,
  ): void {
    const length = buffers.reduce((sum, bytes) => sum + bytes.length, 0);
    if (buffers.length === 1 || length < buffers.length * VECTOR_BYTES_MIN) {
      this.write(fd, buffers.length === 1 ? buffers[0]! : Buffer.concat(buffers), offset, callback);
      return;
    }
    this.#operations.writev(fd, buffers, offset, (error, count) => {
      if (error !== null) {
        callback(error);
        return;
      }
      if (count === length) callback(null);
      else this.write(fd, Buffer.concat(buffers).subarray(count), offset + count, callback);
    });
  }

  /** Nothing more is appended by this descriptor, which may go on being read from. */
  closeWriter(fd: number): void {
    const file = this.#appended.get(fd)!;
    this.#appended.delete(fd);
    this.#leave(file);
  }

  // ------------------------------------------------------------------ removing

  /** Room is there again when all processes have closed it: see `followRemovals`. */
  remove(id: number, callback: () => void = ignore): void {
    this.#operations.unlink(this.path(id), () => {
      this.#noteRemoved(id);
      callback();
    });
  }

  /** Closes what any process has removed, unless somebody here reads it. */
  followRemovals(): void {
    for (const id of [...this.#files.keys()]) this.#noteRemoved(id);
  }

  /** Segments that only readers here keep: how many bytes on disk they take. */
  get removedBytes(): number {
    let sum = 0;
    for (const file of this.#files.values()) sum += file.removedBytes;
    return sum;
  }

  #noteRemoved(id: number): void {
    const file = this.#files.get(id);
    if (file === undefined) return;
    const { nlink, blocks } = this.#operations.fstatSync(file.fd);
    if (nlink > 0) return;
    // An empty one, too, is one that has no name.
    file.removedBytes = Math.max(1, blocks * STAT_BLOCK_BYTES);
    if (!this.#readers.has(id)) this.#forget(id);
    else this.#boundRemoved();
  }

  /** One segment, however long, may outlive its removal; of more, those read last. */
  #boundRemoved(): void {
    const removed = [...this.#files].filter(([, { removedBytes }]) => removedBytes > 0);
    for (const [id] of removed.slice(0, -1)) this.#forget(id);
  }

  /** Removes files that the index does not know: left by a process that died between two steps. */
  removeUnknown(isKnown: (id: number) => boolean): void {
    for (let i = 0; i < DIRECTORIES; i++) {
      const directory = join(this.#directory, hex(i));
      this.#operations.readdir(directory, (error, names) => {
        if (error !== null || this.#closed) return;
        for (const name of names) {
          const match = /^(\d+)\.segment$/.exec(name);
          if (match === null || isKnown(Number(match[1]))) continue;
          this.#operations.unlink(join(directory, name), ignore);
        }
      });
    }
  }

  close(): void {
    this.#closed = true;
    for (const id of [...this.#files.keys()]) this.#forget(id);
    this.#resident?.[Symbol.dispose]();
    this.#resident = null;
  }
}

export function segmentPath(directory: string, id: number): string {
  return join(directory, hex(id % DIRECTORIES), `${id}.segment`);
}

function hex(number: number): string {
  return number.toString(16).padStart(2, '0');
}

function ignore(): void {}
