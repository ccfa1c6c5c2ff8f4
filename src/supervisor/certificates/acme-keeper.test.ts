import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { AcmeAuthority } from '../../../test/support/acme-authority.ts';
import { unlessInstalled } from '../../../test/support/programs.ts';
import { until } from '../../../test/support/waiting.ts';
import type { ChallengeAnswers } from '../../acme/challenges.ts';
import type { AcmeOptions } from '../../acme/options.ts';
import type { CaaRecord } from '../../acme/precheck.ts';
import { endProcess } from '../../base/owned.ts';
import type { HostOptions } from '../../config/options.ts';
import { defaultClientIdentityFields } from '../../proxy/request/client-identity.ts';
import { defaultEarlyDataPolicy } from '../../proxy/request/early-data.ts';
import { plainHost } from '../../tls/host-options.ts';
import { makeSelfSignedCertificate } from '../../tls/self-signed.ts';
import { AcmeKeeper } from './acme-keeper.ts';

const skip = unlessInstalled('openssl');

/** With the identifier of its issuer's key, and a number whose first bit is set. */
function madeByOpenssl(): string {
  const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const more = ['-keyout', '/dev/null', '-subj', '/CN=a.test', '-days', '90'];
  const number = ['-set_serial', '0x87654321', '-addext', 'authorityKeyIdentifier=keyid:always'];
  const stdio = 'pipe' as const;
  return execFileSync('openssl', [...words, ...more, ...number], { encoding: 'utf8', stdio });
}

const directory = mkdtempSync(join(tmpdir(), 'sluice-acme-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const DAY_MS = 86_400_000;
let count = 0;

function hostOf(names: readonly string[]): HostOptions {
  const standIn = makeSelfSignedCertificate({ names, nowMs: Date.now() });
  return {
    tls: { ...plainHost, names, certificates: [standIn] },
    isAcme: true,
    certificateFiles: [null],
    earlyDataPolicy: defaultEarlyDataPolicy,
    clientIdentityFields: defaultClientIdentityFields,
  };
}

class Keeping {
  readonly authority = new AcmeAuthority();
  readonly reports: string[] = [];
  readonly shown: ChallengeAnswers[] = [];
  readonly outcomes: string[] = [];
  hosts: HostOptions[];
  options: AcmeOptions;
  caa: Record<string, CaaRecord[]> = {};
  addresses: readonly string[] = ['192.0.2.1'];
  keeper: AcmeKeeper;

  constructor(...hosts: readonly (readonly string[])[]) {
    this.hosts = hosts.map(hostOf);
    this.options = {
      email: null,
      directories: [this.authority.url],
      authoritiesPem: '',
      externalAccount: null,
      keyTypes: ['ecdsa'],
      profile: null,
      challenges: ['http-01'],
      dnsCommand: null,
      cluster: null,
      storage: join(directory, String(++count)),
      resolvers: [],
    };
    this.keeper = this.restarted();
  }

  /** As after a restart: what it knows is what it has kept. */
  restarted(): AcmeKeeper {
    this.keeper = new AcmeKeeper({
      hosts: () => this.hosts,
      options: () => this.options,
      replace: (index, certificates) => {
        const host = this.hosts[index]!;
        this.hosts = this.hosts.with(index, { ...host, tls: { ...host.tls, certificates } });
      },
      show: async (answers) => void this.shown.push(answers),
      lookUpBy: () => ({
        addresses: async () => this.addresses,
        caa: async (name) => this.caa[name] ?? [],
      }),
      ownAddresses: () => ['192.0.2.1'],
      askBy: () => this.authority.ask,
      clusterBy: () => null,
      metrics: { ordered: (outcome) => void this.outcomes.push(outcome) },
      wallMs: () => this.authority.nowMs,
      report: (message) => void this.reports.push(message),
      onFault: endProcess,
    });
    return this.keeper;
  }

  /** Looks, and waits until so many orders have ended in all. */
  async ended(orders: number): Promise<void> {
    this.keeper.look();
    await until(() => this.outcomes.length >= orders, `${orders} orders: ${this.reports}`);
  }

  get served(): (string | undefined)[] {
    return this.hosts.map(({ tls }) => tls.certificates[0]?.certificatePem);
  }
}

test('each host gets its certificate once, also after a restart', async () => {
  const names = Array.from({ length: 10 }, (_, i) => [`${i}.test`]);
  const keeping = new Keeping(...names);
  const standIns = keeping.served;
  await keeping.ended(10);
  assert.equal(keeping.authority.orders.length, 10);
  assert.equal(keeping.authority.accounts.length, 1, 'one account for all');
  for (const [i, pem] of keeping.served.entries()) assert.notEqual(pem, standIns[i]);
  const issued = keeping.served;
  keeping.hosts = names.map(hostOf);
  keeping.restarted().look();
  assert.deepEqual(keeping.served, issued);
  assert.equal(keeping.authority.orders.length, 10);
  assert.deepEqual(keeping.shown.at(-1), { http: [], tls: [] }, 'nothing is shown any more');
});

test('while an authority is away, back-off survives restarts, and what serves stays', async () => {
  const keeping = new Keeping(['a.test']);
  const { authority, served } = keeping;
  authority.isAway = true;
  await keeping.ended(1);
  assert.match(keeping.reports[0]!, /^a\.test: no certificate was issued: it cannot be reached/);
  assert.deepEqual(keeping.served, served);
  authority.isAway = false;
  keeping.restarted().look();
  assert.equal(authority.log.length, 0, 'not before its time');
  authority.nowMs += 73_000;
  await keeping.ended(2);
  assert.deepEqual(keeping.outcomes, ['failed', 'issued']);
});

test('an authority that limits is left alone for as long as it says', async () => {
  const keeping = new Keeping(['a.test']);
  const { authority } = keeping;
  authority.refusal = { kind: 'rateLimited', detail: 'too many', retryAfter: '7200' };
  await keeping.ended(1);
  authority.refusal = null;
  authority.nowMs += 7_190_000;
  keeping.keeper.look();
  assert.equal(authority.log.filter((line) => line === 'POST new-order').length, 1);
  authority.nowMs += 20_000;
  await keeping.ended(2);
  assert.deepEqual(keeping.outcomes, ['failed', 'issued']);
});

test('of several authorities the next is asked when one cannot, not when a name is at fault', async () => {
  const keeping = new Keeping(['a.test']);
  const other = 'https://away.test/directory';
  const { authority } = keeping;
  const { ask } = authority;
  keeping.options = { ...keeping.options, directories: [other, authority.url] };
  keeping.restarted();
  const asked: string[] = [];
  Object.assign(authority, {
    ask: async (request: Parameters<typeof ask>[0]) => {
      asked.push(request.url);
      if (request.url === other) throw new Error('it cannot be reached (ENOTFOUND)');
      return ask(request);
    },
  });
  keeping.options = { ...keeping.options, email: 'a@b.test' };
  await keeping.ended(1);
  assert.equal(asked[0], other);
  assert.deepEqual(keeping.outcomes, ['issued']);

  keeping.options = { ...keeping.options, directories: [authority.url, other] };
  keeping.hosts = [hostOf(['unseen.test'])];
  authority.unseen.add('unseen.test');
  asked.length = 0;
  await keeping.ended(2);
  assert.equal(asked.includes(other), false);
  assert.match(keeping.reports.at(-1)!, /unseen\.test: connection refused/);
});

test('a certificate is renewed before its end; the old one serves while that fails', async () => {
  const keeping = new Keeping(['a.test']);
  const { authority } = keeping;
  await keeping.ended(1);
  const first = keeping.served;
  // The authority's certificates began 307 days ago, to end in 90: two thirds are over.
  authority.isAway = true;
  authority.nowMs += 80 * DAY_MS;
  await keeping.ended(2);
  assert.deepEqual(keeping.served, first);
  assert.match(keeping.reports.at(-1)!, /the old one serves/);
  authority.isAway = false;
  authority.nowMs += DAY_MS;
  await keeping.ended(3);
  assert.notDeepEqual(keeping.served, first);
});

test('a host of a reload gets its certificate, and one that is gone is no trouble', async () => {
  const keeping = new Keeping(['a.test']);
  await keeping.ended(1);
  const standIn = hostOf(['b.test']);
  keeping.hosts = [standIn];
  await keeping.ended(2);
  assert.notEqual(keeping.served[0], standIn.tls.certificates[0]?.certificatePem);
});

test('wildcards are proved by the program that makes DNS records, which sees them go', async () => {
  const keeping = new Keeping(['*.a.test']);
  const seen = join(directory, 'records');
  const dnsCommand = join(directory, 'dns-record');
  writeFileSync(dnsCommand, `#!/bin/sh\necho "$1 $2" >>${seen}\n[ "$1" = add ] || exit 3\n`);
  chmodSync(dnsCommand, 0o755);
  keeping.options = { ...keeping.options, dnsCommand, challenges: ['http-01', 'dns-01'] };
  await keeping.ended(1);
  assert.deepEqual(keeping.outcomes, ['issued']);
  const { readFileSync } = await import('node:fs');
  assert.equal(
    readFileSync(seen, 'utf8'),
    'add _acme-challenge.a.test\nremove _acme-challenge.a.test\n',
  );
  assert.match(keeping.reports[0]!, /a record stays in DNS: .*dns-record remove .*it ended with 3/);
});

test('an authority that wants it sooner is followed, and told what is replaced', {
  skip,
}, async () => {
  const keeping = new Keeping(['a.test']);
  const { authority } = keeping;
  const far = { start: '2999-01-01T00:00:00Z', end: '2999-01-02T00:00:00Z' };
  authority.renewalWindow = far;
  authority.fixedPem = madeByOpenssl();
  await keeping.ended(1);
  const isAsked = () => authority.log.filter((line) => line === 'GET renewal-info').length;
  keeping.keeper.look();
  await until(() => isAsked() === 1, 'the question when to renew');
  authority.renewalWindow = { start: '2000-01-01T00:00:00Z', end: '2000-01-02T00:00:00Z' };
  authority.nowMs += 5 * 3_600_000;
  keeping.keeper.look();
  assert.equal(isAsked(), 1, 'not asked again before its time');
  authority.nowMs += 2 * 3_600_000;
  keeping.keeper.look();
  await until(() => isAsked() === 2, 'the next question');
  await until(() => {
    keeping.keeper.look();
    return keeping.outcomes.length === 2;
  }, 'the renewal');
  // RFC 9773 §4.1: the number has a zero byte before it.
  assert.match(authority.orders[1]!.replaces ?? '', /^[\w-]{27}\.AIdlQyE$/);
});

test('orders that share a name come one after the other: a handshake shows one challenge', async () => {
  const keeping = new Keeping(['a.test'], ['b.test']);
  keeping.hosts = keeping.hosts.map((host) => {
    const [standIn] = host.tls.certificates;
    return { ...host, tls: { ...host.tls, certificates: [standIn!, standIn!] } };
  });
  keeping.options = { ...keeping.options, keyTypes: ['ecdsa', 'rsa'], challenges: ['tls-alpn-01'] };
  await keeping.ended(4);
  for (const { tls } of keeping.shown) {
    const names = tls.map(({ serverName }) => serverName);
    assert.equal(new Set(names).size, names.length, names.join(' '));
  }
  assert.equal(keeping.authority.orders.length, 4);
});

test('what is shown in a handshake stays the same while other orders come and go', async () => {
  const keeping = new Keeping(['a.test'], ['b.test'], ['c.test']);
  keeping.options = { ...keeping.options, challenges: ['tls-alpn-01'] };
  await keeping.ended(3);
  const all = keeping.shown.flatMap(({ tls }) => tls);
  assert.ok(all.length > 3, 'one is shown beside another');
  assert.equal(new Set(all.map(({ keyPem }) => keyPem)).size, 3);
});

test('CAA that forbids it keeps an order from being made, and says so', async () => {
  const keeping = new Keeping(['www.a.test']);
  keeping.addresses = [];
  keeping.caa = { 'a.test': [{ critical: false, tag: 'issue', value: 'other.test' }] };
  await keeping.ended(1);
  assert.equal(keeping.authority.orders.length, 0);
  assert.match(
    keeping.reports[0]!,
    /CAA at a\.test \(issue "other\.test"\) does not allow authority\.test/,
  );
  const why = await keeping.keeper.why('www.a.test');
  assert.match(
    why[0]!,
    /^a self-signed certificate \(ecdsa\) serves; 1 orders in a row have failed: CAA/,
  );
  assert.ok(why.includes('www.a.test has no address in DNS'), why.join('\n'));
});

test('a name is renewed on demand, and revoked at its authority and replaced', async () => {
  const keeping = new Keeping(['a.test']);
  const { authority, keeper } = keeping;
  await keeping.ended(1);
  assert.equal(keeper.renew('b.test'), 0);
  assert.equal(keeper.renew('a.test'), 1);
  await keeping.ended(2);
  assert.equal(await keeper.revoke('a.test'), 1);
  await keeping.ended(3);
  assert.equal(authority.revoked.length, 1);
  const [served] = keeping.served;
  keeper.replaceRevoked(served!);
  await keeping.ended(4);
  assert.equal(authority.orders.length, 4);
  const [state] = keeper.states;
  assert.deepEqual(
    [state?.isIssued, state?.authority, state?.trouble],
    [true, 'authority.test', ''],
  );
});

test('what cannot be written is told, and served all the same', async () => {
  const keeping = new Keeping(['a.test']);
  const [standIn] = keeping.served;
  keeping.options = { ...keeping.options, storage: '/proc/nowhere' };
  await keeping.ended(1);
  assert.deepEqual(keeping.outcomes, ['failed']);
  assert.equal(keeping.served[0], standIn);
});
