/** TLS toward one server of a group. */
import type { Clock } from '../../base/clock.ts';
import type { ClientContext } from '../../tls/client-context.ts';
import type { TlsEngine } from '../../tls/connection.ts';
import type { TlsHandler } from '../../tls/contract.ts';

export interface OriginTlsInput {
  /** Owned from now on. */
  readonly context: ClientContext;
  /** Asked for (SNI), and expected in the certificate. */
  readonly serverName: string;
  readonly clock: Clock;
}

export class OriginTls implements Disposable {
  readonly #input: OriginTlsInput;

  constructor(input: OriginTlsInput) {
    this.#input = input;
  }

  /** The engine of a new connection. Throws SluiceError for a name that no certificate can bear. */
  connect(handler: TlsHandler): TlsEngine {
    const { context, serverName, clock } = this.#input;
    return context.connect({ serverName }, handler, clock);
  }

  [Symbol.dispose](): void {
    this.#input.context[Symbol.dispose]();
  }
}
