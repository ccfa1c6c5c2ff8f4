// Needs openssl: it makes the certificates.
/** Each key of the configuration file reaches the options that workers get. */
import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { allKeys } from '../../src/config/keys.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { optionTable } from '../../src/config/option-table.ts';
import type { SluiceOptions } from '../../src/config/options.ts';
import { configurationSchema } from '../../src/config/schema/configuration.ts';
import { Authority } from '../support/authority.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const directory = temporaryDirectory();
const authority = new Authority();
const { certificateFile, keyFile } = authority.issue({ names: ['example.org'] });
const rsa = authority.issue({ names: ['example.org'], kind: 'rsa' });
const other = new Authority('/CN=Another');
const cert = join(directory, 'cert.pem');
const key = join(directory, 'key.pem');
copyFileSync(certificateFile, cert);
copyFileSync(keyFile, key);
const token = join(directory, 'token');
writeFileSync(token, 'x'.repeat(32));
const page = join(directory, 'page.html');
writeFileSync(page, 'sorry');
const tickets = join(directory, 'tickets.key');
writeFileSync(tickets, Buffer.alloc(160, 7), { mode: 0o600 });

async function load(configuration: unknown): Promise<SluiceOptions> {
  const text = JSON.stringify(configuration);
  const { options } = await loadConfiguration({
    source: { file: 'sluice.yaml', text, directory },
    flags: new Map(),
    command: 'run',
    isCheck: true,
    nowMs: Date.now(),
    stateDirectory: directory,
    demoOrigin: null,
    warn() {},
  });
  return options;
}

type Values = Record<string, unknown>;

for (const name of ['auth', 'other']) {
  const options = { type: 'object', properties: { header: { type: 'string', default: 'X' } } };
  const text = JSON.stringify({ name, options }).replace(
    /}$/,
    ',setup: () => ({ onRequest() {} }) }',
  );
  writeFileSync(join(directory, `${name}.js`), `export default ${text}`);
}
/** With one plugin. */
const plugins = (changes: Values): Values => ({
  ...base,
  plugins: [{ use: './auth.js', ...changes }],
});

const rsaPair = { cert: rsa.certificateFile, key: rsa.keyFile };

const host = { names: ['a.example'], certificates: [{ cert, key }] };
const clientCertificates = { mode: 'required', ca: authority.certificateFile };

/** With sections; the keys that are short for one stand beside an origin only. */
const base: Values = {
  listeners: [{ address: '127.0.0.1:0', protocol: 'https' }],
  hosts: [host],
  origins: { app: { servers: ['https://o'] } },
  routes: [{ origin: 'app' }],
};
const plainBase: Values = { origin: 'https://o', https: 443 };

/** What must be there for a key to be allowed or to matter, by the path of what it is in. */
const needs: Record<string, Values> = {
  'logs[]': { target: 'needed.log' },
  connect: { from: ['10.1.0.0/16'] },
  'listeners[].tunnels[]': { to: '10.0.0.9:443' },
  'hosts[].tls.client-certificates': clientCertificates,
  'origins.*.servers[]': { url: 'https://o' },
  'routes[].access[]': { deny: 'all' },
  'routes[].rate-limit': { 'requests-per-second': 1 },
  'routes[].rewrite.replace': { pattern: 'a', with: 'b' },
  'routes[].request-headers.when': { hours: '01:00-02:00' },
  'routes[].response-headers.when': { hours: '01:00-02:00' },
};

/** Where the example is not enough: files that must be there, or what is the default. */
const values: Record<string, unknown> = {
  'admin-token-file': token,
  'admin.token-file': token,
  'hosts[].certificates': [
    { cert, key },
    { cert: rsa.certificateFile, key: rsa.keyFile },
  ],
  'hosts[].tls.client-certificates': clientCertificates,
  'hosts[].tls.client-certificates.ca': other.certificateFile,
  workers: 37,
  'listeners[].protocol': 'http',
  listeners: [{ address: 443 }],
  hosts: [{ ...host, names: ['b.example'] }],
  origins: { app: { servers: ['http://p'] } },
};

/** The value, and what there is when it is not given. */
function written(path: string, example: unknown): readonly [Values, Values] {
  const isShort = optionTable.some(({ name }) => name === path) && base[path] === undefined;
  const whole = structuredClone(isShort ? plainBase : base);
  let container = whole;
  const parts = path.split('.');
  for (const [i, part] of parts.slice(0, -1).entries()) {
    const name = part === '*' ? 'app' : part.replace('[]', '');
    const needed = needs[parts.slice(0, i + 1).join('.')] ?? {};
    const isList = part.endsWith('[]');
    const before = container[name];
    const inner = (isList ? (before as Values[] | undefined)?.[0] : before) ?? {};
    const next = { ...(typeof inner === 'object' ? inner : {}), ...needed };
    container[name] = isList ? [next] : next;
    container = next;
  }
  const name = parts.at(-1)!.replace(/\*$/, 'app');
  const without = structuredClone(whole);
  container[name] = example;
  const first = (whole.routes as Values[] | undefined)?.[0];
  if (first?.redirect !== undefined || first?.respond !== undefined) delete first.origin;
  return [whole, without];
}

const listener = (more: Values) => ({
  ...base,
  listeners: [{ address: '127.0.0.1:0', protocol: 'http', ...more }],
});
const proxy = (accept: string, from: string) =>
  listener({ 'proxy-protocol': { accept, from: [from] } });
const hostWith = (more: Values) => ({ ...base, hosts: [{ ...host, ...more }] });
const clients = (more: Values) =>
  hostWith({ tls: { 'client-certificates': { ...clientCertificates, ...more } } });
const app = (more: Values) => ({ ...base, origins: { app: { servers: ['https://o'], ...more } } });
const route = (more: Values) => ({ ...base, routes: [{ origin: 'app', ...more }] });
const header = (value: Values | string) => route({ match: { headers: { 'X-A': value } } });
const answer = (more: Values) => ({ ...base, routes: [more] });
const short = (more: Values) => ({ ...plainBase, ...more });
const query = (of: Values | string) => route({ cache: { key: { query: of } } });
const log = join(directory, 'a.log');
const [site, otherSite] = ['site.js', 'other-site.js'].map((name) => {
  const file = join(directory, name);
  writeFileSync(file, 'export default { fetch: () => new Response() };\n');
  return file;
});
const handled = (handler: Values) => ({ ...base, origins: { app: { handler } } });
const acme = (more: Values) => ({ ...base, acme: { email: 'a@b.example', ...more } });
const account = { 'key-id': 'kid-1', key: 'abcd' };
const errorLog = (more: Values) => ({ ...base, 'error-log': { target: log, ...more } });
const logs = (more: Values) => ({ ...base, logs: [{ target: log, ...more }] });

/** Two ways to write a key that cannot be left out, or that needs others to be right. */
const pairs: Record<string, readonly [Values, Values]> = {
  'http2-cleartext': [short({ http: 80, 'http2-cleartext': 'on' }), short({ http: 80 })],
  cert: [short({ cert, key }), short({})],
  key: [short({ cert, key }), short({})],
  'cluster-timeout': [
    short({ cluster: 'redis://r', 'cluster-timeout': '1s' }),
    short({ cluster: 'redis://r' }),
  ],
  'cluster.timeout': [
    { ...base, cluster: { redis: 'redis://r', timeout: '1s' } },
    { ...base, cluster: 'redis://r' },
  ],
  'acme.directory-ca': [acme({ 'directory-ca': authority.certificateFile }), acme({})],
  'acme.external-account.key-id': [
    acme({ 'external-account': account }),
    acme({ 'external-account': { ...account, 'key-id': 'kid-2' } }),
  ],
  'acme.external-account.key': [
    acme({ 'external-account': account }),
    acme({ 'external-account': { ...account, key: 'efgh' } }),
  ],
  'acme.cluster-secret-file': [
    { ...acme({ 'cluster-secret-file': tickets }), cluster: 'redis://r' },
    { ...acme({}), cluster: 'redis://r' },
  ],
  'acme.challenges': [
    acme({ 'dns-command': 'dns-record', challenges: ['dns-01'] }),
    acme({ 'dns-command': 'dns-record' }),
  ],
  'ticket-key-file': [short({ 'ticket-key-file': tickets }), short({})],
  'tls.ticket-key-file': [{ ...base, tls: { 'ticket-key-file': tickets } }, base],
  'origin-ca': [short({ 'origin-ca': cert }), short({})],
  'cache-memory': [
    short({ 'cache-dir': 'c', 'cache-memory': '1MiB' }),
    short({ 'cache-dir': 'c' }),
  ],
  'cache.memory': [
    short({ cache: { directory: 'c', memory: '1MiB' } }),
    short({ 'cache-dir': 'c' }),
  ],
  'access-log': [short({ 'access-log': log }), short({})],
  'log-format': [short({ 'access-log': log, 'log-format': 'json' }), short({ 'access-log': log })],
  'handshake-log-scope': [
    short({ 'handshake-log': log, 'handshake-log-scope': 'all' }),
    short({ 'handshake-log': log }),
  ],
  logs: [logs({}), base],
  'logs[].target': [logs({}), logs({ target: 'other.log' })],
  'logs[].fields': [logs({ format: 'json', fields: ['status'] }), logs({ format: 'json' })],
  'logs[].rotate': [logs({ rotate: { size: 1024 } }), logs({})],
  'logs[].rotate.size': [logs({ rotate: { size: 1024 } }), logs({ rotate: { size: 2048 } })],
  'logs[].rotate.every': [logs({ rotate: { every: '1d' } }), logs({ rotate: { every: '1h' } })],
  'logs[].rotate.keep': [
    logs({ rotate: { size: 1024, keep: 3 } }),
    logs({ rotate: { size: 1024 } }),
  ],
  'logs[].rotate.gzip': [
    logs({ rotate: { size: 1024, gzip: 'on' } }),
    logs({ rotate: { size: 1024 } }),
  ],
  'error-log': [short({ 'error-log': log }), short({})],
  'error-log.target': [errorLog({}), base],
  'error-log.rotate': [errorLog({ rotate: { size: 1024 } }), errorLog({})],
  'error-log.rotate.size': [
    errorLog({ rotate: { size: 1024 } }),
    errorLog({ rotate: { size: 2048 } }),
  ],
  'error-log.rotate.every': [
    errorLog({ rotate: { every: '1d' } }),
    errorLog({ rotate: { every: '1h' } }),
  ],
  'error-log.rotate.keep': [
    errorLog({ rotate: { size: 1024, keep: 3 } }),
    errorLog({ rotate: { size: 1024 } }),
  ],
  'error-log.rotate.gzip': [
    errorLog({ rotate: { size: 1024, gzip: 'on' } }),
    errorLog({ rotate: { size: 1024 } }),
  ],
  'handshake-log': [short({ 'handshake-log': log }), short({})],
  'listeners[].http2-cleartext': [listener({ 'http2-cleartext': 'on' }), listener({})],
  'listeners[].proxy-protocol.accept': [
    proxy('required', 'localhost'),
    proxy('optional', 'localhost'),
  ],
  'listeners[].proxy-protocol.from': [proxy('required', '10.0.0.1'), proxy('required', '10.0.0.2')],
  'redirect-to-https': [short({ http: 80, 'redirect-to-https': 'on' }), short({ http: 80 })],
  'hosts[].hsts.preload': [
    hostWith({ hsts: { 'include-subdomains': 'on', preload: 'on' } }),
    hostWith({ hsts: { 'include-subdomains': 'on' } }),
  ],
  'hosts[].certificates[].cert': [base, hostWith({ certificates: [rsaPair] })],
  'hosts[].certificates[].key': [base, hostWith({ certificates: [rsaPair] })],
  'hosts[].tls.max-version': [hostWith({ tls: { 'max-version': 'TLSv1.2' } }), base],
  'hosts[].tls.client-certificates.mode': [clients({}), clients({ mode: 'optional' })],
  'hosts[].tls.client-certificates.header': [clients({ header: 'X-Cert' }), clients({})],
  'origins.*.servers[].backup': [
    app({ servers: ['https://o', { url: 'https://p', backup: 'on' }] }),
    app({ servers: ['https://o', 'https://p'] }),
  ],
  'origins.*.balance.consistent-hash': [
    app({ balance: { 'consistent-hash': { 'hash-on': 'cookie:id' } } }),
    app({ balance: 'consistent-hash' }),
  ],
  'origins.*.tls': [app({ tls: { ca: cert } }), base],
  'origins.*.tls.ca': [app({ tls: { ca: cert } }), base],
  ...Object.fromEntries(
    ['exact', 'prefix', 'suffix', 'contains', 'pattern'].map((kind) => {
      return [`routes[].match.headers.*.${kind}`, [header({ [kind]: 'a' }), header('b')]] as const;
    }),
  ),
  'routes[].match.headers.*.ignore-case': [
    header({ exact: 'a', 'ignore-case': 'on' }),
    header({ exact: 'a' }),
  ],
  ...Object.fromEntries(
    ['request-headers', 'response-headers'].map((key) => {
      const edits = { remove: ['X-A'], when: { share: '10%' } };
      const both = route({ [key]: { ...edits, else: { set: { A: 'b' } } } });
      return [`routes[].${key}.else`, [both, route({ [key]: edits })]] as const;
    }),
  ),
  'routes[].maintenance.enabled': [
    route({ maintenance: { enabled: 'off' } }),
    route({ maintenance: 'on' }),
  ],
  'routes[].maintenance.body-file': [
    route({ maintenance: { 'body-file': page } }),
    route({ maintenance: 'on' }),
  ],
  'routes[].respond.body-file': [
    answer({ respond: { status: 503, 'body-file': page } }),
    answer({ respond: { status: 503 } }),
  ],
  'routes[].origin': [base, answer({ respond: { status: 204 } })],
  'routes[].redirect.to': [answer({ redirect: { to: '/a' } }), answer({ redirect: { to: '/b' } })],
  'routes[].redirect.status': [
    answer({ redirect: { to: '/a', status: 301 } }),
    answer({ redirect: { to: '/a' } }),
  ],
  'routes[].respond.status': [
    answer({ respond: { status: 204 } }),
    answer({ respond: { status: 404 } }),
  ],
  'routes[].respond.headers': [
    answer({ respond: { status: 204, headers: { 'X-A': 'b' } } }),
    answer({ respond: { status: 204 } }),
  ],
  'routes[].respond.headers.*': [
    answer({ respond: { status: 204, headers: { 'X-A': 'b' } } }),
    answer({ respond: { status: 204, headers: { 'X-A': 'c' } } }),
  ],
  'routes[].respond.body': [
    answer({ respond: { status: 200, body: 'a' } }),
    answer({ respond: { status: 200 } }),
  ],
  'routes[].access[].allow': [
    route({ access: [{ allow: 'all' }] }),
    route({ access: [{ allow: ['10.0.0.0/8'] }] }),
  ],
  'routes[].access[].deny': [
    route({ access: [{ deny: 'all' }] }),
    route({ access: [{ deny: ['10.0.0.0/8'] }] }),
  ],
  'routes[].cache.lifetime.negative.*': [
    route({ cache: { lifetime: { negative: { 404: '1s' } } } }),
    route({ cache: { lifetime: { negative: { 404: '2s' } } } }),
  ],
  'routes[].cache.key.query.only': [query({ only: ['a'] }), query('keep')],
  'routes[].cache.key.query.without': [query({ without: ['a'] }), query('keep')],
  'routes[].cache.targeted-headers': [
    route({ cache: { 'targeted-headers': ['Surrogate-Control'] } }),
    base,
  ],
  'routes[].compression.min-size': [
    route({ compression: { 'min-size': 10 } }),
    route({ compression: {} }),
  ],
  ...Object.fromEntries(
    (
      [
        ['', { file: site }, 'other'],
        ['.file', { file: site }, { file: otherSite }],
        ['.threads', { file: site, threads: 3 }, { file: site }],
        ['.memory', { file: site, memory: '64MiB' }, { file: site }],
        ['.busy-max', { file: site, 'busy-max': '3s' }, { file: site }],
        ['.env', { file: site, env: { A: 'b' } }, { file: site }],
        ['.env.*', { file: site, env: { A: 'b' } }, { file: site, env: { A: 'c' } }],
      ] as const
    ).map(([key, given, left]) => [
      `origins.*.handler${key}`,
      [handled(given), left === 'other' ? base : handled(left)] as const,
    ]),
  ),
  plugins: [plugins({}), base],
  'plugins[].use': [plugins({ use: './other.js', name: 'auth' }), plugins({})],
  'plugins[].name': [plugins({ name: 'staff' }), plugins({})],
  'plugins[].match': [plugins({ match: { methods: ['GET'] } }), plugins({})],
  'plugins[].match.routes': [plugins({ match: { routes: ['routes[0]'] } }), plugins({})],
  'plugins[].match.paths': [plugins({ match: { paths: ['/a'] } }), plugins({})],
  'plugins[].match.methods': [plugins({ match: { methods: ['GET'] } }), plugins({})],
  'plugins[].options': [plugins({ options: { header: 'Y' } }), plugins({})],
  'plugins[].on-fault': [plugins({ 'on-fault': 'skip' }), plugins({})],
  'plugins[].timeout': [plugins({ timeout: '500ms' }), plugins({})],
  'routes[].error-pages': [route({ 'error-pages': { '5xx': page } }), base],
  'routes[].error-pages.*': [route({ 'error-pages': { '5xx': page } }), base],
};

for (const { path, schema } of allKeys({ path: '', schema: configurationSchema })) {
  test(`${path} alters the options`, async () => {
    const example = values[path] ?? schema.examples![0];
    const [given, left] = pairs[path] ?? written(path, example);
    assert.notDeepEqual(await load(given), await load(left), JSON.stringify(given));
  });
}

test('no pair is for a key that is not there', () => {
  const known = new Set(allKeys({ path: '', schema: configurationSchema }).map(({ path }) => path));
  for (const path of [...Object.keys(pairs), ...Object.keys(values)]) {
    assert.ok(known.has(path), path);
  }
});
