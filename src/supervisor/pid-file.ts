/** The file that holds our process number, for scripts. */
import { readCarefully, removeFile, writeCarefully } from '../base/careful-files.ts';
import { UsageError } from '../base/errors.ts';

/** Throws UsageError. */
export function writePidFile(path: string): void {
  try {
    writeCarefully(path, `${process.pid}\n`);
  } catch (error) {
    throw new UsageError(
      `--pid-file ${path}: it cannot be written: ${(error as Error).message}`,
      'name a file in a directory of the user that starts sluice',
    );
  }
}

/** Unless it has another's number. Throws what the system refuses with. */
export function removePidFile(path: string): void {
  if (isOurs(path)) removeFile(path);
}

/** It has our number still: what is a device, or was written by another since, stays. */
function isOurs(path: string): boolean {
  try {
    return readCarefully(path).toString() === `${process.pid}\n`;
  } catch {
    return false;
  }
}
