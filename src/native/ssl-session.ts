/** One `SSL_SESSION`: what a client keeps to resume later. */
import { counted } from './counters.ts';
import { libssl } from './openssl-table.ts';

const { checked } = libssl;

export class SslSession implements Disposable {
  #address: bigint;

  private constructor(address: bigint) {
    this.#address = address;
    counted('ssl-session', 1);
  }

  /** **For native/ only**: the current session of an `SSL *`, or null when it is not resumable. */
  static of(ssl: bigint): SslSession | null {
    const address = checked.SSL_get1_session(ssl);
    if (address === 0n) return null;
    if (checked.SSL_SESSION_is_resumable(address) === 1) return new SslSession(address);
    checked.SSL_SESSION_free(address);
    return null;
  }

  /** **For native/ only**: offers this session on an `SSL *` that has not started yet. */
  offerOn(ssl: bigint): void {
    checked.SSL_set_session(ssl, this.#address);
  }

  /** How much early data the server allows with it; 0 for none. */
  get earlyDataBytesMax(): number {
    return checked.SSL_SESSION_get_max_early_data(this.#address);
  }

  [Symbol.dispose](): void {
    if (this.#address === 0n) return;
    checked.SSL_SESSION_free(this.#address);
    this.#address = 0n;
    counted('ssl-session', -1);
  }
}
