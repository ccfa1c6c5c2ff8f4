import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { allKeys } from '../../src/config/keys.ts';
import { optionTable } from '../../src/config/option-table.ts';
import { helpText } from '../../src/config/reference.ts';
import { configurationSchema } from '../../src/config/schema/configuration.ts';
import { referencePages } from '../../tools/reference-pages.ts';

const pages = await referencePages();

for (const [file, text] of pages) {
  test(`${file} says what the program does (npm run docs writes it)`, () => {
    assert.equal(readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8'), text);
  });
}

test('help and the reference name the same options with the same defaults', () => {
  const page = pages.get('docs/reference/command-line.md') ?? '';
  const help = helpText();
  for (const { name, placeholder, defaultText } of optionTable) {
    assert.ok(help.includes(`  --${name} ${placeholder}`), `--${name} is in the help`);
    assert.ok(help.includes(`(${defaultText}`), `the default of --${name} is in the help`);
    assert.ok(page.includes(`### \`--${name} ${placeholder}\``), `--${name} is in the reference`);
  }
});

test('every key of the configuration file is in its reference', () => {
  const page = pages.get('docs/reference/configuration.md') ?? '';
  const keys = allKeys({ path: '', schema: configurationSchema });
  assert.ok(keys.length > 200, `${keys.length} keys`);
  const missing = keys
    .map(({ path }) => path)
    .filter((path) => !page.includes(`# \`${path}\`\n`) && !page.includes(`\n- \`${path}: `));
  assert.deepEqual(missing, []);
});
