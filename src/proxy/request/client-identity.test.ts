// Needs openssl: it makes the certificates.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import test from 'node:test';
import { Authority } from '../../../test/support/authority.ts';
import type { RequestFacts, ResponseSender, TlsFacts } from '../../http/exchange.ts';
import { FieldSection } from '../../http/field-section.ts';
import type { RequestHead } from '../../http/message.ts';
import { ClientIdentity, defaultClientIdentityFields } from './client-identity.ts';

const authority = new Authority();
const derOf = (pem: string) => new X509Certificate(pem).raw;
const leaf = derOf(authority.issue({ subject: '/O=Ex, Inc/CN=alice' }).certificatePem);
const issuer = derOf(authority.certificatePem);

type Lines = readonly (readonly [string, string])[];

/** The fields with which a request goes on. */
function pass(
  hosts: ConstructorParameters<typeof ClientIdentity>[1],
  lines: Lines,
  tls: Partial<TlsFacts> | null = null,
): [string, string][] {
  let passed: [string, string][] = [];
  const take = (head: RequestHead) => {
    passed = [...head.fields];
    return { onContent() {}, onEnd() {}, onAbort() {}, onWritable() {} };
  };
  const identity = new ClientIdentity(
    {
      onRequest: take,
      turnAway: (_error, head) => take(head),
      turnAwayFromOrigin: (_error, head) => take(head),
    },
    hosts,
  );
  const head = { fields: FieldSection.of(...lines) } as RequestHead;
  identity.onRequest(head, {} as ResponseSender, { tls } as RequestFacts);
  return passed;
}

const all = { ...defaultClientIdentityFields, subject: 'x-who' };
const forged: Lines = [
  ['accept', '*/*'],
  ['client-cert', ':Zm9yZ2Vk:'],
  ['client-cert', ':Zm9yZ2Vk:'],
  ['client_cert_chain', ':Zm9yZ2Vk:'],
  ['x_who', 'CN=root'],
  ['x-who', 'CN=root'],
  ['host', 'a.test'],
];
const honest: Lines = [
  ['accept', '*/*'],
  ['host', 'a.test'],
];

test('what clients claim of themselves goes no further, on any connection', () => {
  const facts = [
    null,
    { host: 0, clientCertificates: [] },
    { host: 1, clientCertificates: [leaf] },
  ];
  for (const tls of facts) assert.deepEqual(pass([all, null], forged, tls), honest);
});

test('the certificate, its chain and its subject are told as RFC 9440 and 4514 write them', () => {
  const tls = { host: 0, clientCertificates: [leaf, issuer] };
  assert.deepEqual(pass([all], forged, tls), [
    ...honest,
    ['client-cert', `:${leaf.toString('base64')}:`],
    ['client-cert-chain', `:${issuer.toString('base64')}:`],
    ['x-who', 'CN=alice,O=Ex\\, Inc'],
  ]);
});

test('a field that is off is not sent, and a claim in it is removed all the same', () => {
  const tls = { host: 0, clientCertificates: [leaf] };
  const names = { certificate: '', chain: '', subject: 'x-who' };
  assert.deepEqual(pass([names], forged, tls), [...honest, ['x-who', 'CN=alice,O=Ex\\, Inc']]);
});

test('a subject that is not ASCII is written in bytes that a field may hold', () => {
  const der = derOf(authority.issue({ subject: '/CN=Jos\\u00e9' }).certificatePem);
  const { subject } = new X509Certificate(der);
  const utf8 = derOf(authority.issue({ subject: '/CN=José' }).certificatePem);
  const names = { certificate: '', chain: '', subject: 'x-who' };
  for (const certificate of [der, utf8]) {
    const [, value] = pass([names], [], { host: 0, clientCertificates: [certificate] })[0]!;
    assert.match(value, /^CN=Jos[ -~]+$/, subject);
  }
});
