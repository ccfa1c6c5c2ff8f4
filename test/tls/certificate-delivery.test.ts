// Needs openssl: it makes the certificates.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, describe, test } from 'node:test';
import type {
  ClientConnectionOptions,
  ClientContextOptions,
} from '../../src/tls/client-context.ts';
import type { TlsEngine } from '../../src/tls/connection.ts';
import { type HostTlsOptions, plainHost } from '../../src/tls/host-options.ts';
import {
  createHostedContext,
  type ServerContext,
  type SharedServerOptions,
} from '../../src/tls/server-context.ts';
import { Authority } from '../support/authority.ts';
import { clientContext, liveHandles, Pair } from './wire.ts';

after(() => assert.deepEqual(liveHandles(), {}, 'every native handle was freed'));

const authority = new Authority();
const manyNames = Array.from({ length: 100 }, (_, index) => `host-${index}.example.org`);
const ec = authority.issue({ names: manyNames });
const rsa = authority.issue({ kind: 'rsa', names: manyNames });

function serverOf(
  host: Partial<HostTlsOptions>,
  shared: Partial<SharedServerOptions> = {},
): ServerContext {
  const host0: HostTlsOptions = { ...plainHost, certificates: [ec], ...host };
  return createHostedContext({ alpn: ['http/1.1'], ticketKeys: [randomBytes(80)], ...shared }, [
    host0,
  ]);
}

function meet(
  server: ServerContext,
  client: ClientContextOptions = {},
  target: Partial<ClientConnectionOptions> = {},
): Pair {
  using context = clientContext({
    verify: true,
    caFile: authority.certificateFile,
    ...client,
  });
  const name = { serverName: 'host-7.example.org', ...target };
  const pair = new Pair(server, context, name).settle();
  assert.equal(pair.client.record.outcome, 'complete');
  assert.equal(pair.server.record.outcome, 'complete');
  return pair;
}

describe('certificates', () => {
  test('go compressed to clients that take them so', () => {
    const sizes = [true, false].map((certificateCompression) => {
      using server = serverOf({ certificateCompression });
      assert.deepEqual(server.uncompressedHosts, [], 'an operator would be told');
      using pair = meet(server);
      return pair.server.record.bytesSent;
    });
    assert.ok(sizes[0]! < sizes[1]! - 1_000, `${sizes} bytes with and without`);
  });

  test('go as they are over TLS 1.2', () => {
    using server = serverOf({});
    using pair = meet(server, { maxVersion: 'TLSv1.2' });
    assert.equal(pair.server.record.version, 'TLSv1.2');
  });
});

describe('the revocation status', () => {
  const response = randomBytes(700);
  const status = (pair: Pair) => (pair.client.connection as TlsEngine).stapledResponse;

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`goes to clients that ask for it, and only to them (${maxVersion})`, () => {
      using server = serverOf({ certificates: [{ ...ec, ocspResponse: response }] });
      using asking = meet(server, { asksForStatus: true, maxVersion });
      assert.deepEqual(Buffer.from(status(asking)!), response);
      using plain = meet(server, { maxVersion });
      assert.equal(status(plain), null);
    });
  }

  test('is that of the certificate which the client gets', () => {
    const ofRsa = randomBytes(900);
    const certificates = [
      { ...ec, ocspResponse: response },
      { ...rsa, ocspResponse: ofRsa },
    ];
    using server = serverOf({ certificates });
    for (const [signatureSchemes, expected] of [
      ['ecdsa_secp256r1_sha256', response],
      ['rsa_pss_rsae_sha256', ofRsa],
    ] as const) {
      // The authority's own signature is ECDSA, which the second client could not verify.
      using pair = meet(server, { asksForStatus: true, signatureSchemes, verify: false });
      assert.equal(pair.server.record.signature, signatureSchemes);
      assert.deepEqual(Buffer.from(status(pair)!), expected);
    }
  });

  test('is absent when there is none, and for a certificate that has none', () => {
    using without = serverOf({});
    using first = meet(without, { asksForStatus: true });
    assert.equal(status(first), null);
    using mixed = serverOf({ certificates: [ec, { ...rsa, ocspResponse: response }] });
    using second = meet(mixed, {
      asksForStatus: true,
      signatureSchemes: 'ecdsa_secp256r1_sha256',
    });
    assert.equal(status(second), null);
  });

  test('arrives and goes with the certificates, without a restart', () => {
    using server = serverOf({});
    server.replaceCertificates(0, [{ ...ec, ocspResponse: response }]);
    using stapled = meet(server, { asksForStatus: true });
    assert.equal(status(stapled)?.length, response.length);
    server.replaceCertificates(0, [ec]);
    using plain = meet(server, { asksForStatus: true });
    assert.equal(status(plain), null);
  });
});

describe('the key log', () => {
  const labelsOf = (lines: readonly string[]) => new Set(lines.map((line) => line.split(' ')[0]));

  test('has every secret of TLS 1.3, that of early data too', () => {
    const lines: string[] = [];
    using server = serverOf({}, { logKey: (line) => lines.push(line) });
    using first = meet(server);
    assert.deepEqual(
      labelsOf(lines),
      new Set([
        'SERVER_HANDSHAKE_TRAFFIC_SECRET',
        'CLIENT_HANDSHAKE_TRAFFIC_SECRET',
        'EXPORTER_SECRET',
        'SERVER_TRAFFIC_SECRET_0',
        'CLIENT_TRAFFIC_SECRET_0',
      ]),
    );
    lines.length = 0;
    using session = first.takeSession();
    using again = meet(server, {}, { session, earlyData: Buffer.from('early') });
    assert.equal(again.server.record.earlyData, 'accepted');
    assert.ok(labelsOf(lines).has('CLIENT_EARLY_TRAFFIC_SECRET'));
    // Label, ClientHello.random and secret, in hexadecimal.
    for (const line of lines) assert.match(line, /^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]{64,96}$/);
  });

  test('has the master secret of TLS 1.2', () => {
    const lines: string[] = [];
    using server = serverOf({}, { logKey: (line) => lines.push(line) });
    using pair = meet(server, { maxVersion: 'TLSv1.2' });
    assert.equal(pair.server.record.version, 'TLSv1.2');
    assert.deepEqual(labelsOf(lines), new Set(['CLIENT_RANDOM']));
  });
});
