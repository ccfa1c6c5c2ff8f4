/** Chooses by the server name of the ClientHello whether TLS is ended here, or goes elsewhere. */
import { SluiceError } from '../../base/errors.ts';
import { normalHost } from '../../base/host-names.ts';
import {
  CLIENT_HELLO_FLIGHT_BYTES_MAX,
  ClientHelloScan,
  parseClientHello,
} from '../../tls/client-hello.ts';
import type { ListenerFilter } from './filter-chain.ts';

export class ServerNameFilter implements ListenerFilter {
  readonly #onName: (serverName: string) => void;
  readonly #scan = new ClientHelloScan();

  /** Hears the name once: in normal form, '' when there is none, or no TLS. Throws to refuse. */
  constructor(onName: (serverName: string) => void) {
    this.#onName = onName;
  }

  decide(held: Buffer): { readonly used: number } | null {
    const length = this.#scan.lengthIn(held);
    if (length === 0 && held.length < CLIENT_HELLO_FLIGHT_BYTES_MAX) return null;
    const hello = length > 0 ? parseClientHello(held.subarray(0, length)) : null;
    const name = hello?.serverName ?? '';
    this.#onName(normalHost(name) ?? name);
    return { used: 0 };
  }

  decideAtEnd(): never {
    throw new SluiceError('connection-closed', 'the connection ended before its ClientHello', {
      blame: 'downstream',
    });
  }
}
