// Needs openssl: it makes the certificates.

import assert from 'node:assert/strict';
import { copyFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Authority, type Issued } from '../../../test/support/authority.ts';
import { temporaryDirectory } from '../../../test/support/temporary.ts';
import { until } from '../../../test/support/waiting.ts';
import { endProcess } from '../../base/owned.ts';
import type { HostOptions } from '../../config/options.ts';
import { defaultClientIdentityFields } from '../../proxy/request/client-identity.ts';
import { defaultEarlyDataPolicy } from '../../proxy/request/early-data.ts';
import type { CertificateFacts } from '../../telemetry/certificate-metrics.ts';
import { plainHost } from '../../tls/host-options.ts';
import { CertificateRenewer } from './certificate-renewer.ts';

const authority = new Authority();
const first = authority.issue({ names: ['a.test'] });
const second = authority.issue({ names: ['a.test'], days: 60 });
const other = authority.issue({ kind: 'rsa', names: ['b.test'] });

interface Files {
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** Files of one's own, which a test may change. */
function filesOf({ certificatePem, keyPem }: Issued): Files {
  const directory = temporaryDirectory();
  const files = { certificateFile: join(directory, 'c.pem'), keyFile: join(directory, 'k.pem') };
  writeFileSync(files.certificateFile, certificatePem);
  writeFileSync(files.keyFile, keyPem);
  return files;
}

/** A keeper of hosts with these files, whose looks are the test's. */
class Keeping {
  hosts: HostOptions[];
  readonly reports: string[] = [];
  readonly reloads: string[] = [];
  inUse: readonly CertificateFacts[] = [];
  readonly keeper: CertificateRenewer;

  constructor(...hosts: readonly { issued: Issued; files: Files; name: string }[]) {
    this.hosts = hosts.map(({ issued: { certificatePem, keyPem }, files, name }) => ({
      tls: { ...plainHost, names: [name], certificates: [{ certificatePem, keyPem }] },
      isAcme: false,
      certificateFiles: [files],
      earlyDataPolicy: defaultEarlyDataPolicy,
      clientIdentityFields: defaultClientIdentityFields,
    }));
    this.keeper = new CertificateRenewer({
      onFault: endProcess,
      hosts: () => this.hosts,
      replace: (index, certificates) => {
        const host = this.hosts[index]!;
        this.hosts[index] = { ...host, tls: { ...host.tls, certificates } };
      },
      metrics: {
        inUse: (facts) => {
          this.inUse = facts;
        },
        reloaded: (outcome) => this.reloads.push(outcome),
        ocspFetched: () => {},
      },
      wallMs: Date.now,
      report: (message) => this.reports.push(message),
    });
  }

  pem(host = 0): string {
    return this.hosts[host]!.tls.certificates[0]!.certificatePem;
  }

  /** As many looks as a lasting change needs. */
  async settle(): Promise<void> {
    for (let look = 0; look < 3; look++) await this.keeper.look();
  }
}

async function keepingFirst(): Promise<{ keeping: Keeping; files: Files }> {
  const files = filesOf(first);
  const keeping = new Keeping({ issued: first, files, name: 'a.test' });
  await keeping.settle();
  assert.deepEqual(keeping.reloads, [], 'what is in use is not taken in again');
  return { keeping, files };
}

describe('files of certificates that change', () => {
  test('are taken in', async () => {
    const { keeping, files } = await keepingFirst();
    writeFileSync(files.certificateFile, second.certificatePem);
    writeFileSync(files.keyFile, second.keyPem);
    await keeping.settle();
    assert.equal(keeping.pem(), second.certificatePem);
    assert.deepEqual(keeping.reloads, ['replaced']);
    assert.match(keeping.reports.join(), /c\.pem: reloaded; valid until/);
  });

  test('are taken in when a link is moved, as certbot does it', async () => {
    const directory = temporaryDirectory();
    const links = { certificateFile: join(directory, 'c'), keyFile: join(directory, 'k') };
    const point = ({ certificateFile, keyFile }: Issued) => {
      for (const [target, link] of [
        [certificateFile, links.certificateFile],
        [keyFile, links.keyFile],
      ] as const) {
        symlinkSync(target, `${link}.new`);
        renameSync(`${link}.new`, link);
      }
    };
    point(first);
    const keeping = new Keeping({ issued: first, files: links, name: 'a.test' });
    await keeping.settle();
    point(second);
    await keeping.settle();
    assert.equal(keeping.pem(), second.certificatePem);
  });

  test('of which one is still the old one wait for the other', async () => {
    const { keeping, files } = await keepingFirst();
    writeFileSync(files.certificateFile, second.certificatePem);
    await keeping.keeper.look();
    writeFileSync(files.keyFile, second.keyPem);
    await keeping.settle();
    assert.equal(keeping.pem(), second.certificatePem);
    assert.deepEqual(keeping.reloads, ['replaced'], 'nobody was told of a mismatch');
  });

  test('to what cannot be used leave the old one, and say so once', async () => {
    for (const [spoil, why] of [
      [(files: Files) => writeFileSync(files.certificateFile, 'none'), /holds no certificate/],
      [(files: Files) => writeFileSync(files.keyFile, other.keyPem), /does not belong/],
      [(files: Files) => rmSync(files.keyFile), /cannot be read \(ENOENT\)/],
    ] as const) {
      const { keeping, files } = await keepingFirst();
      spoil(files);
      await keeping.settle();
      await keeping.settle();
      assert.equal(keeping.pem(), first.certificatePem);
      assert.deepEqual(keeping.reloads, ['failed']);
      assert.match(keeping.reports.join(), why);
      assert.match(keeping.reports.join(), /what was in use stays/);
      // And is mended like any other change.
      copyFileSync(second.certificateFile, files.certificateFile);
      copyFileSync(second.keyFile, files.keyFile);
      await keeping.settle();
      assert.equal(keeping.pem(), second.certificatePem);
    }
  });

  test('of one host do not hold up those of another', async () => {
    const [bad, good] = [filesOf(first), filesOf(first)];
    const keeping = new Keeping(
      { issued: first, files: bad, name: 'bad.test' },
      { issued: first, files: good, name: 'good.test' },
    );
    await keeping.settle();
    writeFileSync(bad.certificateFile, 'none');
    writeFileSync(good.certificateFile, second.certificatePem);
    writeFileSync(good.keyFile, second.keyPem);
    await keeping.settle();
    assert.deepEqual(keeping.reloads.toSorted(), ['failed', 'replaced']);
    assert.equal(keeping.pem(0), first.certificatePem);
    assert.equal(keeping.pem(1), second.certificatePem);
  });

  test('between the start and the first look are taken in', async () => {
    const files = filesOf(second);
    const keeping = new Keeping({ issued: first, files, name: 'a.test' });
    await keeping.settle();
    assert.equal(keeping.pem(), second.certificatePem);
  });
});

test('the end of every certificate in use is known by host and kind of key', async () => {
  const keeping = new Keeping(
    { issued: first, files: filesOf(first), name: 'a.test' },
    { issued: other, files: filesOf(other), name: '*.b.test' },
  );
  await keeping.settle();
  const days = (expiresAt: number) => Math.round((expiresAt - Date.now() / 1000) / 86_400);
  assert.deepEqual(
    keeping.inUse.map(({ host, key, expiresAt, stapleExpiresAt }) => [
      host,
      key,
      days(expiresAt),
      stapleExpiresAt,
    ]),
    [
      ['a.test', 'EC', 30, 0],
      ['*.b.test', 'RSA', 30, 0],
    ],
  );
});

test('the status is asked for where stapling is on, and of nobody where it is off', async (t) => {
  let asked = 0;
  const responder = createServer((_request, response) => {
    asked++;
    response.writeHead(503).end();
  });
  await new Promise<void>((resolve) => responder.listen(0, '127.0.0.1', resolve));
  t.after(() => responder.close());
  const { port } = responder.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/`;
  const extensions = [`authorityInfoAccess=OCSP;URI:${url}`];
  const leaf = authority.issue({ names: ['a.test'], extensions });
  const issued = { ...leaf, certificatePem: leaf.certificatePem + authority.certificatePem };
  const keepings = ['off', 'on'].map((stapling) => {
    const keeping = new Keeping({ issued, files: filesOf(issued), name: 'a.test' });
    keeping.hosts = keeping.hosts.map((host) => ({
      ...host,
      tls: { ...host.tls, ocspStapling: stapling === 'on' },
    }));
    return keeping;
  });
  for (const keeping of keepings) await keeping.settle();
  const failed = () => keepings.map(({ reports }) => reports.filter((one) => one.includes(url)));
  await until(() => failed()[1]!.length === 1, 'the answer to be told');
  assert.deepEqual([failed()[0], asked], [[], 1]);
});
