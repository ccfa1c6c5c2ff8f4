// Needs openssl: it makes the certificates.
/**
 * Mistakes that people make who come from nginx, HAProxy, Varnish or Traffic Server, or write YAML
 * seldom. Each is told with its place, its key, and something to write.
 */
import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { UsageError } from '../../src/base/errors.ts';
import { diagnosticText } from '../../src/config/document/diagnostic.ts';
import { ownKeys } from '../../src/config/document/other-servers.ts';
import { allKeys } from '../../src/config/keys.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { configurationSchema } from '../../src/config/schema/configuration.ts';
import { Authority } from '../support/authority.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const directory = temporaryDirectory();
const authority = new Authority();
for (const name of ['a', 'b']) {
  const { certificateFile, keyFile } = authority.issue({ names: [`${name}.example`] });
  copyFileSync(certificateFile, join(directory, `${name}.pem`));
  copyFileSync(keyFile, join(directory, `${name}.key`));
}
writeFileSync(join(directory, 'text.pem'), 'hello\n');

interface Told {
  readonly diagnostics: readonly string[];
  readonly warnings: readonly string[];
}

async function check(text: string): Promise<Told> {
  const warnings: string[] = [];
  const source = { file: 'f', text, directory };
  try {
    await loadConfiguration({
      source,
      flags: new Map(),
      command: 'run',
      isCheck: true,
      nowMs: Date.now(),
      stateDirectory: directory,
      demoOrigin: null,
      warn: (message) => warnings.push(message),
    });
    return { diagnostics: [], warnings };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { diagnostics: error.diagnostics.map(diagnosticText), warnings };
  }
}

const ORIGIN = 'origin: http://o\n';
const app = (more: string) => `origins:\n  app: {servers: [http://o]${more}}\n`;
const server = (one: string) => `origins:\n  app: {servers: [${one}]}\n`;
const route = (more: string) => `${app('')}routes:\n  - {origin: app${more}}\n`;
const pair = (cert: string, key: string, more = '') =>
  `${ORIGIN}hosts:\n  - certificates: [{cert: ${cert}, key: ${key}}]\n${more}`;

/** The text; the whole of what is said. `DIR` stands for the directory of the file. */
const cases: Record<string, readonly [text: string, said: string]> = {
  'a tab as indentation': [
    'origins:\n\tapp: {servers: [http://o]}\n',
    'f:2:1: a tab as indentation; indent with spaces, two for each level',
  ],
  'a key that is there twice': [
    'origin: http://o\nworkers: 2\nworkers: 4\n',
    'f:3:1: the key workers is there twice in one map; ' +
      'remove one of them; several values are a list, as in workers: [a, b]',
  ],
  'a key that is there twice, deep inside': [
    'origins:\n  app:\n    servers: [http://o]\n    servers: [http://p]\n',
    'f:4:5: the key servers is there twice in one map; ' +
      'remove one of them; several values are a list, as in servers: [a, b]',
  ],
  'a brace that is not closed': [
    'origins:\n  app: {servers: [http://o]\nworkers: 2\n',
    'f:3:1: a brace or bracket that was opened is not closed; ' +
      'close it, as in servers: [http://10.0.0.1:3000]',
  ],
  'a key that is indented too little': [
    'listeners:\n  - address: 443\n   protocol: https\n',
    'f:3:1: the indentation fits no line above; begin all keys of one map in the same column, ' +
      'as in the example of sluice config explain',
  ],
  'a colon without a space': [
    'origin: http://o\nworkers:2\n',
    'f:2:1: no key and value: after the colon of a key comes a space; ' +
      'write KEY: VALUE, as in workers: 2',
  ],
  'a wildcard without quotes': [
    `${pair('a.pem', 'a.key')}    names: [*.example.org]\n`,
    'f:4:13: hosts[0].names[0]: *.example.org without quotes refers to an anchor that is not ' +
      'there; put it in quotes: "*.example.org"',
  ],
  'a pattern in double quotes': [
    route(', match: {path-pattern: "^/v\\d+/"}'),
    'f:4:45: in double quotes a backslash begins an escape, and this is none; ' +
      "write it in single quotes, as in path-pattern: '^/v\\d+/'",
  ],
  'a second document': [
    'origin: http://o\n---\nworkers: 2\n',
    'f:2:1: a second document begins here, and would be left out; ' +
      'remove the line --- and what is there twice',
  ],
  'a key with a letter wrong, deep inside': [
    app(', timeouts: {conect: 5s}'),
    'f:2:41: origins.app.timeouts.conect: unknown key "conect"; ' +
      'did you mean connect? As in connect: 2s',
  ],
  'an underscore for a hyphen': [
    app(', connections_max: 5'),
    'f:2:30: origins.app.connections_max: unknown key "connections_max"; ' +
      'did you mean connections-max? As in connections-max: 256',
  ],
  'a block of nginx': [
    'origin: http://o\nserver:\n  listen: 80\n',
    'f:2:1: server: unknown key "server"; that is hosts here: see sluice config explain hosts',
  ],
  'a section of HAProxy': [
    'origin: http://o\nbackends: {}\n',
    'f:2:1: backends: unknown key "backends"; that is origins here: ' +
      'see sluice config explain origins',
  ],
  'a probe of Varnish': [
    app(', probe: {url: /up}'),
    'f:2:30: origins.app.probe: unknown key "probe"; that is origins.*.health-check here: ' +
      'see sluice config explain origins.*.health-check',
  ],
  'a section of Traffic Server': [
    'origin: http://o\nremap: []\n',
    'f:2:1: remap: unknown key "remap"; that is routes here: see sluice config explain routes',
  ],
  'a key one level too high': [
    app(', connect: 2s'),
    'f:2:30: origins.app.connect: unknown key "connect"; write it as timeouts.connect',
  ],
  'a key one level too high that may be one of two': [
    route(', host: a.example'),
    'f:4:19: routes[0].host: unknown key "host"; write it as match.hosts or rewrite.host',
  ],
  'one for many': [
    app(', retry: 3'),
    'f:2:30: origins.app.retry: unknown key "retry"; did you mean retries? As in retries: {max: 1}',
  ],
  'a name that says too little': [
    route(', rate-limit: {requests: 5, requests-per-second: 5}'),
    'f:4:32: routes[0].rate-limit.requests: unknown key "requests"; ' +
      'did you mean requests-per-second? As in requests-per-second: 10',
  ],
  'a key of another section': [
    app(', path-prefix: /api'),
    'f:2:30: origins.app.path-prefix: unknown key "path-prefix"; ' +
      'did you mean routes[].match.path-prefix or logs[].filter.path-prefix?',
  ],
  'a time without its unit': [
    app(', timeouts: {response: 30}'),
    'f:2:51: origins.app.timeouts.response "30": not a time in ms, s, m, h or d; ' +
      'write response: TIME, as in response: 30s',
  ],
  'a size in percent': [
    `${ORIGIN}cache: {size: 80%}\n`,
    'f:2:15: cache.size "80%": not a size in bytes, KiB, MiB or GiB; ' +
      'write size: BYTES, as in size: 64MiB',
  ],
  'yes for on': [
    route(', cache: {enabled: yes}'),
    'f:4:36: routes[0].cache.enabled "yes": neither on nor off; ' +
      'write enabled: on|off, as in enabled: off',
  ],
  'a word where a list is': [
    'origins:\n  app: {servers: http://o}\n',
    'f:2:18: origins.app.servers "http://o": not a list; ' +
      'write servers: [http://10.0.0.1:3000, http://10.0.0.2:3000]',
  ],
  'a map where a list is': [
    'origin: http://o\nlisteners:\n  address: 443\n',
    'f:3:3: listeners: a map: not a list; ' +
      'write listeners: [{address: 0.0.0.0:443, protocol: https}]',
  ],
  'workers of nginx': [
    'origin: http://o\nworkers: auto\n',
    'f:2:10: workers "auto": not a number from 1 to 256; write workers: N, as in workers: 1',
  ],
  'an origin without a scheme': [
    server('127.0.0.1:3000'),
    'f:2:19: origins.app.servers[0] "127.0.0.1:3000": not an http, https or h2c URL; ' +
      'write http://127.0.0.1:3000',
  ],
  'a variable of the environment': [
    server('"$' + '{ORIGIN}"'),
    'f:2:19: origins.app.servers[0]: variables are not replaced here; write ' +
      'http://10.0.0.1:3000; for one of the environment, write ${env:NAME}',
  ],
  'a port that there is not': [
    `${ORIGIN}listeners: [{address: "127.0.0.1:99999"}]\n`,
    'f:2:23: listeners[0].address "127.0.0.1:99999": a port is at most 65535; ' +
      'write address: [HOST:]PORT, as in address: 0.0.0.0:443',
  ],
  'two listeners on one port': [
    `${ORIGIN}listeners: [{address: 443}, {address: 443, protocol: http}]\n`,
    'f:2:39: listeners[1].address: the same address as listeners[0]; ' +
      'write another port, or remove one of them',
  ],
  'a certificate that is not there': [
    pair('no.pem', 'a.key'),
    'f:3:27: hosts[0].certificates[0].cert: DIR/no.pem: there is no such file; ' +
      'name a PEM file that this user may read',
  ],
  'a certificate that is none': [
    pair('text.pem', 'a.key'),
    'f:3:27: hosts[0].certificates[0].cert: DIR/text.pem: not a PEM file; convert it to PEM',
  ],
  'a directory for a certificate': [
    pair('.', 'a.key'),
    'f:3:27: hosts[0].certificates[0].cert: DIR: it cannot be read (EISDIR); ' +
      'name a PEM file that this user may read',
  ],
  'the key of another certificate': [
    pair('a.pem', 'b.key'),
    'f:3:39: hosts[0].certificates[0].key: the private key does not belong to the certificate; ' +
      'give the key that the certificate was made for, and the certificate of the server first',
  ],
  'certificate and key in the wrong places': [
    pair('a.key', 'a.pem'),
    'f:3:27: hosts[0].certificates[0].cert: the certificate file holds no certificate; ' +
      'give a PEM file with a block that begins with -----BEGIN CERTIFICATE-----',
  ],
  'a version of TLS that is not served': [
    `${pair('a.pem', 'a.key')}    tls: {min-version: TLSv1.0}\n`,
    'f:4:24: hosts[0].tls.min-version "TLSv1.0": no such word; write TLSv1.2, TLSv1.3',
  ],
  'a route to an origin that there is not': [
    `${app('')}routes:\n  - {origin: appp}\n`,
    'f:4:14: routes[0].origin: no origin is called appp; did you mean app?',
  ],
  'a way of balancing with a hyphen left out': [
    app(', balance: roundrobin'),
    'f:2:39: origins.app.balance "roundrobin": no such word; did you mean round-robin?',
  ],
  'a method in small letters': [
    route(', match: {methods: [get]}'),
    'f:4:37: routes[0].match.methods[0]: no client sends get; write GET',
  ],
  'a path without its slash': [
    route(', match: {path-prefix: api}'),
    'f:4:40: routes[0].match.path-prefix: no path; ' +
      'begin it with / and leave out query and spaces, as in /api',
  ],
  'a range of addresses that there is not': [
    route(', access: [{allow: [10.0.0.0/33]}]'),
    'f:4:37: routes[0].access[0].allow[0] "10.0.0.0/33": not an IP address or a range of them; ' +
      'write allow: ADDRESS[/BITS], as in allow: 10.0.0.0/8',
  ],
  'a rate with its unit': [
    route(', rate-limit: {requests-per-second: 10/s}'),
    'f:4:53: routes[0].rate-limit.requests-per-second "10/s": not a number from 0.0001 to ' +
      '100000; write requests-per-second: 10',
  ],
  'a field of a log that there is not': [
    `${ORIGIN}logs: [{target: a.log, format: "\${statuss}"}]\n`,
    'f:2:32: logs[0].format: there is no field "statuss"; write $' + '{status}',
  ],
};

for (const [name, [text, said]] of Object.entries(cases)) {
  test(`told with its place and what to write: ${name}`, async () => {
    const { diagnostics } = await check(text);
    const relative = diagnostics.map((one) => one.replaceAll(directory, 'DIR'));
    assert.deepEqual(relative, [said]);
  });
}

const unreached: Record<string, readonly [matches: readonly string[], warning: string]> = {
  'after a route for everything': [['{}', '{path-prefix: /api}'], 'routes[0] is for every request'],
  'after a prefix of its own': [
    ['{path-prefix: /api}', '{path-prefix: /api/v1, methods: [GET]}'],
    'routes[0] is for all that it is for',
  ],
  'after a wildcard of its host': [
    ['{hosts: ["*.example.org"]}', '{hosts: [a.example.org]}'],
    'routes[0] is for all that it is for',
  ],
};

for (const [name, [matches, warning]] of Object.entries(unreached)) {
  test(`a route that gets no request is a warning: ${name}`, async () => {
    const routes = matches.map((match) => `  - {origin: app, match: ${match}}\n`).join('');
    const { diagnostics, warnings } = await check(`${app('')}routes:\n${routes}`);
    assert.deepEqual(diagnostics, []);
    assert.deepEqual(warnings, [`f:5:5: routes[1]: never reached: ${warning}`]);
  });
}

for (const matches of [
  ['{path-prefix: /api}', '{path-prefix: /apis}'],
  ['{path-prefix: /api, methods: [GET]}', '{path-prefix: /api}'],
  ['{hosts: [a.example]}', '{hosts: [a.example, b.example]}'],
  ['{hosts: ["*.example.org"]}', '{hosts: [example.org]}'],
  ['{path-pattern: "^/a"}', '{path-prefix: /a}'],
  ['{headers: {X-A: "1"}}', '{headers: {X-A: "2"}}'],
]) {
  test(`a route that gets requests is none: ${matches.join(' then ')}`, async () => {
    const routes = matches.map((match) => `  - {origin: app, match: ${match}}\n`).join('');
    assert.deepEqual(await check(`${app('')}routes:\n${routes}`), {
      diagnostics: [],
      warnings: [],
    });
  });
}

test('a route for a name that no entry of hosts has is a warning, unless the first has none', async () => {
  const file = (names: string, match: string) =>
    `${app('')}hosts:\n  - {certificates: [{cert: a.pem, key: a.key}]${names}}\n` +
    `routes:\n  - {origin: app, match: {hosts: [${match}]}}\n`;
  const warningsOf = async (names: string, match: string) => {
    const { diagnostics, warnings } = await check(file(names, match));
    assert.deepEqual(diagnostics, []);
    return warnings.filter((one) => one.includes('no entry of hosts'));
  };
  const named = ', names: [a.example, "*.b.example"]';
  const [warning, ...others] = await warningsOf(named, 'a.example, c.example');
  assert.match(
    warning!,
    /^f:\d+:\d+: routes\[0\]\.match\.hosts\[1\]: no entry of hosts has this name: over /,
  );
  assert.match(warning!, /it gets the certificate of a\.example$/);
  assert.deepEqual(others, []);
  for (const match of ['A.EXAMPLE', '"*.b.example"', 'x.b.example']) {
    assert.deepEqual(await warningsOf(named, match), [], match);
  }
  assert.equal((await warningsOf(named, '"*.a.example"')).length, 1);
  assert.deepEqual(await warningsOf('', 'c.example'), []);
});

test('what other servers call otherwise are keys that there are', () => {
  const known = new Set(allKeys({ path: '', schema: configurationSchema }).map(({ path }) => path));
  for (const key of ownKeys) assert.ok(known.has(key), key);
});
