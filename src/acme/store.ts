/**
 * Certificates, accounts and what is known of orders, as files of one directory: each readable by its
 * owner only, and replaced in one step. Key and certificate are one file, so that no crash leaves a pair
 * that does not match.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { makeDirectory, readCarefully, replaceFile } from '../base/careful-files.ts';
import type { KeyType } from './contract.ts';
import { makeAccountKey } from './jws.ts';
import type { Issued } from './order.ts';
import type { RenewalWindow } from './schedule.ts';

const FILE_BYTES_MAX = 1_048_576;

export interface AcmeAccount {
  readonly keyPem: string;
  /** Its URL; null while the authority has not been asked. */
  readonly url: string | null;
}

/** What is remembered of one certificate beside itself. */
export interface OrderState {
  /** In a row. */
  readonly failures: number;
  readonly nextAttemptMs: number;
  /** Why the last attempt failed, in words; '' when it did not. */
  readonly trouble: string;
  readonly window: RenewalWindow | null;
  /** When the authority is asked for the window again. */
  readonly windowAskedAgainMs: number;
  /** The directory of the authority that has issued it; '' for none. */
  readonly directory: string;
  /** When it was, in wall-clock milliseconds: a later one takes the place of an earlier one. */
  readonly issuedMs: number;
  /** It is to be replaced whatever its dates say: revoked, or an operator wants it. */
  readonly isUnwanted: boolean;
}

export const freshState: OrderState = {
  failures: 0,
  nextAttemptMs: 0,
  trouble: '',
  window: null,
  windowAskedAgainMs: 0,
  directory: '',
  issuedMs: 0,
  isUnwanted: false,
};

/** Names a certificate among others: its names and the kind of its key. */
export function certificateId(names: readonly string[], keyType: KeyType): string {
  const first = (names[0] ?? 'none').replace('*', '_').replaceAll(/[^a-z0-9._-]/g, '-');
  const digest = createHash('sha256').update(names.toSorted().join(' ')).digest('hex');
  return `${first.slice(0, 100)}.${digest.slice(0, 12)}.${keyType}`;
}

export class AcmeStore {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Null when there is none that can be used. */
  certificate(id: string): Issued | null {
    const text = this.#read(`${id}.pem`);
    if (text === null) return null;
    const end = text.indexOf('-----BEGIN CERTIFICATE-----');
    if (end <= 0) return null;
    const [keyPem, certificatePem] = [text.slice(0, end), text.slice(end)];
    try {
      new X509Certificate(certificatePem);
      return { keyPem, certificatePem };
    } catch {
      return null;
    }
  }

  keepCertificate(id: string, { keyPem, certificatePem }: Issued): void {
    this.#write(`${id}.pem`, keyPem + certificatePem);
  }

  state(id: string): OrderState {
    return { ...freshState, ...this.#json<Partial<OrderState>>(`${id}.json`) };
  }

  keepState(id: string, state: OrderState): void {
    this.#write(`${id}.json`, `${JSON.stringify(state, null, 2)}\n`);
  }

  /** The account at an authority; a new key when there is none, kept at once. */
  account(directory: string): AcmeAccount {
    const kept = this.#json<AcmeAccount>(accountFile(directory));
    if (kept?.keyPem !== undefined) return kept;
    const made = { keyPem: makeAccountKey(), url: null };
    this.keepAccount(directory, made);
    return made;
  }

  keepAccount(directory: string, account: AcmeAccount): void {
    this.#write(accountFile(directory), `${JSON.stringify(account, null, 2)}\n`);
  }

  #json<T>(name: string): T | null {
    try {
      return JSON.parse(this.#read(name) ?? 'null') as T | null;
    } catch {
      // Damaged: as if it were not there.
      return null;
    }
  }

  #read(name: string): string | null {
    try {
      return readCarefully(join(this.#directory, name), FILE_BYTES_MAX).toString('latin1');
    } catch {
      return null;
    }
  }

  #write(name: string, text: string): void {
    makeDirectory(this.#directory);
    replaceFile(join(this.#directory, name), text);
  }
}

function accountFile(directory: string): string {
  const digest = createHash('sha256').update(directory).digest('hex').slice(0, 12);
  return `account.${URL.parse(directory)?.hostname ?? 'authority'}.${digest}.json`;
}
