/**
 * One TLS connection without I/O, for both roles: the engine behind contract.ts.
 *
 * Long because the engine is one state machine, whose steps follow from what OpenSSL returns.
 */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { SluiceError } from '../base/errors.ts';
import { KeptViews } from '../native/kept-views.ts';
import { NativeBuffer } from '../native/memory.ts';
import { EarlyDataStatus, type Ssl, SslStatus } from '../native/ssl.ts';
import type { SslSession } from '../native/ssl-session.ts';
import { ALERT_TAIL_BYTES, isSealedAlert, plaintextAlert } from './alerts.ts';
import { ClientEarlyData } from './client-early-data.ts';
import { CLIENT_HELLO_BYTES_MAX, clientHelloLength } from './client-hello.ts';
import { HeldInput } from './cluster.ts';
import type { TlsConnection, TlsHandler } from './contract.ts';
import type { EarlyDataAcceptance } from './early-data/early-data-acceptance.ts';
import { decisionOf } from './early-data/hello-decision.ts';
import { alertReceived, explainFailure, type Failure, helloRefused } from './failures.ts';
import { noteRefusedFlight, settleEarlyData, takeHandshakeRecord } from './handshake-record.ts';
import {
  CONTENT_TYPE_HANDSHAKE,
  isHelloRetryRequest,
  SERVER_HELLO_PREFIX_BYTES,
} from './handshake-watch.ts';
import { TraceCall } from './trace-layout.ts';
import { beginTrace, endTrace, type HandshakeTrace, type TraceWatch } from './trace-recorder.ts';

const Phase = {
  /** Server with early data on: OpenSSL is driven by SSL_read_early_data. */
  early: 0,
  handshake: 1,
  open: 2,
  /** The peer has sent close_notify; we may still write. */
  receiveEnded: 3,
  /** Failed, abandoned or disposed. */
  closed: 4,
} as const;
type Phase = (typeof Phase)[keyof typeof Phase];

/** A record holds at most 2^14 bytes of plaintext (RFC 8446 §5.1), and is read in one piece. */
export const PLAINTEXT_BYTES_MAX = 16_384;

/** Where decrypted bytes appear. */
class Plaintext {
  readonly buffer = NativeBuffer.allocate(PLAINTEXT_BYTES_MAX);
  readonly #views = new KeptViews();

  first(length: number): Uint8Array {
    return this.#views.first(this.buffer, length);
  }
}

/**
 * Plaintext of the connections that are inside `receive`, one per depth: a handler may make
 * another connection receive, which must not overwrite what the first one shows.
 */
const plaintextPool: Plaintext[] = [];
let depth = 0;

export interface TlsConnectionOptions {
  readonly ssl: Ssl;
  readonly role: 'server' | 'client';
  readonly handler: TlsHandler;
  readonly clock: Clock;
  /** Server: who decides on early data. */
  readonly acceptance?: EarlyDataAcceptance;
  /** Server: whether `clientHello` is wanted. */
  readonly keepsClientHello?: boolean;
  /** Who records what it does; null for nobody. */
  readonly watch?: TraceWatch | null;
}

export class TlsEngine implements TlsConnection {
  readonly #ssl: Ssl;
  readonly #handler: TlsHandler;
  readonly #clock: Clock;
  readonly #role: 'server' | 'client';
  readonly #acceptance: EarlyDataAcceptance | null;
  readonly #watch: TraceWatch | null;
  /** From the first byte on. */
  #trace: HandshakeTrace | null = null;
  #phase: Phase;
  #disposed = false;
  #receiving = false;
  #handshakeComplete = false;
  #earlyWritable = false;
  #shutdownWanted = false;
  #shutdownSent = false;
  #bytesReceived = 0;
  #bytesSent = 0;
  #earlyDataBytes = 0;
  /** Server: bytes of early data set aside for this connection until its handshake ends. */
  #wantsClientHello: boolean;
  /** Server: the ClientHello is yet to be looked at by the guard. */
  #isGuarded: boolean;
  #clientHello: Buffer | null = null;
  #startedAtMs = 0;
  #startedAtMonotonicMs = 0;
  #helloRetryRequest = false;
  #earlyDataReason = '';
  #isSessionMarked = false;
  #isServerHelloSeen = false;
  /** It was a ServerHello or a HelloRetryRequest, and no alert. */
  #isAgreed = false;
  /** Server: what has come since the ClientHello was set aside to be asked about; null otherwise. */
  #held: HeldInput | null = null;
  /** Client: what is written goes out as early data until the server has answered. */
  #clientEarlyData: ClientEarlyData | null = null;
  /** Client: the beginning of the server's first flight, while it is incomplete. */
  #serverHelloPrefix: Buffer | null = null;

  constructor(options: TlsConnectionOptions) {
    this.#ssl = options.ssl;
    this.#handler = options.handler;
    this.#clock = options.clock;
    this.#role = options.role;
    this.#acceptance = options.acceptance ?? null;
    this.#watch = options.watch ?? null;
    this.#isGuarded = options.watch?.guard?.isEmpty === false;
    this.#wantsClientHello = this.#isGuarded || (options.keepsClientHello ?? false);
    this.#phase = this.#acceptance?.isReadEarly ? Phase.early : Phase.handshake;
  }

  get isComplete(): boolean {
    return this.#handshakeComplete;
  }

  get isWritable(): boolean {
    if (this.#shutdownWanted) return false;
    if (this.#phase === Phase.open || this.#phase === Phase.receiveEnded) return true;
    return this.#earlyWritable && this.#phase !== Phase.closed;
  }

  get selectedProtocol(): string {
    return this.#disposed ? '' : this.#ssl.alpn;
  }

  get serverName(): string {
    return this.#disposed ? '' : this.#ssl.serverName;
  }

  get clientHello(): Uint8Array | null {
    return this.#clientHello;
  }

  get host(): number {
    return decisionOf(this.#ssl)?.host ?? -1;
  }

  get hasOutput(): boolean {
    return !this.#disposed && this.#ssl.outputBytes > 0;
  }

  /** Client: makes the ClientHello, and early data if there is any. */
  start(earlyData?: Uint8Array): void {
    assert(this.#role === 'client' && this.#startedAtMs === 0, 'a client starts once');
    this.#noteStart();
    if (earlyData !== undefined && earlyData.length > 0) {
      const isSent = this.#ssl.write(earlyData, true);
      assert(isSent, 'the session allows this much early data');
      this.#earlyDataBytes = earlyData.length;
    }
    this.#advanceHandshake();
  }

  /**
   * Client, instead of `start`: can be written to at once. The ClientHello leaves with the first
   * bytes, as early data up to `bytesMax`, which is the session's; what the server refuses is sent
   * again when the handshake is complete. ALPN must come out as in the session.
   */
  startEarly(bytesMax: number): void {
    assert(this.#role === 'client' && this.#startedAtMs === 0, 'a client starts once');
    this.#noteStart();
    this.#clientEarlyData = new ClientEarlyData(this.#ssl, bytesMax);
    this.#earlyWritable = true;
  }

  /** Client: the protocol of early data, which is the session's; '' for none. */
  get earlyProtocol(): string {
    return this.#clientEarlyData?.protocol ?? '';
  }

  receive(buffer: NativeBuffer, length: number): void {
    assert(!this.#receiving, 'receive is not called from a handler of the same connection');
    if (this.#phase >= Phase.receiveEnded || length === 0) return;
    if (this.#held === null) this.#consume(buffer, length, true);
    else this.#hold(this.#held, buffer, length);
  }

  /** `isNew`: the bytes have not been looked at and counted yet. */
  #consume(buffer: NativeBuffer, length: number, isNew: boolean): void {
    const plaintext = (plaintextPool[depth] ??= new Plaintext());
    this.#ssl.feed(buffer, 0, length);
    this.#receiving = true;
    depth++;
    try {
      if (this.#phase === Phase.open) this.#readRecords(plaintext);
      else if (!isNew) this.#goOn(plaintext);
      else this.#receiveHandshake(buffer, length, plaintext);
    } finally {
      depth--;
      this.#receiving = false;
      if (this.#disposed) this.#ssl[Symbol.dispose]();
    }
  }

  #readRecords(plaintext: Plaintext): void {
    const ssl = this.#ssl;
    do {
      this.#trace?.mark(TraceCall.read);
      const status = ssl.read(plaintext.buffer);
      this.#trace?.unmark();
      if (status > 0) this.#handler.onPlaintext(plaintext.first(status), false);
      else if (status !== SslStatus.wantsInput) this.#readStopped(status);
      // When the input is used up another read would only find that out, at many times the cost.
    } while (this.#phase === Phase.open && ssl.inputBytes > 0);
  }

  #readStopped(status: number): void {
    if (status === SslStatus.ended) {
      this.#phase = Phase.receiveEnded;
      this.#handler.onEnd();
    } else {
      this.#fail(this.#explain());
    }
  }

  #receiveHandshake(buffer: NativeBuffer, length: number, plaintext: Plaintext): void {
    if (this.#startedAtMs === 0) this.#noteStart();
    if (this.#wantsClientHello) this.#keepClientHello(buffer.bytes.subarray(0, length));
    if (this.#role === 'client' && !this.#isServerHelloSeen) {
      this.#watchServerHello(buffer.bytes.subarray(0, length));
    }
    this.#bytesReceived += length;
    if (this.#isGuarded && !this.#wantsClientHello && this.#isRefused()) return;
    this.#trace?.received(buffer.bytes, length);
    this.#goOn(plaintext);
  }

  #goOn(plaintext: Plaintext): void {
    if (this.#phase === Phase.early) this.#readEarlyData(plaintext);
    this.#clientEarlyData?.close();
    if (this.#phase === Phase.handshake) this.#advanceHandshake();
    if (this.#phase === Phase.open && this.#ssl.inputBytes > 0) this.#readRecords(plaintext);
  }

  #readEarlyData(plaintext: Plaintext): void {
    while (this.#phase === Phase.early) {
      this.#trace?.enter(TraceCall.readEarlyData);
      const status = this.#ssl.readEarlyData(plaintext.buffer);
      this.#trace?.leave(TraceCall.readEarlyData, this.#ssl.state);
      this.#noteServerHello();
      if (status > 0) {
        // Our Finished has been made before the first early data was read, so that an answer can
        // be sealed with keys of the application (RFC 8446 §2, 0.5-RTT data).
        this.#earlyWritable = true;
        this.#earlyDataBytes += status;
        const content = plaintext.first(status);
        this.#trace?.earlyData(content);
        this.#handler.onPlaintext(content, true);
      } else if (status === SslStatus.earlyDataEnded) {
        this.#phase = Phase.handshake;
      } else if (status === SslStatus.wantsInput) {
        return;
      } else if (status === SslStatus.paused) {
        if (!this.#askCluster()) return;
      } else {
        this.#handshakeStopped(status);
      }
    }
  }

  /** Returns whether the answer was there at once; if not, input is held until it comes. */
  #askCluster(): boolean {
    const ssl = this.#ssl;
    const held = new HeldInput();
    this.#held = held;
    const question = decisionOf(ssl)!.clusterQuestion!;
    this.#acceptance!.cluster!.ask(question.random, (strike) => {
      // Abandoned or disposed meanwhile, or there was too much to wait any longer.
      if (this.#held !== held || this.#phase !== Phase.early) return;
      this.#held = null;
      question.answer = strike;
      if (!this.#receiving) this.#resume(held);
    });
    if (this.#held === null) return true;
    held.add(ssl.takeInput());
    return false;
  }

  #hold(held: HeldInput, buffer: NativeBuffer, length: number): void {
    this.#bytesReceived += length;
    this.#trace?.received(buffer.bytes, length);
    if (held.add(buffer.bytes.subarray(0, length))) return;
    this.#held = null;
    decisionOf(this.#ssl)!.clusterQuestion!.answer = 'unanswered';
    this.#resume(held);
  }

  /** Outside of `receive`: the owner has to be told that there may be output. */
  #resume(held: HeldInput): void {
    const bytes = held.take();
    using input = NativeBuffer.allocate(Math.max(1, bytes.length));
    input.bytes.set(bytes);
    this.#consume(input, bytes.length, false);
    if (!this.#disposed) this.#handler.onResumed?.();
  }

  #advanceHandshake(): void {
    this.#trace?.enter(TraceCall.handshake);
    const status = this.#ssl.handshake();
    this.#trace?.leave(TraceCall.handshake, this.#ssl.state);
    if (this.#role === 'server') this.#noteServerHello();
    if (status === SslStatus.complete) this.#completeHandshake();
    else if (status !== SslStatus.wantsInput) this.#handshakeStopped(status);
  }

  #completeHandshake(): void {
    if (!this.#finishEarlyData()) return;
    this.#phase = Phase.open;
    this.#handshakeComplete = true;
    this.#endHandshake(null);
    if (this.#shutdownWanted && this.#phase === Phase.open) this.#sendShutdown();
  }

  /** Client: returns false when the connection cannot go on. */
  #finishEarlyData(): boolean {
    const early = this.#clientEarlyData;
    if (early === null) return true;
    this.#clientEarlyData = null;
    this.#earlyDataBytes = early.sentBytes;
    const isAccepted = this.#ssl.earlyDataStatus === EarlyDataStatus.accepted;
    // What was written is in the session's protocol. An accepting server must choose it again
    // (RFC 8446 §4.2.10); a refusing one may have changed its mind.
    if (!isAccepted && this.#ssl.alpn !== early.protocol) {
      const message = 'the origin speaks another protocol than before';
      const error = new SluiceError('tls-early-data-refused', message, {
        blame: 'upstream',
        retry: 'always',
      });
      this.#fail({ error, alert: '', alertSentBy: '' });
      return false;
    }
    if (early.finish(isAccepted)) return true;
    this.#fail(this.#explain());
    return false;
  }

  #handshakeStopped(status: number): void {
    const closed = status === SslStatus.ended;
    this.#fail(closed ? alertReceived('close_notify', this.#peer) : this.#explain());
  }

  receiveEnd(): void {
    if (this.#phase >= Phase.receiveEnded) return;
    // RFC 8446 §6.1: without close_notify what came so far may have been cut short.
    const blame = this.#peer;
    const error = this.#handshakeComplete
      ? new SluiceError('tls-truncated', 'the peer went away without close_notify', { blame })
      : this.#startedAtMs === 0
        ? this.#notBegun()
        : new SluiceError('tls-handshake-cut', 'the peer went away during the handshake', {
            blame,
          });
    this.#fail({ error, alert: '', alertSentBy: '' });
  }

  write(bytes: Uint8Array): void {
    assert(this.isWritable, 'isWritable is looked at before write');
    if (this.#clientEarlyData !== null) {
      if (!this.#clientEarlyData.write(bytes)) this.#fail(this.#explain());
      return;
    }
    const early = !this.#handshakeComplete;
    this.#trace?.mark(early ? TraceCall.writeEarlyData : TraceCall.write);
    const isWritten = this.#ssl.write(bytes, early);
    this.#trace?.unmark();
    if (!isWritten) this.#fail(this.#explain());
  }

  writeNative(buffer: NativeBuffer, length: number): void {
    assert(this.isWritable, 'isWritable is looked at before writeNative');
    if (this.#clientEarlyData !== null) {
      this.write(buffer.bytes.subarray(0, length));
      return;
    }
    const early = !this.#handshakeComplete;
    this.#trace?.mark(early ? TraceCall.writeEarlyData : TraceCall.write);
    const isWritten = this.#ssl.writeNative(buffer, length, early);
    this.#trace?.unmark();
    if (!isWritten) this.#fail(this.#explain());
  }

  takeOutput(target: NativeBuffer): number {
    if (this.#disposed) return 0;
    const count = this.#ssl.takeOutput(target);
    this.#bytesSent += count;
    if (count > 0) this.#trace?.sent(count);
    return count;
  }

  /** Client: the status of the origin's certificate as the origin has sent it; null for none. */
  get stapledResponse(): Uint8Array | null {
    return this.#disposed ? null : this.#ssl.stapledResponse;
  }

  peerCertificates(): Buffer[] {
    // While a certificate is not verified its owner has proved nothing; a ticket has.
    const isProved = this.#handshakeComplete || this.#earlyWritable;
    return isProved && !this.#disposed ? this.#ssl.peerCertificates() : [];
  }

  shutdown(): void {
    if (this.#shutdownWanted || this.#phase === Phase.closed) return;
    this.#shutdownWanted = true;
    // OpenSSL can only close after the handshake; until then the request is kept.
    if (this.#handshakeComplete) this.#sendShutdown();
  }

  #sendShutdown(): void {
    if (this.#shutdownSent) return;
    this.#shutdownSent = true;
    this.#trace?.mark(TraceCall.shutdown);
    this.#ssl.shutdown();
    this.#trace?.unmark();
  }

  abandon(errorCode: string): void {
    if (this.#handshakeComplete || this.#phase === Phase.closed) return;
    const error =
      this.#startedAtMs === 0 && errorCode !== 'tls-handshake-timeout'
        ? this.#notBegun()
        : new SluiceError(errorCode, 'the handshake was abandoned', { blame: this.#peer });
    this.#phase = Phase.closed;
    this.#endHandshake({ error, alert: '', alertSentBy: '' });
  }

  /** Renews the sending key and asks the peer to do so too (RFC 8446 §4.6.3). TLS 1.3 only. */
  updateKeys(): void {
    assert(this.#phase === Phase.open, 'the connection is open');
    this.#ssl.updateKeys();
  }

  /** Client: what a later connection may resume; null when the server gave nothing. */
  takeSession(): SslSession | null {
    return this.#disposed ? null : this.#ssl.session();
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    if (this.#startedAtMs !== 0) this.abandon('tls-handshake-abandoned');
    this.#disposed = true;
    this.#phase = Phase.closed;
    // A handler may dispose the connection that calls it: then `receive` frees it at its end.
    if (!this.#receiving) this.#ssl[Symbol.dispose]();
  }

  get #peer(): 'downstream' | 'upstream' {
    return this.#role === 'server' ? 'downstream' : 'upstream';
  }

  #noteStart(): void {
    this.#startedAtMs = this.#clock.wallMs();
    this.#startedAtMonotonicMs = this.#clock.monotonicMs();
    if (this.#watch !== null) this.#trace = beginTrace(this.#watch, this.#role);
  }

  /** A ClientHello that has ended workers does not reach the engine. */
  #isRefused(): boolean {
    this.#isGuarded = false;
    const hello = this.#clientHello;
    if (hello === null || this.#watch?.guard?.refuses(hello) !== true) return false;
    // It was received, and nobody will read it.
    this.#ssl.takeInput();
    this.#fail(helloRefused(this.#peer));
    return true;
  }

  /** OpenSSL has no copy to give, and one is needed only when the handshake has failed. */
  #keepClientHello(piece: Uint8Array): void {
    const earlier = this.#clientHello;
    const flight = earlier === null ? piece : Buffer.concat([earlier, piece]);
    const length = clientHelloLength(flight);
    this.#wantsClientHello = length === 0 && flight.length < CLIENT_HELLO_BYTES_MAX;
    const end = length > 0 ? length : CLIENT_HELLO_BYTES_MAX;
    this.#clientHello = length === -1 ? null : Buffer.from(flight.subarray(0, end));
  }

  /** Server: looks at what OpenSSL has just decided, before it waits for the client's answer. */
  #noteServerHello(): void {
    const ssl = this.#ssl;
    const acceptance = this.#acceptance;
    // A server's first output is its ServerHello, its HelloRetryRequest or an alert, in one piece.
    if (!this.#isServerHelloSeen && ssl.outputBytes > 0) {
      this.#readServerHello(ssl.peekOutput(0, SERVER_HELLO_PREFIX_BYTES));
      noteRefusedFlight(ssl, acceptance);
    }
    if (this.#isSessionMarked || this.#handshakeComplete || !ssl.hasSession) return;
    this.#isSessionMarked = true;
    this.#earlyDataReason = settleEarlyData(ssl, acceptance, this.#helloRetryRequest);
  }

  /** A client gets the server's first flight in any number of pieces. */
  #watchServerHello(piece: Uint8Array): void {
    const prefix = (this.#serverHelloPrefix ??= Buffer.alloc(SERVER_HELLO_PREFIX_BYTES));
    const filled = this.#bytesReceived;
    prefix.set(piece.subarray(0, prefix.length - filled), filled);
    if (filled + piece.length < prefix.length) return;
    this.#readServerHello(prefix);
    this.#serverHelloPrefix = null;
  }

  #readServerHello(prefix: Uint8Array): void {
    this.#helloRetryRequest = isHelloRetryRequest(prefix);
    this.#isAgreed = prefix[0] === CONTENT_TYPE_HANDSHAKE;
    this.#isServerHelloSeen = true;
  }

  #explain(): Failure {
    const ssl = this.#ssl;
    const tail = ssl.peekOutput(-ALERT_TAIL_BYTES, ALERT_TAIL_BYTES);
    return explainFailure({
      peer: this.#peer,
      fault: ssl.fault,
      errors: ssl.errors,
      isAgreed: this.#isAgreed,
      plaintextAlert: plaintextAlert(tail),
      sealedAlert: isSealedAlert(tail),
      verifyResult: ssl.verifyResult,
      verifyResultText: ssl.verifyResultText,
    });
  }

  #fail(failure: Failure): void {
    const duringHandshake = !this.#handshakeComplete;
    this.#phase = Phase.closed;
    if (duringHandshake) this.#endHandshake(failure);
    if (!this.#disposed) this.#handler.onError(failure.error);
  }

  /** Whoever only looks whether a port is open does this. */
  #notBegun(): SluiceError {
    return new SluiceError('tls-handshake-not-begun', 'the peer went away before its first byte', {
      blame: this.#peer,
    });
  }

  #endHandshake(failure: Failure | null): void {
    if (this.#startedAtMs === 0) this.#noteStart();
    this.#handler.onHandshakeEnd(this.#record(failure));
    this.#clientHello = null;
    this.#wantsClientHello = false;
  }

  /** Taken once, at the end of the handshake. */
  #record(failure: Failure | null) {
    const decision = decisionOf(this.#ssl);
    if (decision !== null) this.#acceptance?.release(decision);
    const record = takeHandshakeRecord(this.#ssl, {
      failure,
      isAgreed: this.#isAgreed,
      earlyDataReason: this.#earlyDataReason,
      earlyDataBytes: this.#earlyDataBytes,
      helloRetryRequest: this.#helloRetryRequest,
      startedAtMs: this.#startedAtMs,
      durationMs: this.#clock.monotonicMs() - this.#startedAtMonotonicMs,
      bytesReceived: this.#bytesReceived - this.#ssl.inputBytes,
      bytesSent: this.#bytesSent + this.#ssl.outputBytes,
      clientHello: this.#clientHello,
    });
    if (this.#trace !== null) endTrace(this.#trace, record);
    return record;
  }
}
