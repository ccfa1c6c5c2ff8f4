import assert from 'node:assert/strict';
import test from 'node:test';
import { Authority } from '../../test/support/authority.ts';
import { unlessInstalled } from '../../test/support/programs.ts';
import { optionChanges } from './option-changes.ts';
import { changesForPeople, writtenKey } from './written-changes.ts';

test('options are named as they are written', () => {
  const names = {
    cacheSizeBytes: 'cache.size',
    pidFile: 'pid-file',
    'routes[5].rateLimit.burst': 'routes[5].rate-limit.burst',
    'hosts[0].tls.certificates[1]': 'hosts[0].certificates[1]',
  };
  for (const [option, written] of Object.entries(names)) assert.equal(writtenKey(option), written);
});

test('a change is said once, in the file’s words; of certificates who they are for, and until when', {
  skip: unlessInstalled('openssl'),
}, () => {
  const authority = new Authority();
  const optionsWith = (drainTimeoutMs: number) => {
    const pair = authority.issue({ names: ['a.test', 'b.test'] });
    const certificates = [{ certificatePem: pair.certificatePem, keyPem: pair.keyPem }];
    return { drainTimeoutMs, hosts: [{ tls: { certificates } }] };
  };
  const found = changesForPeople(
    [{ key: 'drain-timeout', before: '', after: '5s' }],
    optionChanges(optionsWith(8_000), optionsWith(5_000)),
  );
  assert.deepEqual(
    found.map(({ key }) => key),
    ['drain-timeout', 'hosts[0].certificates[0]'],
  );
  assert.equal(found[0]!.before, 'not there');
  assert.match(
    found[1]!.after,
    /^certificate of a\.test, b\.test, until \d{4}-\d\d-\d\d, SHA-256 ([\dA-F]{2}:?){8}…$/,
  );
  assert.notEqual(found[1]!.before, found[1]!.after);
});
