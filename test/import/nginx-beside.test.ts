/**
 * A real nginx and sluice with what was imported from it, asked for the same: sluice may refuse more, and
 * nothing that nginx keeps from anybody.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { parse } from 'yaml';
import { askServer, compareServers, type UrlQuestion } from '../../src/cli/importing/compare.ts';
import { importFrom } from '../../src/import/importer.ts';
import { nginxImporter } from '../../src/import/nginx/nginx.ts';
import { startNginx } from '../support/nginx.ts';
import { startOrigin, unusedPort } from '../support/origins.ts';
import { findProgram } from '../support/programs.ts';
import { startSluiceWith } from '../support/sluice-file.ts';

const skip = findProgram('nginx') === null ? 'nginx is not installed' : false;

const locations = (origin: number) => `
  location / { proxy_pass http://127.0.0.1:${origin}; proxy_set_header Host $host; }
  location /api/ { proxy_pass http://127.0.0.1:${origin}/v2/; proxy_set_header Host $host; }
  location /base { proxy_pass http://127.0.0.1:${origin}/other; }
  location = /exact { proxy_pass http://127.0.0.1:${origin}; }
  location ^~ /static/ { proxy_pass http://127.0.0.1:${origin}/files/; }
  location /static/img/ { proxy_pass http://127.0.0.1:${origin}/images/; }
  location ~* \\.(png|jpe?g)$ { proxy_pass http://127.0.0.1:${origin}; add_header X-Kind image always; }
  location ~ /\\.(?!well-known) { deny all; }
  location /admin { deny all; proxy_pass http://127.0.0.1:${origin}; }
  location /open/ { deny all; location /open/door { allow all; proxy_pass http://127.0.0.1:${origin}; } }
  location ~ ^/secret$ { return 403; }
  location /private { internal; proxy_pass http://127.0.0.1:${origin}; }
  location /old { rewrite ^/old/(.*)$ /new/$1 permanent; return 404; }
  location /strip/ { rewrite ^/strip/(.*)$ /$1 break; proxy_pass http://127.0.0.1:${origin}; }
  location /read { limit_except GET { deny all; } proxy_pass http://127.0.0.1:${origin}; }
  location ~ ^/user/(\\d+)$ { return 302 /users/$1; }
`;

const PATHS = [
  '/',
  '/a?x=1',
  '/api',
  '/api?x=1',
  '/api/',
  '/api/x?y=1',
  '/apix',
  '/base',
  '/base/x',
  '/basex',
  '/exact',
  '/exact/',
  '/exact?x',
  '/static/a',
  '/static/a.png',
  '/static/img/a.png',
  '/static/img/a',
  '/b.PNG',
  '/b.png/c',
  '/.git/config',
  '/x/.env',
  '/.well-known/acme',
  '/admin',
  '/admin/',
  '/admin/x',
  '/adminx',
  '/ADMIN',
  '/open/',
  '/open/x',
  '/open/door',
  '/open/doors',
  '/secret',
  '/secret/',
  '/secretx',
  '/private',
  '/private/x',
  '/old/a/b?c=d',
  '/old',
  '/strip/a/b?c=d',
  '/strip/',
  '/strip',
  '/user/12',
  '/user/x',
  '/read/x',
];

/** Ways to write a path that one server may read as another does not. */
const SPELLINGS: readonly ((path: string) => string)[] = [
  (path) => `/${path}`,
  (path) => `/.${path}`,
  (path) => `/x/..${path}`,
  (path) => `/x/%2e%2e${path}`,
  (path) => `/x/..%2f${path.slice(1)}`,
  (path) => `/api/..${path}`,
  (path) => `/api/..%2F${path.slice(1)}`,
  (path) => `/static/..%2f..${path}`,
  (path) => `/..${path}`,
  (path) => path.replace(/[a-z]/, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  (path) => path.replace(/(?!^)\//, '%2f'),
  (path) => `${path}%2f`,
  (path) => `${path}%0a`,
  (path) => `${path}%00`,
  (path) => `${path};x=1`,
  (path) => `${path}/.`,
  (path) => `${path}/..`,
  (path) => `${path}%20`,
  (path) => `/x\\..${path.replaceAll('/', '\\')}`,
  (path) => path.toUpperCase(),
];

const KEPT = ['/admin', '/admin/x', '/secret', '/.git/config', '/open/x', '/private/x'];

const questions: UrlQuestion[] = [
  ...PATHS.map((target) => ({ method: 'GET', host: 'example.org', target })),
  ...['/read/x', '/admin', '/a'].map((target) => ({ method: 'POST', host: 'example.org', target })),
  ...KEPT.flatMap((path) => SPELLINGS.map((spell) => spell(path))).map((target) => {
    return { method: 'GET', host: 'example.org', target };
  }),
];

test('sluice answers as nginx did, and where it does not, it refuses', { skip }, async () => {
  await using origin = await startOrigin((request, response) => {
    response.end(
      `${request.method} ${request.url} for ${request.headers.host?.replace(/:\d+$/, '')}\n`,
    );
  });
  const port = await unusedPort();
  const http = `server { listen 127.0.0.1:${port}; server_name example.org; ${locations(origin.port)} }`;
  await using nginx = await startNginx({ http, port });
  const file = join(nginx.directory, 'nginx.conf');
  const { text } = importFrom(nginxImporter, file);
  writeFileSync(join(nginx.directory, 'sluice.yaml'), text);
  const listeners = ['http', 'https'].map((protocol) => ({ address: '127.0.0.1:0', protocol }));
  const configuration = { ...parse(text), listeners };
  await using sluice = await startSluiceWith(configuration);
  const after = new URL(`http://127.0.0.1:${sluice.httpPort}`);
  const before = new URL(`http://127.0.0.1:${port}`);
  // Redirects name the port that was asked.
  const asked = questions.map((one) => ({ ...one, host: `example.org:${port}` }));
  const found = await compareServers(before, after, asked);
  const statuses = found.filter(({ what }) => what === 'status');
  const refused = statuses
    .filter((one) => one.after === '400')
    .map(({ question }) => question.target);
  const wrong = found.filter(({ question }) => !refused.includes(question.target));
  assert.deepEqual(wrong, []);
  // Not all of it is refused: most is answered in the same way.
  assert.ok(
    refused.length < questions.length / 2,
    `${refused.length} of ${questions.length} refused`,
  );
  const served = await askServer(after, { method: 'GET', host: 'example.org', target: '/api/x' });
  assert.equal(served.status, 200);
});
