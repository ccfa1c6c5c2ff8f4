import assert from 'node:assert/strict';
import test from 'node:test';
import { type HostTlsOptions, plainHost } from '../tls/host-options.ts';
import { HostPolicies, hostPolicies } from './host-guard.ts';

function host(names: string[], more: Partial<HostTlsOptions> = {}): HostTlsOptions {
  return { ...plainHost, certificates: [], names, ...more };
}

const secret = host(['secret.example', '*.secret.example'], {
  clientCertificates: { mode: 'required', authoritiesPem: 'PEM' },
});
const calm = host(['calm.example'], { earlyData: { ...plainHost.earlyData, enabled: false } });
const policies = new HostPolicies([host(['open.example']), secret, host(['too.example']), calm]);
const refusal = (from: number, authority: string, early = false) =>
  policies.refusal(from, authority, early)?.code;

test('a connection that showed no certificate does not reach a host that requires one', () => {
  for (const name of ['secret.example', 'SECRET.example.:443', 'a.secret.example']) {
    assert.equal(refusal(0, name), 'misdirected-request', name);
    assert.equal(refusal(1, name), undefined, name);
  }
});

test('hosts that ask the same of clients may share a connection', () => {
  assert.equal(refusal(0, 'too.example'), undefined);
  assert.equal(refusal(2, 'open.example:8443'), undefined);
});

test('an unknown name is the first host’s, so that it leads around nothing', () => {
  assert.equal(refusal(0, 'unknown.example'), undefined);
  assert.equal(refusal(1, 'unknown.example'), 'misdirected-request');
});

test('early data is not brought to a host that takes none over another’s connection', () => {
  assert.equal(refusal(0, 'calm.example', true), 'early-data-refused');
  assert.equal(refusal(0, 'calm.example', false), undefined);
  assert.equal(refusal(0, 'too.example', true), undefined);
});

test('without TLS no host that requires a certificate is reached', () => {
  assert.equal(policies.refusalWithoutTls('secret.example:80')?.code, 'misdirected-request');
  assert.equal(policies.refusalWithoutTls('open.example'), null);
  assert.notEqual(hostPolicies([secret]), null);
});

test('hosts that do not differ need no guard', () => {
  assert.ok(policies.matter);
  assert.equal(hostPolicies([host(['a.example']), host(['b.example'])]), null);
  assert.equal(hostPolicies([]), null);
});
