import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { UsageError } from '../../src/base/errors.ts';
import {
  type ClientConnectionOptions,
  type ClientContextOptions,
  createClientContext,
} from '../../src/tls/client-context.ts';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';
import type { ServerContextOptions } from '../../src/tls/server-context.ts';
import { makeCertificate } from './openssl-command.ts';
import { certificate, clientContext, connect, liveHandles, Pair, serverContext } from './wire.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-tls-'));
after(() => {
  rmSync(folder, { recursive: true });
  assert.deepEqual(liveHandles(), {}, 'every native handle was freed');
});

function fileWith(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const caFile = fileWith('localhost.pem', certificate.certificatePem);

describe('the self-signed certificate', () => {
  const parsed = new X509Certificate(certificate.certificatePem);

  test('is for its names, valid now, and its own authority', () => {
    assert.equal(parsed.subject, 'CN=localhost');
    assert.equal(
      parsed.subjectAltName,
      'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
    );
    assert.ok(parsed.ca);
    assert.ok(parsed.verify(parsed.publicKey));
    assert.ok(parsed.validFromDate.getTime() < Date.now());
    const days = (parsed.validToDate.getTime() - Date.now()) / 86_400_000;
    assert.ok(days > 365 && days < 398, `${days} days`);
    assert.equal(parsed.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    assert.equal(parsed.fingerprint256, certificate.fingerprint256);
  });

  test('has a serial number of its own each time', () => {
    const serials = new Set<string>();
    for (let index = 0; index < 50; index++) {
      const made = makeSelfSignedCertificate({ names: ['localhost'], nowMs: 1_000_000_000_000 });
      const { serialNumber } = new X509Certificate(made.certificatePem);
      assert.equal(serialNumber.length, 32);
      serials.add(serialNumber);
    }
    assert.equal(serials.size, 50);
  });

  test('is there for every kind of key, each its own authority', () => {
    for (const keyType of ['ec', 'rsa', 'ed25519'] as const) {
      const made = makeSelfSignedCertificate({ names: ['a.example'], nowMs: Date.now(), keyType });
      const parsed = new X509Certificate(made.certificatePem);
      assert.equal(parsed.publicKey.asymmetricKeyType, keyType);
      assert.ok(parsed.verify(parsed.publicKey), keyType);
    }
  });

  test('made in or after 2050 is written with four digits for the year', () => {
    const nowMs = Date.UTC(2051, 5, 1);
    const made = makeSelfSignedCertificate({ names: ['2001:db8::1:0'], nowMs });
    const later = new X509Certificate(made.certificatePem);
    assert.equal(later.validFromDate.getUTCFullYear(), 2051);
    assert.equal(later.subjectAltName, 'IP Address:2001:DB8:0:0:0:0:1:0');
  });
});

describe("an origin's certificate", () => {
  function play(
    client: ClientContextOptions,
    target: Partial<ClientConnectionOptions> = {},
    server: Partial<ServerContextOptions> = {},
  ): Pair {
    using serverSide = serverContext(server);
    using clientSide = clientContext({ verify: true, caFile, ...client });
    return new Pair(serverSide, clientSide, target).settle();
  }

  function refused(pair: Pair, code: string, alert: string): void {
    using checked = pair;
    const [error] = checked.client.errors;
    assert.equal(error?.code, code);
    assert.equal(error?.blame, 'upstream');
    assert.equal(checked.client.record.errorCode, code);
    assert.equal(checked.client.record.alert, alert);
    assert.equal(checked.client.record.alertSentBy, 'us');
    assert.equal(checked.client.connection.isComplete, false);
    assert.equal(checked.server.record.alertSentBy, 'peer');
    assert.equal(checked.server.record.alert, alert);
    assert.equal(checked.server.received, '');
  }

  for (const name of ['localhost', '127.0.0.1', '::1']) {
    test(`that bears ${name} is taken`, () => {
      using pair = play({}, { serverName: name });
      assert.equal(pair.client.record.outcome, 'complete');
      assert.equal(pair.server.record.serverName, name === 'localhost' ? name : '');
    });
  }

  test('is checked for verifyName rather than the name that is asked for', () => {
    using pair = play({}, { serverName: 'www.example', verifyName: 'localhost' });
    assert.equal(pair.client.record.outcome, 'complete');
    assert.equal(pair.server.record.serverName, 'www.example');
  });

  for (const name of ['example.org', 'localhost.example', '127.0.0.2', '::2']) {
    test(`that does not bear ${name} is refused`, () => {
      refused(play({}, { serverName: name }), 'tls-certificate-name-mismatch', 'bad_certificate');
    });
  }

  test('of an unknown issuer is refused', () => {
    const other = makeSelfSignedCertificate({ names: ['localhost'], nowMs: Date.now() });
    const otherFile = fileWith('other.pem', other.certificatePem);
    refused(play({ caFile: otherFile }), 'tls-certificate-untrusted', 'unknown_ca');
  });

  test("is not trusted by the system's roots", () => {
    refused(play({ caFile: '' }), 'tls-certificate-untrusted', 'unknown_ca');
  });

  test('that has expired is refused', () => {
    const old = makeSelfSignedCertificate({ names: ['localhost'], nowMs: 1_000_000_000_000 });
    const caFile = fileWith('old.pem', old.certificatePem);
    refused(play({ caFile }, {}, old), 'tls-certificate-expired', 'certificate_expired');
  });

  test('that is not valid yet is refused', () => {
    const nowMs = Date.now() + 86_400_000;
    const early = makeSelfSignedCertificate({ names: ['localhost'], nowMs });
    const caFile = fileWith('early.pem', early.certificatePem);
    refused(play({ caFile }, {}, early), 'tls-certificate-not-yet-valid', 'bad_certificate');
  });

  test('is refused in TLS 1.2 too', () => {
    const name = 'example.org';
    const pair = play({ maxVersion: 'TLSv1.2' }, { serverName: name });
    refused(pair, 'tls-certificate-name-mismatch', 'bad_certificate');
  });

  test('is taken unseen only when verification is switched off', () => {
    using pair = play({ verify: false, caFile: '' }, { serverName: 'example.org' });
    assert.equal(pair.client.record.outcome, 'complete');
  });

  test('cannot be checked for a name that is none', () => {
    using client = createClientContext({ caFile });
    for (const serverName of ['', 'a b', 'exa\0mple', 'https://localhost', '*.example', '[::1]']) {
      assert.throws(() => connect(client, { serverName }), { code: 'tls-name-invalid' });
    }
  });
});

describe('the roots', () => {
  test("are the system's by default, or Node's where the system has none", () => {
    using client = createClientContext({ environment: {} });
    assert.match(client.roots, /^(\/.+|bundled)$/);
  });

  test('may come from the environment', () => {
    using client = createClientContext({ environment: { SSL_CERT_FILE: caFile } });
    assert.equal(client.roots, caFile);
    using server = serverContext();
    using pair = new Pair(server, client).settle();
    assert.equal(pair.client.record.outcome, 'complete');
  });

  test('from a file without certificates are a clear error', () => {
    const empty = fileWith('empty.pem', 'nothing here');
    for (const path of [empty, join(folder, 'absent.pem')]) {
      assert.throws(
        () => createClientContext({ caFile: path }),
        (error: UsageError) => error instanceof UsageError && error.message.includes(path),
      );
    }
  });
});

describe("a listener's certificate", () => {
  const kinds = [
    ['rsa', 'rsa_pss_rsae_sha256'],
    ['p256', 'ecdsa_secp256r1_sha256'],
    ['p384', 'ecdsa_secp384r1_sha384'],
    ['ed25519', 'ed25519'],
  ] as const;
  for (const [kind, signature] of kinds) {
    test(`with a key of kind ${kind} serves`, { skip: makeCertificate.skip }, () => {
      using server = serverContext(makeCertificate(kind));
      using client = clientContext();
      using pair = new Pair(server, client).settle();
      assert.equal(pair.server.record.outcome, 'complete');
      assert.equal(pair.server.record.signature, signature);
      assert.equal(pair.client.record.signature, signature);
    });
  }

  test('goes out with the issuers that follow it in the file', () => {
    const issuer = makeSelfSignedCertificate({ names: ['issuer.example'], nowMs: Date.now() });
    const certificatePem = certificate.certificatePem + issuer.certificatePem;
    using alone = serverContext();
    using chained = serverContext({ certificatePem });
    // In TLS 1.3 they would be compressed.
    using client = clientContext({ maxVersion: 'TLSv1.2' });
    using short = new Pair(alone, client).settle();
    using long = new Pair(chained, client).settle();
    const difference = long.server.record.bytesSent - short.server.record.bytesSent;
    const issuerBytes = new X509Certificate(issuer.certificatePem).raw.length;
    assert.ok(Math.abs(difference - issuerBytes) < 16, `${difference} for ${issuerBytes}`);
  });

  test('that has expired serves with a warning', () => {
    const old = makeSelfSignedCertificate({ names: ['localhost'], nowMs: 1_000_000_000_000 });
    using server = serverContext(old);
    assert.match(server.warnings.join(), /expired/);
    using current = serverContext();
    assert.deepEqual(current.warnings, []);
  });

  const other = makeSelfSignedCertificate({ names: ['localhost'], nowMs: Date.now() });
  const damaged = certificate.certificatePem.replace(/\n.{10}/, '\nAAAAAAAAAA');
  const faults: readonly [string, Partial<ServerContextOptions>, RegExp][] = [
    ['another key', { keyPem: other.keyPem }, /key does not belong to the certificate/],
    ['no certificate', { certificatePem: 'none' }, /holds no certificate/],
    ['a damaged certificate', { certificatePem: damaged }, /certificate file is damaged/],
    ['no key', { keyPem: '' }, /holds no private key/],
    ['a key with a passphrase', { keyPem: encrypted() }, /protected by a passphrase/],
    ['unknown groups', { groups: 'X25519:NOPE' }, /'X25519:NOPE' are not understood/],
  ];
  for (const [name, options, message] of faults) {
    test(`${name}: a clear error`, () => {
      assert.throws(
        () => serverContext(options),
        (error: UsageError) => {
          assert.ok(error instanceof UsageError);
          assert.match(error.message, message);
          assert.notEqual(error.remedy, '');
          return true;
        },
      );
    });
  }

  function encrypted(): string {
    return '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAA\n-----END ENCRYPTED PRIVATE KEY-----\n';
  }
});
