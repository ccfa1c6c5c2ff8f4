/**
 * What must be right before LMDB opens an index: when it is refused anything in the middle of that, the
 * package `lmdb` frees the same memory twice and ends the process (SIGSEGV), and it maps the file of its
 * locks with no blocks, so that a full device ends the process, too (SIGBUS). So all that it would ask
 * for is asked for here first, where a refusal is an error.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../../../base/careful-files.ts';
import { demandMappable, fillHoles } from '../../../native/file-io.ts';
import { demandIndex, EMPTY_INDEX, META_PAGES_BYTES } from './index-file.ts';
import { isLockFile, LOCK_FILE_BYTES } from './lock-file.ts';

/** LMDB opens four at once, and some spare: other threads of this process open files, too. */
const DESCRIPTORS = 8;

const { O_RDWR, O_CREAT } = constants;

/** Throws what the file system says, or what is wrong; an index that is not there is begun, and empty. */
export function makeRoom(directory: string, mapBytes: number): void {
  const opened: number[] = [];
  try {
    const data = openData(join(directory, 'data.mdb'), opened);
    demandIndex(data);
    demandMappable(data, mapBytes);
    openLocks(join(directory, 'lock.mdb'), opened);
    while (opened.length < DESCRIPTORS) opened.push(openSync(join(directory, 'data.mdb'), O_RDWR));
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

function openData(path: string, opened: number[]): number {
  const there = openAt(path, opened);
  if (fstatSync(there).size >= META_PAGES_BYTES) return there;
  // What others have mapped is never cut.
  replaceFile(path, EMPTY_INDEX);
  return openAt(path, opened);
}

/**
 * With all of its blocks. What is no such file is replaced by zeros, of which LMDB makes one; who has the
 * old one mapped finds it removed.
 */
function openLocks(path: string, opened: number[]): void {
  let fd = openAt(path, opened);
  const header = Buffer.alloc(8);
  readSync(fd, header, 0, header.length, 0);
  if (fstatSync(fd).size < LOCK_FILE_BYTES || !isLockFile(header)) {
    replaceFile(path, Buffer.alloc(LOCK_FILE_BYTES));
    fd = openAt(path, opened);
  }
  fillHoles(fd, fstatSync(fd).size);
}

function openAt(path: string, opened: number[]): number {
  const fd = openSync(path, O_RDWR | O_CREAT, 0o600);
  opened.push(fd);
  return fd;
}
