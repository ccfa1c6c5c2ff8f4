import { fileURLToPath } from 'node:url';

/** A file of ours to run as a process: `.ts` from source, `.js` when compiled. */
export function entryPoint(name: string): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`../${name}.${extension}`, import.meta.url));
}
