import { fileURLToPath } from 'node:url';

/** Arguments of Node that run a module of ours, given by its path, as a process. */
export function startWords(path: string): string[] {
  return [fileURLToPath(new URL('../../bin/process.js', import.meta.url)), path];
}
