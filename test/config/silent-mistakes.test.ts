// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
/**
 * Mistakes that look right and mean nothing: each is refused, with what to write. And values that look
 * like them and are right.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { UsageError } from '../../src/base/errors.ts';
import { diagnosticText } from '../../src/config/document/diagnostic.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { slowdown } from '../support/waiting.ts';

async function mistakes(text: string): Promise<readonly string[]> {
  try {
    await loadConfiguration({
      source: { file: 'f', text, directory: '/nowhere' },
      flags: new Map(),
      command: 'run',
      isCheck: true,
      nowMs: 0,
      stateDirectory: '/nowhere',
      demoOrigin: null,
      warn() {},
    });
    return [];
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return error.diagnostics.map(diagnosticText);
  }
}

const app = 'origins:\n  app: {servers: [http://127.0.0.1:3000]}\n';
const route = (more: string) => `${app}routes:\n  - {origin: app, ${more}}\n`;
const redirect = (to: string) => `routes:\n  - {redirect: {to: '${to}'}}\n`;

const wrong: Record<string, readonly [text: string, said: RegExp]> = {
  'nginx’s variables in a redirect': [
    redirect('https://$host$request_uri'),
    /redirect\.to: \$host is nginx's variable: write \$\{host\}/,
  ],
  'nginx’s variables with braces': [redirect('https://${request_uri}'), /write \$\{target\}/],
  'a variable that nobody has': [redirect('https://$foo/'), /no variable of sluice/],
  'Caddy’s': [redirect('https://{host}{uri}'), /\{host\} is another server's variable/],
  'HAProxy’s': [redirect('https://%[hdr(host)]/'), /%\[hdr\(host\)\] is another server's/],
  'Traffic Server’s': [
    route('request-headers: {set: {X-A: "%{CLIENT-URL:HOST}"}}'),
    /%\{CLIENT-URL:HOST\} is another server's/,
  ],
  'nginx’s in a header': [
    route('request-headers: {set: {X-Real: "$remote_addr"}}'),
    /\$remote_addr is nginx's variable: write \$\{client-address\}/,
  ],
  'a header of the request in nginx’s way': [
    route('request-headers: {set: {X-A: "$http_x_b"}}'),
    /write \$\{header:x-b\}/,
  ],
  'the environment in an origin': [
    'origin: http://${BACKEND}:3000\n',
    /origin: variables are not replaced here; .* \$\{env:NAME\}/,
  ],
  'the environment without braces': ['origin: http://$BACKEND:3000\n', /\$backend is no name of/],
  'a template': ['origin: http://{{ .Backend }}:3000\n', /variables are not replaced here/],
  'the environment in an address': ['origin: http://a\nhttp: "${PORT}"\n', /http: variables are/],
  'the environment in a file name': [
    'origin: http://a\nlogs: [{target: "/var/${NAME}.log"}]\n',
    /logs\[0\]\.target: variables/,
  ],
  'our variables where there are none': [
    route('rewrite: {strip-prefix: "/${host}"}'),
    /rewrite\.strip-prefix: variables are not replaced here/,
  ],
  'our variables in a condition': [route('match: {path-prefix: "/${host}"}'), /not replaced here/],
  'our variables in a query': [
    route('rewrite: {query-remove: ["${host}"]}'),
    /query-remove\[0\]: variables are not replaced here/,
  ],
  'stars around a value': [
    route('match: {headers: {Cookie: "*session=*"}}'),
    /headers\.Cookie: \* has a meaning at the end only/,
  ],
  'a star before a value': [route('match: {headers: {X-A: "*b"}}'), /at the end only/],
  'a star within a path': [
    route('match: {path-prefix: "/a/*/b"}'),
    /at the end only.*path-pattern/,
  ],
  'a star within a path of a rule': [
    route('access: [{deny: all, paths: ["/*/admin"]}]'),
    /paths\[0\]: \* has a meaning at the end only/,
  ],
  'a star in a prefix to strip': [
    route('rewrite: {strip-prefix: "/api/*"}'),
    /\* has no meaning here; write strip-prefix: \/api$/,
  ],
  'a cache of four bytes': ['origin: http://a\ncache-size: 4\n', /that is 4 bytes; .* 64MiB/],
  'a cache of four bytes in its section': ['origin: http://a\ncache: {size: 4}\n', /4 bytes/],
  'a memory of 256 bytes': [
    'origin: http://a\ncache: {directory: /nowhere, memory: 256}\n',
    /that is 256 bytes/,
  ],
  'a log of ten bytes': [
    'origin: http://a\nlogs: [{target: "/a.log", rotate: {size: 10}}]\n',
    /that is 10 bytes; write a unit, as in size: 100MiB/,
  ],
  'a path where a prefix is meant': [
    route('match: {path: /api}'),
    /unknown key "path"; did you mean path-prefix\? As in path-prefix: \/api/,
  ],
  'a path of a cache': ['origin: http://a\ncache: {path: /x}\n', /did you mean directory\?/],
  'a pattern that ignores case': [route("match: {path-pattern: '(?i)a'}"), /no flags.*\[Aa\]/],
  'an address without a scheme': [
    'origins:\n  app: {servers: [127.0.0.1:3000]}\n',
    /not an http, https or h2c URL; write http:\/\/127\.0\.0\.1:3000$/,
  ],
  'a UNIX socket as nginx writes it': [
    'origin: http://unix:/run/app.sock:/\n',
    /no URL; write unix:\/run\/app\.sock$/,
  ],
  'a UNIX socket by its path': ['origin: /run/app.sock\n', /write unix:\/run\/app\.sock$/],
  'a URL as a host': [
    route('match: {hosts: ["https://example.org:8080/"]}'),
    /"https:\/\/example\.org:8080\/": no host name; write it as example\.org/,
  ],
};

for (const [name, [text, said]] of Object.entries(wrong)) {
  test(`refused, with what to write: ${name}`, async () => {
    const found = await mistakes(text);
    assert.equal(found.length, 1, found.join('\n'));
    assert.match(found[0]!, said);
  });
}

test('what looks like it and is right is taken', async () => {
  const right = [
    redirect('https://${host}${target}'),
    route('match: {headers: {Accept: "*/*", X-A: "abc*", X-B: "*", X-C: "text/*"}}'),
    route('match: {path-prefix: "/api*"}'),
    route('request-headers: {set: {X-A: "US$ 5, {json}, 50%"}}'),
    route('request-headers: {set: {X-A: "$constructor and $toString"}}'),
    route('rewrite: {host: "${origin}"}'),
    'routes:\n  - {respond: {status: 200, body: "a ${template} of JavaScript"}}\n',
    'origin: http://a\ncache-size: 0\n',
    'origin: http://a_b.internal:3000/x\n',
    'origin: http://[::1]:3000\n',
  ];
  for (const text of right) assert.deepEqual(await mistakes(text), [], text);
});

const foreign: Record<string, string> = {
  nginx: 'server {\n  listen 80;\n  location / { proxy_pass http://127.0.0.1:3000; }\n}\n',
  'nginx ': 'upstream app {\n  server 127.0.0.1:3000;\n}\n',
  HAProxy: 'global\n  maxconn 100\nfrontend f\n  bind *:80\n',
  Caddy: 'example.org {\n  reverse_proxy 127.0.0.1:3000\n}\n',
  Varnish: 'vcl 4.1;\nbackend default { .host = "127.0.0.1"; }\n',
  'remap.config': 'map http://a.example/ http://b.example/\n',
  'records.config': 'CONFIG proxy.config.http.server_ports STRING 80\n',
  'records.yaml': 'records:\n  http:\n    server_ports: 80\n',
  'sni.yaml': 'sni:\n- fqdn: example.org\n',
  Traefik: 'entryPoints:\n  web:\n    address: ":80"\n',
  Envoy: 'static_resources:\n  listeners: []\n',
  Apache: '<VirtualHost *:80>\n  ProxyPass / http://a/\n</VirtualHost>\n',
};

test('a file of another server is known as such', async () => {
  for (const [server, text] of Object.entries(foreign)) {
    const found = await mistakes(text);
    assert.equal(found.length, 1, found.join('\n'));
    assert.match(
      found[0]!,
      /this is a file of .* a language of its own; (?:sluice import \w+ \S+ writes it|write it) as YAML/,
    );
    assert.ok(found[0]!.includes(server.trim()), `${server}: ${found[0]}`);
  }
  assert.deepEqual(await mistakes('# server {\norigin: http://a\n'), []);
});

const many = 30_000;
const floods: Record<string, string> = {
  'unknown keys': Array.from({ length: many }, (_, i) => `key${i}: 1\n`).join(''),
  'routes to nowhere': `${app}routes:\n${'- {origin: x}\n'.repeat(many)}`,
};

/** Of a processor; seconds on a quiet machine. It took three minutes. */
const REFUSED_WITHIN_S = 6;

for (const [name, text] of Object.entries(floods)) {
  test(`${many} mistakes are refused soon: ${name}`, async () => {
    const before = process.cpuUsage();
    const found = await mistakes(text);
    const seconds = process.cpuUsage(before).user / 1e6;
    assert.ok(found.length >= many, `${found.length} mistakes`);
    assert.ok(seconds < REFUSED_WITHIN_S * slowdown(), `${seconds} s`);
  });
}
