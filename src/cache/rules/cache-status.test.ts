import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  appendCacheStatus,
  type CacheStatus,
  cacheStatusMember,
  hitStatusMember,
} from './cache-status.ts';

const nothing: CacheStatus = {
  hit: false,
  forward: null,
  forwardStatus: 0,
  stored: false,
  collapsed: false,
  ttlSeconds: null,
  key: '',
  detail: '',
};

const CASES: readonly [Partial<CacheStatus>, string][] = [
  [{ hit: true, ttlSeconds: 376 }, 'sluice; hit; ttl=376'],
  [{ hit: true, ttlSeconds: -412 }, 'sluice; hit; ttl=-412'],
  [{ forward: 'uri-miss', stored: true }, 'sluice; fwd=uri-miss; stored'],
  [{ forward: 'uri-miss', collapsed: true }, 'sluice; fwd=uri-miss; collapsed'],
  [{ forward: 'stale', forwardStatus: 304 }, 'sluice; fwd=stale; fwd-status=304'],
  [{ forward: 'bypass', detail: 'no-store' }, 'sluice; fwd=bypass; detail=no-store'],
  [{ hit: true, detail: 'a "b"' }, 'sluice; hit; detail="a \\"b\\""'],
  [{ hit: true, key: 'http://h/\xfc\n' }, 'sluice; hit; key="http://h/%FC%0A"'],
];

for (const [status, expected] of CASES) {
  test(`Cache-Status: ${expected}`, () => {
    assert.equal(cacheStatusMember('sluice', { ...nothing, ...status }), expected);
  });
}

test('the short form of a hit is the same as the long one', () => {
  const long = cacheStatusMember('sluice', { ...nothing, hit: true, ttlSeconds: 7 });
  assert.equal(hitStatusMember('sluice', 7), long);
});

test('our member comes after those of caches closer to the origin', () => {
  assert.equal(appendCacheStatus('inner; hit', 'sluice; hit'), 'inner; hit, sluice; hit');
  assert.equal(appendCacheStatus(undefined, 'sluice; hit'), 'sluice; hit');
});
