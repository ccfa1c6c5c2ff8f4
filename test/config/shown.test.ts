/** Of each key of the configuration it is known which test shows what it does. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ValueSchema } from '../../src/config/document/keywords.ts';
import { allKeys } from '../../src/config/keys.ts';
import { configurationSchema } from '../../src/config/schema/configuration.ts';
import { whereShown } from './where-shown.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const keys = allKeys({ path: '', schema: configurationSchema });
const paths = keys.map(({ path }) => path);

/** Only has other keys; one that can be written otherwise, too, has an effect of its own. */
function isContainer(path: string, schema: ValueSchema): boolean {
  const hasKeys = paths.some((one) => one.startsWith(`${path}.`) || one.startsWith(`${path}[].`));
  const forms = schema.anyOf ?? [schema];
  return hasKeys && forms.every(({ type }) => type === 'object' || type === 'array');
}

const rows = Object.entries(whereShown).flatMap(([file, titles]) =>
  Object.entries(titles).flatMap(([title, entries]) =>
    entries.map((entry) => {
      const [path = '', word = nameOf(path)] = entry.split(' as ');
      return { path, word, file, title };
    }),
  ),
);

/** The last part of the path that is not of the user's choice. */
function nameOf(path: string): string {
  return path
    .replace(/[.-]\*$/, '')
    .split('.')
    .at(-1)!
    .replace('[]', '');
}

/** Alone, or as a flag: not as a part of another word. */
function hasWord(text: string, word: string): boolean {
  return new RegExp(`(?<!\\w|(?<!-)-)${RegExp.escape(word)}(?![\\w-])`).test(text);
}

test('for each key there is a test that shows what it does', () => {
  const shown = new Set(rows.map(({ path }) => path));
  const missing = keys.filter(({ path, schema }) => !shown.has(path) && !isContainer(path, schema));
  const names = missing.map(({ path }) => path);
  assert.deepEqual(names, [], 'write one, and a line in where-shown.ts');
});

test('a key is shown once', () => {
  assert.deepEqual(
    rows.map(({ path }) => path).toSorted(),
    [...new Set(rows.map(({ path }) => path))].toSorted(),
  );
});

for (const { path, word, file, title } of rows) {
  test(`what ${path} does is shown by ${file}: ${title}`, () => {
    assert.ok(paths.includes(path), 'there is no such key');
    assert.ok(existsSync(`${root}${file}`), 'there is no such file');
    const text = readFileSync(`${root}${file}`, 'utf8');
    const begins = ["'", '"', '`'].some((quote) => text.includes(`test(${quote}${title}`));
    assert.ok(begins, 'there is no test with this title');
    assert.ok(hasWord(text, word), `there is no ${word} in it`);
  });
}
