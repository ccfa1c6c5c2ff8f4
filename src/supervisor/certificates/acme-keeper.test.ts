import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after } from 'node:test';
import { AcmeAuthority } from '../../../test/support/acme-authority.ts';
import { until } from '../../../test/support/waiting.ts';
import type { ChallengeAnswers } from '../../acme/challenges.ts';
import type { AcmeOptions } from '../../acme/options.ts';
import { endProcess } from '../../base/owned.ts';
import type { HostOptions } from '../../config/options.ts';
import { defaultClientIdentityFields } from '../../proxy/request/client-identity.ts';
import { defaultEarlyDataPolicy } from '../../proxy/request/early-data.ts';
import { plainHost } from '../../tls/host-options.ts';
import { makeSelfSignedCertificate } from '../../tls/self-signed.ts';
import { AcmeKeeper } from './acme-keeper.ts';

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
      askBy: () => this.authority.ask,
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

test('what cannot be written is told, and served all the same', async () => {
  const keeping = new Keeping(['a.test']);
  const [standIn] = keeping.served;
  keeping.options = { ...keeping.options, storage: '/proc/nowhere' };
  await keeping.ended(1);
  assert.deepEqual(keeping.outcomes, ['failed']);
  assert.equal(keeping.served[0], standIn);
});
