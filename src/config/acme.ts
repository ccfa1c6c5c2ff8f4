/** Hosts whose certificates sluice gets by itself, and what it gets them with. */
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import type { KeyType } from '../acme/contract.ts';
import { type AcmeOptions, DIRECTORIES } from '../acme/options.ts';
import { AcmeStore, certificateId } from '../acme/store.ts';
import type { ListenerOptions } from '../downstream/options.ts';
import type { CertificatePair } from '../tls/host-options.ts';
import type { HostOptions } from './options.ts';
import type { AcmeSection } from './sections.ts';

const plainSection: AcmeSection = {
  directories: [DIRECTORIES.letsencrypt!],
  authoritiesPem: '',
  externalAccount: null,
  keyTypes: ['ecdsa'],
  profile: null,
  challenges: null,
  dnsCommand: null,
  storage: null,
  resolvers: [],
};

/** What the section says, or nothing, with what it leaves to the rest. */
export function acmeOptionsOf(
  section: AcmeSection = plainSection,
  email: string | null,
  stateDirectory: string,
  listeners: readonly ListenerOptions[],
): AcmeOptions {
  const { storage, challenges, ...rest } = section;
  const has = (kind: ListenerOptions['kind']) => listeners.some((one) => one.kind === kind);
  const possible: AcmeOptions['challenges'] = [
    ...(has('http') ? (['http-01'] as const) : []),
    'tls-alpn-01',
    ...(rest.dnsCommand === null ? [] : (['dns-01'] as const)),
  ];
  return {
    ...rest,
    email,
    storage: storage ?? join(stateDirectory, 'acme'),
    challenges: challenges ?? possible,
  };
}

/**
 * The host with the certificates that it has by now: those that were issued, those that are in use, or
 * else self-signed ones, until an authority has issued some.
 */
export async function withIssued(
  host: HostOptions,
  { storage, keyTypes }: AcmeOptions,
  { nowMs, hostsInUse = [] }: { nowMs: number; hostsInUse?: readonly HostOptions[] | undefined },
): Promise<HostOptions> {
  const { names } = host.tls;
  const store = new AcmeStore(storage);
  const inUse = hostsInUse.find((one) => one.isAcme && one.tls.names.join() === names.join());
  const certificates: CertificatePair[] = [];
  for (const keyType of keyTypes) {
    const issued = store.certificate(certificateId(names, keyType));
    certificates.push(issued ?? ofType(inUse, keyType) ?? (await standIn(names, keyType, nowMs)));
  }
  return {
    ...host,
    certificateFiles: certificates.map(() => null),
    tls: { ...host.tls, certificates },
  };
}

function ofType(host: HostOptions | undefined, keyType: KeyType): CertificatePair | null {
  const wanted = keyType === 'rsa' ? 'rsa' : 'ec';
  const pair = host?.tls.certificates.find(
    ({ certificatePem }) => keyTypeOf(certificatePem) === wanted,
  );
  if (pair === undefined) return null;
  return { certificatePem: pair.certificatePem, keyPem: pair.keyPem };
}

function keyTypeOf(certificatePem: string): string | undefined {
  return new X509Certificate(certificatePem).publicKey.asymmetricKeyType;
}

async function standIn(
  names: readonly string[],
  keyType: KeyType,
  nowMs: number,
): Promise<CertificatePair> {
  const { makeSelfSignedCertificate } = await import('../tls/self-signed.ts');
  const { certificatePem, keyPem } = makeSelfSignedCertificate({
    names,
    nowMs,
    keyType: keyType === 'rsa' ? 'rsa' : 'ec',
  });
  return { certificatePem, keyPem };
}
