/** Which files a thread has loaded: a reload looks whether they are others by now. */
import { statSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { after, shownElsewhere } from '../base/owned.ts';
import type { LoadedFile } from './contract.ts';

/** Imports come in swarms: they are told together. Milliseconds. */
const TOLD_AFTER_MS = 50;

/** Tells each file once, soon after it is loaded. */
export function watchLoading(tell: (files: readonly LoadedFile[]) => void): void {
  let fresh: LoadedFile[] = [];
  const flush = () => {
    const files = fresh;
    fresh = [];
    tell(files);
  };
  registerHooks({
    load(url, context, nextLoad) {
      if (url.startsWith('file:')) {
        if (fresh.length === 0) after(TOLD_AFTER_MS, flush, shownElsewhere).unref();
        const [withoutQuery = url] = url.split(/[?#]/);
        const path = fileURLToPath(withoutQuery);
        fresh.push([path, stampOf(path)]);
      }
      return nextLoad(url, context);
    },
  });
}

/** Another when the file is another; '' when it is gone. */
export function stampOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? '' : [stats.ino, stats.size, stats.mtimeMs].join(' ');
}
