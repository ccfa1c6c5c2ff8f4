import { fileURLToPath } from 'node:url';

/** The name of a source file of ours that is to be run: `.ts` from source, `.js` when compiled. */
export function entryPoint(source: URL): string {
  const path = fileURLToPath(source);
  return import.meta.url.endsWith('.ts') ? path : path.replace(/\.ts$/, '.js');
}
