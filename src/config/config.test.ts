import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { UsageError } from '../base/errors.ts';
import type { CertificatePair } from '../tls/host-options.ts';
import { makeSelfSignedCertificate } from '../tls/self-signed.ts';
import { parseCommandLine, type ServingCommand } from './command-line.ts';
import { loadConfiguration } from './load.ts';
import { optionTable } from './option-table.ts';
import type { SluiceOptions } from './options.ts';
import { resolveOptions } from './resolve.ts';

const DAY_MS = 86_400_000;

const directory = mkdtempSync(join(tmpdir(), 'sluice-'));
test.after(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

/** `leftMs` is how much of its time a certificate still has; at most 397 days. */
function makePair(name: string, leftMs = 100 * DAY_MS): { cert: string; key: string } {
  const nowMs = Date.now() - 397 * DAY_MS + leftMs;
  const { certificatePem, keyPem } = makeSelfSignedCertificate({ names: ['a'], nowMs });
  return { cert: file(`${name}.pem`, certificatePem), key: file(`${name}.key`, keyPem) };
}

const warnings: string[] = [];

/** The first host's first certificate. */
function pairOf({ hosts }: SluiceOptions): CertificatePair | undefined {
  return hosts[0]?.tls.certificates[0];
}

async function resolve(words: string, configuration = '', command: ServingCommand = 'run') {
  const { given } = parseCommandLine(words.split(' ').filter(Boolean), directory);
  const { options } = await loadConfiguration({
    flags: given,
    source: configuration === '' ? null : { file: 'sluice.yaml', text: configuration, directory },
    command,
    nowMs: Date.now(),
    stateDirectory: join(directory, 'state'),
    demoOrigin: null,
    warn: (message) => warnings.push(message),
  });
  return options;
}

const plain = '--origin http://o --http 80';

test('features are switched by name, and the last word on one counts', async () => {
  const words = `${plain} --feature alpn-h2=off --feature early-data=off --feature alpn-h2=on`;
  assert.deepEqual((await resolve(words)).features, { 'alpn-h2': true, 'early-data': false });
  assert.deepEqual((await resolve(plain)).features, {});
});

test('sizes, times and addresses are read in all their forms', async () => {
  const sizes = {
    0: 0,
    100000: 100_000,
    '64MiB': 64 * 2 ** 20,
    '1.5MiB': 1.5 * 2 ** 20,
    '2GB': 2e9,
    '3mb': 3e6,
  };
  for (const [text, bytes] of Object.entries(sizes)) {
    assert.equal((await resolve(`${plain} --cache-size ${text}`)).cacheSizeBytes, bytes);
  }
  for (const [text, ms] of Object.entries({ '0s': 0, '250ms': 250, '1.5s': 1500, '2m': 120_000 })) {
    assert.equal((await resolve(`${plain} --drain-timeout ${text}`)).drainTimeoutMs, ms);
  }
  const { listeners } = await resolve(
    '--origin http://o --http 80 --http=[::1]:81 --http 0.0.0.0:82 --http localhost:83 ' +
      '--http unix:/run/s.sock',
  );
  assert.deepEqual(
    listeners.map(({ address }) => address),
    [
      { host: '127.0.0.1', port: 80 },
      { host: '::1', port: 81 },
      { host: '0.0.0.0', port: 82 },
      { host: '127.0.0.1', port: 83 },
      { path: '/run/s.sock' },
    ],
  );
});

test('origin URLs are taken apart', async () => {
  const parts = async (url: string) => {
    const [group] = (await resolve(`--origin ${url} --http 80`)).origins;
    const { scheme, host, port } = group!.servers[0]!;
    return [scheme, host, port, group!.pathPrefix];
  };
  assert.deepEqual(await parts('http://localhost:3000'), ['http', 'localhost', 3000, '']);
  assert.deepEqual(await parts('https://example.org/api/'), ['https', 'example.org', 443, '/api']);
  assert.deepEqual(await parts('http://[::1]'), ['http', '::1', 80, '']);
  assert.deepEqual(await parts('unix:/run/app.sock'), ['http', 'unix:/run/app.sock', 0, '']);
  // A relative one is the same in every directory that a worker may be in.
  assert.match(String((await parts('unix:app.sock'))[1]), /^unix:\/.*\/app\.sock$/);
});

test('every example in the option table is valid', async () => {
  const { cert, key } = makePair('example');
  const own = { cert, key, 'origin-ca': cert, 'cache-dir': join(directory, 'example-cache') };
  writeFileSync(join(directory, 'tickets.key'), Buffer.alloc(80, 1), { mode: 0o600 });
  const tickets = { 'ticket-key-file': join(directory, 'tickets.key') };
  const token = join(directory, 'token');
  writeFileSync(token, 'x'.repeat(32));
  const files: Record<string, string> = {
    ...own,
    'admin-token-file': token,
    ...tickets,
    'access-log': '-',
    'handshake-log': '-',
    'error-log': '-',
  };
  const examples = optionTable.map(({ name, example }) => `--${name} ${files[name] ?? example}`);
  const options = await resolve(examples.join(' '));
  assert.equal(options.workers, 1);
  assert.ok(
    options.hosts[0]?.tls.certificates[0]?.certificatePem.startsWith('-----BEGIN CERTIFICATE'),
  );
});

test('a cache on disk takes a part of its size as memory, and has a least size', async () => {
  const dir = join(directory, 'a', 'cache');
  const memory = async (words: string) => {
    const options = await resolve(`${plain} --workers 2 --cache-dir ${dir} ${words}`);
    return [options.cacheSizeBytes / 2 ** 20, options.cacheMemoryBytes / 2 ** 20];
  };
  assert.deepEqual(await memory(''), [256, 64]);
  assert.deepEqual(await memory('--cache-size 4GiB'), [4096, 256]);
  assert.deepEqual(await memory('--cache-size 4GiB --cache-memory 1GiB'), [4096, 1024]);
  // More workers than the default has room for: only what was given is refused.
  const many = await resolve(`${plain} --workers 256 --cache-dir ${dir}`);
  assert.equal(many.cacheSizeBytes, 2 ** 31);
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  const refused = (words: string, pattern: RegExp) =>
    assert.rejects(resolve(`${plain} --workers 4 ${words}`), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(`${error.message}; ${error.remedy}`, pattern);
      return true;
    });
  await refused(`--cache-dir ${dir} --cache-size 20MiB`, /too small .*; write at least 32MiB/);
  await refused('--cache-memory 1MiB', /no --cache-dir; write --cache-size/);
  await refused(`--cache-dir ${file('plain-file', '')}/below`, /cannot be used \(ENOTDIR\)/);
});

test('PURGE is for this machine, for the addresses given, or for nobody', async () => {
  const from = async (words: string) =>
    (await resolve(`${plain} ${words}`)).purgeFrom?.map(
      ({ address, bits }) => `${address}/${bits}`,
    );
  assert.deepEqual(await from(''), ['127.0.0.0/8', '::1/128']);
  assert.deepEqual(await from('--purge-from off'), undefined);
  const given = '--purge-from 10.0.0.0/8 --purge-from 192.0.2.1 --purge-from 2001:db8::/32';
  assert.deepEqual(await from(given), ['10.0.0.0/8', '192.0.2.1/32', '2001:db8::/32']);
  for (const wrong of ['10.0.0.0/33', 'example.org', '2001:db8::/129', '10.0.0.1/', '/8']) {
    await assert.rejects(from(`--purge-from ${wrong}`), /not an IP address or a range/);
  }
  await assert.rejects(from('--purge-from off --purge-from 10.0.0.1'), /beside addresses/);
});

test('defaults: one of --http and --https turns the other off', async () => {
  const options = await resolve(plain);
  assert.ok(options.listeners.every(({ kind }) => kind === 'http'));
  assert.deepEqual(options.hosts, []);
  assert.equal(options.admin, null);
  assert.ok(Object.isFrozen(options));
});

test('off turns off what the demo has on', async () => {
  const url = { scheme: 'http', http2: 'never', host: 'o', port: 80, pathPrefix: '' } as const;
  const demoOrigin = { ...url, verify: true, caFile: '' };
  const admin = async (words: string) => {
    const { given } = parseCommandLine(['demo', '--http', '80', ...words.split(' ')], directory);
    const surroundings = { nowMs: 0, stateDirectory: '', demoOrigin, warn: () => {} };
    return (await resolveOptions(given, { command: 'demo', ...surroundings })).admin;
  };
  assert.equal(await admin('--admin off'), null);
  assert.deepEqual(await admin('--workers 2'), { host: '127.0.0.1', port: 8081 });
});

/** What is written, and the words that the complaint must hold: the place, then the remedy. */
const diagnostics: readonly [words: string, message: RegExp, remedy: RegExp][] = [
  ['--originn http://o', /^unknown flag --originn$/, /did you mean --origin\?/],
  ['--cache-szie 1', /^unknown flag --cache-szie$/, /did you mean --cache-size\?/],
  ['--frobnicate', /^unknown flag --frobnicate$/, /see sluice --help/],
  ['dmeo', /^unknown command "dmeo"$/, /did you mean demo\?/],
  ['run http://o', /^unexpected argument "http:\/\/o"$/, /see sluice --help/],
  ['--origin', /^--origin: no value$/, /write --origin URL/],
  ['--http 80', /^--origin: it is missing$/, /write --origin URL/],
  ['--origin unix:', /^--origin "unix:": a socket path has 1 to 107 bytes$/, /--origin http/],
  ['--origin ftp://o', /^--origin "ftp:\/\/o": not an http, https or h2c URL$/, /--origin http/],
  ['--origin localhost:3000', /^--origin "localhost:3000": not an http/, /--origin http/],
  ['--origin http://', /^--origin "http:\/\/": not an http/, /--origin http/],
  ['--origin http://a:b@o', /^--origin .*: a user name or password/, /leave it out/],
  ['--origin http://o?x', /^--origin .*: a query/, /leave it out/],
  [`${plain} --workers 0`, /^--workers "0": not a number from 1 to 256$/, /--workers N/],
  [`${plain} --workers 2.5`, /^--workers "2.5": not a number/, /--workers N/],
  [`${plain} --cache-size 64M`, /^--cache-size "64M": not a size/, /--cache-size 64MiB/],
  [`${plain} --cache-size -1`, /^--cache-size "-1": not a size/, /--cache-size 64MiB/],
  [`${plain} --drain-timeout 5`, /^--drain-timeout "5": not a time/, /--drain-timeout 30s/],
  [`${plain} --drain-timeout 2h`, /^--drain-timeout "2h": not a time/, /--drain-timeout 30s/],
  [`${plain} --drain-timeout 61m`, /^--drain-timeout "61m": more than an hour/, /30s/],
  [
    `${plain} --feature alpn-h3=off`,
    /^--feature "alpn-h3=off": no such feature$/,
    /mean alpn-h2\?/,
  ],
  [`${plain} --feature nothing`, /no such feature/, /write one of .*early-data/],
  [`${plain} --feature early-data`, /"early-data": neither on nor off/, /NAME=on\|off/],
  [`${plain} --feature early-data=1`, /neither on nor off/, /NAME=on\|off/],
  [`${plain} --early-data yes`, /^--early-data "yes": neither on nor off$/, /on\|off/],
  [`${plain} --log-format xml`, /^--log-format "xml": neither/, /combined\|json/],
  [`${plain} --http 65536`, /^--http "65536": a port is at most 65535$/, /\[HOST:\]PORT/],
  [`${plain} --http example.org:80`, /^--http .*: not an IP address$/, /IP address/],
  [`${plain} --http *:80`, /^--http "\*:80": no host$/, /0\.0\.0\.0/],
  [`${plain} --http [::g]:80`, /^--http .*: not an IPv6 address$/, /\[HOST:\]PORT/],
  [`${plain} --http unix:`, /^--http "unix:": a socket path/, /\[HOST:\]PORT/],
  [`${plain} --http x`, /^--http "x": not an address$/, /\[HOST:\]PORT/],
  [`${plain} --admin 0.0.0.0:1`, /^--admin .*: not a loopback address$/, /127\.0\.0\.1:PORT/],
  [`${plain} --workers 1 --workers 2`, /^--workers: given twice$/, /give it once/],
  [`${plain} --cert a`, /^--cert "a": has no --key$/, /add --key FILE/],
  [`${plain} --key a`, /^--key "a": has no --cert$/, /add --cert FILE/],
  [`${plain} --cert no --key no`, /^--cert "no": no such file$/, /PEM file/],
  [`${plain} --access-log /no/where`, /^--access-log .* \(ENOENT\)$/, /may write/],
  [`${plain} --origin-ca no`, /^--origin-ca "no": no such file$/, /PEM file/],
];

for (const [words, message, remedy] of diagnostics) {
  test(`a mistake is named with its remedy: ${words}`, async () => {
    await assert.rejects(
      async () => resolve(words),
      (error: unknown) => {
        assert.ok(error instanceof UsageError, String(error));
        assert.match(error.message, message);
        assert.match(error.remedy, remedy);
        return true;
      },
    );
  });
}

test('certificate and key must be readable PEM, and belong together', async () => {
  const [one, two] = [makePair('one'), makePair('two')];
  const https = '--origin http://o --https 443';
  const ok = await resolve(`${https} --cert ${one.cert} --key ${one.key}`);
  assert.match(pairOf(ok)?.keyPem ?? '', /PRIVATE KEY/);
  const refused = (words: string, pattern: RegExp) =>
    assert.rejects(resolve(`${https} ${words}`), pattern);
  await refused(`--cert ${one.cert} --key ${two.key}`, /^UsageError: --key .*: not the key of/);
  const text = file('text.pem', 'hello');
  await refused(`--cert ${text} --key ${one.key}`, /--cert .*: not a PEM file/);
  await refused(`--cert ${one.key} --key ${one.key}`, /--cert .*: holds no certificate/);
  await refused(`--cert ${one.cert} --key ${one.cert}`, /--key .*: holds no private key/);
  const form = { type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' } as const;
  const unlocked = createPrivateKey(readFileSync(one.key));
  const locked = file('locked.key', unlocked.export(form) as string);
  await refused(`--cert ${one.cert} --key ${locked}`, /--key .*: the key has a passphrase/);
});

test('a file holds the same options, and flags override it', async () => {
  const options = await resolve(
    '--workers 3',
    'origin: http://o\nhttp: [80, "[::1]:81"]\nhttps: 443\nworkers: 2\nearly-data: off\ncache-size: 1MiB\n',
  );
  assert.equal(options.workers, 3);
  assert.equal(options.hosts[0]?.tls.earlyData.enabled, false);
  assert.equal(options.cacheSizeBytes, 2 ** 20);
  assert.equal(options.listeners.length, 3);
  const json = await resolve('', '{"origin": "http://o", "https": 443, "early-data": true}');
  assert.equal(json.hosts[0]?.tls.earlyData.enabled, true);
});

const fileDiagnostics: readonly [text: string, message: string, remedy: RegExp][] = [
  ['origin: http://o\norigim: x\n', 'sluice.yaml:2:1: origim: unknown key', /mean origin\?/],
  ['origin: http://o\nworkers: 0\n', 'sluice.yaml:2:10: workers "0": not a number', /workers: 1/],
  ['origin: http://o\nhttp: [80, x]\n', 'sluice.yaml:2:12: http[1] "x": not an address', /http: /],
  ['origin: [a, b]\n', 'sluice.yaml:1:9: origin: a list: not one value', /origin: http/],
  ['origin:\n', 'sluice.yaml:1:8: origin: no value', /origin: http:/],
  ['origin: {a: b}\n', 'sluice.yaml:1:9: origin: a map: not one value', /origin: http:/],
  ['- a\n', 'sluice.yaml:1:1: a list: not a map', /origin: http:/],
  ['origin: "x\n', 'sluice.yaml:2:1: a quote that was opened', /close it/],
  ['origin: a\norigin: b\n', 'sluice.yaml:2:1: the key origin is there twice', /remove/],
];

for (const [text, message, remedy] of fileDiagnostics) {
  test(`a mistake in a file is named with line and column: ${JSON.stringify(text)}`, async () => {
    await assert.rejects(
      async () => resolve('', text),
      (error: unknown) => {
        assert.ok(error instanceof UsageError, String(error));
        assert.ok(error.message.startsWith(message), error.message);
        assert.match(error.remedy, remedy);
        return true;
      },
    );
  });
}

test('the self-signed certificate is made once, for its owner only', async () => {
  const https = '--origin http://o --https 443';
  const first = await resolve(https);
  const state = join(directory, 'state');
  const kept = join(state, 'localhost.pem');
  assert.equal(statSync(state).mode & 0o777, 0o700);
  assert.equal(statSync(kept).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(state), ['localhost.pem']);
  const second = await resolve(https);
  assert.deepEqual(pairOf(second), pairOf(first));
  chmodSync(kept, 0o644);
  await resolve(https);
  assert.equal(statSync(kept).mode & 0o777, 0o600, 'a loosened file is tightened');
  writeFileSync(kept, 'damaged');
  const third = await resolve(https);
  assert.notDeepEqual(pairOf(third), pairOf(first));
  assert.deepEqual(pairOf(await resolve(https)), pairOf(third));
  const expiring = makePair('expiring', 2 * DAY_MS);
  const pems = [expiring.key, expiring.cert].map((path) => readFileSync(path, 'utf8'));
  writeFileSync(kept, pems.join(''));
  const fourth = await resolve(https);
  assert.notEqual(pairOf(fourth)?.certificatePem, pems[1], 'one about to expire is renewed');
});

test('without a writable state directory the certificate lives in memory, with a warning', async () => {
  const { given } = parseCommandLine(['--origin', 'http://o', '--https', '443'], directory);
  const heard: string[] = [];
  const options = await resolveOptions(given, {
    command: 'run',
    nowMs: Date.now(),
    stateDirectory: '/proc/nowhere/sluice',
    demoOrigin: null,
    warn: (message) => heard.push(message),
  });
  assert.match(pairOf(options)?.keyPem ?? '', /PRIVATE KEY/);
  assert.match(heard.join(), /kept in memory only: \/proc\/nowhere\/sluice/);
});
