/** Damages files on purpose. */
import { closeSync, ftruncateSync, openSync, readSync, rmSync, statSync, writeSync } from 'node:fs';

export type Damage = 'flip' | 'truncate' | 'remove';

/** Damages a file at a share of its length. */
export function corruptFile(path: string, damage: Damage, share: number): void {
  const at = Math.floor(statSync(path).size * share);
  if (damage === 'remove') {
    rmSync(path);
  } else if (damage === 'truncate') {
    const fd = openSync(path, 'r+');
    ftruncateSync(fd, at);
    closeSync(fd);
  } else {
    invertBit(path, at * 8);
  }
}

function invertBit(path: string, bit: number): void {
  const fd = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  const position = Math.floor(bit / 8);
  readSync(fd, byte, 0, 1, position);
  byte[0] = byte[0]! ^ (1 << (bit % 8));
  writeSync(fd, byte, 0, 1, position);
  closeSync(fd);
}
