import assert from 'node:assert/strict';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { launcher } from '../cli/sluice-process.ts';
import { run, unlessInstalled } from '../support/programs.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const examples = fileURLToPath(new URL('../../docs/examples/', import.meta.url));
const unit = readFileSync(join(examples, 'sluice.service'), 'utf8');

test('systemd finds nothing wrong in the units', {
  skip: unlessInstalled('systemd-analyze'),
}, async () => {
  const directory = temporaryDirectory();
  const service = join(directory, 'sluice.service');
  // Of this checkout: the file must be there.
  const words = `${process.execPath} ${launcher}`;
  writeFileSync(service, unit.replaceAll('/usr/bin/node /opt/sluice/bin/sluice.js', words));
  copyFileSync(join(examples, 'sluice.socket'), join(directory, 'sluice.socket'));
  const { code, stderr, text } = await run('systemd-analyze', ['verify', '--man=no', service]);
  const own = `${text}${stderr}`.split('\n').filter((line) => line.includes('sluice.'));
  assert.deepEqual(own, []);
  assert.equal(code, 0, stderr);
});

test('what the unit runs are commands that there are', async () => {
  const commands = [...unit.matchAll(/sluice\.js (\w+)/g)].map((match) => match[1]!);
  assert.deepEqual(commands, ['run', 'reload']);
  const { text } = await run(process.execPath, [launcher, '--help']);
  for (const command of commands) assert.match(text, new RegExp(`\\b${command}\\b`));
});
