/** Says when a source file of an app has changed: for development. */
import { watch } from 'node:fs';

/** Milliseconds: an editor writes several files, each in several steps. */
const QUIET_MS = 100;

/** What an app writes itself, or what is not its own. */
const IGNORED = /(?:^|\/)(?:node_modules|\.[^/]*|dist|build|coverage|tmp|log)(?:\/|$)|\.log$/;

/** For tests, too: whether a change there is one of the app's sources. */
export function isSourceFile(path: string): boolean {
  return !IGNORED.test(path);
}

/** Watches the directory and all below it. Keeps no process alive. */
export function watchSources(directory: string, onChange: () => void): Disposable {
  let timer: NodeJS.Timeout | null = null;
  const watcher = watch(directory, { recursive: true, persistent: false }, (_event, path) => {
    if (path === null || !isSourceFile(path)) return;
    if (timer !== null) clearTimeout(timer);
    timer = setTimeout(onChange, QUIET_MS);
    timer.unref();
  });
  return {
    [Symbol.dispose]() {
      if (timer !== null) clearTimeout(timer);
      watcher.close();
    },
  };
}
