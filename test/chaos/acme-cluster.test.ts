import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import test, { describe } from 'node:test';
import type { ChallengeAnswers } from '../../src/acme/challenges.ts';
import type { AcmeRequest } from '../../src/acme/contract.ts';
import type { AcmeOptions } from '../../src/acme/options.ts';
import { endProcess } from '../../src/base/owned.ts';
import type { HostOptions } from '../../src/config/options.ts';
import { defaultClientIdentityFields } from '../../src/proxy/request/client-identity.ts';
import { defaultEarlyDataPolicy } from '../../src/proxy/request/early-data.ts';
import { AcmeCluster } from '../../src/supervisor/certificates/acme-cluster.ts';
import { AcmeKeeper } from '../../src/supervisor/certificates/acme-keeper.ts';
import { plainHost } from '../../src/tls/host-options.ts';
import { makeSelfSignedCertificate } from '../../src/tls/self-signed.ts';
import { AcmeAuthority } from '../support/acme-authority.ts';
import { unlessInstalled } from '../support/programs.ts';
import { startRedis } from '../support/redis.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { sleep, until } from '../support/waiting.ts';

const skip = unlessInstalled('redis-server');

const standIn = makeSelfSignedCertificate({ names: ['stand-in.test'], nowMs: Date.now() });

function hostOf(name: string): HostOptions {
  return {
    tls: { ...plainHost, names: [name], certificates: [standIn] },
    isAcme: true,
    certificateFiles: [null],
    earlyDataPolicy: defaultEarlyDataPolicy,
    clientIdentityFields: defaultClientIdentityFields,
  };
}

/** One machine of several: its directory is its own. */
class Instance implements Disposable {
  readonly reports: string[] = [];
  shown: ChallengeAnswers = { http: [], tls: [] };
  hosts: HostOptions[];
  readonly keeper: AcmeKeeper;

  constructor(
    authority: AcmeAuthority,
    url: string,
    names: readonly string[],
    { storage = temporaryDirectory(), secret = 'aa'.repeat(32) } = {},
  ) {
    this.hosts = names.map(hostOf);
    const options: AcmeOptions = {
      email: null,
      directories: [authority.url],
      authoritiesPem: '',
      externalAccount: null,
      keyTypes: ['ecdsa'],
      profile: null,
      challenges: ['http-01'],
      dnsCommand: null,
      cluster: { url, timeoutMs: 100, secret },
      storage: join(storage, 'acme'),
      resolvers: [],
    };
    const report = (message: string) => void this.reports.push(message);
    this.keeper = new AcmeKeeper({
      hosts: () => this.hosts,
      options: () => options,
      replace: (index, certificates) => {
        const host = this.hosts[index]!;
        this.hosts = this.hosts.with(index, { ...host, tls: { ...host.tls, certificates } });
      },
      show: async (answers) => {
        this.shown = answers;
      },
      lookUpBy: () => ({ addresses: async () => [], caa: async () => [] }),
      ownAddresses: () => [],
      askBy: () => (request) => authority.ask(request),
      clusterBy: (_, events) =>
        new AcmeCluster({
          ...{ options: { url, timeoutMs: 100 }, secret: Buffer.from(secret, 'hex') },
          ...{ ...events, report, onFault: endProcess },
        }),
      metrics: { ordered: () => {} },
      wallMs: Date.now,
      report,
      onFault: endProcess,
    });
    this.keeper.start();
  }

  /** Serial numbers by host; '' for the stand-in. */
  get served(): string[] {
    return this.hosts.map(({ tls }) => {
      const { certificatePem } = tls.certificates[0]!;
      const isIssued = certificatePem !== standIn.certificatePem;
      return isIssued ? new X509Certificate(certificatePem).fingerprint256 : '';
    });
  }

  [Symbol.dispose](): void {
    this.keeper[Symbol.dispose]();
  }
}

function names(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${i}.test`);
}

/** Resolves when all serve the same certificates, one for each host. */
async function allServe(instances: readonly Instance[]): Promise<void> {
  const reports = () => instances.map((one) => one.reports.join('\n')).join('\n--\n');
  await until(
    () => {
      const [first, ...others] = instances.map(({ served }) => served.join());
      return !instances[0]!.served.includes('') && others.every((one) => one === first);
    },
    () => `the same certificates everywhere: ${reports()}`,
    60_000,
  );
}

describe('certificates of a cluster', { skip, concurrency: true }, () => {
  test('each is ordered once, every instance serves it, and none is ordered after a restart', async () => {
    await using redis = await startRedis();
    const authority = new AcmeAuthority();
    const all = names(12);
    const storage = temporaryDirectory();
    using one = new Instance(authority, redis.url, all);
    using two = new Instance(authority, redis.url, all);
    using third = new Instance(authority, redis.url, all, { storage });
    await allServe([one, two, third]);
    assert.equal(authority.orders.length, all.length);
    assert.equal(authority.accounts.length, 1, 'one account for all');
    third[Symbol.dispose]();
    using again = new Instance(authority, redis.url, all, { storage });
    using fresh = new Instance(authority, redis.url, all);
    await allServe([one, two, again, fresh]);
    assert.equal(authority.orders.length, all.length);
    // Whoever can read Redis reads no key.
    const texts = await redis.ask(async (client) => {
      const keys = await client.keys('sluice:acme:*');
      const hash = await client.hvals('sluice:acme:certificates');
      const strings = keys.filter((key) => key.includes(':agreed:') || key.includes(':order:'));
      return [...hash, ...(await Promise.all(strings.map((key) => client.get(key))))];
    });
    assert.equal(texts.length, all.length + 1);
    for (const text of texts) assert.doesNotMatch(text ?? '', /PRIVATE|CERTIFICATE/);
  });

  test('whichever instance an authority asks, it answers', async () => {
    await using redis = await startRedis();
    const authority = new AcmeAuthority();
    const seen: string[] = [];
    const instances: Instance[] = [];
    const { ask } = authority;
    // At the moment at which it is asked to look, all of them show it.
    Object.assign(authority, {
      ask: (request: AcmeRequest) => {
        const isToLook = request.url.includes('/challenge/');
        if (isToLook) seen.push(...instances.map(({ shown }) => shown.http.join()));
        return ask(request);
      },
    });
    using one = new Instance(authority, redis.url, names(1));
    using two = new Instance(authority, redis.url, names(1));
    instances.push(one, two);
    await allServe(instances);
    assert.equal(seen.length, 2);
    assert.notEqual(seen[0], '');
    assert.equal(seen[0], seen[1]);
  });

  test('what an instance that dies has begun, another one ends: no second order', async () => {
    await using redis = await startRedis();
    const authority = new AcmeAuthority();
    authority.unseen.add('0.test');
    using first = new Instance(authority, redis.url, names(1));
    await until(() => authority.log.includes('POST challenge'), 'an order');
    // As by SIGKILL: it says nothing to anybody. Its lease ends by itself.
    first[Symbol.dispose]();
    authority.unseen.clear();
    const leases = await redis.ask((client) => client.keys('sluice:acme:lease:*'));
    for (const lease of leases) await redis.ask((client) => client.pexpire(lease, 500));
    using second = new Instance(authority, redis.url, names(1));
    await allServe([second]);
    assert.equal(authority.orders.length, 1);
  });

  test('while Redis is away what is there serves, and nothing is ordered; then all goes on', async () => {
    await using redis = await startRedis();
    const { url } = redis;
    const authority = new AcmeAuthority();
    using one = new Instance(authority, url, names(2));
    await allServe([one]);
    const before = one.served;
    await redis.kill();
    one.keeper.renew('0.test');
    using two = new Instance(authority, url, names(2));
    await sleep(1_500);
    assert.equal(authority.orders.length, 2);
    assert.deepEqual(one.served, before);
    // It comes back without what it had: those who have something put it there again.
    await redis.start();
    await until(() => authority.orders.length > 2, 'the one that was to be renewed');
    await allServe([one, two]);
    assert.equal(authority.orders.length, 3);
  });

  test('a failed order is tried again by one of them, when its time has come', async () => {
    await using redis = await startRedis();
    const authority = new AcmeAuthority();
    authority.refusal = { kind: 'rejectedIdentifier', detail: 'not that one' };
    using one = new Instance(authority, redis.url, names(1));
    using two = new Instance(authority, redis.url, names(1));
    const refused = () => authority.log.filter((line) => line === 'POST new-order').length;
    await until(() => refused() > 0, 'an order');
    await sleep(2_500);
    assert.equal(refused(), 1);
    assert.deepEqual([one.served, two.served], [[''], ['']]);
  });

  test('an instance with another secret is told so, and gets its own certificates', async () => {
    await using redis = await startRedis();
    const authority = new AcmeAuthority();
    using one = new Instance(authority, redis.url, names(1));
    await allServe([one]);
    using other = new Instance(authority, redis.url, names(1), { secret: 'bb'.repeat(32) });
    await until(() => other.reports.join().includes('acme.cluster-secret-file'), 'a line');
  });
});
