/** What requests are told of the connection that they came on, over TCP or QUIC. */
import type { TcpFigure } from '../base/tcp-figures.ts';
import type { RequestFacts, TlsFacts } from '../http/exchange.ts';
import type { HandshakeRecord } from '../tls/contract.ts';

/** A client's connection as observers and requests see it. */
export interface DownstreamConnection extends RequestFacts {
  readonly kind: 'http' | 'https';
  /** The handshake is still open. */
  readonly isOpening: boolean;
  /** See TlsConnection. */
  readonly clientHello: Uint8Array | null;
  tcpFigure(figure: TcpFigure): number;
}

/** Of an open handshake: which host it is for, and who has proved to be the client. */
export interface TlsSource {
  readonly host: number;
  peerCertificates(): readonly Uint8Array[];
}

/** The handshake's facts as a request's log line wants them; open while there is no record. */
export class OpenTlsFacts implements TlsFacts {
  readonly version: string;
  readonly cipher: string;
  readonly group: string;
  readonly resumed: boolean;
  readonly earlyData: string;
  readonly serverName: string;
  readonly host: number;
  readonly alpn: string;
  readonly handshakeMs: number;
  readonly #connection: TlsSource | null;
  #clientCertificates: readonly Uint8Array[] | null = null;

  constructor(record: HandshakeRecord | null, connection: TlsSource | null) {
    this.#connection = connection;
    this.host = connection?.host ?? 0;
    // Only early data is read while there is no record: TLS 1.3, resumed, accepted (RFC 8446 §4.2.10).
    this.version = record?.version ?? 'TLSv1.3';
    this.cipher = record?.cipher ?? '';
    this.group = record?.group ?? '';
    this.resumed = record?.resumed ?? true;
    this.earlyData = record?.earlyData ?? 'accepted';
    this.serverName = record?.serverName ?? '';
    this.alpn = record?.alpn ?? '';
    this.handshakeMs = record?.durationMs ?? -1;
  }

  get clientCertificates(): readonly Uint8Array[] {
    this.#clientCertificates ??= this.#connection?.peerCertificates() ?? [];
    return this.#clientCertificates;
  }
}

/** Facts of a request whose first byte was early data: early until the handshake ends. */
export class EarlyRequestFacts implements RequestFacts {
  readonly beganEarly = true;
  readonly #connection: DownstreamConnection;

  constructor(connection: DownstreamConnection) {
    this.#connection = connection;
  }

  get early(): boolean {
    return this.#connection.isOpening;
  }

  whenHandshakeEnds(callback: (complete: boolean) => void): void {
    this.#connection.whenHandshakeEnds(callback);
  }

  get remoteAddress(): string {
    return this.#connection.remoteAddress;
  }

  get peerAddress(): string {
    return this.#connection.peerAddress;
  }

  get remotePort(): number {
    return this.#connection.remotePort;
  }

  get localAddress(): string {
    return this.#connection.localAddress;
  }

  get localPort(): number {
    return this.#connection.localPort;
  }

  tcpFigure(figure: TcpFigure): number {
    return this.#connection.tcpFigure(figure);
  }

  get tls(): TlsFacts | null {
    return this.#connection.tls;
  }
}
