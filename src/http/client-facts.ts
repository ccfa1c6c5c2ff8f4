import type { TlsFacts } from './exchange.ts';

/** Whose request it is. */
export interface ClientFacts {
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Where it connected to. */
  readonly localAddress: string;
  readonly localPort: number;
  /** Null for plaintext. `handshakeMs` is negative while the handshake is open. */
  readonly tls: Pick<TlsFacts, 'handshakeMs' | 'version' | 'cipher' | 'alpn' | 'serverName'> | null;
}
