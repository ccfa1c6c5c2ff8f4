// Needs openssl: it makes the certificates.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { after, describe } from 'node:test';
import { Authority } from '../support/authority.ts';
import { Http2Client } from '../support/http2-client.ts';
import { startOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { sClient, sessionFile } from '../support/s-client.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const skip = unlessInstalled('openssl');

const authority = new Authority();
const alice = authority.issue({ subject: '/O=Example/CN=alice' });
const directory = temporaryDirectory();
const ca = join(directory, 'ca.pem');
writeFileSync(ca, authority.certificatePem);

// Takes the host up to the first colon, as many do, and says whose it is.
const shared = await startOrigin((request, response) => {
  response.setHeader('Cache-Control', 'no-store');
  const { host = '', 'early-data': early } = request.headers;
  response.end(`vhost ${host.split(':', 1)[0]} ${early === undefined ? 'late' : 'early'}`);
});
const secret = await startOrigin((_request, response) => {
  response.setHeader('Cache-Control', 'no-store');
  response.end('SECRET CONTENT');
});

// Its own issuer: for such a one HTTP/2 lets a connection be used for every name (RFC 9113 §9.1.1).
const certificates = [{ cert: authority.certificateFile, key: authority.keyFile }];
const hosts = [
  { names: ['open.test'], certificates },
  {
    names: ['secret.test', '*.secret.test'],
    certificates,
    tls: { 'client-certificates': { mode: 'required', ca } },
  },
  { names: ['late.test'], certificates, 'early-data': false },
];
const secretRoute = {
  match: { hosts: ['secret.test', '*.secret.test', '*.deep.secret.test'] },
  origin: 'secret',
};
const toShared = { origin: 'shared' };

async function start(order: typeof hosts, routes: object[]): Promise<RunningSluice> {
  const file = join(temporaryDirectory(), 'sluice.yaml');
  const origins = { shared: { servers: [shared.url] }, secret: { servers: [secret.url] } };
  writeFileSync(file, JSON.stringify({ hosts: order, origins, routes }));
  return startSluice({ flags: ['--config', file, '--http2-cleartext', 'on'] });
}

const running: [name: string, sluice: RunningSluice][] = [];
for (const [orderName, order] of [
  ['the open host first', hosts],
  ['the secret host first', [...hosts].reverse()],
] as const) {
  for (const [routesName, routes] of [
    ['a route of its own', [secretRoute, toShared]],
    ['one origin for all', [toShared]],
  ] as const) {
    if (skip === false)
      running.push([`${orderName}, ${routesName}`, await start(order, [...routes])]);
  }
}
after(async () => {
  for (const [, sluice] of running) await sluice[Symbol.asyncDispose]();
  await shared[Symbol.asyncDispose]();
  await secret[Symbol.asyncDispose]();
});

/** All of them are some server's way to read secret.test or a name below it. */
const SPELLINGS = [
  'secret.test',
  'SECRET.test',
  'secret.test.',
  'secret.test:443',
  'secret.test.:80',
  'secret.test:',
  '%73ecret.test',
  's%65cret.test:443',
  'secret%2etest',
  'secret.test%2E',
  '%2573ecret.test',
  'a.secret.test',
  'a.b.secret.test',
  'a.deep.secret.test',
  'secret.test:1:443',
  'secret.test::443',
  'secret.test:x',
  'secret.test:99999',
  'user@secret.test',
  'secret.test@open.test',
  'open.test,secret.test',
  'secret..test',
  'secret.test..',
  '*.secret.test',
  'secret\xe3\x80\x82test',
  '[secret.test]',
];

const REFUSED = [400, 404, 421];

/** The status of a request; of HTTP/2, also of one whose stream is reset. */
async function http2Status(client: Http2Client, fields: Record<string, string>): Promise<number> {
  const stream = client.begin({ ':path': '/', ...fields }, true);
  return stream.answer().then(
    ({ status }) => status,
    () => (stream.errorCode === 'PROTOCOL_ERROR' ? 400 : 0),
  );
}

const forms: Record<string, (host: string) => string> = {
  'in Host': (host) => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
  'in the target': (host) => `GET http://${host}/ HTTP/1.1\r\nHost: open.test\r\n\r\n`,
  'in Host beside a target without one': (host) => `GET / HTTP/1.0\r\nHost: ${host}\r\n\r\n`,
};

describe('however secret.test is written, nobody without a certificate gets there', {
  skip,
}, () => {
  const origins = () => [
    secret.seen.length,
    shared.seen.filter(({ headers }) => /secret|[^a-z0-9.:]/i.test(headers.host ?? '')).length,
  ];

  for (const [name, sluice] of running) {
    for (const kind of ['TLS', 'plain']) {
      const open = () =>
        kind === 'TLS'
          ? RawConnection.openTls(sluice.httpsPort, { servername: 'open.test' })
          : RawConnection.open(sluice.httpPort);

      test(`HTTP/1, ${kind}: ${name}`, async () => {
        const before = origins();
        for (const host of SPELLINGS) {
          for (const [form, message] of Object.entries(forms)) {
            const text = kind === 'TLS' ? message(host).replace('http:', 'https:') : message(host);
            using connection = await open();
            const { status } = await connection.request(text);
            assert.ok(REFUSED.includes(status), `${host} ${form}: ${status}`);
          }
        }
        assert.deepEqual(origins(), before);
        using connection = await open();
        const nameless = await connection.request('GET / HTTP/1.0\r\n\r\n');
        assert.doesNotMatch(nameless.content, /SECRET|vhost secret/);
      });

      test(`HTTP/2, ${kind}: ${name}`, async () => {
        const before = origins();
        const url = kind === 'TLS' ? sluice.httpsUrl : sluice.httpUrl;
        const options = kind === 'TLS' ? { servername: 'open.test' } : {};
        using client = await Http2Client.open(url, options);
        for (const host of SPELLINGS) {
          const both = { ':authority': 'open.test', host };
          for (const fields of [{ ':authority': host }, both]) {
            const status = await http2Status(client, fields);
            assert.ok(REFUSED.includes(status), `${JSON.stringify(fields)}: ${status}`);
          }
        }
        assert.deepEqual(origins(), before);
      });
    }

    test(`open.test is served, and secret.test to whom it knows: ${name}`, async () => {
      using known = await RawConnection.openTls(sluice.httpsPort, {
        servername: 'secret.test',
        cert: readFileSync(alice.certificateFile),
        key: readFileSync(alice.keyFile),
      });
      for (const host of ['secret.test', 'SECRET.test.:443', 'a.secret.test', 'a.b.secret.test']) {
        const { content } = await known.request(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
        const isRouted = name.endsWith('own') && !host.startsWith('a.b.');
        assert.match(content, isRouted ? /^SECRET/ : /^vhost (?:a\.)?(?:b\.)?secret\.test late$/);
      }
      using open = await RawConnection.openTls(sluice.httpsPort, { servername: 'open.test' });
      for (const host of ['open.test', 'OPEN.test.:443', 'open.test:']) {
        const { content } = await open.request(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
        assert.equal(content, 'vhost open.test late');
      }
    });
  }
});

test('however late.test is written, nothing is brought to it early', { skip }, async () => {
  for (const [name, sluice] of running) {
    const words = ['-tls1_3', '-servername', 'open.test'];
    const message = (host: string) =>
      `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    const keep = sessionFile();
    await sClient(sluice.httpsPort, { words, request: message('open.test'), keep });
    for (const host of ['late.test', 'LATE.test.:443', '%6cate.test', 'x.late.test']) {
      const early = message(host);
      const { http } = await sClient(sluice.httpsPort, { words, session: keep, early });
      assert.match(http, /^HTTP\/1\.1 (?:400|421|425)/, `${name}: ${host}`);
    }
  }
  assert.ok(shared.seen.every(({ headers }) => headers['early-data'] === undefined));
});
