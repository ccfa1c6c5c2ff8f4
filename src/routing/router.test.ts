import assert from 'node:assert/strict';
import test from 'node:test';
import { configuredAuthority } from '../http/authority.ts';
import { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import { matchEverything, type RouteMatch } from './route.ts';
import { Router } from './router.ts';

function request(url: string, method = 'GET', fields: Record<string, string> = {}): RequestHead {
  const [, authority = '', path = '/'] = /^http:\/\/([^/]*)(\/.*)?$/.exec(url) ?? [];
  return {
    method,
    version: '1.1',
    scheme: 'http',
    authority: configuredAuthority(authority),
    path,
    fields: FieldSection.of(...Object.entries(fields)),
    contentLength: 0,
    expectContinue: false,
    upgrade: '',
  };
}

/** Routes by name; what a request gets is the name of its route, or why it has none. */
function routerOf(routes: Record<string, Partial<RouteMatch>>) {
  const router = new Router(
    Object.entries(routes).map(([name, match]) => {
      return { match: { ...matchEverything, ...match }, target: { name } };
    }),
  );
  return (head: RequestHead, address = '192.0.2.1'): string => {
    const found = router.find(head, { remoteAddress: address });
    return typeof found === 'string' ? found : found.name;
  };
}

test('the first route whose conditions all hold takes the request', () => {
  const route = routerOf({
    api: { pathPrefix: '/api' },
    posts: { methods: ['POST'] },
    rest: {},
    never: { pathPrefix: '/never' },
  });
  assert.equal(route(request('http://a.example/api')), 'api');
  assert.equal(route(request('http://a.example/api/users?x=/other')), 'api');
  assert.equal(route(request('http://a.example/apis')), 'rest', 'a prefix ends at a slash');
  assert.equal(route(request('http://a.example/x', 'POST')), 'posts');
  assert.equal(route(request('http://a.example/never')), 'rest');
});

test('hosts match without regard to case, port and the root’s dot; a name goes with its wildcard', () => {
  const route = routerOf({
    one: { hosts: ['one.example'] },
    below: { hosts: ['*.one.example'] },
    deep: { hosts: ['*.x.one.example'] },
    loud: { hosts: ['*.LOUD.example.'] },
    v6: { hosts: ['[::1]'] },
  });
  assert.equal(route(request('http://one.example')), 'one');
  assert.equal(route(request('http://ONE.example.:8080')), 'one');
  assert.equal(route(request('http://a.one.example')), 'below');
  assert.equal(route(request('http://a.x.one.example')), 'deep');
  assert.equal(route(request('http://a.b.one.example')), 'no-route', 'a wildcard is one label');
  assert.equal(route(request('http://a.loud.example')), 'loud');
  assert.equal(route(request('http://[::1]:80')), 'v6');
  assert.equal(route(request('http://two.example')), 'no-route');
  assert.equal(route(request('http://evilone.example')), 'no-route');
});

test('a route for any host keeps its place among those for some hosts', () => {
  const route = routerOf({
    first: { hosts: ['a.example'], pathPrefix: '/x' },
    any: { pathPrefix: '/y' },
    last: { hosts: ['a.example'] },
    others: {},
  });
  assert.equal(route(request('http://a.example/x')), 'first');
  assert.equal(route(request('http://a.example/y')), 'any');
  assert.equal(route(request('http://a.example/z')), 'last');
  assert.equal(route(request('http://b.example/x')), 'others');
});

test('patterns, methods, fields and addresses narrow a route', () => {
  const route = routerOf({
    pictures: { pathPattern: '\\.(?:png|jpg)$' },
    beta: { headers: { 'X-Beta': 'yes' } },
    bots: { headers: { 'user-agent': 'bot/*' } },
    keyed: { headers: { 'x-key': '*' } },
    internal: { from: [{ address: '10.0.0.0', bits: 8 }] },
    gets: { methods: ['GET'] },
    secure: { scheme: 'https' },
  });
  assert.equal(route(request('http://a.example/a/b.png?x')), 'pictures');
  assert.equal(route(request('http://a.example/', 'GET', { 'x-beta': 'yes' })), 'beta');
  assert.equal(route(request('http://a.example/', 'GET', { 'x-beta': 'no' })), 'gets');
  assert.equal(route(request('http://a.example/', 'GET', { 'user-agent': 'bot/1.0' })), 'bots');
  assert.equal(route(request('http://a.example/', 'POST', { 'x-key': '' })), 'keyed');
  assert.equal(route(request('http://a.example/', 'POST'), '10.1.2.3'), 'internal');
  assert.equal(route(request('http://a.example/', 'POST'), '::ffff:10.1.2.3'), 'internal');
  assert.equal(route(request('http://a.example/', 'HEAD')), 'gets', 'GET includes HEAD');
  assert.equal(route(request('http://a.example/', 'POST')), 'no-route');
  assert.equal(route({ ...request('http://a.example/', 'POST'), scheme: 'https' }), 'secure');
});

const spellings = [
  '/%61dmin',
  '/%61%64%6D%69%6e/x',
  '/x/../admin',
  '/x/%2e%2e/admin',
  '/x/%2E./admin',
  '//admin',
  '/./admin',
  '/x/..//admin',
  '/admin;v=1/x',
  '/x;a=b/../admin',
  '/x/..;/admin',
  '/x%2f..%2fadmin',
  '/x/..%5cadmin',
  '/x\\..\\admin',
  '/x/..%252fadmin',
  '/%2561dmin',
  '/admin%2f',
  '/admin%3bx',
  '/admin%2f..%2fx',
  '/admin%3fx',
  '/admin/../x',
  '/admin%00',
];

test('however a path is spelt, it never takes a route other than that of each way to read it', () => {
  const route = routerOf({ admin: { pathPrefix: '/admin' }, rest: {} });
  for (const path of spellings) {
    const found = route(request(`http://a.example${path}`));
    assert.ok(found === 'admin' || found === 'ambiguous-path', `${path} took ${found}`);
  }
});

test('unusual spellings that can only mean one route are no reason to refuse', () => {
  const route = routerOf({ files: { pathPrefix: '/files' }, rest: {} });
  assert.equal(route(request('http://a.example/files/a%2Fb')), 'files');
  assert.equal(route(request('http://a.example/files//x;v=1')), 'files');
  assert.equal(route(request('http://a.example/%66iles/%7euser')), 'files');
  assert.equal(route(request('http://a.example/.well-known/x')), 'rest');
  assert.equal(route(request('http://a.example/a%20b')), 'rest');
});

test('a pattern is matched in linear time, and a path too long for it is refused', () => {
  const route = routerOf({ slow: { pathPattern: '^/(a+)+$' }, rest: {} });
  assert.equal(route(request(`http://a.example/${'a'.repeat(8_000)}b`)), 'rest');
  assert.equal(route(request(`http://a.example/${'a'.repeat(9_000)}`)), 'path-too-long');
  assert.throws(() => routerOf({ x: { pathPattern: '(a)\\1' } }), /linear time/);
  assert.throws(() => routerOf({ x: { pathPattern: '(a' } }), SyntaxError);
});

test('OPTIONS * is under no path', () => {
  const route = routerOf({ root: { pathPrefix: '/' }, rest: {} });
  assert.equal(route({ ...request('http://a.example/', 'OPTIONS'), path: '*' }), 'rest');
});
