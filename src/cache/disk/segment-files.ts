/**
 * Segment files by number: reading without ever blocking the event loop, appending, removing.
 * Descriptors of segments that are read are kept, the least recently used closed first.
 */
import { close, mkdirSync, open, read, readdir, unlink, write, writev } from 'node:fs';
import { join } from 'node:path';
import { readResident } from '../../native/file-io.ts';
import { NativeBuffer } from '../../native/memory.ts';

/** Descriptors kept for reading. */
const DESCRIPTORS_MAX = 256;

/** Files per directory stay few for file systems that like it so. */
const DIRECTORIES = 256;

/** What the directories take by themselves, in the blocks that most file systems have. */
export const DIRECTORIES_BYTES = DIRECTORIES * 4_096;

/** Octets of a buffer, on average, above which to hand it over costs less than to copy it. */
const VECTOR_BYTES_MIN = 16_384;

/** What is tried without a thread: reads up to this length. */
const RESIDENT_BYTES_MAX = 400_000;

/** A read's result: null when it failed. The bytes are valid until the callback returns. */
export type ReadCallback = (bytes: Buffer | null) => void;

interface OpenFile {
  readonly fd: number;
  /** Reads under way: the descriptor stays open until they have ended. */
  reads: number;
  evicted: boolean;
}

export class SegmentFiles {
  readonly #directory: string;
  readonly #files = new Map<number, OpenFile>();
  readonly #opening = new Map<number, ((file: OpenFile | null) => void)[]>();
  #resident: NativeBuffer | null = NativeBuffer.allocate(RESIDENT_BYTES_MAX);
  #residentBusy = false;
  #closed = false;
  /** How reads were served, for metrics. */
  residentReads = 0;
  threadReads = 0;

  constructor(directory: string) {
    this.#directory = directory;
    for (let i = 0; i < DIRECTORIES; i++) mkdirSync(join(directory, hex(i)), { recursive: true });
  }

  path(id: number): string {
    return segmentPath(this.#directory, id);
  }

  /** Reads `length` octets, all or nothing. */
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
    this.threadReads++;
    file.reads++;
    const bytes = Buffer.allocUnsafe(length);
    read(file.fd, bytes, 0, length, offset, (error, count) => {
      file.reads--;
      if (file.evicted && file.reads === 0) close(file.fd, ignore);
      callback(error === null && count === length ? bytes : null);
    });
  }

  #open(id: number, callback: (file: OpenFile | null) => void): void {
    const waiting = this.#opening.get(id);
    if (waiting !== undefined) {
      waiting.push(callback);
      return;
    }
    const callbacks = [callback];
    this.#opening.set(id, callbacks);
    open(this.path(id), 'r', (error, fd) => {
      this.#opening.delete(id);
      let file: OpenFile | null = null;
      if (error === null && !this.#closed) {
        file = { fd, reads: 0, evicted: false };
        this.#files.set(id, file);
        if (this.#files.size > DESCRIPTORS_MAX) this.#forget(this.#files.keys().next().value!);
      } else if (error === null) {
        close(fd, ignore);
      }
      for (const each of callbacks) each(file);
    });
  }

  #forget(id: number): void {
    const file = this.#files.get(id);
    if (file === undefined) return;
    this.#files.delete(id);
    file.evicted = true;
    if (file.reads === 0) close(file.fd, ignore);
  }

  /** Opens a new segment for appending. */
  create(id: number, callback: (error: Error | null, fd: number) => void): void {
    // Never `wx`: after a crash of the machine the index may give out a number again.
    open(this.path(id), 'w', 0o600, (error, fd) => callback(error, fd ?? -1));
  }

  /** Writes all of `bytes` at an offset. */
  write(fd: number, bytes: Buffer, offset: number, callback: (error: Error | null) => void): void {
    write(fd, bytes, 0, bytes.length, offset, (error, count) => {
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
    writev(fd, buffers, offset, (error, count) => {
      if (error !== null) {
        callback(error);
        return;
      }
      if (count === length) callback(null);
      else this.write(fd, Buffer.concat(buffers).subarray(count), offset + count, callback);
    });
  }

  closeWriter(fd: number): void {
    close(fd, ignore);
  }

  remove(id: number, callback: () => void = ignore): void {
    this.#forget(id);
    unlink(this.path(id), () => callback());
  }

  /** Removes files that the index does not know: left by a process that died between two steps. */
  removeUnknown(isKnown: (id: number) => boolean): void {
    for (let i = 0; i < DIRECTORIES; i++) {
      const directory = join(this.#directory, hex(i));
      readdir(directory, (error, names) => {
        if (error !== null || this.#closed) return;
        for (const name of names) {
          const match = /^(\d+)\.segment$/.exec(name);
          if (match !== null && !isKnown(Number(match[1]))) unlink(join(directory, name), ignore);
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
