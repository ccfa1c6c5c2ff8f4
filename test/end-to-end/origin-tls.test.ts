import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';
import { Authority } from '../support/authority.ts';
import { startSecureOrigin } from '../support/origins.ts';
import { unlessInstalled } from '../support/programs.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { startConfigured } from '../support/routes.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const GET = 'GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n';

const certificate = makeSelfSignedCertificate({ names: ['localhost'], nowMs: Date.now() });
const caFile = join(temporaryDirectory(), 'ca.pem');
writeFileSync(caFile, certificate.certificatePem);

const origin = await startSecureOrigin(certificate, (_request, response) => {
  response.setHeader('Cache-Control', 'no-store');
  response.end('ok');
});
test.after(() => origin[Symbol.asyncDispose]());

const byName = `https://localhost:${origin.port}`;

async function ask(originUrl: string, ...flags: string[]) {
  await using sluice = await startSluice({ origin: originUrl, flags });
  return await askOf(sluice);
}

async function askOf(sluice: RunningSluice) {
  using connection = await RawConnection.open(sluice.httpPort);
  const response = await connection.request(GET);
  return { status: response.status, proxyStatus: response.fields.get('proxy-status') };
}

test('an https origin whose certificate nobody vouches for is not talked to', async () => {
  const before = origin.seen.length;
  const { status, proxyStatus } = await ask(byName);
  assert.equal(status, 502);
  assert.match(proxyStatus!, /^sluice; error=tls_certificate_error\b/);
  assert.equal(origin.seen.length, before, 'no request was sent');
});

test('--origin-ca names who vouches for it', async () => {
  assert.equal((await ask(byName, '--origin-ca', caFile)).status, 200);
});

test('a certificate for another name is refused', async () => {
  await using elsewhere = await startSecureOrigin(
    makeSelfSignedCertificate({ names: ['elsewhere.example'], nowMs: Date.now() }),
    (_request, response) => response.end('ok'),
  );
  const url = `https://localhost:${elsewhere.port}`;
  const { status, proxyStatus } = await ask(url, '--origin-ca', caFile);
  assert.equal(status, 502);
  assert.match(proxyStatus!, /^sluice; error=tls_certificate_error\b/);
});

test('a certificate with nothing but a common name is no server’s (RFC 9525 §2)', {
  skip: unlessInstalled('openssl'),
}, async () => {
  const authority = new Authority();
  const nameless = authority.issue({ subject: '/CN=localhost' });
  const named = authority.issue({ subject: '/CN=localhost', names: ['localhost'] });
  for (const [issued, status] of [
    [nameless, 502],
    [named, 200],
  ] as const) {
    await using server = await startSecureOrigin(issued, (_request, response) =>
      response.end('ok'),
    );
    const url = `https://localhost:${server.port}`;
    const answer = await ask(url, '--origin-ca', authority.certificateFile);
    assert.equal(answer.status, status, answer.proxyStatus ?? 'no Proxy-Status');
  }
});

test('--danger-skip-origin-verification talks to anyone', async () => {
  assert.equal((await ask(byName, '--danger-skip-origin-verification', 'on')).status, 200);
});

test('danger-skip-verification of one group says nothing of another', async () => {
  const servers = [byName];
  for (const [tls, status] of [
    [{ 'danger-skip-verification': 'on' }, 200],
    [{}, 502],
  ] as const) {
    const other = { servers, tls: { 'danger-skip-verification': 'on' } };
    const origins = { app: { servers, tls }, other };
    const routes = [{ match: { hosts: ['b.example'] }, origin: 'other' }, { origin: 'app' }];
    await using sluice = await startConfigured({ file: { origins, routes } });
    assert.equal((await askOf(sluice)).status, status);
  }
});
