/** The authorities that there are to ask, one after the other, each with the account that is kept for it. */
import { AcmeClient } from './client.ts';
import { AcmeError, type AskAuthority } from './contract.ts';
import { AccountKey } from './jws.ts';
import type { AcmeOptions } from './options.ts';
import {
  type Issued,
  type OrderHelp,
  type OrderMemory,
  type OrderRequest,
  runOrder,
} from './order.ts';
import type { AcmeStore } from './store.ts';

export interface AuthoritiesInput {
  readonly options: AcmeOptions;
  readonly store: AcmeStore;
  readonly ask: AskAuthority;
  readonly wallMs: () => number;
}

/** What a name is not to blame for: another authority may do better. */
const OF_THE_AUTHORITY = new Set([
  'rateLimited',
  'serverInternal',
  'badNonce',
  'userActionRequired',
  'externalAccountRequired',
  'accountDoesNotExist',
  'timeout',
]);

export class Authorities {
  readonly #input: AuthoritiesInput;
  readonly #clients = new Map<string, AcmeClient>();

  constructor(input: AuthoritiesInput) {
    this.#input = input;
  }

  /** At the first authority that can. Rejects with an AcmeError of the last that was asked. */
  async order(
    request: OrderRequest,
    issuedBy: string,
    help: OrderHelp,
    memoryAt: (directory: string) => OrderMemory | null = () => null,
  ): Promise<Issued & { readonly directory: string }> {
    const { directories } = this.#input.options;
    const troubles: AcmeError[] = [];
    for (const directory of directories) {
      // Only who has issued it knows what is to be replaced.
      const replaces = issuedBy === directory ? request.replaces : null;
      try {
        const whole = { ...request, replaces };
        const issued = await runOrder(this.clientOf(directory), whole, help, memoryAt(directory));
        return { ...issued, directory };
      } catch (error) {
        const trouble = troubleOf(error, directories.length > 1 ? directory : '');
        troubles.push(trouble);
        if (!isAuthoritys(trouble)) break;
      } finally {
        this.#keepAccount(directory);
      }
    }
    const last = troubles.at(-1)!;
    const text = troubles.map(({ message }) => message).join('; then ');
    throw new AcmeError(last.kind, text, Math.max(...troubles.map(({ retryAtMs }) => retryAtMs)));
  }

  /**
   * By which the authority is meant in CAA; none when it cannot be asked, does not say, or is one of
   * several: what one may not, another may.
   */
  async identities(): Promise<readonly string[]> {
    const [directory, ...others] = this.#input.options.directories;
    if (directory === undefined || others.length > 0) return [];
    try {
      const { meta } = await this.clientOf(directory).directory();
      return meta?.caaIdentities ?? [];
    } catch {
      return [];
    }
  }

  clientOf(directory: string): AcmeClient {
    let client = this.#clients.get(directory);
    if (client === undefined) {
      const { options, store, ask, wallMs } = this.#input;
      const { keyPem, url } = store.account(directory);
      const isFirst = directory === options.directories[0];
      client = new AcmeClient({
        directory,
        key: new AccountKey(keyPem),
        ask,
        wallMs,
        email: options.email,
        externalAccount: isFirst ? options.externalAccount : null,
        account: url,
      });
      this.#clients.set(directory, client);
    }
    return client;
  }

  /** The key of the account at an authority, PEM. */
  accountKey(directory: string): string {
    return this.#input.store.account(directory).keyPem;
  }

  /** Another key takes its place, which may have an account already. */
  useAccountKey(directory: string, keyPem: string): void {
    if (this.accountKey(directory) === keyPem) return;
    this.#input.store.keepAccount(directory, { keyPem, url: null });
    this.#clients.delete(directory);
  }

  #keepAccount(directory: string): void {
    const { store } = this.#input;
    const { account } = this.clientOf(directory);
    const kept = store.account(directory);
    if (account !== kept.url) store.keepAccount(directory, { ...kept, url: account });
  }
}

/** What people know it by. */
export function authorityName(directory: string): string {
  return URL.parse(directory)?.host ?? directory;
}

/** `unreachable` for whatever kept an answer away. */
function troubleOf(error: unknown, directory: string): AcmeError {
  const where = directory === '' ? '' : `${authorityName(directory)}: `;
  const { message } = error as Error;
  if (!(error instanceof AcmeError)) return new AcmeError('unreachable', where + message);
  return new AcmeError(error.kind, where + message, error.retryAtMs);
}

function isAuthoritys({ kind }: AcmeError): boolean {
  return kind === 'unreachable' || kind.startsWith('status-') || OF_THE_AUTHORITY.has(kind);
}
