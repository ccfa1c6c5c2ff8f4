/**
 * No regular expression of the program costs more than the length of its text: a library looks for patterns
 * whose matching is quadratic or worse. What is left stands below with its reason.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { analyse } from 'scslre';
import { lineAt, type Pattern, sourceFile } from './source-file.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** By file: why its patterns cannot be made to cost anything by a peer. */
const bounded: Record<string, string> = {
  'src/routing/variables.ts': 'one text of the operator’s own configuration, looked at once',
};

/** What is wrong with a pattern, or ''. */
function costOf({ source, flags }: Pick<Pattern, 'source' | 'flags'>): string {
  // V8's linear engine is asked for by a flag that the library does not know.
  const { reports } = analyse({ source, flags: flags.replace('l', '') });
  const worst = reports.find(({ exponential }) => exponential) ?? reports[0];
  return worst === undefined
    ? ''
    : `${worst.exponential ? 'exponential' : 'quadratic'} (${worst.type})`;
}

const sources = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  .map((name) => sourceFile(`src/${name}`, readFileSync(`${root}src/${name}`, 'utf8')));

test('patterns that cost more than their text are found', () => {
  for (const source of [
    '"(?:[^"\\\\]|\\\\.)*"?|[ \\t]*,[ \\t]*',
    '(a+)+$',
    '\\s+$',
    '(?:x+x+)+y',
  ]) {
    assert.notEqual(costOf({ source, flags: '' }), '', source);
  }
  for (const source of ['^[ \\t]*,', '^(\\S+) (\\S+)$', '^[a-z]+(?:-[a-z]+)*$']) {
    assert.equal(costOf({ source, flags: '' }), '', source);
  }
});

test('every pattern of the program costs no more than its text, or has a reason', () => {
  const complaints: string[] = [];
  const seen = new Set<string>();
  let count = 0;
  for (const { path, text, patterns } of sources) {
    for (const pattern of patterns) {
      count++;
      const cost = costOf(pattern);
      if (cost === '') continue;
      seen.add(path);
      if (bounded[path] !== undefined) continue;
      complaints.push(`${path}:${lineAt(text, pattern.index)}: /${pattern.source}/: ${cost}`);
    }
  }
  assert.ok(count > 100, `${count} patterns looked at`);
  assert.deepEqual(complaints, []);
  const stale = Object.keys(bounded).filter((path) => !seen.has(path));
  assert.deepEqual(stale, [], 'reasons that are not needed any more');
});
