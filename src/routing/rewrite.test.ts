// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
import assert from 'node:assert/strict';
import test from 'node:test';
import { configuredAuthority } from '../http/authority.ts';
import { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import { capturesOf } from './captures.ts';
import { Rewrite } from './rewrite.ts';
import type { RewriteOptions } from './route.ts';

function at(path: string, host = 'a.example'): RequestHead {
  return {
    ...{ method: 'GET', version: '1.1', scheme: 'http', path, upgrade: '' },
    authority: configuredAuthority(host),
    fields: new FieldSection(),
    contentLength: 0,
    expectContinue: false,
  };
}

const plain = { stripPrefix: '', addPrefix: '', replace: null, queryRemove: [], querySet: {} };
const rewriteOf = (more: { stripPrefix?: string; addPrefix?: string }) =>
  new Rewrite({ ...plain, host: '', mapLocation: true, ...more });

test('a prefix alone becomes the other prefix alone, with its query', () => {
  const both = rewriteOf({ stripPrefix: '/a', addPrefix: '/x' });
  assert.equal(both.target(at('/a?q')), '/x?q');
  assert.equal(both.target(at('/a')), '/x');
  assert.equal(both.target(at('/a/')), '/x/');
  assert.equal(both.target(at('/a/b?q')), '/x/b?q');
  assert.equal(both.target(at('/a'), '/base'), '/base/x');
  const strip = rewriteOf({ stripPrefix: '/a' });
  assert.equal(strip.target(at('/a?q')), '/?q');
  assert.equal(strip.target(at('/a?q'), '/base'), '/base?q');
  assert.equal(strip.target(at('/a/'), '/base'), '/base/');
  assert.equal(strip.target(at('*'), '/base'), '*');
});

const captures = capturesOf({
  pathPattern: '^/u/(\\d+)/(?<rest>.*)$',
  hostPattern: '^(?<region>[a-z]+)\\.cdn\\.example$',
  ignoreCase: false,
});
const withGroups = (more: Partial<RewriteOptions>) =>
  new Rewrite({ ...plain, host: '', mapLocation: true, ...more }, captures);

test('what groups of the host and the path have matched becomes path, query and host', () => {
  const request = at('/u/7/a%2Fb%26?q=1', 'DE.cdn.example:8080');
  const prefix = withGroups({ addPrefix: '/${host:region}/${host:1}' });
  assert.equal(prefix.target(request), '/de/de/u/7/a%2Fb%26?q=1');
  const replace = { pattern: '^/u/(\\d+)/.*$', with: '/$1-${path:1}/${path:rest}' };
  assert.equal(withGroups({ replace }).target(request), '/7-7/a%2Fb%26?q=1');
  const query = withGroups({ querySet: { rest: '${path:rest}', host: '${host}' } });
  assert.equal(query.target(request), '/u/7/a%2Fb%26?q=1&rest=a%2Fb%26&host=de.cdn.example');
  const host = withGroups({ host: '${host:region}.internal:81' });
  assert.equal(host.authority(request, 'o').text, 'de.internal:81');
  // Of a reading that the route was chosen by.
  assert.equal(withGroups({ replace }).target(at('/x/../u/7/b')), '/7-7/b');
});

test('what a client puts into a group is no group of the replacement, and no other host', () => {
  const replace = { pattern: '^(.)(.*)$', with: '/x${path:rest}' };
  assert.equal(withGroups({ replace }).target(at('/u/7/$1$2$&')), '/x$1$2$&');
  const host = withGroups({ host: '${path:rest}' });
  assert.equal(host.authority(at('/u/7/a@b c'), 'o').text, 'a.example', 'no host: the client’s');
});

test('groups that are not there, and variables that differ between clients, are refused', () => {
  assert.doesNotThrow(() => withGroups({ addPrefix: '/${path:2}' }), 'a named group has a number');
  assert.throws(() => withGroups({ addPrefix: '/${path:3}' }), /no such group.*path:rest/);
  assert.throws(() => withGroups({ addPrefix: '/${client-address}' }), /not to be had here/);
  assert.throws(
    () => new Rewrite({ ...plain, host: '${host:1}', mapLocation: true }),
    /no host-pattern/,
  );
});
