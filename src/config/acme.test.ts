import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { temporaryDirectory } from '../../test/support/temporary.ts';
import { AcmeStore, certificateId } from '../acme/store.ts';
import { makeSelfSignedCertificate } from '../tls/self-signed.ts';
import { acmeOptionsOf, withIssued } from './acme.ts';
import { parseCommandLine } from './command-line.ts';
import { compileAcme } from './compile/acme.ts';
import type { HostOptions } from './options.ts';
import { resolveOptions } from './resolve.ts';

const stateDirectory = temporaryDirectory();

function load(words: readonly string[], hostsInUse: readonly HostOptions[] = []) {
  const { given } = parseCommandLine(['--origin', 'http://o.test', ...words], '/');
  const surroundings = {
    stateDirectory,
    demoOrigin: null,
    hostsInUse,
    nowMs: Date.now(),
    warn() {},
  };
  return resolveOptions(given, { command: 'run', ...surroundings });
}

const words = ['--acme', 'a@b.test', '--acme-name', 'a.test', '--acme-name', '*.A.test'];

test('flags make a host of all names, which has a stand-in until a certificate is issued', async () => {
  const { hosts, acme } = await load(words);
  const [{ tls, isAcme }] = hosts as [HostOptions];
  assert.deepEqual([isAcme, tls.names], [true, ['a.test', '*.a.test']]);
  assert.match(acme!.directories[0]!, /letsencrypt/);
  const { subjectAltName } = new X509Certificate(tls.certificates[0]!.certificatePem);
  assert.equal(subjectAltName, 'DNS:a.test, DNS:*.a.test');

  // A reload keeps it: a client that has accepted it is not asked again.
  const [again] = (await load(words, hosts)).hosts;
  assert.deepEqual(again?.tls.certificates, tls.certificates);

  const issued = makeSelfSignedCertificate({ names: tls.names, nowMs: Date.now() });
  const store = new AcmeStore(join(stateDirectory, 'acme'));
  store.keepCertificate(certificateId(tls.names, 'ecdsa'), issued);
  const [kept] = (await load(words, hosts)).hosts;
  assert.equal(kept?.tls.certificates[0]?.certificatePem, issued.certificatePem);
});

test('many hosts that wait for certificates do not wait for a key each', async () => {
  const { hosts, acme } = await load(words);
  const waiting = ['b.test', 'c.test', 'd.test'].map((name) => {
    return { ...hosts[0]!, tls: { ...hosts[0]!.tls, names: [name] } };
  });
  const options = { ...acme!, keyTypes: ['ecdsa', 'rsa'] as const };
  const made = await withIssued(waiting, options, { nowMs: Date.now() });
  const keys = new Set<string>();
  for (const { tls, certificateFiles } of made) {
    assert.deepEqual(certificateFiles, [null, null]);
    const kinds = tls.certificates.map(({ certificatePem, keyPem }) => {
      keys.add(keyPem);
      const certificate = new X509Certificate(certificatePem);
      assert.equal(certificate.subjectAltName, `DNS:${tls.names[0]}`);
      assert.ok(certificate.checkPrivateKey(createPrivateKey(keyPem)));
      return certificate.publicKey.asymmetricKeyType;
    });
    assert.deepEqual(kinds, ['ec', 'rsa']);
  }
  assert.equal(keys.size, 2, 'one of each kind');
});

test('an address alone has no names to order certificates for', async () => {
  await assert.rejects(load(['--acme', 'a@b.test']), /for which names\?/);
  await assert.rejects(
    load(['--acme', 'nobody', '--acme-name', 'a.test']),
    /not an e-mail address/,
  );
  await assert.rejects(load(['--acme-name', 'localhost']), /no host name/);
});

test('what is possible is tried: http-01 with a listener for it', async () => {
  const challenges = async (...more: string[]) =>
    (await load([...words, ...more])).acme?.challenges;
  assert.deepEqual(await challenges(), ['http-01', 'tls-alpn-01']);
  assert.deepEqual(await challenges('--https', '8443'), ['tls-alpn-01']);
});

test('a secret for a cluster must be long, and needs a cluster', () => {
  const secret = (bytes: number) => {
    const file = join(temporaryDirectory(), 'secret');
    writeFileSync(file, 'x'.repeat(bytes));
    return file;
  };
  const said = (file: string) => {
    const refused: string[] = [];
    const context = { refuse: (_: unknown, problem: string) => void refused.push(problem) };
    const section = compileAcme({ 'cluster-secret-file': file }, context as never);
    return { section, refused };
  };
  assert.match(said(secret(31)).refused[0]!, /31 bytes, and a secret has at least 32/);
  assert.match(said('/nowhere').refused[0]!, /it cannot be read \(ENOENT\)/);
  const { section, refused } = said(secret(32));
  assert.deepEqual(refused, []);
  const rest = { stateDirectory, listeners: [] };
  assert.throws(() => acmeOptionsOf(section, null, { ...rest, cluster: null }), /no cluster/);
  const cluster = { url: 'redis://r', timeoutMs: 5 };
  const options = acmeOptionsOf(section, null, { ...rest, cluster });
  assert.deepEqual(options.cluster, { ...cluster, secret: '78'.repeat(32) });
});
