import assert from 'node:assert/strict';
import test from 'node:test';
import { configuredAuthority } from '../http/authority.ts';
import { LocationMap } from './location-map.ts';

const plain = { stripPrefix: '', addPrefix: '', replace: null, queryRemove: [], querySet: {} };
const request = { scheme: 'https', authority: configuredAuthority('example.org') };

function mapper(more: {
  stripPrefix?: string;
  addPrefix?: string;
  host?: string;
  pathPrefix?: string;
}) {
  const options = { ...plain, host: '', mapLocation: true, ...more };
  const map = new LocationMap(options, {
    authority: '10.0.0.1:3000',
    pathPrefix: more.pathPrefix ?? '',
  });
  return (value: string) => map.map(value, request);
}

test('a redirect of an origin behind a prefix leads to where its client finds it', () => {
  const map = mapper({ stripPrefix: '/api' });
  assert.equal(map('/login?next=1'), '/api/login?next=1');
  assert.equal(map('http://10.0.0.1:3000/login'), 'https://example.org/api/login');
  assert.equal(map('https://example.org/login'), 'https://example.org/api/login');
  assert.equal(map('http://example.org/login'), 'https://example.org/api/login');
  assert.equal(map('/api/login'), '/api/login');
  assert.equal(map('/apis'), '/api/apis');
  assert.equal(map('http://10.0.0.1:3000'), 'https://example.org/api');
});

test('what is put before the path is taken off again, and what was never there is left', () => {
  const map = mapper({ stripPrefix: '/shop/', addPrefix: '/v2/' });
  assert.equal(map('/v2/cart'), '/shop/cart');
  assert.equal(map('/v2'), '/shop');
  assert.equal(map('/v1/cart'), '/v1/cart');
  assert.equal(mapper({ addPrefix: '/v2' })('/v2//evil.example'), '/evil.example');
});

test('the name that the origin was told gives way to the one that was asked for', () => {
  const map = mapper({ host: 'backend.internal' });
  assert.equal(map('https://BACKEND.internal/x'), 'https://example.org/x');
});

test('what leads elsewhere, or is relative, stays as it is', () => {
  const map = mapper({ stripPrefix: '/api' });
  for (const value of ['https://other.example/x', '//other.example/x', 'x/y', '?a', '#b', '']) {
    assert.equal(map(value), value);
  }
});

test('the path of the URL of an origin is taken off, with a rewrite and without', () => {
  const map = mapper({ stripPrefix: '/b', pathPrefix: '/base' });
  assert.equal(map('/base/foo'), '/b/foo');
  assert.equal(map('/base?q'), '/b?q');
  assert.equal(map('http://10.0.0.1:3000/base/foo'), 'https://example.org/b/foo');
  assert.equal(map('/elsewhere'), '/elsewhere');
  assert.equal(mapper({ pathPrefix: '/base' })('/base/d/foo/'), '/d/foo/');
  assert.equal(
    mapper({ pathPrefix: '/base' })('https://example.org/base/d'),
    'https://example.org/d',
  );
  assert.equal(mapper({ addPrefix: '/v2', pathPrefix: '/base' })('/base/v2/x'), '/x');
  assert.equal(mapper({ pathPrefix: '/base' })('/base//evil.example'), '/evil.example');
});

test('the name of an origin gives way without a scheme, too', () => {
  const map = mapper({ stripPrefix: '/s' });
  assert.equal(map('//10.0.0.1:3000/foo'), 'https://example.org/s/foo');
  assert.equal(map('//example.org/foo'), '//example.org/s/foo');
  assert.equal(map('//10.0.0.1:3000@evil.example/'), '//10.0.0.1:3000@evil.example/');
});
