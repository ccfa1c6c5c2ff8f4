/** Looks at the index's file before LMDB does, which ends the process when the file is not its own. */
import { closeSync, openSync, readSync } from 'node:fs';

/** Where a page's header ends and the meta data begins (struct MDB_meta of LMDB 0.9 and 1.0). */
const META_OFFSET = 24;
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const PAGE_SIZE_OFFSET = META_OFFSET + 24;
const PAGE_BYTES_MIN = 256;
const PAGE_BYTES_MAX = 65_536;

/** Throws unless the file is an LMDB environment, or is empty or not there. */
export function assertIndexFile(path: string): void {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    const first = pageAt(fd, 0);
    if (first.length === 0) return;
    const pageBytes = pageSizeOf(first);
    if (pageBytes === 0 || pageSizeOf(pageAt(fd, pageBytes)) !== pageBytes) {
      throw new Error('its index is damaged or not an index');
    }
  } finally {
    closeSync(fd);
  }
}

function pageAt(fd: number, offset: number): Buffer {
  const page = Buffer.alloc(PAGE_BYTES_MIN);
  return page.subarray(0, readSync(fd, page, 0, page.length, offset));
}

/** 0 when the page is not one of the two meta pages. */
function pageSizeOf(page: Buffer): number {
  if (page.length < PAGE_BYTES_MIN || page.readUInt32LE(META_OFFSET) !== MAGIC) return 0;
  if (page.readUInt16LE(META_OFFSET + 4) !== DATA_VERSION) return 0;
  const bytes = page.readUInt32LE(PAGE_SIZE_OFFSET);
  return bytes >= PAGE_BYTES_MIN && bytes <= PAGE_BYTES_MAX ? bytes : 0;
}
