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
    const current = checked.SSL_get_session(ssl);
    if (current === 0n || checked.SSL_SESSION_is_resumable(current) !== 1) return null;
    // A copy: OpenSSL marks a session as unusable when its connection is freed without
    // close_notify, which TLS 1.3 does not ask for.
    return new SslSession(checked.SSL_SESSION_dup(current));
  }

  /** **For native/ only**: offers this session on an `SSL *` that has not started yet. */
  offerOn(ssl: bigint): void {
    // A copy again, so that one session can be offered by several connections.
    const copy = checked.SSL_SESSION_dup(this.#address);
    checked.SSL_set_session(ssl, copy);
    checked.SSL_SESSION_free(copy);
  }

  /** How much early data the server allows with it; 0 for none. */
  get earlyDataBytesMax(): number {
    return checked.SSL_SESSION_get_max_early_data(this.#address);
  }

  /** Seconds since the epoch when the server gave it. */
  get givenAtSeconds(): number {
    return Number(checked.SSL_SESSION_get_time_ex(this.#address));
  }

  /** Seconds for which the server accepts it, from when it was given. */
  get lifetimeSeconds(): number {
    return Number(checked.SSL_SESSION_get_ticket_lifetime_hint(this.#address));
  }

  [Symbol.dispose](): void {
    if (this.#address === 0n) return;
    checked.SSL_SESSION_free(this.#address);
    this.#address = 0n;
    counted('ssl-session', -1);
  }
}
