/** Whether a file can be a handler, before a thread loads it. */
import { accessSync, constants, statSync } from 'node:fs';

/** In words; null when it can. */
export function whyNoModule(path: string): string | null {
  if (!/\.(?:[cm]?js|m?ts)$/.test(path)) return 'not a module of TypeScript or JavaScript';
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).isFile() ? null : 'not a file';
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code})`;
  }
}
