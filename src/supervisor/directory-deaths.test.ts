import assert from 'node:assert/strict';
import test from 'node:test';
import { DISK_WORDS, MARK, VERDICT, WITHOUT } from '../cache/disk-words.ts';
import { DirectoryDeaths } from './directory-deaths.ts';

const NOW_MS = 1_700_000_000_123;

function desk() {
  const lines: string[] = [];
  const deaths = new DirectoryDeaths(
    () => NOW_MS,
    (line) => lines.push(line),
  );
  return { deaths, lines, words: new Int32Array(DISK_WORDS) };
}

test('who died in its cache directory begins it anew, and after the second time does without', () => {
  for (const [signal, silentMs] of [
    ['SIGBUS', 0],
    ['SIGSEGV', 0],
    ['SIGKILL', 10_000],
  ] as const) {
    const { deaths, lines, words } = desk();
    words[MARK] = 1;
    deaths.died({ index: 3, signal, silentMs }, words);
    assert.equal(words[VERDICT], 1_700_000_001);
    assert.equal(words[MARK], 0);
    words[VERDICT] = 0;
    words[MARK] = 1;
    deaths.died({ index: 3, signal, silentMs }, words);
    assert.equal(words[VERDICT], WITHOUT);
    assert.match(
      lines.join('\n'),
      /worker 3 died.* the cache is emptied\nworker 3 died.* in memory/,
    );
  }
});

test('who was killed, or died of something else, keeps its cache', () => {
  const { deaths, lines, words } = desk();
  words[MARK] = 2;
  // While it stored something: as for want of memory.
  deaths.died({ index: 0, signal: 'SIGKILL', silentMs: 0 }, words);
  deaths.died({ index: 0, signal: 'SIGSEGV', silentMs: 0 }, words);
  deaths.died({ index: 0, signal: null, silentMs: 0 }, words);
  assert.equal(words[VERDICT], 0);
  assert.deepEqual(lines, []);
});

test('a mapped file that was cut is of the directory, wherever it is noticed', () => {
  const { deaths, words } = desk();
  deaths.died({ index: 0, signal: 'SIGBUS', silentMs: 0 }, words);
  assert.equal(words[VERDICT], 1_700_000_001);
});
