import assert from 'node:assert/strict';
import test from 'node:test';
import { configuredAuthority, parseAuthority } from '../http/authority.ts';
import { type HostTlsOptions, plainHost } from '../tls/host-options.ts';
import { HostPolicies } from './host-guard.ts';

function host(names: string[], more: Partial<HostTlsOptions> = {}): HostTlsOptions {
  return { ...plainHost, certificates: [], names, ...more };
}

const secret = host(['secret.example', '*.secret.example'], {
  clientCertificates: { mode: 'required', authoritiesPem: 'PEM' },
});
const calm = host(['calm.example'], { earlyData: { ...plainHost.earlyData, enabled: false } });
const hosts = [host(['open.example']), secret, host(['too.example']), calm];
const policies = new HostPolicies(hosts, []);
const refusal = (from: number, authority: string, early = false) =>
  policies.refusal(from, configuredAuthority(authority), early)?.code;

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
  const refused = (authority: string) =>
    policies.refusalWithoutTls(parseAuthority(authority)!)?.code;
  assert.equal(refused('secret.example:80'), 'misdirected-request');
  assert.equal(refused('deep.in.secret.example:80'), 'misdirected-request');
  assert.equal(refused('open.example'), undefined);
  assert.ok(new HostPolicies([secret], []).matter);
});

test('hosts that do not differ need no guard', () => {
  assert.ok(policies.matter);
  assert.equal(new HostPolicies([host(['a.example']), host(['b.example'])], []).matter, false);
  assert.equal(new HostPolicies([], []).matter, false);
});

test('a name that no host has is held to what the hosts above it ask', () => {
  for (const name of ['a.b.secret.example', 'a.b.c.SECRET.example.:8443']) {
    assert.equal(refusal(0, name), 'misdirected-request', name);
    assert.equal(refusal(1, name), undefined, name);
  }
  assert.equal(refusal(0, 'x.calm.example', true), 'early-data-refused');
  assert.equal(refusal(0, 'notsecret.example'), undefined);
});

test('a name that no host has is held to what the hosts that share its route ask', () => {
  const shared = new HostPolicies(hosts, [['secret.example', 'other.example'], ['*.example'], []]);
  const judged = (from: number, authority: string) =>
    shared.refusal(from, configuredAuthority(authority), false)?.code;
  // A route that is for other.example is for secret.example, too.
  assert.equal(judged(0, 'other.example'), 'misdirected-request');
  assert.equal(judged(1, 'other.example'), undefined);
  // *.example is for both hosts.
  assert.equal(judged(0, 'third.example'), 'misdirected-request');
  assert.equal(judged(0, 'open.example'), undefined, 'a name of a host is judged by it alone');
  assert.equal(judged(0, 'elsewhere.test'), undefined);
});

test('where no host asks as much as all others, nobody reaches a name that they share', () => {
  const other = host(['other.example'], {
    clientCertificates: { mode: 'required', authoritiesPem: 'ANOTHER PEM' },
  });
  const rivals = new HostPolicies([host([]), secret, other], [['*.example']]);
  for (const from of [0, 1, 2]) {
    const refused = rivals.refusal(from, configuredAuthority('x.example'), false);
    assert.equal(refused?.code, 'misdirected-request');
  }
});
