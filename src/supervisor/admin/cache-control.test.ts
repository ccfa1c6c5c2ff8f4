import assert from 'node:assert/strict';
import test from 'node:test';
import type { CacheAnswer, CacheQuestion } from '../../worker/contract.ts';
import { type AskCache, CacheControl, keyOfUrl } from './cache-control.ts';

const request = { selectors: [{ kind: 'all' }], soft: false } as const;

/** What the directory holds before a purge, by whoever is asked. */
const COUNTED = 7;

/**
 * Workers that answer a purge with these: a count, negated by one that caches apart, null for silence,
 * undefined for not there, NaN for a number that it does not know.
 */
function controlOf(isShared: boolean, ...counts: readonly (number | null | undefined)[]) {
  const asked: string[] = [];
  const reports: string[] = [];
  const workers = counts.map((count, index): AskCache => {
    return async (question: CacheQuestion): Promise<CacheAnswer | null | undefined> => {
      asked.push(`${index} ${question.kind}`);
      if (count === null || count === undefined) return count;
      const isApart = count < 0;
      if (question.kind === 'count') return { kind: 'counted', count: COUNTED };
      return question.kind === 'purge'
        ? { kind: 'purged', count: Number.isNaN(count) ? -1 : Math.abs(count), isApart }
        : { kind: 'followed' };
    };
  });
  const report = (line: string) => reports.push(line);
  const control = new CacheControl({ workers: () => workers, isShared, report });
  return { control, asked, reports };
}

test('apart, every worker purges and the counts are added', async () => {
  const { control, asked, reports } = controlOf(false, 2, undefined, 3);
  assert.equal(await control.purge(request, 'me'), 5);
  assert.deepEqual(asked, ['0 purge', '1 purge', '2 purge']);
  assert.deepEqual(reports, ['cache: purge of everything by me: 5 stored responses']);
});

test('with a shared directory one worker purges and the others follow', async () => {
  const { control, asked } = controlOf(true, undefined, 4, 9);
  assert.equal(await control.purge(request, 'me'), 4);
  assert.deepEqual(asked, ['0 count', '1 count', '0 purge', '1 purge', '0 follow', '2 follow']);
});

test('what one worker does not know the number of was counted before', async () => {
  const { control, reports } = controlOf(true, Number.NaN, 4);
  assert.equal(await control.purge(request, 'me'), COUNTED);
  assert.deepEqual(reports, ['cache: purge of everything by me: 7 stored responses']);
});

test('a worker that has lost the shared directory purges for itself, and another on disk', async () => {
  const { control, asked } = controlOf(true, -2, undefined, 4, 9);
  assert.equal(await control.purge(request, 'me'), 6);
  assert.deepEqual(asked, ['0 count', '0 purge', '1 purge', '2 purge', '1 follow', '3 follow']);
});

test('a purge that does not reach a worker has failed, and the log says so', async () => {
  for (const isShared of [false, true]) {
    const { control, reports } = controlOf(isShared, 1, null);
    assert.equal(await control.purge(request, 'me'), null);
    assert.match(reports[0]!, /FAILED, a worker did not answer/);
  }
  // What is on disk would be served by the next worker to start.
  assert.equal(await controlOf(true, undefined).control.purge(request, 'me'), null);
  assert.equal(await controlOf(false, undefined).control.purge(request, 'me'), 0);
});

test('the key of a URL is the key of a request for it', () => {
  const keys: Record<string, string | null> = {
    'http://A.example': 'http://a.example/',
    'http://a.example:80/x?b&a': 'http://a.example/x?b&a',
    'HTTPS://a.example:8443?q#part': 'https://a.example:8443/?q',
    'http://a.example/%2F/../y': 'http://a.example/%2F/../y',
    'http://[::1]:8080/': 'http://[::1]:8080/',
    '/x': null,
    'ftp://a.example/': null,
    'http:///x': null,
    'http://a.example/a b': null,
    'http://[::1': null,
    'http://%61.example/': null,
    'http://a.example:80:80/': null,
    'http://user@a.example/': null,
  };
  for (const [url, key] of Object.entries(keys)) assert.equal(keyOfUrl(url), key, url);
});
