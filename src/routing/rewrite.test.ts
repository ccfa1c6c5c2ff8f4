import assert from 'node:assert/strict';
import test from 'node:test';
import { Rewrite } from './rewrite.ts';

const plain = { stripPrefix: '', addPrefix: '', replace: null, queryRemove: [], querySet: {} };
const rewriteOf = (more: { stripPrefix?: string; addPrefix?: string }) =>
  new Rewrite({ ...plain, host: '', mapLocation: true, ...more });

test('a prefix alone becomes the other prefix alone, with its query', () => {
  const both = rewriteOf({ stripPrefix: '/a', addPrefix: '/x' });
  assert.equal(both.target('/a?q'), '/x?q');
  assert.equal(both.target('/a'), '/x');
  assert.equal(both.target('/a/'), '/x/');
  assert.equal(both.target('/a/b?q'), '/x/b?q');
  assert.equal(both.target('/a', '/base'), '/base/x');
  const strip = rewriteOf({ stripPrefix: '/a' });
  assert.equal(strip.target('/a?q'), '/?q');
  assert.equal(strip.target('/a?q', '/base'), '/base?q');
  assert.equal(strip.target('/a/', '/base'), '/base/');
  assert.equal(strip.target('*', '/base'), '*');
});
