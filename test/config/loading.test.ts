import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Check } from 'typebox/value';
import { parse } from 'yaml';
import { UsageError } from '../../src/base/errors.ts';
import { parseCommandLine } from '../../src/config/command-line.ts';
import { diffConfigurations } from '../../src/config/difference.ts';
import { readSource } from '../../src/config/document/source.ts';
import type { ExplicitOptions } from '../../src/config/explicit-values.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import type { SluiceOptions } from '../../src/config/options.ts';
import { configurationSchema } from '../../src/config/schema/configuration.ts';
import { exampleSite } from '../support/example-site.ts';
import { unlessInstalled } from '../support/programs.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const directory = temporaryDirectory();
const warnings: string[] = [];

function source(text: string, of = directory) {
  return { file: 'sluice.yaml', text, directory: of };
}

async function load(text: string, words = '', of = directory): Promise<SluiceOptions> {
  const { options } = await loadConfiguration({
    source: source(text, of),
    flags: parseCommandLine(words.split(' ').filter(Boolean), '/').given,
    command: 'run',
    isCheck: true,
    nowMs: Date.now(),
    stateDirectory: join(of, 'state'),
    demoOrigin: null,
    warn: (message) => warnings.push(message),
  });
  return options;
}

/** Each as `LINE:COLUMN KEY: PROBLEM; REMEDY`. */
async function diagnostics(text: string, words = ''): Promise<string[]> {
  try {
    await load(text, words);
    return [];
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return error.diagnostics.map(
      (one) => `${one.line}:${one.column} ${one.key}: ${one.problem}; ${one.remedy}`,
    );
  }
}

test('the example of a whole file has no mistake, and a check of it writes nothing', {
  skip: unlessInstalled('openssl'),
}, async () => {
  const site = exampleSite();
  const before = readdirSync(site.directory);
  const options = await load(site.text, '', site.directory);
  assert.deepEqual(readdirSync(site.directory), before);
  assert.equal(options.cacheDirectory, join(site.directory, 'cache'));
  assert.ok(!existsSync(options.cacheDirectory));
  assert.deepEqual(
    options.origins.map(({ name, servers }) => [name, servers.length]),
    [
      ['app', 3],
      ['images', 1],
    ],
  );
  assert.equal(options.routes.length, 6);
  assert.ok(Check(configurationSchema as object, parse(site.text)), 'editors see no mistake');
  assert.equal(options.hosts.length, 2);
  // Everything goes to workers by structured clone, but for how people have said where to listen.
  const listeners = options.listeners.map((one) => Object.fromEntries(Object.entries(one)));
  assert.deepEqual(structuredClone(options), { ...options, listeners });
});

test('all mistakes of a file are told at once, in its order, and twice none of them', async () => {
  const found = await diagnostics(`listeners:
  - adress: 127.0.0.1:80
  - {address: 127.0.0.1:81, protocol: htps}
  - {address: 127.0.0.1:81}
origins:
  app: {servers: [{url: ftp://x, wieght: 2}], timeouts: {response: 30}}
routes:
  - {origin: ap, match: {path-pattern: "("}}
features: {alpn-h3: off}
worker: 2
`);
  const beginnings = [
    '2:5 listeners[0].adress: unknown key "adress"; did you mean address?',
    '3:39 listeners[1].protocol: "htps": no such word; did you mean https?',
    '4:15 listeners[2].address: the same address as listeners[1]; write another port',
    '6:25 origins.app.servers[0].url: "ftp://x": not an http, https or h2c URL; write url: ',
    '6:34 origins.app.servers[0].wieght: unknown key "wieght"; did you mean weight?',
    '6:68 origins.app.timeouts.response: "30": not a time in ms, s, m, h or d; write response: ',
    '8:14 routes[0].origin: no origin is called ap; ',
    '8:40 routes[0].match.path-pattern: Invalid regular expression',
    '9:12 features.alpn-h3: unknown key "alpn-h3"; did you mean alpn-h2?',
    '10:1 worker: unknown key "worker"; did you mean workers?',
  ];
  assert.equal(found.length, beginnings.length, found.join('\n'));
  for (const [i, beginning] of beginnings.entries()) {
    assert.ok(found[i]!.startsWith(beginning), `${found[i]} is not ${beginning}`);
  }
});

const single: readonly [text: string, mistake: string][] = [
  ['origins: {}\n', '1:10 origins: no group; write app: {servers: [http://127.0.0.1:3000]}'],
  ['origins: {a: {servers: []}}\n', '1:24 origins.a.servers: an empty list; write servers: '],
  ['origins: {a: {}}\n', '1:14 origins.a: no server; write servers: [http://127.0.0.1:3000], or h'],
  ['origins: {"a b": {servers: [http://o]}}\n', '1:18 origins.a b: not a name for a group; write'],
  ['origin: http://o\nhttp: 80\nlisteners: [{address: 81}]\n', '2:7 http: short for listeners'],
  ['origin: http://o\norigins: {a: {servers: [http://o]}}\n', '1:9 origin: short for origins'],
  ['origin: http://o\ncache-size: 1MiB\ncache: {size: 2MiB}\n', '3:15 cache.size: given by cache-'],
  ['origin: http://o\nhttps: 443\ncert: a.pem\n', '3:7 cert: "a.pem": has no --key; add --key'],
  ['origin: http://o\ncert: a.pem\nkey: a.key\n', '2:7 cert: "a.pem": no such file; name a PEM'],
  [
    'origin: http://o\nlisteners: [{address: 1, http2-cleartext: on}]\n',
    '2:43 listeners[0].http2-cleartext: not with the protocol https; leave it out',
  ],
  [
    'origin: http://o\nlisteners: [{address: 1, proxy-protocol: {accept: required}}]\n',
    '2:42 listeners[0].proxy-protocol.from: no address may send a header; name the load balancers',
  ],
  [
    'origins: {a: {servers: [http://o/a, http://o/b]}}\n',
    '1:37 origins.a.servers[1]: another path than that of the first server, /a; ',
  ],
  [
    'origins: {a: {servers: [{url: http://o, backup: on}]}}\n',
    '1:24 origins.a.servers: all of them are backup; leave backup out for one',
  ],
  [
    'origins: {a: {servers: [http://o], tls: {server-name: x}}}\n',
    '1:41 origins.a.tls: no server has an https URL; write https://, or leave tls out',
  ],
  [
    'origins: {a: {servers: [http://o], resolve: {servers: [dns.example]}}}\n',
    '1:56 origins.a.resolve.servers[0]: not an IP address; write it as 10.0.0.53:53',
  ],
  [
    'origins: {a: {servers: [http://o], resolve: {ttl-min: 1h, ttl-max: 1m}}}\n',
    '1:68 origins.a.resolve.ttl-max: below ttl-min; write a longer time',
  ],
  [
    'origins: {a: {servers: [http://o], health-check: {statuses: [299-200], interval: 1ms}}}\n',
    '1:62 origins.a.health-check.statuses[0]: a range that ends before it begins; write it',
  ],
  [
    'origin: http://o\nhttp: [81, 82, 81]\n',
    '2:16 http[2]: "81": it is the address of another listener; ',
  ],
  ['origin: http://o\nhttp: 81\nhttps: 127.0.0.1:81\n', '3:8 https: "127.0.0.1:81": it is'],
  ['origin: http://o\nlisteners: [{address: 81}]\nadmin: 81\n', '3:8 admin: "81": it is'],
  ['origin: http://o\nretries: {}\n', '2:1 retries: unknown key "retries"; write it as orig'],
  ['- a\n', '1:1 : a list: not a map; write '],
  ['origin: http://o\nworkers:\n', '2:9 workers: no value; write workers: 1'],
  ['origin: http://o\nworkers: {a: 1}\n', '2:10 workers: a map: not one value; write workers: 1'],
];

for (const [text, mistake] of single) {
  test(`a mistake is told with its place and its remedy: ${JSON.stringify(text)}`, async () => {
    const [first = 'no mistake'] = await diagnostics(text);
    assert.ok(first.startsWith(mistake), first);
  });
}

test('flags take the place of what the file says', async () => {
  const text = `listeners: [{address: 127.0.0.1:1, protocol: http}]
origins: {app: {servers: [http://o]}}
routes: [{origin: app, match: {hosts: [example.org]}}]
cache: {size: 1MiB}
admin: {address: 127.0.0.1:9}
auto-disable: {deaths: 7}
incidents: {watchdog: 3s}
features: {alpn-h2: off}
`;
  const plain = await load(text);
  assert.deepEqual(
    [plain.cacheSizeBytes, plain.admin, plain.autoDisable.deathsMax, plain.recorder.watchdogMs],
    [2 ** 20, { host: '127.0.0.1', port: 9 }, 7, 3000],
  );
  assert.deepEqual(plain.features, { 'alpn-h2': false });
  const words = '--origin http://p --http 2 --cache-size 2MiB --admin off --feature ja4=off';
  const changed = await load(text, words);
  assert.deepEqual(changed.origins[0]!.servers[0]!.host, 'p');
  assert.deepEqual(changed.routes[0]!.match.hosts, []);
  assert.deepEqual(
    changed.listeners.map(({ address }) => address),
    [{ host: '127.0.0.1', port: 2 }],
  );
  assert.deepEqual([changed.cacheSizeBytes, changed.admin], [2 ** 21, null]);
  assert.deepEqual(changed.features, { ja4: false });
  assert.equal(changed.autoDisable.deathsMax, 7);
});

test('a file may say things once and refer to them', async () => {
  const { origins } = await load(`origins:
  a: {servers: [http://o], timeouts: &patient {response: 5m}}
  b: {servers: [http://p], timeouts: *patient}
`);
  assert.deepEqual(
    origins.map(({ timeouts }) => timeouts.responseMs),
    [300_000, 300_000],
  );
});

test('routes that all answer by themselves need no origin', async () => {
  const routes = 'routes: [{redirect: {to: https://example.org/}}]\n';
  assert.deepEqual((await load(routes)).origins, []);
  assert.deepEqual(
    (await load(`origin: http://o\n${routes}`)).origins.map(({ name }) => name),
    ['default'],
  );
});

test('what is there for nothing is told, and no mistake', async () => {
  warnings.length = 0;
  await load(`origins: {a: {servers: [http://o]}, b: {servers: [http://p]}}
routes:
  - {origin: a}
  - {origin: a, match: {hosts: [example.org]}}
`);
  assert.deepEqual(warnings, [
    'sluice.yaml:4:5: routes[1]: never reached: routes[0] is for every request',
    'sluice.yaml:1:40: origins.b: no route names it',
  ]);
});

test('bytes that are no UTF-8 are mistakes with their place, but in comments', async () => {
  const file = join(temporaryDirectory(), 'sluice.yaml');
  const found = async (text: string) => {
    writeFileSync(file, Buffer.from(text, 'latin1'));
    const read = readSource(file, '/');
    try {
      const flags: ExplicitOptions = new Map();
      const common = { command: 'run', isCheck: true, nowMs: 0, demoOrigin: null } as const;
      await loadConfiguration({ source: read, flags, ...common, stateDirectory: '/', warn() {} });
      return [];
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      return error.diagnostics.map(({ line, column, problem }) => `${line}:${column} ${problem}`);
    }
  };
  const route = (body: string) =>
    `# ok\norigin: http://o\nroutes:\n  - respond: {status: 200, body: ${body}}\n`;
  assert.deepEqual(await found(route('Gr\xfc\xdfe')), ['4:36 a byte that is no UTF-8']);
  assert.deepEqual(await found(route('"a\xe4"')), ['4:36 a byte that is no UTF-8']);
  assert.deepEqual(await found(route('\xc3\xa4\xe4')), ['4:35 a byte that is no UTF-8']);
  assert.deepEqual(await found(route('Gr\xc3\xbc\xc3\x9fe')), []);
  assert.deepEqual(await found(`# Gr\xfc\xdfe\n${route('x')}`), []);
});

test('an alias without its anchor is the only mistake that is told of', async () => {
  const text = 'origins: {a: {servers: [http://o]}}\nroutes:\n  - origin: *nobody\n';
  const told = await diagnostics(text);
  assert.equal(told.length, 1);
  assert.match(told[0]!, /^3:\d+ routes\[0\]\.origin: \*nobody .* anchor that is not there/);
  const redirect = 'origins: {a: {servers: [http://o]}}\nroutes: [{redirect: *x}]\n';
  assert.equal((await diagnostics(redirect)).length, 1);
  assert.match((await diagnostics('origin: *nobody\n')).join(), /^1:9 origin: \*nobody [^,]*$/);
});

test('names of files are relative to the file', async () => {
  const { dangerModules } = await load('origin: http://o\ndanger-module: [a.ts, /b.ts]\n');
  assert.deepEqual(dangerModules, [join(directory, 'a.ts'), '/b.ts']);
});

test('what differs between two files is told key by key, and no password', () => {
  const a = 'origin: http://o\nroutes:\n  - {origin: a}\n  - {origin: b}\nworkers: 2\n';
  const b = '# moved\nworkers: 2\nroutes: [{origin: a}, {origin: c, name: x}]\n';
  assert.deepEqual(diffConfigurations(source(a), source(b), configurationSchema), [
    { key: 'origin', before: 'http://o', after: '' },
    { key: 'routes[1].origin', before: 'b', after: 'c' },
    { key: 'routes[1].name', before: '', after: 'x' },
  ]);
  assert.deepEqual(diffConfigurations(source(a), source(`${a}\n\n`), configurationSchema), []);
  assert.deepEqual(
    diffConfigurations(null, source('cluster: redis://me:secret@host/0\n'), configurationSchema),
    [{ key: 'cluster', before: '', after: '"(redacted)"' }],
  );
});
