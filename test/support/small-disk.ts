/** A disk that a test can fill: a small file system of its own, where the machine lets it mount one. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

/** A file system of so many bytes, until the process ends; or why there is none. */
export function mountSmall(directory: string, size: string): false | string {
  if (process.getuid?.() !== 0) return 'only root can mount a small file system';
  mkdirSync(directory, { recursive: true });
  const words = ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory];
  const { status } = spawnSync('mount', words);
  if (status !== 0) return 'this machine lets nobody mount';
  // Before the directory that it is in is removed.
  process.prependListener('exit', () => spawnSync('umount', ['--lazy', directory]));
  return false;
}
