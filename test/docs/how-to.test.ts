import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test, { describe } from 'node:test';
import { findProgram } from '../support/programs.ts';
import { fencesOf, runPage } from './runnable-page.ts';

const docs = new URL('../../docs/', import.meta.url);
const howTo = readdirSync(new URL('how-to/', docs)).filter((name) => name.endsWith('.md'));
const missing = ['bash', 'curl', 'openssl'].filter((name) => findProgram(name) === null);
const skip = missing.length > 0 ? `${missing.join(', ')} is not installed` : false;

// Pages wait more than they work, each in a directory and on ports of its own.
describe('the commands on the pages', { concurrency: 3 }, () => {
  for (const file of ['tutorial.md', ...howTo.map((name) => `how-to/${name}`)]) {
    const fences = fencesOf(readFileSync(new URL(file, docs), 'utf8'));
    const runnable = fences.filter(({ words }) => words[1] === 'runnable');
    if (runnable.length === 0) continue;
    test(`every command of docs/${file} works as it says`, { skip }, async (t) => {
      const { commands, skipped } = await runPage(fences);
      if (skipped === '') assert.equal(commands, runnable.length);
      else t.skip(`${skipped}: ran ${commands} of ${runnable.length} commands`);
    });
  }
});

const page = (info: string, text: string) => fencesOf(`\`\`\`${info}\n${text}\n\`\`\`\n`);

test('a page that says what is not so is found out', { skip }, async () => {
  await assert.rejects(runPage(page('sh runnable', 'exit 3')), /line 1: exit code 3/);
  await assert.rejects(runPage(page('sh runnable fails', 'true')), /exit code 0/);
  await assert.rejects(
    runPage(page('sh runnable server', 'echo no 8080; exit 1')),
    /it ended:\nno/,
  );
  const says = [...page('sh runnable', 'echo one; echo two'), ...page('text output', 'two\none')];
  await assert.rejects(runPage(says), /no line like\none/);
  const shows = [...page('sh runnable', 'echo Age: 5'), ...page('text output', 'age: …')];
  assert.deepEqual(await runPage(shows), { commands: 1, skipped: '' });
});
