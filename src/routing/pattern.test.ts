import assert from 'node:assert/strict';
import test from 'node:test';
import { compilePattern } from './pattern.ts';

test('without case, a pattern takes what the same one with both letters takes, and nothing else', () => {
  const cases: [pattern: string, right: readonly string[], wrong: readonly string[]][] = [
    ['^ab\\.c$', ['ab.c', 'AB.C'], ['abxc']],
    ['^[^a-c]$', ['d', 'D', '1'], ['a', 'B', 'c']],
    ['^[A-Ca-]$', ['b', 'B', '-', 'A'], ['d']],
    ['^\\w\\D\\S$', ['aZ-'], ['a1-']],
    ['^\\x41\\u0042$', ['AB'], ['ab']],
    ['^(?<name>x)y{1,2}$', ['XYy'], ['xyyy']],
    ['^[\\]a]$', ['A', ']'], ['\\']],
    ['^\\[a]$', ['[A]'], ['a']],
    ['k', ['k', 'K'], ['\u212a']],
  ];
  for (const [text, right, wrong] of cases) {
    const pattern = compilePattern(text, { ignoreCase: true });
    for (const value of right) assert.ok(pattern.test(value), `${text} takes ${value}`);
    for (const value of wrong) assert.ok(!pattern.test(value), `${text} leaves ${value}`);
  }
  assert.equal(compilePattern('(?<a>x)', { ignoreCase: true }).exec('X')?.groups?.a, 'X');
});
