/** Rules that look at all files at once: what they are to each other. */
import { posix } from 'node:path';
import { isTest, resolveImport } from './rules.ts';
import { lineAt, type SourceFile } from './source-file.ts';

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

/** What a file exports by a declaration of its own. */
interface Export {
  readonly file: SourceFile;
  readonly name: string;
  readonly kind: 'type' | 'value';
  /** Where the declaration begins. */
  readonly index: number;
}

const DECLARATION =
  /^export (?:declare |abstract |async )*(function\*?|class|const|let|interface|type) (\w+)/gm;

function exportsOf(file: SourceFile): Export[] {
  return [...file.code.matchAll(DECLARATION)].map((match) => ({
    file,
    name: match[2]!,
    kind: match[1] === 'interface' || match[1] === 'type' ? 'type' : 'value',
    index: match.index,
  }));
}

/** Names that a file takes from others, each as `path name`; `path *` where it takes all. */
function namesTaken({ path, withoutComments, code }: SourceFile): string[] {
  const from = /\b(?:import|export)\b\s*([^;'"`()]*?)\bfrom\s*['"](\.[^'"]+)['"]/g;
  const named = [...withoutComments.matchAll(from)]
    .filter((match) => code[match.index] === withoutComments[match.index])
    .flatMap(([, clause, specifier]) => {
      const target = resolveImport(path, specifier!);
      const list = /\{([^}]*)\}/.exec(clause!)?.[1];
      if (list === undefined) return [`${target} *`];
      const names = list.split(',').map((one) => /^(?:type )?(\w*)/.exec(one.trim())![1]!);
      return names.map((name) => `${target} ${name}`);
    });
  // By its name, or as bin/sluice.js has src/loading/ do it.
  const later = /\b(?:import|new URL)\(\s*['"](\.[^'"]+\.(?:ts|js))['"]/g;
  const loaded = [...withoutComments.matchAll(later)];
  return [...named, ...loaded.map(([, specifier]) => `${resolveImport(path, specifier!)} *`)];
}

function countOf(name: string, text: string): number {
  return [...text.matchAll(new RegExp(`\\b${name}\\b`, 'g'))].length;
}

/**
 * Exports that nobody needs. What is used in its own file alone is no export, unless it is a type,
 * which is part of what the file's other exports say, or a limit, which the reference prints. What only
 * tests call is dead, too, unless its comment says that it is for tests.
 */
export function deadExports(files: readonly SourceFile[]): string[] {
  const takers = new Map<string, SourceFile[]>();
  for (const file of files) {
    for (const name of namesTaken(file)) takers.set(name, [...(takers.get(name) ?? []), file]);
  }
  const isForTests = ({ path }: SourceFile) => path.startsWith('test/') || isTest(path);
  return files.filter(isSource).flatMap((file) =>
    exportsOf(file).flatMap(({ name, kind, index }) => {
      const users = [
        ...(takers.get(`${file.path} ${name}`) ?? []),
        ...(takers.get(`${file.path} *`) ?? []).filter((one) => countOf(name, one.code) > 0),
      ];
      if (users.some((one) => !isForTests(one))) return [];
      const where = `${file.path}:${lineAt(file.text, index)}: ${name}`;
      const isUsedHere = countOf(name, file.code) > 1;
      if (users.length === 0) {
        if (isUsedHere && (kind === 'type' || /^(?:[A-Z\d_]+|default\w+Limits)$/.test(name)))
          return [];
        return [`${where}: ${isUsedHere ? 'nobody else needs it: no export' : 'nobody needs it'}`];
      }
      const comment =
        /\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*$/.exec(file.text.slice(0, index))?.[0] ?? '';
      return isUsedHere || /\btests?\b/.test(comment) ? [] : [`${where}: only tests need it`];
    }),
  );
}

/** The same word for two things: one of them has a better one. */
export function doubleNames(files: readonly SourceFile[]): string[] {
  const places = new Map<string, string[]>();
  for (const { name, file } of files.filter(isSource).flatMap(exportsOf)) {
    const known = places.get(name) ?? [];
    // Overloads are one name.
    if (!known.includes(file.path)) places.set(name, [...known, file.path]);
  }
  return [...places]
    .filter(([, paths]) => paths.length > 1)
    .map(([name, paths]) => `${name} is exported by ${paths.join(' and ')}`);
}
