/** Hosts whose certificates sluice gets by itself, and what it gets them with. */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import type { KeyType } from '../acme/contract.ts';
import type { AcmeOptions } from '../acme/options.ts';
import { AcmeStore, certificateId } from '../acme/store.ts';
import { UsageError } from '../base/errors.ts';
import type { ClusterOptions } from '../cluster/options.ts';
import type { ListenerOptions } from '../downstream/options.ts';
import type { CertificatePair } from '../tls/host-options.ts';
import { plainAcme } from './compile/acme.ts';
import type { HostOptions } from './options.ts';
import type { AcmeSection } from './sections.ts';

/** What the section says, or nothing, with what it leaves to the rest. */
export function acmeOptionsOf(
  section: AcmeSection = plainAcme,
  email: string | null,
  {
    stateDirectory,
    listeners,
    cluster,
  }: {
    readonly stateDirectory: string;
    readonly listeners: readonly ListenerOptions[];
    readonly cluster: ClusterOptions | null;
  },
): AcmeOptions {
  const { storage, challenges, clusterSecret: secret, ...rest } = section;
  if (secret !== null && cluster === null) {
    throw new UsageError('acme.cluster-secret-file: there is no cluster', 'add cluster: redis://…');
  }
  const has = (kind: ListenerOptions['kind']) => listeners.some((one) => one.kind === kind);
  const possible: AcmeOptions['challenges'] = [
    ...(has('http') ? (['http-01'] as const) : []),
    'tls-alpn-01',
    ...(rest.dnsCommand === null ? [] : (['dns-01'] as const)),
  ];
  return {
    ...rest,
    email,
    cluster: cluster === null || secret === null ? null : { ...cluster, secret },
    storage: storage ?? join(stateDirectory, 'acme'),
    challenges: challenges ?? possible,
  };
}

/**
 * The hosts, those with `certificates: acme` with the certificates that they have by now: those that were
 * issued, those that are in use, or else self-signed ones, until an authority has issued some.
 */
export async function withIssued(
  hosts: readonly HostOptions[],
  { storage, keyTypes }: AcmeOptions,
  { nowMs, hostsInUse = [] }: { nowMs: number; hostsInUse?: readonly HostOptions[] | undefined },
): Promise<readonly HostOptions[]> {
  const store = new AcmeStore(storage);
  const keys = new Map<KeyType, KeyObject>();
  const acmeHosts = hostsInUse.filter(({ isAcme }) => isAcme);
  const inUse = Map.groupBy(acmeHosts, ({ tls }) => tls.names.join());
  const all: HostOptions[] = [];
  for (const host of hosts) {
    const { isAcme, tls } = host;
    if (!isAcme) {
      all.push(host);
      continue;
    }
    const { names } = tls;
    const certificates: CertificatePair[] = [];
    for (const keyType of keyTypes) {
      const issued = store.certificate(certificateId(names, keyType));
      const present = issued ?? ofType(inUse.get(names.join())?.[0], keyType);
      certificates.push(present ?? (await standIn(names, keyType, nowMs, keys)));
    }
    all.push({
      ...host,
      certificateFiles: certificates.map(() => null),
      tls: { ...tls, certificates },
    });
  }
  return all;
}

function ofType(host: HostOptions | undefined, keyType: KeyType): CertificatePair | null {
  const pair = host?.tls.certificates.find(
    ({ certificatePem }) => keyTypeOf(certificatePem) === KEYS[keyType],
  );
  if (pair === undefined) return null;
  return { certificatePem: pair.certificatePem, keyPem: pair.keyPem };
}

/** As Node calls them. */
const KEYS = { rsa: 'rsa', ecdsa: 'ec' } as const satisfies Record<KeyType, string>;

function keyTypeOf(certificatePem: string): string | undefined {
  return new X509Certificate(certificatePem).publicKey.asymmetricKeyType;
}

/** With one key for all of a kind: nothing is served while keys are made. */
async function standIn(
  names: readonly string[],
  keyType: KeyType,
  nowMs: number,
  keys: Map<KeyType, KeyObject>,
): Promise<CertificatePair> {
  const { makeKey, makeSelfSignedCertificate } = await import('../tls/self-signed.ts');
  const key = keys.get(keyType) ?? makeKey(KEYS[keyType]);
  keys.set(keyType, key);
  const { certificatePem, keyPem } = makeSelfSignedCertificate({ names, nowMs, key });
  return { certificatePem, keyPem };
}
