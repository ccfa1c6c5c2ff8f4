/** Rules that look at all files at once: what they are to each other. */
import { posix } from 'node:path';
import { isTest, resolveImport } from './rules.ts';
import type { SourceFile } from './source-file.ts';

const isSource = ({ path }: SourceFile) => path.startsWith('src/') && !isTest(path);

/**
 * Files that lead back to themselves, by values or by types: neither can be read, or moved, without
 * the other. What both need goes down into a file of its own: an interface of what the lower one
 * asks of the upper.
 */
export function circles(files: readonly SourceFile[]): string[] {
  const sources = new Map(files.filter(isSource).map((file) => [file.path, file]));
  const targets = (path: string) =>
    sources
      .get(path)!
      .imports.map((specifier) => resolveImport(path, specifier))
      .filter((target) => target !== undefined && sources.has(target)) as string[];
  const done = new Set<string>();
  const found: string[] = [];
  /** The way down from where we began, to see a file that comes again. */
  const way: string[] = [];
  const visit = (path: string) => {
    const at = way.indexOf(path);
    if (at >= 0) found.push(`a circle of files: ${[...way.slice(at), path].join(' → ')}`);
    if (at >= 0 || done.has(path)) return;
    way.push(path);
    for (const target of targets(path)) visit(target);
    way.pop();
    done.add(path);
  };
  for (const path of sources.keys()) visit(path);
  return found;
}

/** More files than a reader takes in at a glance; a room of so many lines has rooms in it, too. */
const FLAT_FILES_MAX = 30;
const FLAT_LINES_MAX = 5_000;

export function crowdedFolders(files: readonly SourceFile[]): string[] {
  const folders = new Map<string, { files: number; lines: number }>();
  for (const file of files.filter(isSource)) {
    const folder = posix.dirname(file.path);
    const counts = folders.get(folder) ?? { files: 0, lines: 0 };
    counts.files++;
    counts.lines += file.text.split('\n').length - 1;
    folders.set(folder, counts);
  }
  return [...folders].flatMap(([folder, { files: count, lines }]) => [
    ...(count > FLAT_FILES_MAX ? [`${folder}: ${count} files side by side: make rooms of it`] : []),
    ...(lines > FLAT_LINES_MAX ? [`${folder}: ${lines} lines side by side: make rooms of it`] : []),
  ]);
}
