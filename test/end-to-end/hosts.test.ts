// Needs openssl: it makes the certificates.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test, { after, describe } from 'node:test';
import { Authority, type Issued } from '../support/authority.ts';
import { startOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { type ClientRun, sClient, sessionFile } from '../support/s-client.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { until } from '../support/waiting.ts';

const skip = unlessInstalled('openssl');

const authority = new Authority();
const alice = authority.issue({ subject: '/O=Example/CN=alice' });
const directory = temporaryDirectory();
const responder = await startResponder();
const status = [`authorityInfoAccess=OCSP;URI:${responder.url}`];

/** A certificate with its issuer behind it, in files that a test may replace. */
function install(name: string, issued: Issued): void {
  const files: [string, string][] = [
    [`${name}.pem`, issued.certificatePem + authority.certificatePem],
    [`${name}.key`, issued.keyPem],
  ];
  for (const [file, text] of files) {
    writeFileSync(join(directory, `${file}.new`), text);
    renameSync(join(directory, `${file}.new`), join(directory, file));
  }
}

install('open', authority.issue({ names: ['open.test', '*.open.test'] }));
install('open-rsa', authority.issue({ kind: 'rsa', names: ['open.test'] }));
install('secret', authority.issue({ names: ['secret.test'] }));
install('strict', authority.issue({ names: ['strict.test'], extensions: status }));
install('changing', authority.issue({ names: ['changing.test'] }));
writeFileSync(join(directory, 'ca.pem'), authority.certificatePem);

const file = join(directory, 'sluice.yaml');
writeFileSync(
  file,
  `
hosts:
  - names: [open.test, "*.open.test"]
    certificates: [{cert: open.pem, key: open.key}, {cert: open-rsa.pem, key: open-rsa.key}]
  - names: [secret.test]
    certificates: [{cert: secret.pem, key: secret.key}]
    tls:
      min-version: TLSv1.3
      client-certificates: {mode: required, ca: ca.pem, subject-header: X-Who}
  - names: [strict.test]
    certificates: [{cert: strict.pem, key: strict.key}]
    early-data: {methods: [GET], query: off, excluded-paths: [/buy], otherwise: too-early}
  - names: [told.test]
    certificates: [{cert: secret.pem, key: secret.key}]
    tls: {client-certificates: {mode: optional, ca: ca.pem, header: X-Cert, chain-header: X-Chain}}
  - names: [changing.test]
    certificates: [{cert: changing.pem, key: changing.key}]
    early-data: off
tls:
  key-log: keys.log
`,
);

const origin = await startOrigin((request, response) => {
  response.setHeader('Cache-Control', 'no-store');
  response.end(`${request.method} ${request.url}`);
});
const sluice: RunningSluice = await startSluice({
  origin: origin.url,
  workers: 2,
  flags: ['--config', file],
});
after(async () => {
  await sluice[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
  responder.server.close();
});

/** An OCSP responder on the loopback, by the openssl command. */
async function startResponder() {
  const server = createServer((request: IncomingMessage, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => response.end(authority.answerOcsp(Buffer.concat(pieces))));
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

function request(host: string, path: string, fields = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${fields}Connection: close\r\n\r\n`;
}

interface Options {
  readonly words?: readonly string[];
  readonly path?: string;
  readonly fields?: string;
  readonly session?: string;
  readonly keep?: string;
  readonly early?: string;
}

/** One request to a host, by s_client, which verifies its certificate. */
function ask(host: string, options: Options = {}): Promise<ClientRun> {
  const { words = [], path = '/', fields, ...rest } = options;
  const verify = ['-CAfile', join(directory, 'ca.pem'), '-verify_return_error'];
  return sClient(sluice.httpsPort, {
    words: ['-servername', host, '-verify_hostname', host, ...verify, ...words],
    ...(rest.early === undefined ? { request: request(host, path, fields) } : {}),
    ...rest,
  });
}

const withAlice = ['-cert', alice.certificateFile, '-key', alice.keyFile];

describe('hosts', { skip }, () => {
  test('have certificates of their own, by name and by wildcard', async () => {
    for (const host of ['open.test', 'www.open.test', 'strict.test', 'changing.test']) {
      const { http, text } = await ask(host, { path: `/${host}` });
      assert.match(http, /^HTTP\/1\.1 200/, text);
      assert.match(text, /Verify return code: 0 \(ok\)/);
    }
  });

  test('have a certificate for each kind of client', async () => {
    for (const [schemes, kind] of [
      ['ECDSA+SHA256', 'ecdsa'],
      ['RSA-PSS+SHA256', 'rsa'],
    ] as const) {
      const words = ['-servername', 'open.test', '-sigalgs', schemes];
      const { text } = await sClient(sluice.httpsPort, {
        words,
        request: request('open.test', '/kinds'),
      });
      assert.match(text, new RegExp(`Peer signature type: ${kind}`, 'i'), text);
    }
  });

  test('have versions of TLS of their own', async () => {
    assert.equal((await ask('open.test', { words: ['-tls1_2'] })).version, 'TLSv1.2');
    const refused = await ask('secret.test', { words: ['-tls1_2', ...withAlice] });
    assert.match(refused.stderr, /alert protocol version/);
  });
});

describe('client certificates', { skip }, () => {
  const seen = (path: string) => origin.asked(path).at(-1)!.headers;

  test('are required where a host says so', async () => {
    const { stderr, http } = await ask('secret.test', { path: '/nobody' });
    assert.match(stderr, /alert number 116/);
    assert.equal(http, '');
    assert.deepEqual(origin.asked('/nobody'), []);
  });

  test('are told to the origin, and a client’s own such field is not', async () => {
    const forged = 'Client-Cert: :Zm9yZ2Vk:\r\nX-Who: CN=root\r\nclient_cert: :Zm9yZ2Vk:\r\n';
    const keep = sessionFile();
    const first = await ask('secret.test', {
      words: withAlice,
      path: '/alice',
      fields: forged,
      keep,
    });
    assert.match(first.http, /^HTTP\/1\.1 200/, first.text);
    const der = new X509Certificate(alice.certificatePem).raw.toString('base64');
    assert.equal(seen('/alice')['client-cert'], `:${der}:`);
    assert.equal(seen('/alice')['x-who'], 'CN=alice,O=Example');
    assert.equal(seen('/alice').client_cert, undefined);
    // Early data is of the same client: the ticket says who it is.
    const early = request('secret.test', '/alice-early', forged);
    const again = await ask('secret.test', { words: withAlice, session: keep, early });
    assert.equal(again.earlyData, 'accepted', again.text);
    assert.equal(seen('/alice-early')['x-who'], 'CN=alice,O=Example');
    assert.equal(seen('/alice-early')['early-data'], '1');
  });

  test('are told although the client names their fields in Connection (RFC 9440 §4)', async () => {
    const cert = { cert: alice.certificatePem, key: alice.keyPem };
    using known = await RawConnection.openTls(sluice.httpsPort, {
      servername: 'secret.test',
      ...cert,
    });
    const fields = 'Connection: keep-alive, Client-Cert, X-Who, X-Mine\r\nX-Mine: 1\r\n';
    await known.request(`GET /named HTTP/1.1\r\nHost: secret.test\r\n${fields}\r\n`);
    assert.equal(seen('/named')['x-who'], 'CN=alice,O=Example');
    assert.ok(seen('/named')['client-cert']);
    assert.equal(seen('/named')['x-mine'], undefined);
  });

  test('are told in the head alone: a client’s trailers do not have their names', async () => {
    using client = await RawConnection.open(sluice.httpPort);
    const trailers = ['Client-Cert', 'X-Who', 'X_Who', 'client_cert', 'X-Fine', 'X_Fine'];
    const lines = trailers.map((name) => `${name}: CN=root\r\n`).join('');
    const start = 'POST /trailers HTTP/1.1\r\nHost: open.test\r\nTransfer-Encoding: chunked\r\n';
    await client.request(`${start}\r\n1\r\na\r\n0\r\n${lines}\r\n`);
    const got = await until(() => {
      const request = origin.asked('/trailers').at(-1);
      return request?.complete ? request.trailers : undefined;
    }, 'the trailers');
    assert.deepEqual(Object.keys(got), ['x-fine', 'x_fine']);
  });

  test('are told by the names that a host has for it, or are not there', async () => {
    const chain = alice.certificatePem + authority.certificatePem;
    const told = { servername: 'told.test', cert: chain, key: alice.keyPem };
    const fields = 'X-Chain: :Zm9yZ2Vk:\r\n';
    using known = await RawConnection.openTls(sluice.httpsPort, told);
    await known.request(`GET /chain HTTP/1.1\r\nHost: told.test\r\n${fields}\r\n`);
    const [leaf, issuer] = [alice, authority].map(({ certificatePem }) => {
      return `:${new X509Certificate(certificatePem).raw.toString('base64')}:`;
    });
    assert.equal(seen('/chain')['x-cert'], leaf);
    assert.equal(seen('/chain')['x-chain'], issuer);
    assert.equal(seen('/chain')['client-cert'], undefined);
    using unknown = await RawConnection.openTls(sluice.httpsPort, { servername: 'told.test' });
    await unknown.request(`GET /nobody-told HTTP/1.1\r\nHost: told.test\r\n${fields}\r\n`);
    for (const name of ['x-cert', 'x-chain']) assert.equal(seen('/nobody-told')[name], undefined);
  });

  test('are nobody’s on a host that does not ask, whatever the client says', async () => {
    const fields = 'Client-Cert: :Zm9yZ2Vk:\r\nClient-Cert-Chain: :Zm9yZ2Vk:\r\nX-Who: CN=root\r\n';
    await ask('open.test', { path: '/claims', fields });
    const headers = seen('/claims');
    for (const name of ['client-cert', 'client-cert-chain', 'x-who']) {
      assert.equal(headers[name], undefined, name);
    }
    using plain = await RawConnection.open(sluice.httpPort);
    await plain.request(`GET /plain HTTP/1.1\r\nHost: open.test\r\n${fields}\r\n`);
    assert.equal(seen('/plain')['x-who'], undefined);
  });

  test('cannot be got around by another host’s connection', async () => {
    using connection = await RawConnection.openTls(sluice.httpsPort, { servername: 'open.test' });
    const answer = await connection.request('GET /around HTTP/1.1\r\nHost: secret.test\r\n\r\n');
    assert.equal(answer.status, 421);
    assert.deepEqual(origin.asked('/around'), []);
  });

  test('cannot be got around by doing without TLS', async () => {
    using connection = await RawConnection.open(sluice.httpPort);
    const statusOf = async (host: string) =>
      (await connection.request(`GET /bare HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).status;
    assert.equal(await statusOf('secret.test'), 421);
    assert.equal(await statusOf('SECRET.test.:80'), 421);
    assert.deepEqual(origin.asked('/bare'), []);
    assert.equal(await statusOf('open.test'), 200);
  });
});

describe('early data by the policy of the host', { skip }, () => {
  /** What becomes of a request in early data, with a ticket from the host. */
  async function early(host: string, path: string, method = 'GET') {
    const keep = sessionFile();
    await ask(host, { path: '/ticket', keep });
    const text = request(host, path).replace(/^GET/, method);
    return ask(host, { session: keep, early: text });
  }

  test('goes on, or is answered 425', async () => {
    for (const [path, method, status] of [
      ['/fine', 'GET', 200],
      ['/buy', 'GET', 425],
      ['/b%75y/it', 'GET', 425],
      ['/search?q', 'GET', 425],
      ['/head', 'HEAD', 425],
    ] as const) {
      const { earlyData, http, text } = await early('strict.test', path, method);
      assert.equal(earlyData, 'accepted', text);
      assert.match(http, new RegExp(`^HTTP/1\\.1 ${status} `), `${method} ${path}`);
      assert.equal(origin.asked(path).length, status === 200 ? 1 : 0, path);
    }
  });

  test('is not accepted where it is off, and the client is served all the same', async () => {
    const keep = sessionFile();
    await ask('open.test', { path: '/ticket', keep });
    assert.match(readFileSync(keep, 'latin1'), /BEGIN SSL SESSION/);
    // A ticket of a host where it is on, shown to one where it is off.
    const words = ['-servername', 'changing.test'];
    const text = request('changing.test', '/off');
    const { earlyData, resumed } = await sClient(sluice.httpsPort, {
      words,
      session: keep,
      early: text,
      request: text,
    });
    assert.equal(earlyData, 'rejected');
    assert.equal(resumed, false);
    assert.deepEqual(
      origin.asked('/off').map((seen) => seen.headers['early-data']),
      [undefined],
    );
  });
});

test('the revocation status comes with the certificate once it is known', { skip }, async () => {
  await until(async () => {
    const { text } = await ask('strict.test', { words: ['-status'] });
    return /OCSP Response Status: successful[\s\S]*Cert Status: good/.test(text);
  }, 'the status');
  const { text } = await ask('open.test', { words: ['-status'] });
  assert.match(text, /OCSP response: no response sent/);
  assert.ok((await sluice.sum('sluice_ocsp_fetches_total', { outcome: 'good' })) >= 1);
});

test('a certificate that is replaced is served by all workers; connections stay', {
  skip,
}, async () => {
  using open = await RawConnection.openTls(sluice.httpsPort, { servername: 'changing.test' });
  const serialOf = async () => {
    const { text } = await ask('changing.test');
    const pem = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(text)?.[0];
    return new X509Certificate(pem!).serialNumber;
  };
  const renewed = authority.issue({ names: ['changing.test'] });
  const { serialNumber } = new X509Certificate(renewed.certificatePem);
  assert.notEqual(await serialOf(), serialNumber);
  install('changing', renewed);
  await until(async () => (await serialOf()) === serialNumber, 'the new certificate');
  await until(async () => {
    const serials = await Promise.all(Array.from({ length: 8 }, serialOf));
    return serials.every((serial) => serial === serialNumber);
  }, 'the new certificate from every worker');
  const { status: code } = await open.request('GET /open HTTP/1.1\r\nHost: changing.test\r\n\r\n');
  assert.equal(code, 200);
  assert.equal(await sluice.sum('sluice_certificate_reloads_total', { outcome: 'replaced' }), 1);
  assert.match(sluice.output, /changing\.pem: reloaded; valid until/);
  const expiry = await sluice.sum('sluice_certificate_expiry_timestamp_seconds', {
    host: 'changing.test',
  });
  assert.ok(expiry > Date.now() / 1000, `${expiry}`);
});

test('the key log has a line for every secret, for its owner alone', { skip }, async () => {
  const path = join(directory, 'keys.log');
  assert.match(sluice.output, /warning: .*a reader of .*keys\.log can decrypt all traffic/);
  const keep = sessionFile();
  await ask('open.test', { keep });
  await ask('open.test', { session: keep, early: request('open.test', '/logged') });
  const labels = ['CLIENT_EARLY_TRAFFIC_SECRET', 'SERVER_TRAFFIC_SECRET_0', 'EXPORTER_SECRET'];
  await until(() => {
    const lines = readFileSync(path, 'latin1').split('\n');
    return labels.every((label) => lines.some((line) => line.startsWith(`${label} `)));
  }, 'the secrets');
  assert.equal(statSync(path).mode & 0o777, 0o600);
});
