/** What can be set about certificates that sluice gets by itself. */
import type { ChallengeType, ExternalAccount, KeyType } from './contract.ts';

/** Authorities that have a name here. */
export const DIRECTORIES: Readonly<Record<string, string>> = {
  letsencrypt: 'https://acme-v02.api.letsencrypt.org/directory',
  'letsencrypt-staging': 'https://acme-staging-v02.api.letsencrypt.org/directory',
};

/** An authority issues no certificate of more names than this; few take so many. */
export const NAMES_PER_CERTIFICATE_MAX = 100;

export interface AcmeClusterOptions {
  /** `redis:` or `rediss:` URL. */
  readonly url: string;
  /** Milliseconds that a handshake waits for it; orders wait longer. */
  readonly timeoutMs: number;
  /** With which certificates, accounts and orders are sealed there, in hexadecimal. */
  readonly secret: string;
}

export interface AcmeOptions {
  /** Where an authority writes to; null for nowhere. */
  readonly email: string | null;
  /** URLs of directories: the first is asked first, the next when it cannot be had. */
  readonly directories: readonly string[];
  /** PEM: roots of authorities beside those that everybody trusts; ''. */
  readonly authoritiesPem: string;
  /** For the first directory; null for none. */
  readonly externalAccount: ExternalAccount | null;
  /** At least one; each name gets a certificate for each. */
  readonly keyTypes: readonly KeyType[];
  /** Null for the authority's default. */
  readonly profile: string | null;
  /** In the order in which they are used. */
  readonly challenges: readonly ChallengeType[];
  /** An absolute path to the program that makes and removes DNS records; null for none. */
  readonly dnsCommand: string | null;
  /** An absolute path to the directory of accounts, keys and certificates. */
  readonly storage: string;
  /** Instances that share what they get; null for one that gets its own. */
  readonly cluster: AcmeClusterOptions | null;
  /** `ADDRESS:PORT` of DNS servers for checks beforehand; none for those of this machine. */
  readonly resolvers: readonly string[];
}
