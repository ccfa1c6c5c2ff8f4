import assert from 'node:assert/strict';
import test from 'node:test';
import { temporaryDirectory } from '../../../../test/support/temporary.ts';
import { FieldSection } from '../../../http/field-section.ts';
import type { PurgeSelector } from '../../contract.ts';
import { DiskIndex } from './disk-index.ts';
import { PURGE_PREFIXES_BYTES_MAX, type PurgeIndex, PurgeLog } from './purge-log.ts';

/** An index that has nothing but purges. */
function emptyIndex(): PurgeIndex {
  const texts: string[] = [];
  return {
    isClosed: false,
    get purgeSequence() {
      return texts.length;
    },
    appendPurge: (text: string) => texts.push(text),
    purgesFrom: (from: number) => texts.slice(from - 1).map((text, i) => [from + i, text]),
    refresh() {},
    fail: assert.fail,
  };
}

function logOf(...selectors: PurgeSelector[]): PurgeLog {
  const log = new PurgeLog(emptyIndex());
  for (const selector of selectors) log.append(selector, false, 0, () => {});
  return log;
}

const nothing = new FieldSection();
const long = `https://a.test/${'x'.repeat(60_000)}`;

test('a long URL, host or tag is purged as a short one is, and no other', () => {
  const log = logOf({ kind: 'key', key: `${long}1` }, { kind: 'tag', tag: `T${'a'.repeat(500)}` });
  assert.equal(log.judge(0, `${long}1`, nothing).kind, 'purged');
  assert.equal(log.judge(0, `${long}2`, nothing).kind, 'kept');
  const tagged = (tag: string) => FieldSection.of(['surrogate-key', tag]);
  assert.equal(log.judge(0, 'https://b.test/', tagged(`t${'a'.repeat(500)}`)).kind, 'purged');
  assert.equal(log.judge(0, 'https://b.test/', tagged(`t${'a'.repeat(501)}`)).kind, 'kept');
});

test('long prefixes are bounded in bytes, and what is forgotten is purged all the same', () => {
  const prefixes = Array.from({ length: 100 }, (_, i) => `https://p${i}.test/${long}`);
  const log = logOf(...prefixes.map((prefix) => ({ kind: 'prefix', prefix }) as const));
  assert.ok(log.prefixBytes <= PURGE_PREFIXES_BYTES_MAX, `${log.prefixBytes} bytes`);
  assert.ok(log.prefixBytes > PURGE_PREFIXES_BYTES_MAX / 2, 'it remembers what there is room for');
  for (const prefix of prefixes) assert.equal(log.judge(0, `${prefix}/y`, nothing).kind, 'purged');
  assert.equal(log.judge(100, `${prefixes[0]}/y`, nothing).kind, 'kept', 'stored after it');
  // The same again takes no more.
  const before = log.prefixBytes;
  log.append({ kind: 'prefix', prefix: prefixes.at(-1)! }, true, 0, () => {});
  assert.equal(log.prefixBytes, before);
});

test('the log is bounded in bytes on disk, is read a few at a time, and forgets no promise', async () => {
  const onFailure = (error: Error) => assert.fail(error);
  const index = new DiskIndex(temporaryDirectory(), { onFailure, onFull: onFailure });
  const [count, bytesMax] = [200, 5_000_000];
  for (let i = 0; i < count; i++) {
    const purge = { selector: { kind: 'key', key: `${long}${i}` }, soft: false, nowMs: 0 };
    index.appendPurge(JSON.stringify(purge), count, bytesMax);
  }
  let [kept, bytes, next] = [0, 0, 1];
  for (;;) {
    const some = index.purgesFrom(next);
    if (some.length === 0) break;
    assert.ok(some.length <= 64, `${some.length} at once`);
    kept += some.length;
    for (const [, text] of some) bytes += text!.length;
    next = some.at(-1)![0] + 1;
  }
  assert.ok(bytes <= bytesMax && kept < count && kept > 64, `${kept}: ${bytes} bytes`);
  const again = new PurgeLog(index);
  assert.equal(again.sequence, count);
  for (const i of [0, count - kept, count - 1]) {
    assert.equal(again.judge(0, `${long}${i}`, nothing).kind, 'purged');
  }
  assert.equal(again.judge(count - 1, `${long}1`, nothing).kind, 'kept');
  await index.close();
});
