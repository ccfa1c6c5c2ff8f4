import assert from 'node:assert/strict';
import test from 'node:test';
import fc from '../../../test/support/fast-check.ts';
import type { JsonValue } from '../incident.ts';
import { changesBetween, withChanges } from './configuration.ts';

const names = fc.constantFrom('a', 'b', 'c/d', 'e~f');
const { json } = fc.letrec<{ json: JsonValue }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small' },
    fc.oneof(fc.integer(), fc.boolean(), fc.constant(null), fc.string({ maxLength: 3 })),
    fc.array(tie('json'), { maxLength: 3 }),
    fc.dictionary(names, tie('json'), { maxKeys: 3 }),
  ),
}));

/** Without what JSON does not know, such as prototypes. */
const plain = (value: JsonValue) => JSON.parse(JSON.stringify(value)) as unknown;

test('all changes together make the other one, and none leave the first', () => {
  fc.assert(
    fc.property(json, json, (before, after) => {
      const changes = changesBetween(before, after);
      assert.deepEqual(plain(withChanges(before, changes)), plain(after));
      assert.deepEqual(plain(withChanges(before, [])), plain(before));
    }),
  );
});

test('each change stands alone', () => {
  const before = { drain: 5, hosts: [{ groups: 'X25519', ciphers: 'a' }], extra: true };
  const after = { drain: 7, hosts: [{ groups: 'P-256', ciphers: 'a' }], more: [1] };
  const changes = changesBetween(before, after);
  assert.deepEqual(
    changes.map(({ path }) => path),
    ['/drain', '/hosts/0/groups', '/more', '/extra'],
  );
  assert.deepEqual(withChanges(before, [changes[1]!]), {
    ...before,
    hosts: [{ groups: 'P-256', ciphers: 'a' }],
  });
  assert.deepEqual(changesBetween(before, before), []);
});
