// Needs openssl: it makes the certificates.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Authority, type Issued } from '../../../test/support/authority.ts';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { type Diagnostic, diagnosticText } from '../document/diagnostic.ts';
import { readBySchema } from '../document/reader.ts';
import { parseSource } from '../document/source.ts';
import type { HostOptions } from '../options.ts';
import { type HostsEntry, hostsSchema } from '../schema/hosts.ts';
import { CompileContext } from './context.ts';
import { compileHosts } from './hosts.ts';

const directory = temporaryDirectory();
const authority = new Authority();

function keep(name: string, { certificatePem, keyPem }: Issued): void {
  writeFileSync(join(directory, `${name}.pem`), certificatePem);
  writeFileSync(join(directory, `${name}.key`), keyPem);
}
keep('ec', authority.issue());
keep('ec2', authority.issue());
keep('rsa', authority.issue({ kind: 'rsa' }));
keep('old', authority.issue({ days: -1 }));
writeFileSync(join(directory, 'ca.pem'), authority.certificatePem);
writeFileSync(join(directory, 'none.pem'), 'none');

/** The file is the section alone. */
function compile(text: string) {
  const parsed = parseSource({ file: 'f', text, directory });
  const read = readBySchema(parsed, hostsSchema as Parameters<typeof readBySchema>[1]);
  const diagnostics: Diagnostic[] = [];
  const warnings: string[] = [];
  const compilation = {
    parsed,
    diagnostics,
    warn: (message: string) => warnings.push(message),
    nowMs: 0,
  };
  const value = Array.isArray(read.value) ? (read.value as HostsEntry) : [];
  const hosts =
    read.diagnostics.length === 0 ? compileHosts(value, new CompileContext(compilation, [])) : [];
  return {
    hosts,
    warnings,
    diagnostics: [...read.diagnostics, ...diagnostics].map(diagnosticText),
  };
}

function only(text: string): HostOptions {
  const { hosts, diagnostics } = compile(text);
  assert.deepEqual(diagnostics, []);
  return hosts[0]!;
}

test('a host with nothing but a certificate is as by default', () => {
  const { tls, certificateFiles, earlyDataPolicy } = only(
    '- certificates: [{cert: ec.pem, key: ec.key}]',
  );
  assert.deepEqual(tls.names, []);
  assert.match(tls.certificates[0]!.certificatePem, /BEGIN CERTIFICATE/);
  assert.deepEqual(certificateFiles, [
    { certificateFile: join(directory, 'ec.pem'), keyFile: join(directory, 'ec.key') },
  ]);
  assert.equal(tls.minVersion, 'TLSv1.2');
  assert.deepEqual(tls.earlyData, {
    enabled: true,
    bytesMax: 16_384,
    inFlightBytesMax: 67_108_864,
  });
  assert.equal(earlyDataPolicy.otherwise, 'hold');
});

test('every key of a host arrives', () => {
  const { tls, earlyDataPolicy, clientIdentityFields } = only(`
- names: [Example.ORG., "*.example.org"]
  certificates: [{cert: ec.pem, key: ec.key}, {cert: rsa.pem, key: rsa.key}]
  tls:
    min-version: TLSv1.2
    max-version: TLSv1.3
    ciphers: ECDHE-ECDSA-AES256-GCM-SHA384
    cipher-suites: TLS_AES_256_GCM_SHA384
    groups: X25519:P-256
    client-certificates: {mode: required, ca: ca.pem, header: Cert, chain-header: off, subject-header: Who}
    ocsp-stapling: off
    certificate-compression: off
  early-data:
    methods: [GET, POST]
    query: off
    max-size: 4KiB
    in-flight-max: 1MiB
    excluded-paths: [/buy, "/x*"]
    otherwise: too-early
`);
  assert.deepEqual(tls.names, ['example.org', '*.example.org']);
  assert.equal(tls.certificates.length, 2);
  assert.equal(tls.ciphers, 'ECDHE-ECDSA-AES256-GCM-SHA384');
  assert.equal(tls.cipherSuites, 'TLS_AES_256_GCM_SHA384');
  assert.equal(tls.groups, 'X25519:P-256');
  assert.equal(tls.clientCertificates.mode, 'required');
  assert.match(tls.clientCertificates.authoritiesPem, /BEGIN CERTIFICATE/);
  assert.deepEqual(clientIdentityFields, { certificate: 'cert', chain: '', subject: 'who' });
  assert.deepEqual([tls.ocspStapling, tls.certificateCompression], [false, false]);
  assert.deepEqual(tls.earlyData, { enabled: true, bytesMax: 4_096, inFlightBytesMax: 2 ** 20 });
  assert.deepEqual(earlyDataPolicy, {
    methods: ['GET', 'POST'],
    query: false,
    excludedPaths: ['/buy', '/x*'],
    otherwise: 'too-early',
  });
});

test('early data is off by one word', () => {
  const host = only('- certificates: [{cert: ec.pem, key: ec.key}]\n  early-data: off');
  assert.equal(host.tls.earlyData.enabled, false);
});

const pair = 'certificates: [{cert: ec.pem, key: ec.key}]';
const diagnostics: readonly [text: string, message: RegExp][] = [
  ['- names: [a.test]', /\[0\].*certificates/],
  ['- certificates: []', /certificates/],
  ['- certificates: [{cert: nowhere.pem, key: ec.key}]', /nowhere\.pem: there is no such file/],
  ['- certificates: [{cert: none.pem, key: ec.key}]', /none\.pem: not a PEM file/],
  ['- certificates: [{cert: ec.pem, key: rsa.key}]', /private key does not belong/],
  [
    '- certificates: [{cert: ec.pem, key: ec.key}, {cert: ec2.pem, key: ec2.key}]',
    /two certificates with a key of type EC/,
  ],
  [`- ${pair}\n  names: ["*.*.test"]`, /\[0\]\.names\[0\].*no host name/],
  [`- ${pair}\n  names: [a b]`, /no host name/],
  [`- ${pair}\n  names: [a.test]\n- ${pair}`, /\[1\].*only the first host/],
  [`- ${pair}\n  names: [a.test]\n- ${pair}\n  names: [A.test]`, /hosts\[0\] has it/],
  [`- ${pair}\n  tls: {ciphers: NONE}`, /the ciphers 'NONE' are not understood/],
  [`- ${pair}\n  tls: {cipher-suites: TLS_NONE}`, /cipher suites 'TLS_NONE' are not understood/],
  [`- ${pair}\n  tls: {groups: P-000}`, /groups 'P-000' are not understood.*X25519MLKEM768/],
  [`- ${pair}\n  tls: {min-version: TLSv1.3, max-version: TLSv1.2}`, /above the highest/],
  [`- ${pair}\n  tls: {min-version: TLSv1.1}`, /min-version/],
  [`- ${pair}\n  tls: {client-certificates: {mode: required}}`, /no issuer is trusted/],
  [`- ${pair}\n  tls: {client-certificates: {mode: optional, ca: nowhere.pem}}`, /no such file/],
  [`- ${pair}\n  early-data: {excluded-paths: [buy]}`, /excluded-paths/],
  [`- ${pair}\n  early-data: {excluded-paths: ["/buy?x"]}`, /no path/],
  [`- ${pair}\n  early-data: {otherwise: never}`, /otherwise/],
];
for (const [text, message] of diagnostics) {
  test(`a mistake is told with its place: ${message.source}`, () => {
    const found = compile(text).diagnostics;
    assert.equal(found.length, 1, found.join('\n'));
    assert.match(found[0]!, message);
    assert.match(found[0]!, /^f:\d+:\d+: /);
  });
}

test('an expired certificate is a warning', () => {
  const { warnings, diagnostics: none } = compile(
    '- certificates: [{cert: old.pem, key: old.key}]',
  );
  assert.deepEqual(none, []);
  assert.match(warnings.join(), /f:1:3: \[0\]: The certificate has expired/);
});
