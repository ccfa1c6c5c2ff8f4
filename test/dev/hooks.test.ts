/** The hooks of tools/hooks/, as git calls them. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from '../support/programs.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const hook = fileURLToPath(new URL('../../tools/hooks/commit-msg', import.meta.url));

async function judge(message: string): Promise<string> {
  const file = join(temporaryDirectory(), 'message');
  writeFileSync(file, message);
  const { code, stderr } = await run(hook, [file]);
  return code === 0 ? 'taken' : stderr;
}

test('a commit needs an area, a short subject and a reason', async () => {
  const body = '\n\nThe old one was quadratic.\n';
  assert.equal(await judge(`cache: walk Vary once${body}`), 'taken');
  assert.equal(await judge(`test, ci: wait longer${body}# a comment of git's`), 'taken');
  assert.match(await judge('cache: walk Vary once\n'), /say why in a body/);
  assert.match(await judge(`Walk Vary once${body}`), /area: imperative subject/);
  assert.match(await judge(`cache: ${'x'.repeat(70)}${body}`), /77 characters; 72/);
  assert.match(await judge('cache: walk Vary once\nbecause'), /line after the subject is empty/);
});
