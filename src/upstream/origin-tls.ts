/** TLS toward one server of a group: its sessions are kept, resumed, and used for early data. */
import type { Clock } from '../base/clock.ts';
import type { SslSession } from '../native/ssl-session.ts';
import type { ClientContext } from '../tls/client-context.ts';
import type { TlsEngine } from '../tls/connection.ts';
import type { TlsHandler } from '../tls/contract.ts';

export interface OriginTlsInput {
  /** Shared with others; its owner frees it after this. */
  readonly context: ClientContext;
  /** Asked for (SNI), and expected in the certificate. */
  readonly serverName: string;
  /** Whether early data may be sent. */
  readonly earlyData: boolean;
  readonly clock: Clock;
}

/**
 * Sessions kept per server and worker. A few, because each connection best uses one of its own: some
 * servers take a ticket once.
 */
export const ORIGIN_SESSIONS_MAX = 8;
/** Seconds for which a session is kept that comes without a lifetime, as TLS 1.2 allows. */
const LIFETIME_SECONDS_DEFAULT = 300;

interface Kept {
  readonly session: SslSession;
  readonly endsMs: number;
}

export class OriginTls implements Disposable {
  readonly #input: OriginTlsInput;
  /** The newest last. */
  #sessions: Kept[] = [];
  #isClosed = false;

  constructor(input: OriginTlsInput) {
    this.#input = input;
  }

  get sessionCount(): number {
    return this.#sessions.length;
  }

  /** Whether a connection that is made now can carry early data. */
  get allowsEarlyData(): boolean {
    if (!this.#input.earlyData) return false;
    this.#forgetOld();
    return (this.#sessions.at(-1)?.session.earlyDataBytesMax ?? 0) > 0;
  }

  /**
   * The engine of a new connection. With `isEarly`, and a session that allows it, it can be written
   * to at once. Throws SluiceError for a name that no certificate can bear.
   */
  connect(handler: TlsHandler, isEarly: boolean): TlsEngine {
    const { context, serverName, clock } = this.#input;
    this.#forgetOld();
    const newest = this.#sessions.at(-1);
    if (newest === undefined) return context.connect({ serverName }, handler, clock);
    const { session } = newest;
    const engine = context.connect({ serverName, session, isEarly }, handler, clock);
    // The last one serves again: better a ticket twice, which costs a full handshake at worst.
    if (this.#sessions.length > 1) {
      this.#sessions.pop();
      session[Symbol.dispose]();
    }
    return engine;
  }

  /** Keeps what the server has given on this connection, if it has given anything. */
  keepSession(engine: TlsEngine): void {
    const session = this.#isClosed ? null : engine.takeSession();
    if (session === null) return;
    const seconds = session.lifetimeSeconds || LIFETIME_SECONDS_DEFAULT;
    this.#sessions.push({ session, endsMs: (session.givenAtSeconds + seconds) * 1000 });
    if (this.#sessions.length > ORIGIN_SESSIONS_MAX)
      this.#sessions.shift()!.session[Symbol.dispose]();
  }

  #forgetOld(): void {
    const sessions = this.#sessions;
    if (sessions.length === 0) return;
    const nowMs = this.#input.clock.wallMs();
    if (sessions.every(({ endsMs }) => endsMs > nowMs)) return;
    for (const { session, endsMs } of sessions) if (endsMs <= nowMs) session[Symbol.dispose]();
    this.#sessions = sessions.filter(({ endsMs }) => endsMs > nowMs);
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const { session } of this.#sessions.splice(0)) session[Symbol.dispose]();
  }
}
