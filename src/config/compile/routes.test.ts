// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { matchEverything, type RouteOptions } from '../../routing/route.ts';
import { type Diagnostic, diagnosticText } from '../document/diagnostic.ts';
import { readBySchema } from '../document/reader.ts';
import { parseSource } from '../document/source.ts';
import { type RoutesEntry, routesSchema } from '../schema/routes.ts';
import { CompileContext } from './context.ts';
import { compileRoutes } from './routes.ts';

const directory = temporaryDirectory();
writeFileSync(join(directory, 'missing.html'), '<h1>no</h1>');
writeFileSync(join(directory, 'huge.html'), 'x'.repeat(300_000));

/** The file is the section alone. */
function compile(text: string): { routes: readonly RouteOptions[]; diagnostics: string[] } {
  const parsed = parseSource({ file: 'f', text, directory });
  const read = readBySchema(parsed, routesSchema as Parameters<typeof readBySchema>[1]);
  const diagnostics: Diagnostic[] = [];
  const compilation = { parsed, diagnostics, warn: () => {}, nowMs: 0 };
  const context = new CompileContext(compilation, []);
  const value = Array.isArray(read.value) ? (read.value as RoutesEntry) : [];
  const routes = compileRoutes(value, ['app', 'other'], context);
  return { routes, diagnostics: [...read.diagnostics, ...diagnostics].map(diagnosticText) };
}

function only(text: string): RouteOptions {
  const { routes, diagnostics } = compile(text);
  assert.deepEqual(diagnostics, []);
  assert.equal(routes.length, 1);
  return routes[0]!;
}

test('a route with nothing but an origin is for every request, by the defaults', () => {
  const route = only('- origin: app');
  assert.equal(route.name, 'routes[0]');
  assert.deepEqual(route.action, { kind: 'origin', origin: 'app' });
  assert.equal(route.compression, null);
  assert.equal(route.cache.enabled, true);
  assert.equal(route.underscoresInFields, 'pass');
});

test('every key of a route arrives', () => {
  const route = only(`
- name: all
  match:
    scheme: https
    hosts: [example.org, "*.example.org"]
    path-prefix: /api
    path-pattern: ^/api/(\\d+)
    methods: [GET]
    headers: {X-Beta: yes}
    from: [10.0.0.0/8, "2001:db8::/32"]
  origin: other
  rewrite:
    strip-prefix: /api
    replace: {pattern: a, with: b}
    add-prefix: /v2
    query-remove: [utm_*]
    query-set: {a: b}
    host: "\${origin}"
  request-headers: {remove: [Cookie], set: {X-A: "\${client-address}"}, add: {X-B: c}}
  response-headers: {set: {X-Frame-Options: DENY}}
  underscores-in-headers: refuse
  access:
    - {allow: [10.0.0.0/8], methods: [GET], paths: [/api]}
    - deny: all
  rate-limit: {requests-per-second: 0.5, burst: 7, key: "header:X-Key"}
  compression: {encodings: [br], min-size: 2KiB, types: [TEXT/*]}
  error-pages: {404: missing.html, intercept: on}
  cache: {enabled: off}
`);
  assert.deepEqual(route.match, {
    ...matchEverything,
    scheme: 'https',
    hosts: ['example.org', '*.example.org'],
    pathPrefix: '/api',
    pathPattern: '^/api/(\\d+)',
    methods: ['GET'],
    headers: { 'X-Beta': { kind: 'exact', text: 'yes', ignoreCase: false } },
    from: [
      { address: '10.0.0.0', bits: 8 },
      { address: '2001:db8::', bits: 32 },
    ],
  });
  assert.deepEqual(route.rewrite, {
    stripPrefix: '/api',
    replace: { pattern: 'a', with: 'b' },
    addPrefix: '/v2',
    queryRemove: ['utm_*'],
    querySet: { a: 'b' },
    host: '${origin}',
    mapLocation: true,
  });
  const edits = {
    ...{ remove: ['Cookie'], set: { 'X-A': '${client-address}' }, add: { 'X-B': 'c' } },
    ...{ removeCookies: [], setCookies: {} },
  };
  assert.deepEqual(route.requestFields, [{ when: null, edits, otherwise: null }]);
  assert.equal(route.underscoresInFields, 'refuse');
  assert.deepEqual(route.access[1], { effect: 'deny', from: [], methods: [], paths: [] });
  assert.deepEqual(route.access[0]?.from, [{ address: '10.0.0.0', bits: 8 }]);
  const rate = { requestsPerSecond: 0.5, burst: 7, delayMs: 0, key: { text: '${header:X-Key}' } };
  assert.deepEqual(route.rateLimit, rate);
  assert.deepEqual(route.compression, { encodings: ['br'], minBytes: 2048, types: ['text/*'] });
  const page = { contentType: 'text/html; charset=utf-8', content: '<h1>no</h1>' };
  assert.deepEqual(route.errorPages, { pages: { '404': page }, intercept: true });
  assert.equal(route.cache.enabled, false);
});

test('what a route says of caching arrives', () => {
  const { cache } = only(`
- origin: app
  cache:
    lifetime: {default: 5m, min: 1s, max: 2d, override: 1h, negative: {404: 10s, 503: 1s}}
    key: {query: {without: [utm_*]}, sort-query: on, headers: [X-Country], cookies: [currency]}
    slices: 1MiB
    pin: 1h
    set-cookie: never
    stale-if-error: 1d
    stale-while-revalidate: 30s
    request-directives: off
    targeted-headers: [Surrogate-Control]
    heuristic: 20%
    partial: off
    select-by-language: off
`);
  const { policy, key, sliceBytes } = cache;
  assert.equal(policy.lifetimeDefaultMs, 300_000);
  assert.deepEqual([policy.lifetimeMinMs, policy.lifetimeMaxMs], [1_000, 172_800_000]);
  assert.equal(policy.lifetimeOverrideMs, 3_600_000);
  assert.deepEqual(policy.negativeLifetimesMs, { 404: 10_000, 503: 1_000 });
  assert.deepEqual(key.query, { without: ['utm_*'] });
  assert.equal(key.sortQuery, true);
  assert.deepEqual([key.headers, key.cookies], [['x-country'], ['currency']]);
  assert.equal(sliceBytes, 1_048_576);
  assert.deepEqual([policy.pinMs, policy.setCookie], [3_600_000, 'never']);
  assert.deepEqual([policy.staleIfErrorMs, policy.staleWhileRevalidateMs], [86_400_000, 30_000]);
  assert.equal(policy.honourRequestDirectives, false);
  assert.deepEqual(policy.targetedFields, ['surrogate-control']);
  assert.equal(policy.heuristicFraction, 0.2);
  assert.deepEqual([policy.storePartial, policy.selectByLanguage], [false, false]);
  const ignoring = only('- {origin: app, cache: {key: {query: ignore}, lifetime: {negative: 9s}}}');
  assert.equal(ignoring.cache.key.query, 'none');
  assert.equal(ignoring.cache.policy.negativeLifetimeMs, 9_000);
});

const wrong: readonly (readonly [text: string, said: RegExp])[] = [
  ['- {}', /nothing says who answers; write one of origin, redirect and respond/],
  ['- {origin: app, respond: {status: 200}}', /two say who answers/],
  ['- {origin: ap}', /1:12: \[0\]\.origin: no origin is called ap; did you mean app\?/],
  ['- {origin: else}', /no origin is called else; write app or other/],
  ['- {origin: app, name: a}\n- {origin: app, name: a}', /\[1\]\.name: another route is called so/],
  ['- {origin: app, match: {path-prefix: api}}', /no path; begin it with \//],
  ['- {origin: app, match: {path-pattern: "(a)\\\\1"}}', /cannot be matched in linear time/],
  ['- {origin: app, match: {path-pattern: "(a"}}', /Invalid regular expression/],
  ['- {origin: app, match: {hosts: ["a.example:80"]}}', /no host name; write it as a.example/],
  ['- {origin: app, match: {hosts: [bücher.example]}}', /no host name; .*, in ASCII/],
  ['- {origin: app, match: {hosts: ["%61.example"]}}', /no host name/],
  ['- {origin: app, match: {host: [a]}}', /unknown key "host"; did you mean hosts\?/],
  ['- {redirect: {to: "${hots}"}}', /there is no variable \$\{hots\}: \$\{scheme\}/],
  ['- {redirect: {to: /a$1}}', /there is no pattern that \$1 could be of; add path-pattern/],
  ['- {redirect: {to: /a, status: 200}}', /"200": no such word; write 301, 302, 303, 307, 308/],
  ['- {origin: app, request-headers: {set: {Content-Length: "1"}}}', /is not to be edited/],
  ['- {origin: app, request-headers: {set: {Host: a}}}', /write rewrite: \{host: …\}/],
  ['- {origin: app, rewrite: {add-prefix: "/${client-address}"}}', /sent to many clients/],
  ['- {origin: app, response-headers: {set: {A: "a\\r\\nb"}}}', /no value of a field/],
  ['- {origin: app, access: [{methods: [GET]}]}', /a rule allows or denies/],
  ['- {origin: app, access: [{deny: [300.1.1.1]}]}', /\[0\]\.access\[0\]\.deny/],
  ['- {origin: app, rate-limit: {burst: 1}}', /it has no requests-per-second/],
  ['- {origin: app, rate-limit: {requests-per-second: 0}}', /not a number from 0\.0001 to 100000/],
  [
    '- {origin: app, rate-limit: {requests-per-second: 1, key: ip}}',
    /write address, header:NAME, or variables/,
  ],
  ['- {origin: app, compression: {encodings: [deflate]}}', /"deflate": no such word/],
  ['- {origin: app, error-pages: {404: nowhere.html}}', /cannot be read \(ENOENT\)/],
  ['- {origin: app, error-pages: {404: huge.html}}', /is longer than 262144 bytes/],
  ['- {origin: app, error-pages: {200: missing.html}}', /unknown key "200"/],
  ['- {origin: app, cache: {slices: 1KiB}}', /no length for slices; write 64KiB to 64MiB, or 0/],
  ['- {origin: app, cache: {lifetime: {min: 2s, max: 1s}}}', /above max/],
  ['- {origin: app, cache: {key: {query: {}}}}', /neither or both of only and without/],
];

test('mistakes are told with their place and what to do', () => {
  for (const [text, said] of wrong) {
    const { diagnostics } = compile(text);
    assert.equal(diagnostics.length, 1, `${text}: ${diagnostics.join(' | ')}`);
    assert.match(diagnostics[0]!, said, text);
  }
});
