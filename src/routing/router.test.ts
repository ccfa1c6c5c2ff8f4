import assert from 'node:assert/strict';
import test from 'node:test';
import { configuredAuthority } from '../http/authority.ts';
import { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import type { RoutingFacts } from './request-test.ts';
import { matchEverything, type RouteMatch } from './route.ts';
import { Router } from './router.ts';
import type { TextMatch } from './text-match.ts';

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
  return (head: RequestHead, address = '192.0.2.1', more: Partial<RoutingFacts> = {}): string => {
    const found = router.find(head, { remoteAddress: address, localPort: 443, tls: null, ...more });
    return typeof found === 'string' ? found : found.name;
  };
}

const like = (kind: TextMatch['kind'], text: string, ignoreCase = false): TextMatch => {
  return { kind, text, ignoreCase };
};

/** `not`: requests that meet all of it. */
const none = (match: Partial<RouteMatch>): RouteMatch => ({ ...matchEverything, ...match });

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
    beta: { headers: { 'X-Beta': like('exact', 'yes') } },
    bots: { headers: { 'user-agent': like('prefix', 'bot/') } },
    keyed: { headers: { 'x-key': like('any', '') } },
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

test('values are compared whole, by an end, a part or a pattern, with case or without', () => {
  const url = 'http://a.example/';
  const is = (match: TextMatch, value: string) => {
    const route = routerOf({ yes: { headers: { 'x-a': match } }, no: {} });
    return route(request(url, 'GET', { 'x-a': value })) === 'yes';
  };
  const cases: [TextMatch, readonly string[], readonly string[]][] = [
    [like('exact', 'ab'), ['ab'], ['abc', 'AB', '']],
    [like('exact', 'ab', true), ['ab', 'AB'], ['abc']],
    [like('prefix', 'ab'), ['ab', 'abc'], ['cab', 'Ab']],
    [like('suffix', '.Org', true), ['a.org', 'a.ORG'], ['a.org.uk']],
    [like('contains', 'Bot', true), ['x BADBOT/1', 'bot'], ['b ot']],
    [like('contains', 'Bot'), ['xBoty'], ['bot']],
    [like('pattern', '^[a-c]+\\d$', true), ['aB1'], ['ad1', 'b']],
  ];
  for (const [match, right, wrong] of cases) {
    for (const value of right) assert.ok(is(match, value), `${match.text} takes ${value}`);
    for (const value of wrong) assert.ok(!is(match, value), `${match.text} leaves ${value}`);
  }
  const long = 'a'.repeat(9_000);
  const patterned = routerOf({ bots: { headers: { 'x-a': like('pattern', 'bot$') } }, rest: {} });
  const found = patterned(request(url, 'GET', { 'x-a': `${long}bot` }));
  assert.equal(found, 'value-too-long', 'nobody gets by with more than a pattern looks at');
  assert.equal(patterned(request(url, 'GET', { 'x-b': long })), 'rest');
});

test('a cookie is found wherever it stands, and each of one name is looked at', () => {
  const route = routerOf({
    user: { cookies: { session: like('any', '') } },
    german: { cookies: { lang: like('exact', 'de') } },
    rest: {},
  });
  const of = (cookie: string) => route(request('http://a.example/', 'GET', { cookie }));
  for (const cookie of ['session=x', 'a=1; session=x', 'a=1;session=', 'a="b; session=x']) {
    assert.equal(of(cookie), 'user', cookie);
  }
  for (const cookie of ['xsession=x', 'session', 'a=session=x', 'Session=x', 'sessions=x']) {
    assert.equal(of(cookie), 'rest', cookie);
  }
  assert.equal(of('lang=en; lang=de'), 'german');
  const twoLines = request('http://a.example/');
  twoLines.fields.append('cookie', 'a=1');
  twoLines.fields.append('cookie', 'session=x');
  assert.equal(route(twoLines), 'user', 'HTTP/2 sends a line for each');
});

test('parameters of the query are compared decoded', () => {
  const route = routerOf({ debug: { query: { 'de bug': like('exact', 'ä/') } }, rest: {} });
  assert.equal(route(request('http://a.example/x?a=1&de%20bug=%C3%A4%2F')), 'debug');
  assert.equal(route(request('http://a.example/x?de+bug=no&%64e+bug=%c3%a4/')), 'debug');
  for (const target of ['/x', '/x?', '/x?de+bug', '/x?de+bug=%C3%A4', '/de bug=ä/']) {
    assert.equal(route(request(`http://a.example${target}`)), 'rest', target);
  }
});

test('a route is not for what not says: for any one of several, and for all conditions of one', () => {
  const route = routerOf({
    ours: {
      pathPrefix: '/img',
      not: [
        none({ headers: { referer: like('prefix', 'https://a.example/') } }),
        none({ methods: ['POST'], pathPrefix: '/img/up' }),
        none({ hosts: ['*.cdn.example'] }),
      ],
    },
    rest: {},
  });
  assert.equal(route(request('http://a.example/img/a')), 'ours');
  assert.equal(route(request('http://a.example/img/up')), 'ours');
  assert.equal(route(request('http://a.example/img/x', 'POST')), 'ours');
  assert.equal(route(request('http://a.example/img/up/x', 'POST')), 'rest');
  assert.equal(route(request('http://b.cdn.example/img/x')), 'rest');
  const referer = 'https://a.example/page';
  assert.equal(route(request('http://a.example/img/a', 'GET', { referer })), 'rest');
  assert.equal(
    route(request('http://a.example/img/x;/../up', 'POST')),
    'ambiguous-path',
    'what not looks at is looked at in all readings, too',
  );
});

test('hosts by pattern, ports, WebSockets and facts of the handshake', () => {
  const certificates = { versions: [], serverNames: [], clientCertificate: true };
  const route = routerOf({
    regions: { hostPattern: '^[a-z]{2}\\.a\\.Example$' },
    admin: { ports: [8443] },
    chat: { websocket: true },
    old: { tls: { versions: ['TLSv1.2'], serverNames: [], clientCertificate: null } },
    named: { tls: { versions: [], serverNames: ['*.sni.example'], clientCertificate: null } },
    proved: { tls: certificates },
    plain: { tls: { ...certificates, clientCertificate: false } },
  });
  const tls = {
    version: 'TLSv1.3',
    serverName: 'x.example',
    clientCertificates: [new Uint8Array(1)],
  };
  const at = (more: Partial<RoutingFacts>, url = 'http://x.example/') => {
    return route(request(url), '192.0.2.1', more);
  };
  assert.equal(at({}, 'http://DE.a.example:8080/'), 'regions');
  assert.equal(at({}, 'http://deu.a.example/'), 'plain');
  assert.equal(at({ localPort: 8443 }), 'admin');
  assert.equal(route({ ...request('http://x.example/'), upgrade: 'WebSocket' }), 'chat');
  assert.equal(at({ tls: { ...tls, version: 'TLSv1.2' } }), 'old');
  assert.equal(at({ tls: { ...tls, serverName: 'a.sni.example' } }), 'named');
  assert.equal(at({ tls }), 'proved');
  assert.equal(at({ tls: { ...tls, clientCertificates: [] } }), 'plain');
});

test('paths are compared without case where that is asked for, however they are written', () => {
  const route = routerOf({
    tree: { pathPrefix: '/Api', ignoreCase: true },
    pictures: { pathPattern: '\\.(?:PNG|jpe?g|[x-z]{2})$', ignoreCase: true },
    rest: {},
  });
  for (const path of ['/api', '/API/x', '/%41pi']) {
    assert.equal(route(request(`http://a.example${path}`)), 'tree', path);
  }
  for (const path of ['/a/B.PNG', '/a.png', '/a.JPEG', '/a.xY']) {
    assert.equal(route(request(`http://a.example${path}`)), 'pictures', path);
  }
  assert.equal(route(request('http://a.example/apis')), 'rest');
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

test('10,000 hosts with a route each, and some for all, are routes in no more than linear time', () => {
  const timeOf = (count: number) => {
    const routes = Array.from({ length: count }, (_, i) => ({
      match: none({ hosts: [`h${i}.example`, `*.h${i}.example`] }),
      target: { name: String(i) },
    }));
    const last = { match: none({ pathPrefix: '/all' }), target: { name: 'all' } };
    const startedMs = process.cpuUsage().user;
    const router = new Router([...routes, last]);
    const facts = { remoteAddress: '', localPort: 0, tls: null };
    const found = router.find(request(`http://a.h${count - 1}.example/`), facts);
    assert.deepEqual(found, { name: String(count - 1) });
    return process.cpuUsage().user - startedMs;
  };
  timeOf(1_000);
  // Square time would take 100 times as long, and some seconds.
  const [small, large] = [timeOf(1_000), timeOf(10_000)];
  assert.ok(large < Math.max(small * 40, 500_000), `${small} µs, then ${large} µs`);
});
