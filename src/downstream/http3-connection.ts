/**
 * One client's connection over QUIC: its HTTP/3 core, what requests are told of it, and the deadlines.
 * What connection.ts is for TCP.
 */
import type { SluiceError } from '../base/errors.ts';
import type { TcpFigure } from '../base/tcp-figures.ts';
import type { Authority } from '../http/authority.ts';
import type { RequestFacts, RequestSink, TlsFacts } from '../http/exchange.ts';
import { Http3ErrorCode } from '../http3/protocol.ts';
import { Http3ServerConnection } from '../http3/server-connection.ts';
import type { QuicApplication, QuicConnection } from '../quic/application.ts';
import type { HandshakeRecord } from '../tls/contract.ts';
import type { DownstreamShared, PeerAddress } from './connection.ts';
import type { WatchedConnection } from './filters/filter-chain.ts';
import { HostGuard } from './host-guard.ts';
import {
  type DownstreamConnection,
  EarlyRequestFacts,
  OpenTlsFacts,
  type TlsSource,
} from './request-facts.ts';

const MICROSECONDS = 1_000;

/** What is known of the connection's TLS, also while the handshake is open. */
export interface QuicTlsSource extends TlsSource {
  readonly serverName: string;
  readonly clientHello: Uint8Array | null;
}

export interface Http3DownstreamInput {
  readonly quic: QuicConnection;
  readonly tls: QuicTlsSource;
  readonly peer: PeerAddress;
  readonly local: { readonly address: string; readonly port: number };
  /** Calls back when all datagrams of one wake-up have been read. */
  readonly atEndOfTurn: (body: () => void) => void;
  /** A number of chance below 2^32 (RFC 9114 §7.2.8). */
  readonly grease: number;
}

export class Http3Downstream implements DownstreamConnection, WatchedConnection {
  readonly kind = 'https';
  readonly #shared: DownstreamShared;
  readonly #input: Http3DownstreamInput;
  readonly #core: Http3ServerConnection;
  #record: HandshakeRecord | null = null;
  #handshakeWaiters: ((complete: boolean) => void)[] = [];
  #tls: OpenTlsFacts | null = null;
  #earlyFacts: EarlyRequestFacts | null = null;
  /** Since when the sweep has seen no request; -1 while there is one. */
  #idleSinceMs = -1;

  constructor(shared: DownstreamShared, input: Http3DownstreamInput) {
    const { quic, atEndOfTurn, grease } = input;
    this.#shared = shared;
    this.#input = input;
    this.#core = new Http3ServerConnection({
      quic,
      sink: this.#sink,
      factsFor: (early) => (early ? this.#factsOfEarly() : this),
      isCovered: (authority, scheme) => this.#isCovered(authority, scheme),
      monotonicMs: shared.monotonicMs,
      atEndOfTurn,
      grease,
      dateNow: shared.dateNow,
      onRefused: (error: SluiceError) => shared.observer.onRefused(error, this),
      onBadRequest: (errorCode, status, responseBytes) => {
        shared.observer.onBadRequest({ errorCode, status, responseBytes }, this);
      },
      onAbuse: (kind) => shared.observer.onHttp3Abuse(kind),
      onGone: () => this.#onGone(),
    });
  }

  /** What QUIC is to call. */
  get application(): QuicApplication {
    return this.#core.application;
  }

  /** Null policies are the usual case: then requests go straight to the proxy. */
  get #sink(): RequestSink {
    const { sink, policies } = this.#shared;
    return policies === null ? sink : new HostGuard(sink, policies, () => this.#input.tls.host);
  }

  #isCovered(authority: Authority, scheme: string): boolean {
    if (scheme !== this.kind) return false;
    const { host, serverName } = this.#input.tls;
    return this.#shared.isCovered(host, serverName, authority);
  }

  // ------------------------------------------------------------------ facts about requests

  readonly early = false;
  readonly beganEarly = false;

  get isOpening(): boolean {
    return this.#record === null;
  }

  #factsOfEarly(): RequestFacts {
    this.#earlyFacts ??= new EarlyRequestFacts(this);
    return this.#earlyFacts;
  }

  get remoteAddress(): string {
    return this.#input.peer.remoteAddress;
  }

  get peerAddress(): string {
    return this.#input.peer.remoteAddress;
  }

  get remotePort(): number {
    return this.#input.peer.remotePort;
  }

  get localAddress(): string {
    return this.#input.local.address;
  }

  get localPort(): number {
    return this.#input.local.port;
  }

  /** There is no TCP here: of QUIC, what is the same by these names. */
  tcpFigure(figure: TcpFigure): number {
    const facts = this.#input.quic.facts();
    switch (figure) {
      case 'rtt':
        return Math.round(facts.smoothedRttMs * MICROSECONDS);
      case 'min-rtt':
        return Math.round(facts.minRttMs * MICROSECONDS);
      case 'retransmits':
        return facts.packetsLost;
      case 'cwnd':
        return Math.floor(facts.congestionWindowBytes / facts.datagramBytes);
      case 'mss':
        return facts.datagramBytes;
      default:
        return -1;
    }
  }

  get clientHello(): Uint8Array | null {
    return this.#input.tls.clientHello;
  }

  get tls(): TlsFacts {
    this.#tls ??= new OpenTlsFacts(this.#record, this.#input.tls);
    return this.#tls;
  }

  whenHandshakeEnds(callback: (complete: boolean) => void): void {
    if (this.#record === null) this.#handshakeWaiters.push(callback);
    else callback(this.#record.outcome === 'complete');
  }

  // ------------------------------------------------------------------ from TLS and QUIC

  /** Call once, when TLS has ended its handshake, in whatever way. */
  onHandshakeEnd(record: HandshakeRecord): void {
    this.#record = record;
    this.#tls = null;
    this.#shared.observer.onHandshake(record, this);
    for (const waiter of this.#handshakeWaiters.splice(0)) waiter(record.outcome === 'complete');
  }

  #onGone(): void {
    for (const waiter of this.#handshakeWaiters.splice(0)) waiter(false);
    this.#shared.observer.onQuicEnd(this.#input.quic.facts());
    this.#shared.observer.onClosed(this);
  }

  // ------------------------------------------------------------------ deadlines and drain

  /** That a handshake ends in time is QUIC's own to see to. */
  sweep(nowMs: number): void {
    const { limits } = this.#shared;
    this.#core.sweep(nowMs, limits.sendTimeoutMs, limits.contentTimeoutMs, limits);
    if (!this.#core.isIdle || this.isOpening) this.#idleSinceMs = -1;
    else if (this.#idleSinceMs < 0) this.#idleSinceMs = nowMs;
    else if (nowMs - this.#idleSinceMs >= limits.idleTimeoutMs) this.endIdle();
  }

  /** GOAWAY: what is under way and on its way is answered, then the connection closes. */
  drain(): void {
    this.#core.drain();
  }

  endIdle(): void {
    this.#core.drain();
    this.#core.shutdown();
  }

  breakOff(): void {
    this.#input.quic.close(Http3ErrorCode.NO_ERROR, '');
  }
}
