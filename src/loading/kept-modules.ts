/**
 * Modules as they were loaded last, in one file: to start from it takes a quarter of the time that it
 * takes to find, read, strip and compile some hundred files. What the file says of a module holds only
 * while its source is the same, and what is torn or of another Node is as if it were not there.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';

export interface KeptModule {
  readonly path: string;
  /** Of the source: what changes when that does. */
  readonly stamp: string;
  readonly imports: readonly string[];
  readonly text: string;
  /** Compiled, as V8 gave it; null when the module has not run. */
  readonly code: Buffer | null;
}

interface Entry extends Pick<KeptModule, 'path' | 'stamp' | 'imports'> {
  readonly textBytes: number;
  readonly isAscii: boolean;
  readonly codeBytes: number;
}

/** The length of what describes the modules, and a checksum over all that follows. */
const HEAD_BYTES = 8;
/** V8 copies code that begins elsewhere. */
const ALIGNMENT = 8;

export function readKept(file: string): Map<string, KeptModule> {
  const kept = new Map<string, KeptModule>();
  try {
    const bytes = readFileSync(file);
    if (bytes.length < HEAD_BYTES || crc32(bytes.subarray(HEAD_BYTES)) !== bytes.readUInt32LE(4)) {
      return kept;
    }
    let at = HEAD_BYTES + bytes.readUInt32LE(0);
    const entries = JSON.parse(bytes.toString('utf8', HEAD_BYTES, at)) as readonly Entry[];
    for (const { textBytes, codeBytes, isAscii, ...entry } of entries) {
      const codeAt = aligned(at + textBytes);
      const end = codeAt + codeBytes;
      const textAt = at;
      kept.set(entry.path, {
        ...entry,
        // Most are never asked for.
        get text() {
          return bytes.toString(isAscii ? 'latin1' : 'utf8', textAt, textAt + textBytes);
        },
        get code() {
          return codeBytes === 0 ? null : bytes.subarray(codeAt, end);
        },
      });
      at = end;
    }
    return kept;
  } catch {
    // There is none yet, or it is not ours to read.
    return new Map();
  }
}

/** In one step, since others may be reading; where it cannot be written there is none. */
export function writeKept(file: string, modules: Iterable<KeptModule>): void {
  const entries: Entry[] = [];
  const parts: Buffer[] = [];
  // The texts are behind the description: its length is made even with the alignment.
  let at = 0;
  for (const { path, stamp, imports, text, code } of modules) {
    const bytes = Buffer.from(text, 'utf8');
    const codeBytes = code?.length ?? 0;
    const codeAt = aligned(at + bytes.length);
    const isAscii = bytes.length === text.length;
    entries.push({ path, stamp, imports, textBytes: bytes.length, isAscii, codeBytes });
    parts.push(bytes, Buffer.alloc(codeAt - at - bytes.length), code ?? Buffer.alloc(0));
    at = codeAt + codeBytes;
  }
  const description = JSON.stringify(entries);
  const padding = ' '.repeat(
    aligned(Buffer.byteLength(description)) - Buffer.byteLength(description),
  );
  const rest = Buffer.concat([Buffer.from(description + padding, 'utf8'), ...parts]);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(aligned(Buffer.byteLength(description)), 0);
  head.writeUInt32LE(crc32(rest), 4);
  const temporary = `${file}.${process.pid}`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(temporary, Buffer.concat([head, rest]), { flag: 'wx' });
    renameSync(temporary, file);
  } catch {
    tryToRemove(temporary);
  }
}

function tryToRemove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Not even its directory is there.
  }
}

function aligned(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}
