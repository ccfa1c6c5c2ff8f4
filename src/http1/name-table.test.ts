import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from '../../test/support/fast-check.ts';
import { knownFieldNames } from '../http/field-names.ts';
import { findName, knownNames, UNKNOWN_NAME } from './name-table.ts';

function find(name: string): string | undefined {
  const bytes = Buffer.from(`>${name}<`, 'latin1');
  const id = findName(bytes, 1, bytes.length - 1);
  return id === UNKNOWN_NAME ? undefined : knownNames[id];
}

test('every known name is found, in whatever case', () => {
  for (const name of knownFieldNames) {
    assert.equal(find(name), name);
    assert.equal(find(name.toUpperCase()), name);
    assert.equal(find(name.replace(/\b[a-z]/g, (c) => c.toUpperCase())), name);
  }
});

test('no other name is taken for a known one', () => {
  const known = new Set(knownFieldNames);
  for (const name of knownFieldNames) {
    for (let at = 0; at < name.length; at++) {
      for (const c of ['!', '-', 'x', '_', '0']) {
        const other = name.slice(0, at) + c + name.slice(at + 1);
        if (!known.has(other)) assert.equal(find(other), undefined, other);
      }
    }
    if (!known.has(`${name}s`)) assert.equal(find(`${name}s`), undefined);
  }
  const tchars = [..."!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"];
  const token = fc.string({ unit: fc.constantFrom(...tchars), minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(token, (name) => {
      assert.equal(find(name), known.has(name) ? name : undefined);
    }),
  );
});
