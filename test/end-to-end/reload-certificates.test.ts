// Needs openssl: it makes the certificates.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { TLSSocket } from 'node:tls';
import { runSluice } from '../cli/sluice-process.ts';
import { Authority } from '../support/authority.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { type RunningSluice, startSluice } from '../support/sluice.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const authority = new Authority();
const GET = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';

/** The answer to a request, and whose certificate came with it. */
async function ask(sluice: RunningSluice, servername: string): Promise<readonly string[]> {
  using connection = await RawConnection.openTls(sluice.httpsPort, { servername });
  const { subject } = (connection.socket as TLSSocket).getPeerCertificate();
  return [String(subject.CN), (await connection.request(GET)).content];
}

/** Files of a directory with two certificates; `a` is broken later. */
function site() {
  const directory = temporaryDirectory();
  const file = (name: string) => join(directory, name);
  for (const name of ['a', 'b']) {
    const issued = authority.issue({ names: [`${name}.test`], subject: `/CN=${name}.test` });
    writeFileSync(file(`${name}.pem`), issued.certificatePem);
    writeFileSync(file(`${name}.key`), issued.keyPem);
  }
  return { file };
}

const body = (text: string) => `routes: [{respond: {status: 200, body: ${text}}}]\n`;

for (const [how, bad] of Object.entries({
  'is no certificate': 'hello\n',
  'does not belong to its key': authority.issue({ names: ['a.test'] }).certificatePem,
})) {
  test(`a file that ${how} keeps what was in use, and the rest is reloaded`, async () => {
    const { file } = site();
    const hosts = `hosts:
  - {names: [a.test], certificates: [{cert: a.pem, key: a.key}]}
  - {names: [b.test], certificates: [{cert: b.pem, key: b.key}]}
`;
    writeFileSync(file('sluice.yaml'), hosts + body('before'));
    await using sluice = await startSluice({
      workers: 2,
      flags: ['--config', file('sluice.yaml')],
    });
    writeFileSync(file('a.pem'), bad);
    writeFileSync(file('sluice.yaml'), hosts + body('after'));
    const admin = ['--admin', `127.0.0.1:${sluice.adminPort}`];
    const { code, stdout, stderr } = await runSluice(['reload', '--canary', '0ms', ...admin]);
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /warning: \S+sluice\.yaml:2:\d+: hosts\[0\].*a\.pem.*what was in use stays/,
    );
    assert.match(stdout, /applied on all 2 workers/);
    assert.deepEqual(await ask(sluice, 'a.test'), ['a.test', 'after']);
    assert.deepEqual(await ask(sluice, 'b.test'), ['b.test', 'after']);
    assert.match(stdout, /^1 changed:\n {2}routes\[0\]\.respond\.body: before → after\n/);
    const renewed = authority.issue({ names: ['a.test'] });
    writeFileSync(file('a.pem'), renewed.certificatePem);
    writeFileSync(file('a.key'), renewed.keyPem);
    writeFileSync(file('sluice.yaml'), `${hosts}${body('last')}drain-timeout: 5s\n`);
    const { stdout: third } = await runSluice(['reload', '--canary', '0ms', ...admin]);
    assert.match(third, /^ {2}drain-timeout: not there → 5s$/m);
    // A file is looked at by itself, too, and may have been reloaded before.
    const certificate = /certificate of a\.test, until \d{4}-\d\d-\d\d, SHA-256 [\dA-F:]+…/;
    if (/certificates/.test(third)) assert.match(third, certificate);
    assert.doesNotMatch(third, /Pem|characters|drainTimeoutMs/);
    writeFileSync(file('a.pem'), bad);
    const { code: checked } = await runSluice(['check', file('sluice.yaml')]);
    assert.equal(checked, 2, 'a check has nothing in use: it says what is wrong');
  });
}

test('the same with the certificate of flags', async () => {
  const { file } = site();
  writeFileSync(file('sluice.yaml'), body('before'));
  const words = ['--config', file('sluice.yaml'), '--cert', file('a.pem'), '--key', file('a.key')];
  await using sluice = await startSluice({ flags: words });
  writeFileSync(file('a.key'), 'gone\n');
  writeFileSync(file('sluice.yaml'), body('after'));
  const admin = ['--admin', `127.0.0.1:${sluice.adminPort}`];
  const { code, stdout, stderr } = await runSluice(['reload', '--canary', '0ms', ...admin]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /warning: --key .*not a PEM file; what was in use stays/);
  assert.deepEqual(await ask(sluice, 'a.test'), ['a.test', 'after']);
});

test('a certificate that was never in use is a reason to refuse, and nothing takes effect', async () => {
  const { file } = site();
  const host = (name: string) =>
    `hosts: [{names: [a.test], certificates: [{cert: ${name}.pem, key: a.key}]}]\n`;
  writeFileSync(file('sluice.yaml'), host('a') + body('before'));
  await using sluice = await startSluice({ flags: ['--config', file('sluice.yaml')] });
  writeFileSync(file('sluice.yaml'), host('b') + body('after'));
  const admin = ['--admin', `127.0.0.1:${sluice.adminPort}`];
  const { code, stderr } = await runSluice(['reload', '--canary', '0ms', ...admin]);
  assert.equal(code, 2);
  assert.match(stderr, /certificates\[0\]\.key: the private key does not belong/);
  assert.deepEqual(await ask(sluice, 'a.test'), ['a.test', 'before']);
});
