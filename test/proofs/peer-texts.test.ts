// Runs alone: it measures memory.
import assert from 'node:assert/strict';
import test from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ADDRESSES_KEPT_BYTES_MAX, AddressSet } from '../../src/base/address-range.ts';
import { BoundedMap } from '../../src/base/bounded-map.ts';
import { varyFieldsOf } from '../../src/cache/rules/vary.ts';
import {
  AUTHORITY_CHECK_KEPT_BYTES_MAX,
  authorityCheckOf,
} from '../../src/downstream/authority-check.ts';
import { HostPolicies, UNKNOWN_HOSTS_KEPT_BYTES_MAX } from '../../src/downstream/host-guard.ts';
import { AUTHORITIES_KEPT_BYTES_MAX, parseAuthority } from '../../src/http/authority.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import { HIT_FOR_MISS_BYTES_MAX, HitForMissMemory } from '../../src/proxy/hit-for-miss-memory.ts';
import { CHOICES_KEPT_BYTES_MAX, Compression } from '../../src/routing/compression.ts';
import { plainHost } from '../../src/tls/host-options.ts';
import { Authority } from '../support/authority.ts';
import { unlessInstalled } from '../support/programs.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** A head as HTTP/1 has it in memory: the texts of requests are pieces of one string of 64 KiB. */
function head(number: number): string {
  const own = String(number).padStart(8, '0');
  return Buffer.alloc(65_536, `${own}abcdefghijklmnopqrstuvw\n`).toString('latin1');
}

function heapBytes(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

/** How much more memory is in use after so many heads. */
function growth(heads: number, use: (head: string, number: number) => void): number {
  // What is made once is made before.
  for (let i = 0; i < 10; i++) use(head(i), i);
  const before = heapBytes();
  for (let i = 10; i < heads; i++) use(head(i), i);
  return heapBytes() - before;
}

/** V8's own growth, as of compiled code, beside what a limit says. */
const SLACK_BYTES = 1_048_576;

const HEADS = 2_000;

test('keys without end, long and short, take no more than the limit says', () => {
  const passed = new HitForMissMemory();
  const longKeys = growth(HEADS, (text, i) => {
    passed.remember(`https://a${text}`, 'no-store', 200, i);
    passed.remember(`https://a${text.slice(0, 400)}`, 'no-store', 200, i);
    passed.remember(`https://a${text.slice(0, 400)}\nroute x`, 'no-store', 200, i);
  });
  assert.ok(longKeys < HIT_FOR_MISS_BYTES_MAX + SLACK_BYTES, `${longKeys} bytes`);
  assert.ok(passed.bytes <= HIT_FOR_MISS_BYTES_MAX);
  assert.ok(passed.has(`https://a${head(HEADS - 1)}`, HEADS), 'a long key is remembered');
});

test('names of hosts without end take no more than the limits say', () => {
  const policies = new HostPolicies([{ ...plainHost, certificates: [], names: ['a.example'] }], []);
  const bytes = growth(3_000, (text, i) => {
    const authority = parseAuthority(`${text.slice(0, 30)}.${i}.example:${i}`);
    policies.hostsFor(authority!);
    parseAuthority(text);
  });
  // Each entry has an object of its own beside the text.
  const limit = 3 * (AUTHORITIES_KEPT_BYTES_MAX + UNKNOWN_HOSTS_KEPT_BYTES_MAX);
  assert.ok(bytes < limit + SLACK_BYTES, `${bytes} bytes`);
});

test('answers about certificates take no more than the limit says', {
  skip: unlessInstalled('openssl'),
}, () => {
  const { certificatePem } = new Authority().issue({ names: ['a.example'] });
  const isCovered = authorityCheckOf([[certificatePem]]);
  const bytes = growth(2_000, (text, i) => {
    const name = `${text.slice(0, 30)}.${'x'.repeat(60)}.${i}.example`;
    assert.equal(isCovered(0, 'a.example', parseAuthority(name)!), false);
  });
  const limit = AUTHORITY_CHECK_KEPT_BYTES_MAX + 3 * AUTHORITIES_KEPT_BYTES_MAX;
  assert.ok(bytes < limit + SLACK_BYTES, `${bytes} bytes`);
});

test('values of Accept-Encoding without end take no more than the limit says', () => {
  const compression = new Compression({
    encodings: ['br', 'gzip'],
    types: ['text/*'],
    minBytes: 1_000,
  });
  const bytes = growth(HEADS, (text, i) => {
    compression.prepare(FieldSection.of(['accept-encoding', text.slice(0, 60_000)]));
    compression.prepare(FieldSection.of(['accept-encoding', `br;q=0.${i}`]));
  });
  assert.ok(bytes < CHOICES_KEPT_BYTES_MAX + SLACK_BYTES, `${bytes} bytes`);
});

test('addresses without end take no more than the limit says', () => {
  const set = new AddressSet([{ address: '10.0.0.0', bits: 8 }]);
  const bytes = growth(200, (_text, i) => {
    for (let j = 0; j < 256; j++) set.has(`10.0.${i}.${j}`);
  });
  assert.ok(bytes < ADDRESSES_KEPT_BYTES_MAX + SLACK_BYTES, `${bytes} bytes`);
});

test('a piece of a head does not keep the head: as a key, or with a stored response', () => {
  const map = new BoundedMap<number>(1_048_576);
  const kept: unknown[] = [];
  const bytes = growth(500, (text, i) => {
    map.set(text.slice(0, 40), i);
    const fields = FieldSection.of(['user-agent', text.slice(100, 140)]);
    kept.push(varyFieldsOf(['user-agent'], fields));
  });
  assert.equal(kept.length, 500);
  assert.ok(bytes < SLACK_BYTES, `${bytes} bytes`);
});
