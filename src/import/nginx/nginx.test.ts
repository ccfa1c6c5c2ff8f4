// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { parse } from 'yaml';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { importFrom } from '../importer.ts';
import type { Row } from '../report.ts';
import { nginxImporter } from './nginx.ts';

// biome-ignore lint/suspicious/noExplicitAny: what a file says, looked at by its keys.
type Yaml = any;

interface Result {
  readonly yaml: Yaml;
  readonly rows: readonly Row[];
  readonly isUnsafe: boolean;
  readonly text: string;
}

/** Files by name; the first is the one that is named. */
function importFiles(files: Readonly<Record<string, string>>): Result {
  const directory = temporaryDirectory();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text.replaceAll('DIR', directory));
  }
  const result = importFrom(nginxImporter, join(directory, Object.keys(files)[0]!));
  return { ...result, yaml: parse(result.text) };
}

const importServer = (inside: string, http = '') =>
  importFiles({ 'nginx.conf': `http { ${http}\nserver { listen 80; ${inside}\n} }` });

/** Without the first, which refuses what nobody sends. */
const routesOf = (inside: string, http = ''): Yaml[] =>
  importServer(inside, http).yaml.routes.slice(1);

const row = (rows: readonly Row[], start: string) =>
  rows.find(({ place }) => place.text.startsWith(start));

/** As our router would: the paths that routes are for, in their order. */
const shape = (routes: readonly Yaml[]) =>
  routes.map(({ match = {} }: Yaml) =>
    [match['path-prefix'], match['path-pattern']].filter(Boolean).join(' & '),
  );

const PASS = '{ proxy_pass http://127.0.0.1:3000; }';

test('locations stand in the order in which nginx looks at them', () => {
  const orders: readonly (readonly [locations: string, routes: readonly string[]])[] = [
    ['location / PASS location /a PASS location /a/b PASS', ['/a/b*', '/a*', '']],
    ['location / PASS location = /a PASS', ['^/a$', '']],
    ['location /a PASS location ~ \\.php$ PASS location / PASS', ['\\.php$', '/a*', '']],
    ['location ~ b PASS location ~ a PASS location / PASS', ['b', 'a', '']],
    ['location ^~ /s PASS location ~ x PASS location / PASS', ['/s*', 'x', '']],
    // Below ^~ a longer prefix without it gives the expressions their turn again.
    [
      'location ^~ /s PASS location /s/i PASS location ~ x PASS location / PASS',
      ['/s/i* & x', '/s/i*', '/s*', 'x', ''],
    ],
    [
      'location /a { location ~ x PASS location /a/b PASS proxy_pass http://o; } location / PASS',
      ['/a/b* & x', '/a/b*', '/a* & x', '/a*', ''],
    ],
    [
      'location ~ x { location /a PASS proxy_pass http://o; } location / PASS',
      ['/a* & x', 'x', ''],
    ],
    // A longer prefix beside the outer one takes what the inner one is for.
    [
      'location /a { location /a/b/c PASS proxy_pass http://o; } location /a/b PASS location / PASS',
      ['/a/b*', '/a*', ''],
    ],
    // What goes to an origin below /a/ is sent there from /a.
    ['location /a/ PASS location / PASS', ['^/a$', '/a/', '']],
    ['location /a/ PASS location = /a PASS location / PASS', ['^/a$', '/a/', '']],
    // What no location is for.
    ['location /a PASS', ['/a*', '']],
  ];
  for (const [locations, routes] of orders) {
    assert.deepEqual(shape(routesOf(locations.replaceAll('PASS', PASS))), routes, locations);
  }
});

test('names are looked for as nginx does: exact ones, then those with *, then the default server', () => {
  const server = (name: string, more = '') =>
    `server { listen 80${more}; server_name ${name}; location / ${PASS} }`;
  const hosts = (...servers: string[]) => {
    const { yaml } = importFiles({ 'nginx.conf': `http { ${servers.join('\n')} }` });
    return yaml.routes.slice(1).map((route: Yaml) => route.match?.hosts ?? []);
  };
  assert.deepEqual(hosts(server('a.example'), server('b.example')), [['b.example'], []]);
  assert.deepEqual(hosts(server('a.example'), server('b.example', ' default_server')), [
    ['a.example'],
    [],
  ]);
  assert.deepEqual(
    hosts(server('_'), server('*.x.example'), server('*.y.x.example'), server('a.x.example')),
    [['a.x.example'], ['*.y.x.example'], ['*.x.example'], []],
  );
  // The default server's own name would be taken by another's *.
  assert.deepEqual(hosts(server('a.x.example'), server('.x.example')), [
    ['a.x.example'],
    ['x.example'],
    ['*.x.example'],
    [],
  ]);
});

test('whoever was kept out is kept out: each way to ask closes the route when it is left out', () => {
  const asks = [
    'auth_basic "x"; auth_basic_user_file /etc/htpasswd;',
    'auth_request /verify;',
    'auth_jwt "x";',
    'if ($http_user_agent ~ bot) { return 403; }',
    'if ($cookie_a) { return 403; }',
    'if ($geoip_country = XX) { return 444; }',
    'deny unix:;',
    'access_by_lua_file /etc/x.lua;',
    'access_by_lua_block { if x then ngx.exit(403) end }',
    'rewrite ^ /somewhere last;',
    'if ($request_method ~ POST) { return 405; }',
  ];
  for (const ask of asks) {
    for (const where of ['http', 'server', 'location']) {
      if (where === 'http' && /^(?:if|rewrite)/.test(ask)) continue;
      const inLocation = where === 'location' ? ask : '';
      const inside = `${where === 'server' ? ask : ''} location / { ${inLocation} proxy_pass http://o; }`;
      const { yaml, isUnsafe } = importServer(inside, where === 'http' ? ask : '');
      const [route] = yaml.routes.slice(1);
      assert.deepEqual(route.access, [{ deny: 'all' }], `${ask} in ${where}`);
      assert.ok(isUnsafe, `${ask} in ${where}`);
    }
  }
});

test('what is asked under satisfy any leaves in whom the addresses let in, and nobody else', () => {
  const rules = 'allow 10.0.0.0/8; deny all; auth_basic x; auth_basic_user_file f;';
  const [any] = routesOf(`location / { satisfy any; ${rules} proxy_pass http://o; }`);
  assert.deepEqual(any.access, [{ allow: ['10.0.0.0/8'] }, { deny: 'all' }, { deny: 'all' }]);
  const [both] = routesOf(`location / { ${rules} proxy_pass http://o; }`);
  assert.deepEqual(both.access, [{ deny: 'all' }]);
  const [open] = routesOf('location / { satisfy any; auth_basic x; proxy_pass http://o; }');
  assert.deepEqual(open.access, [{ deny: 'all' }]);
});

test('a location whose expression is not to be had does not let its requests fall to an open one', () => {
  const inside = `location ~ (?<!x)y { deny all; } location / ${PASS}`;
  const [first] = routesOf(inside);
  assert.deepEqual(first.access, [{ deny: 'all' }]);
  assert.equal(first.match, undefined);
  assert.ok(importServer(inside).isUnsafe);
});

test('access rules: inheritance is all or none, methods, and ranges as nginx reads them', () => {
  const access = (inside: string) => routesOf(inside)[0].access;
  assert.deepEqual(access('deny 10.1.2.3/8; location / { proxy_pass http://o; }'), [
    { deny: ['10.0.0.0/8'] },
  ]);
  assert.deepEqual(access('deny all; location / { allow 10.0.0.1; proxy_pass http://o; }'), [
    { allow: ['10.0.0.1'] },
  ]);
  assert.deepEqual(access('location / { limit_except GET { deny all; } proxy_pass http://o; }'), [
    { allow: 'all', methods: ['GET'] },
    { deny: 'all' },
  ]);
  assert.deepEqual(
    access(
      'allow 10.0.0.0/8; deny all; location / { limit_except GET { auth_basic x; } proxy_pass http://o; }',
    ),
    [
      { allow: ['10.0.0.0/8'], methods: ['GET'] },
      { deny: 'all', methods: ['GET'] },
      { allow: 'all', methods: ['GET'] },
      { deny: 'all' },
    ],
  );
  assert.deepEqual(
    access(
      'if ($request_method !~ ^(GET|POST)$) { return 405; } location / { proxy_pass http://o; }',
    ),
    [{ allow: 'all', methods: ['GET', 'POST'] }, { deny: 'all' }],
  );
});

test('rules by address are closed when a header that is not read names the client', () => {
  const rules = 'allow 192.0.2.1; deny all; location / { proxy_pass http://o; }';
  const unknown = `set_real_ip_from 10.0.0.0/8; real_ip_header CF-Connecting-IP; ${rules}`;
  assert.deepEqual(routesOf(unknown)[0].access, [{ deny: 'all' }]);
  const known = `set_real_ip_from 10.0.0.0/8; real_ip_header X-Forwarded-For; ${rules}`;
  const { yaml } = importServer(known);
  assert.deepEqual(yaml.routes[1].access, [{ allow: ['192.0.2.1'] }, { deny: 'all' }]);
  assert.deepEqual(yaml['trusted-proxies'], ['10.0.0.0/8']);
});

test('proxy_pass with a path changes the path as nginx does', () => {
  const rewrite = (location: string, url: string) => {
    const routes = routesOf(
      `location ${location} { proxy_pass ${url}; proxy_set_header Host $host; }`,
    );
    return routes.find(({ origin }) => origin !== undefined)?.rewrite;
  };
  assert.equal(rewrite('/a/', 'http://o'), undefined);
  assert.deepEqual(rewrite('/a/', 'http://o/'), { 'strip-prefix': '/a' });
  assert.deepEqual(rewrite('/a/', 'http://o/b/'), { 'strip-prefix': '/a', 'add-prefix': '/b/' });
  assert.deepEqual(rewrite('/', 'http://o/b/'), { 'add-prefix': '/b/' });
  assert.deepEqual(rewrite('/a', 'http://o/b'), { replace: { pattern: '^/a', with: '/b' } });
  assert.deepEqual(rewrite('= /a', 'http://o/b'), { replace: { pattern: '^/a$', with: '/b' } });
  assert.deepEqual(rewrite('~ ^/u/(\\d+)$', 'http://o/users/$1$is_args$args'), {
    replace: { pattern: '^/u/(\\d+)$', with: '/users/$1' },
  });
  assert.deepEqual(rewrite('~ /u/(?<id>\\d+)', 'http://o/users/$id'), {
    replace: { pattern: '^.*?(?:/u/(\\d+)).*$', with: '/users/$1' },
    'query-remove': ['*'],
  });
  // Who is asked is found out by the request: nobody is.
  assert.equal(rewrite('/a', 'http://$http_x'), undefined);
});

test('headers: a value that is not to be had is removed, so that no client can write it', () => {
  const [route] = routesOf(`location / { proxy_pass http://o;
    proxy_set_header X-Real-IP $remote_addr; proxy_set_header Remote-User $remote_user;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Accept-Encoding ""; }`);
  assert.deepEqual(route['request-headers'], {
    set: { 'X-Real-IP': '${client-address}' },
    remove: ['Remote-User', 'Accept-Encoding'],
  });
  assert.deepEqual(route.rewrite, { host: 'o' });
  assert.equal(route['underscores-in-headers'], 'drop');
});

test('add_header of a location takes the place of those around it', () => {
  const added = (inside: string) => routesOf(inside)[0]['response-headers'].add;
  const pass = 'proxy_pass http://o;';
  assert.deepEqual(added(`add_header A 1; location / { ${pass} }`), { A: '1' });
  assert.deepEqual(added(`add_header A 1; location / { add_header B 2; ${pass} }`), { B: '2' });
  assert.deepEqual(added(`location / { add_header A 1; add_header A 2; ${pass} }`), { A: '1, 2' });
});

test('return and rewrite become redirects, with the query that nginx keeps', () => {
  const redirect = (inside: string) => routesOf(inside)[0].redirect;
  assert.deepEqual(redirect('return 301 https://$host$request_uri;'), {
    to: 'https://${host}${target}',
    status: 301,
  });
  assert.deepEqual(redirect('rewrite ^ https://$host$request_uri? permanent;'), {
    to: 'https://${host}${target}',
    status: 301,
  });
  assert.deepEqual(redirect('rewrite ^/old/(.*)$ /new/$1 redirect;'), {
    to: '${scheme}://${authority}/new/$1?${query}',
    status: 302,
  });
  assert.deepEqual(
    redirect('if ($host = www.example.org) { return 301 https://example.org$request_uri; }'),
    {
      to: 'https://example.org${target}',
      status: 301,
    },
  );
});

test('nothing is stored that nginx did not store', () => {
  const cache = (inside: string) =>
    routesOf(
      `location / { proxy_pass http://o; ${inside} }`,
      'proxy_cache_path DIR/c keys_zone=c:1m;',
    )[0].cache;
  assert.deepEqual(cache(''), { enabled: false });
  assert.deepEqual(cache('proxy_cache off;'), { enabled: false });
  assert.deepEqual(cache('proxy_cache unknown;'), { enabled: false });
  assert.deepEqual(cache('proxy_cache c; proxy_cache_valid 200 10m; proxy_cache_valid 404 1m;'), {
    lifetime: { default: '10m', negative: { 404: '1m' } },
    heuristic: '0%',
    'request-directives': false,
    'set-cookie': 'never',
  });
  // A user's page is not stored for all.
  assert.deepEqual(
    cache('proxy_cache c; proxy_cache_bypass $cookie_session; proxy_no_cache $cookie_session;'),
    {
      enabled: false,
    },
  );
  assert.deepEqual(cache('proxy_cache c; proxy_cache_key $host$uri$remote_user;'), {
    enabled: false,
  });
  assert.deepEqual(cache('proxy_cache c; proxy_cache_key $scheme$host$uri$cookie_lang;').key, {
    query: 'ignore',
    cookies: ['lang'],
  });
});

test('a server that listens where others do not is not reached by its name at their ports', () => {
  const { yaml, isUnsafe } = importFiles({
    'nginx.conf': `http {
      server { listen 80; server_name a.example; location / ${PASS} }
      server { listen 127.0.0.1:8080; server_name admin.example; location / ${PASS} }
    }`,
  });
  assert.ok(isUnsafe);
  assert.equal(yaml.routes.length, 2);
  assert.deepEqual(yaml.listeners, [{ address: '0.0.0.0:80', protocol: 'http' }]);
});

test('a server without its certificate is closed, for it may have asked clients for theirs', () => {
  const { yaml, isUnsafe } = importFiles({
    'nginx.conf': `http {
      server { listen 443 ssl; server_name a.example;
        ssl_certificate a.pem; ssl_certificate_key a.key; location / ${PASS} }
      server { listen 443 ssl; server_name b.example;
        ssl_certificate $ssl_server_name.pem; ssl_certificate_key b.key;
        ssl_verify_client on; location / ${PASS} }
    }`,
  });
  assert.ok(isUnsafe);
  const [own, other] = [yaml.routes[2], yaml.routes[1]];
  assert.equal(own.access, undefined);
  assert.deepEqual(other.access, [{ deny: 'all' }]);
  assert.equal(yaml.hosts.length, 1);
  assert.equal(yaml.hosts[0]['early-data'], false, 'nginx takes none unless it is told to');
});

test('quotes, escapes, comments and included files are read as nginx reads them', () => {
  const { yaml, rows } = importFiles({
    'nginx.conf': `http { # } ;
      include conf.d/*.conf; include more/one.conf; include /etc/nginx/snippets/x.conf; }`,
    'conf.d/b.conf': `server { server_name b.example; location ~ "^/x{2}\\.y$" { return 200 'a "b" \\'c\\' {;}'; } }`,
    'conf.d/a.conf': 'server { listen 80 default_server; location / { return 204; } }',
    'conf.d/.hidden.conf': 'server { listen 81; }',
    'more/one.conf': 'server_tokens off;',
    'snippets/x.conf': 'gzip on;',
  });
  const [b] = yaml.routes.slice(1);
  assert.deepEqual(b.match, { hosts: ['b.example'], 'path-pattern': '^/x{2}\\.y$' });
  assert.equal(b.respond.body, 'a "b" \'c\' {;}');
  assert.equal(row(rows, 'gzip on')?.place.file, 'snippets/x.conf');
  assert.equal(row(rows, 'server_tokens')?.outcome, 'nothing to do');
});

test('a file that is named and not there decides: it may have had rules about access', () => {
  const { rows, isUnsafe } = importServer(`include gone.conf; location / ${PASS}`);
  assert.ok(isUnsafe);
  assert.equal(row(rows, 'include gone.conf')?.outcome, 'left out');
});

test('a directive that nobody knows decides', () => {
  const { rows, isUnsafe } = importServer(`some_waf on; location / ${PASS}`);
  assert.ok(isUnsafe);
  assert.equal(row(rows, 'some_waf')?.outcome, 'left out');
});

const wrong: readonly (readonly [text: string, words: RegExp])[] = [
  ['server { listen 80;', /nginx\.conf:1: the \{ of server has no \}/],
  ['server { listen 80 }', /nginx\.conf:1: listen has no end/],
  ['}', /nginx\.conf:1: a \} without its \{/],
  ['server { return 200 "a; }', /nginx\.conf:1: a " is not closed/],
  ['server { return 200 "a"b; }', /a quote is closed in the middle of a word/],
  ['events {}', /there is no server in it/],
];

test('what is no configuration of nginx is refused with its line', () => {
  for (const [text, words] of wrong) {
    assert.throws(() => importFiles({ 'nginx.conf': text }), words, text);
  }
});
