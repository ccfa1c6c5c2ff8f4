import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { commandHelps } from '../../src/cli/command-help.ts';
import { commands } from '../../src/cli/commands.ts';
import { allKeys } from '../../src/config/keys.ts';
import { optionTable } from '../../src/config/option-table.ts';
import { helpText } from '../../src/config/reference.ts';
import { configurationSchema } from '../../src/config/schema/configuration.ts';
import { manPages } from '../../tools/man-pages.ts';
import { referencePages } from '../../tools/reference-pages.ts';
import { unlessInstalled } from '../support/programs.ts';

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

test('every command has its section and its manual page, with every flag and action', async () => {
  const helps = await commandHelps(commands);
  const manual = manPages(helps, '1.2.3');
  const sections = (pages.get('docs/reference/commands.md') ?? '').split(/^## /m);
  assert.equal(helps.length, Object.keys(commands).length + 4);
  for (const { name, flags, usages } of helps) {
    const section = sections.find((one) => one.startsWith(`\`sluice ${name}\``)) ?? '';
    const man = manual.get(`sluice-${name}.1`) ?? '';
    assert.ok(usages.length > 0, `${name} is in the help`);
    for (const [action, of] of flags) {
      for (const { name: flag } of of) {
        assert.ok(section.includes(`\`--${flag}`), `${name} ${action} --${flag} in the reference`);
        assert.ok(man.includes(`\\-\\-${flag.replaceAll('-', '\\-')}`), `--${flag} in ${name}(1)`);
      }
    }
  }
  const main = manual.get('sluice.1') ?? '';
  for (const { name } of optionTable) {
    assert.ok(main.includes(`.B \\-\\-${name.replaceAll('-', '\\-')}`), `--${name} in sluice(1)`);
  }
  // In ASCII, so that every roff reads them alike.
  for (const [name, text] of manual) assert.match(text, /^[\n\x20-\x7e]*$/, name);
});

test('manual pages are without a fault for groff', { skip: unlessInstalled('groff') }, async () => {
  const input = [...manPages(await commandHelps(commands), '1.2.3').values()].join('');
  const { stderr, status } = spawnSync('groff', ['-man', '-Tutf8', '-ww', '-z'], {
    input,
    encoding: 'utf8',
  });
  assert.deepEqual([status, stderr], [0, '']);
});
