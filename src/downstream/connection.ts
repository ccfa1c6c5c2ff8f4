/**
 * One accepted connection: its channel, its protocol core, and the deadlines that keep a silent or
 * slow peer from holding it for ever.
 */

import type { SluiceError } from '../base/errors.ts';
import type { TcpFigure } from '../base/tcp-figures.ts';
import type { Authority } from '../http/authority.ts';
import { ContentWatch } from '../http/content-watch.ts';
import type { RequestFacts, RequestSink, TlsFacts } from '../http/exchange.ts';
import type { Http2Abuse } from '../http2/limits.ts';
import type { Http3Abuse } from '../http3/limits.ts';
import type { QuicConnectionFacts } from '../quic/application.ts';
import type { StreamSocket } from '../reactor/contract.ts';
import type { ExchangeSummary } from '../telemetry/exchange-summary.ts';
import { CHALLENGE_PROTOCOL } from '../tls/challenge-certificates.ts';
import type { HandshakeRecord, TlsConnection, TlsHandler } from '../tls/contract.ts';
import { Channel, type ChannelHandler, type ChannelPool } from '../transport/channel.ts';
import type { AuthorityCheck } from './authority-check.ts';
import type { ClientCounts } from './client-counts.ts';
import type { WatchedConnection } from './filters/filter-chain.ts';
import { PrefaceWatch } from './filters/preface-watch.ts';
import { HostGuard, type HostPolicies, PlaintextGuard, type RefusingSink } from './host-guard.ts';
import type { DownstreamLimits } from './limits.ts';
import { http1Protocol, http2Protocol, type ServerProtocol } from './protocol.ts';
import { type DownstreamConnection, EarlyRequestFacts, OpenTlsFacts } from './request-facts.ts';

/** What downstream connections of one worker share. */
export interface DownstreamShared {
  readonly channels: ChannelPool;
  readonly sink: RefusingSink;
  /** Who has how many connections; whoever opens one enters, and the observer lets it leave. */
  readonly clients: ClientCounts;
  /** What the hosts of TLS ask of clients; null when they all ask the same. */
  readonly policies: HostPolicies | null;
  readonly limits: DownstreamLimits;
  readonly monotonicMs: () => number;
  readonly dateNow: () => string;
  readonly observer: DownstreamObserver;
  readonly isCovered: AuthorityCheck;
}

/** How what never became a request was answered; status 0 when it was not. */
export type BadRequestFacts = Pick<ExchangeSummary, 'errorCode' | 'status' | 'responseBytes'>;

/** What is counted and logged of connections. Called after the fact; never alters anything. */
export interface DownstreamObserver {
  onHandshake(record: HandshakeRecord, connection: DownstreamConnection): void;
  /** A client did something too often, and its connection ended for it. */
  onAbuse(kind: Http2Abuse): void;
  onHttp3Abuse(kind: Http3Abuse): void;
  /** A connection of QUIC is over; `onClosed` comes, too. */
  onQuicEnd(facts: QuicConnectionFacts): void;
  /** A message that broke the protocol's rules was refused. */
  onRefused(error: SluiceError, connection: DownstreamConnection): void;
  /** What was refused never became a request, so that no exchange tells of it. */
  onBadRequest(sent: BadRequestFacts, connection: DownstreamConnection): void;
  onClosed(connection: DownstreamConnection & WatchedConnection): void;
}

/** Makes the TLS engine of an accepted connection from the address `peer`. */
export type TlsAcceptor = (handler: TlsHandler, peer: string) => TlsConnection;

/** Who is at the other end: `127.0.0.1`, `::1` or `unix`, and the port. */
export interface PeerAddress {
  readonly remoteAddress: string;
  readonly remotePort: number;
}

export interface DownstreamInput {
  readonly socket: StreamSocket;
  /** Null for a plaintext listener. */
  readonly accept: TlsAcceptor | null;
  readonly peer: PeerAddress;
  /** Whether HTTP/2 may begin without TLS. */
  readonly http2Cleartext: boolean;
  /** Alt-Svc of its responses; null for none. */
  readonly announced: string | null;
}

export class Downstream implements ChannelHandler, DownstreamConnection, WatchedConnection {
  readonly kind: 'http' | 'https';
  readonly #shared: DownstreamShared;
  readonly #channel: Channel;
  /** Who connected: the socket's peer, or whom a PROXY header has named. */
  readonly #peer: PeerAddress;
  readonly #announced: string | null;
  readonly #socket: StreamSocket;
  /** Looks for HTTP/2 without TLS, until the first bytes have told. */
  #preface: PrefaceWatch | null = null;
  /** Known once ALPN is: with the first byte of early data, or with the handshake's end. */
  #protocol: ServerProtocol | null = null;
  readonly #openedMs: number;
  #record: HandshakeRecord | null = null;
  #handshakeWaiters: ((complete: boolean) => void)[] = [];
  #tls: OpenTlsFacts | null = null;
  #earlyFacts: EarlyRequestFacts | null = null;
  /** What the connection was doing, and since when, as the sweep last saw it. */
  #phase: Phase = 'handshake';
  #phaseSinceMs: number;
  /** Rises with every byte that moves, in either direction. */
  #progress = 0;
  #progressSeen = 0;
  #pendingSeen = 0;
  #sentSeen = 0;
  readonly #content = new ContentWatch();
  #watchedRequest = 0;
  #contentSeen = 0;
  /** Of the socket's `takenBytes`, when a time was up last. */
  #takenSeen = 0;
  #draining = false;
  /** What is idle is not waited for any more. */
  #isGraceOver = false;

  constructor(shared: DownstreamShared, input: DownstreamInput) {
    const { socket, accept, peer, http2Cleartext, announced } = input;
    this.kind = accept === null ? 'http' : 'https';
    this.#shared = shared;
    this.#peer = peer;
    this.#announced = announced;
    this.#socket = socket;
    this.#openedMs = shared.monotonicMs();
    this.#phaseSinceMs = this.#openedMs;
    const channel = new Channel(shared.channels, this);
    this.#channel = channel;
    channel.attach(
      socket,
      accept === null ? null : accept(channel.tlsHandler(), peer.remoteAddress),
    );
    if (accept === null) channel.markOpen();
    if (accept !== null) return;
    if (http2Cleartext) this.#preface = new PrefaceWatch();
    else this.#protocol = http1Protocol(this.#protocolInput());
  }

  /** Null policies are the usual case: then requests go straight to the proxy. */
  get #sink(): RequestSink {
    const { sink, policies } = this.#shared;
    if (policies === null) return sink;
    if (this.kind === 'http') return new PlaintextGuard(sink, policies);
    return new HostGuard(sink, policies, () => this.#channel.tls?.host ?? 0);
  }

  #protocolInput() {
    return {
      sink: this.#sink,
      output: this.#channel,
      channels: this.#shared.channels,
      scheme: this.kind,
      announced: this.#announced,
      factsFor: (early: boolean) => (early ? this.#factsOfEarly() : this),
      monotonicMs: this.#shared.monotonicMs,
      dateNow: this.#shared.dateNow,
      onRefused: (error: SluiceError) => this.#shared.observer.onRefused(error, this),
      onBadRequest: (errorCode: string, status: number, responseBytes: number) => {
        this.#shared.observer.onBadRequest({ errorCode, status, responseBytes }, this);
      },
      onAbuse: (kind: Http2Abuse) => this.#shared.observer.onAbuse(kind),
      isCovered: (authority: Authority, scheme: string) => this.#isCovered(authority, scheme),
    };
  }

  /** The protocol that ALPN has settled; HTTP/1.1 without it (RFC 9113 §3.2). */
  get #settled(): ServerProtocol {
    if (this.#protocol === null) {
      const isHttp2 = this.#channel.tls?.selectedProtocol === 'h2';
      const input = this.#protocolInput();
      this.#protocol = isHttp2 ? http2Protocol(input) : http1Protocol(input);
    }
    return this.#protocol;
  }

  /** The socket's handler. */
  get channel(): Channel {
    return this.#channel;
  }

  #isCovered(authority: Authority, scheme: string): boolean {
    // What came under one scheme must not be answered for the other (RFC 9110 §7.4).
    if (scheme !== this.kind) return false;
    const { tls } = this.#channel;
    return this.#shared.isCovered(tls?.host ?? -1, tls?.serverName ?? '', authority);
  }

  // ------------------------------------------------------------------ facts about requests

  /** Of a request that began after the handshake; see `#factsOfEarly` for the others. */
  readonly early = false;
  readonly beganEarly = false;

  /** The handshake is still open. */
  get isOpening(): boolean {
    return this.kind === 'https' && this.#record === null;
  }

  #factsOfEarly(): RequestFacts {
    this.#earlyFacts ??= new EarlyRequestFacts(this);
    return this.#earlyFacts;
  }

  get remoteAddress(): string {
    return this.#peer.remoteAddress;
  }

  get peerAddress(): string {
    return this.#peer.remoteAddress;
  }

  get remotePort(): number {
    return this.#peer.remotePort;
  }

  get localAddress(): string {
    return this.#socket.localAddress;
  }

  get localPort(): number {
    return this.#socket.localPort;
  }

  tcpFigure(figure: TcpFigure): number {
    return this.#socket.tcpFigure(figure);
  }

  /** See TlsConnection. */
  get clientHello(): Uint8Array | null {
    return this.#channel.tls?.clientHello ?? null;
  }

  get tls(): TlsFacts | null {
    if (this.kind === 'http') return null;
    this.#tls ??= new OpenTlsFacts(this.#record, this.#channel.tls);
    return this.#tls;
  }

  whenHandshakeEnds(callback: (complete: boolean) => void): void {
    if (this.kind === 'http') callback(true);
    else if (this.#record === null) this.#handshakeWaiters.push(callback);
    else callback(this.#record.outcome === 'complete');
  }

  // ------------------------------------------------------------------ from the channel

  onOpen(): void {
    // Nothing is said under it (RFC 8737 §4): who asked has seen the certificate.
    if (this.#channel.tls?.selectedProtocol === CHALLENGE_PROTOCOL) {
      this.#channel.end();
      return;
    }
    this.#settled.start();
    for (const waiter of this.#handshakeWaiters.splice(0)) waiter(true);
    if (this.#draining) this.drain();
  }

  onHandshakeEnd(record: HandshakeRecord): void {
    this.#record = record;
    this.#tls = null;
    this.#shared.observer.onHandshake(record, this);
    if (record.outcome === 'complete') return;
    for (const waiter of this.#handshakeWaiters.splice(0)) waiter(false);
  }

  onBytes(bytes: Uint8Array, early: boolean): void {
    this.#progress += bytes.length;
    if (this.#preface === null) this.#settled.receive(bytes, early);
    else this.#lookForPreface(this.#preface, bytes);
  }

  /** HTTP/2 by prior knowledge begins with its preface (RFC 9113 §3.3, §3.4); nothing else does. */
  #lookForPreface(watch: PrefaceWatch, bytes: Uint8Array): void {
    const held = watch.take(bytes);
    if (watch.found === null) return;
    this.#preface = null;
    const input = this.#protocolInput();
    this.#protocol = watch.found === 'http2' ? http2Protocol(input) : http1Protocol(input);
    this.#protocol.start();
    this.#protocol.receive(held, false);
  }

  onEnd(): void {
    if (this.#protocol === null) this.#channel.end();
    else this.#protocol.onEndOfInput();
  }

  onWritable(): void {
    this.#progress++;
    this.#protocol?.onWritable();
  }

  onClose(error: SluiceError | null): void {
    for (const waiter of this.#handshakeWaiters.splice(0)) waiter(false);
    this.#protocol?.onConnectionLost(error);
    this.#shared.observer.onClosed(this);
  }

  // ------------------------------------------------------------------ deadlines and drain

  /** Closes the connection when what it is doing takes too long. Called once per sweep. */
  sweep(nowMs: number): void {
    this.#protocol?.sweep(nowMs, this.#shared.limits);
    if (this.#isGraceOver) this.endIdle();
    const phase = this.#currentPhase();
    if (phase !== this.#phase) {
      this.#phase = phase;
      this.#phaseSinceMs = nowMs;
    } else if (this.#hasMoved() && phase !== 'head' && phase !== 'handshake') {
      // Heads and handshakes have their time in all, however their bytes trickle in.
      this.#phaseSinceMs = nowMs;
    }
    if (phase !== 'content') this.#content.look(nowMs, false, 0);
    else if (this.#isContentTooSlow(nowMs)) {
      this.#protocol?.timeOut();
      return;
    }
    const sinceMs = phase === 'handshake' ? this.#openedMs : this.#phaseSinceMs;
    if (nowMs - sinceMs < this.#limitOf(phase)) return;
    if (phase === 'sending' && this.#isTaking()) {
      this.#phaseSinceMs = nowMs;
      return;
    }
    if (phase === 'idle') this.#timeOutIdle();
    else if (phase === 'handshake') this.#channel.timeOutHandshake();
    else if (phase === 'lingering') this.#channel.destroy();
    else if (phase === 'head' || phase === 'content') this.#protocol?.timeOut();
    else this.#channel.reset();
  }

  /** Called once per sweep while content is read. */
  #isContentTooSlow(nowMs: number): boolean {
    const { requestCount, isAnswered } = this.#protocol!;
    if (requestCount !== this.#watchedRequest) {
      this.#watchedRequest = requestCount;
      this.#contentSeen = this.#progress;
      this.#content.reset();
    }
    const bytes = this.#progress - this.#contentSeen;
    this.#contentSeen = this.#progress;
    this.#content.look(nowMs, !isAnswered, bytes);
    return !isAnswered && this.#content.isTooSlow(this.#shared.limits);
  }

  /**
   * Whether a client that seems to take nothing takes what the kernel holds: that may last for
   * minutes before it has room for more.
   */
  #isTaking(): boolean {
    const { takenBytes } = this.#socket;
    const isTaking = takenBytes !== this.#takenSeen;
    this.#takenSeen = takenBytes;
    return isTaking;
  }

  /** Whether a byte has moved in either direction since the last sweep. */
  #hasMoved(): boolean {
    const { pendingBytes, outputCount } = this.#channel;
    const hasSent = pendingBytes !== this.#pendingSeen || outputCount !== this.#sentSeen;
    const moved = this.#progress !== this.#progressSeen || hasSent;
    this.#sentSeen = outputCount;
    this.#progressSeen = this.#progress;
    this.#pendingSeen = pendingBytes;
    return moved;
  }

  /**
   * Finishes the requests under way, if any, and closes with the last answer. A client that keeps the
   * connection may be asking at this moment: what it asks is answered.
   */
  drain(): void {
    this.#draining = true;
    this.#protocol?.drain();
  }

  endIdle(): void {
    this.#draining = true;
    this.#isGraceOver = true;
    // Whoever has not said what it speaks has asked for nothing.
    if (this.#preface !== null) this.#channel.end();
    this.#protocol?.endIdle();
  }

  #timeOutIdle(): void {
    this.drain();
    // HTTP/2 says so first, and ends at the next sweep at the latest.
    this.#isGraceOver = true;
    if (this.#preface !== null) this.#channel.end();
    this.#protocol?.timeOutIdle();
  }

  /** The drain's time is up. */
  breakOff(): void {
    this.#channel.reset();
  }

  #currentPhase(): Phase {
    if (this.isOpening) return 'handshake';
    if (this.#channel.isLingering) return 'lingering';
    if (this.#channel.pendingBytes > 0) return 'sending';
    return this.#protocol?.phase ?? 'idle';
  }

  #limitOf(phase: Phase): number {
    const { limits } = this.#shared;
    switch (phase) {
      case 'handshake':
        return limits.handshakeTimeoutMs;
      case 'sending':
        return limits.sendTimeoutMs;
      case 'lingering':
        return limits.lingerTimeoutMs;
      case 'idle':
        return limits.idleTimeoutMs;
      case 'head':
        return limits.headTimeoutMs;
      case 'content':
        return limits.contentTimeoutMs;
      case 'answering':
        // The origin's own time-outs end this.
        return Number.POSITIVE_INFINITY;
    }
  }
}

type Phase = 'handshake' | 'sending' | 'lingering' | ServerProtocol['phase'];
