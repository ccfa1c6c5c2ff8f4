/** Which test files share a process, and what their groups are called. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What a test file has that alters its process or looks at it: such a one has a process of its own. */
const OWN_PROCESS = new RegExp(
  [
    '^// (?:Runs alone|Needs)',
    'node:child_process|node:worker_threads|support/(?:programs|sluice|leaks)',
    'process\\.(?:env|exit|exitCode|on|once|emit|chdir|umask|execArgv|argv|kill|stdout|stderr)\\b',
    'globalThis|mock\\.|setFlagsFromString',
    '^(?:test\\.)?(?:before|after|beforeEach|afterEach)\\(',
  ].join('|'),
  'm',
);

/** What is imported of the tests' own files. */
const IMPORT = /(?:from|import) '(\.[^']+)'|import\('(\.[^']+)'\)/g;

/** Whether a file, or what it imports of the tests' own, needs its process for itself; by path. */
const needing = new Map();

/**
 * Tests of pure code run together in a few processes: a process costs a fifth of a second of processor
 * time before its first test, and most of them have little more to do.
 */
export function sharesProcess(file) {
  const known = needing.get(file);
  if (known !== undefined) return known;
  // Two that import each other.
  needing.set(file, true);
  const text = readFileSync(join(root, file), 'utf8');
  const own = [...text.matchAll(IMPORT)]
    .map(([, plain, later]) => join(dirname(file), plain ?? later))
    .filter((path) => path.startsWith('test/') && existsSync(join(root, path)));
  const shares = !OWN_PROCESS.test(text) && own.every(sharesProcess);
  needing.set(file, shares);
  return shares;
}

const GROUP_FILES_MAX = 40;

/** A file for each process of small files, which loads them: a test that fails is named with its own. */
export function inGroups(files, directory) {
  const groups = [];
  for (let at = 0; at < files.length; at += GROUP_FILES_MAX) {
    const some = files.slice(at, at + GROUP_FILES_MAX);
    const name = `${some.length} files from ${some[0]} to ${some.at(-1)}`;
    const group = join(directory, `${name.replaceAll('/', ':')}.mjs`);
    const urls = some.map((file) => pathToFileURL(`${root}${file}`).href);
    writeFileSync(group, GROUP_TEXT.replace('URLS', JSON.stringify(urls)));
    groups.push(group);
  }
  return groups;
}

/** One that does not load fails by its name, and the others run. */
const GROUP_TEXT = `
import test from 'node:test';
for (const url of URLS) {
  await import(url).catch((error) => test(\`\${url} loads\`, () => { throw error; }));
}
`;

/** Of a file that is run: its path in the checkout, or what a group's name says. */
export function nameOf(file) {
  return file.startsWith(root)
    ? file.slice(root.length)
    : basename(file, '.mjs').replaceAll(':', '/');
}
