/**
 * The page for browsers at `/` of the admin endpoint, and the files that it asks for: those of page/ and
 * the modules that they import, as they are in the source but for their types. It reads only, holds no
 * secret, and loads nothing from elsewhere.
 */
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';

export interface ServedFile {
  readonly type: string;
  text(): string;
}

/** `.ts` from source, `.js` when compiled: then no types are left to strip. */
const isCompiled = !import.meta.url.endsWith('.ts');

/** src/ or dist/. What is below has its path from here as its URL, so that imports find each other. */
const root = new URL('../../', import.meta.url);
const PREFIX = '/dashboard/';

/** Imports and exports from a file of ours, but for those of types alone, as Biome and tsc write them. */
const IMPORTED = /^(?:import|export) (?!type )[^'"]*['"](\.[^'"]+)['"];$/gm;

/**
 * Nothing but files of this endpoint, and requests to it. Answers that are no script cannot be run as
 * one: they are sent with nosniff. Nothing makes elements of text (trusted types).
 */
export const pagePolicy =
  "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
  "require-trusted-types-for 'script'; trusted-types 'none'";

/** By path. Read at the start: a running process must not serve the files of another version. */
const servedFiles: ReadonlyMap<string, ServedFile> = readFiles();

/** Null for every other path. */
export function servedFile(path: string): ServedFile | null {
  return servedFiles.get(path) ?? null;
}

function readFiles(): Map<string, ServedFile> {
  const page = textOf(new URL('./page/index.html', import.meta.url));
  const html = isCompiled ? page.replaceAll('.ts"', '.js"') : page;
  const style = new URL('./page/style.css', import.meta.url);
  const styleText = textOf(style);
  return new Map<string, ServedFile>([
    ['/', { type: 'text/html; charset=utf-8', text: () => html }],
    [pathOf(style), { type: 'text/css; charset=utf-8', text: () => styleText }],
    ...readScripts(new URL('./page/main.ts', import.meta.url)),
  ]);
}

/** A module and all that it imports. */
function readScripts(main: URL): Map<string, ServedFile> {
  const scripts = new Map<string, ServedFile>();
  const waiting = [isCompiled ? new URL(main.href.replace(/\.ts$/, '.js')) : main];
  for (let url = waiting.pop(); url !== undefined; url = waiting.pop()) {
    if (scripts.has(pathOf(url))) continue;
    const text = textOf(url);
    scripts.set(pathOf(url), script(text));
    for (const [, specifier] of text.matchAll(IMPORTED)) waiting.push(new URL(specifier!, url));
  }
  return scripts;
}

/** Types are stripped when somebody looks: loading what does it takes longer than the start. */
function script(source: string): ServedFile {
  let text = isCompiled ? source : null;
  return {
    type: 'text/javascript; charset=utf-8',
    text() {
      text ??= stripTypeScriptTypes(source);
      return text;
    },
  };
}

function pathOf(url: URL): string {
  return PREFIX + url.href.slice(root.href.length);
}

function textOf(url: URL): string {
  return readFileSync(url, 'utf8');
}
