/**
 * The TLS handshake of one QUIC connection (RFC 9001), both roles: bytes of CRYPTO frames in, the same
 * and secrets out, and one HandshakeRecord, as over TCP. The engine decides when the handshake has
 * ended; what OpenSSL tells it in callbacks is only looked at when its call has returned.
 *
 * A server frees what OpenSSL holds as soon as the handshake is complete: its tickets are out, and QUIC
 * has neither key updates nor certificates afterwards (RFC 9001 §4.4, §6).
 */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { SluiceError } from '../base/errors.ts';
import { QuicSsl, type QuicTlsEvent } from '../native/quic/quic-tls.ts';
import { EarlyDataStatus, type Ssl, SslStatus } from '../native/ssl.ts';
import type { SslContext } from '../native/ssl-context.ts';
import type { SslSession } from '../native/ssl-session.ts';
import type { QuicCloseReason } from '../quic/application.ts';
import {
  type EncryptionLevel,
  EncryptionLevel as Level,
  type QuicCipherSuite,
  type QuicTls,
  type QuicTlsHandler,
} from '../quic/contracts.ts';
import { TransportErrorCode } from '../quic/wire/transport-error.ts';
import {
  ALERT_HANDSHAKE_FAILURE,
  ALERT_INTERNAL_ERROR,
  ALERT_MISSING_EXTENSION,
  ALERT_UNEXPECTED_MESSAGE,
  alertName,
  alertNumber,
} from './alerts.ts';
import { CLIENT_HELLO_BYTES_MAX } from './client-hello.ts';
import type { HandshakeRecord } from './contract.ts';
import type { EarlyDataAcceptance } from './early-data/early-data-acceptance.ts';
import { decisionOf } from './early-data/hello-decision.ts';
import { alertReceived, explainFailure, type Failure, helloRefused } from './failures.ts';
import { noteRefusedFlight, settleEarlyData, takeHandshakeRecord } from './handshake-record.ts';
import { isHelloRetryRequestMessage } from './handshake-watch.ts';
import { TraceCall } from './trace-layout.ts';
import { beginTrace, endTrace, type HandshakeTrace, type TraceWatch } from './trace-recorder.ts';

/** What a client must be allowed to send early, or may send nothing (RFC 9001 §4.6.1). */
const QUIC_EARLY_DATA = 0xffff_ffff;

const HANDSHAKE_HEADER_BYTES = 4;
/** An alert is a byte (RFC 8446 §6). */
const ALERT_NUMBER_MAX = 0xff;
const RECORD_HEADER_BYTES = 5;
/** RFC 8446 §5.1. */
const RECORD_BYTES_MAX = 16_384;

/** What the engine tells its owner beside what the QUIC core is told. */
export interface QuicTlsOwner {
  /** Exactly once per connection, unless it is freed before anything was received. */
  onHandshakeEnd(record: HandshakeRecord): void;
}

export interface QuicTlsInput {
  readonly context: SslContext;
  readonly owner: QuicTlsOwner;
  readonly clock: Clock;
  /** Server: who decides on early data. Null for a client. */
  readonly acceptance: EarlyDataAcceptance | null;
  /** Server: whether `clientHello` is wanted. */
  readonly keepsClientHello?: boolean;
  /** Who records what it does; null for nobody. */
  readonly watch?: TraceWatch | null;
  /** Client: sets the connection up before its ClientHello. */
  readonly prepare?: (ssl: Ssl) => void;
  /** Client: what it resumes. */
  readonly session?: SslSession;
}

/** What is known of a connection once its handshake is complete. */
interface QuicPeer {
  readonly serverName: string;
  readonly selectedProtocol: string;
  readonly host: number;
  readonly certificates: readonly Buffer[];
}

export class QuicTlsEngine implements QuicTls {
  readonly #input: QuicTlsInput;
  readonly #isServer: boolean;
  #handler: QuicTlsHandler | null = null;
  /** Null before the start and after the end. */
  #quic: QuicSsl | null = null;
  /** Null until the handshake is complete. */
  #peer: QuicPeer | null = null;
  #hasEnded = false;
  /** An alert has been told, and nothing follows. */
  #isFailed = false;
  #isFreed = false;
  #trace: HandshakeTrace | null = null;
  #bytesReceived = 0;
  #bytesSent = 0;
  #earlyDataBytes = 0;
  #startedAtMs = 0;
  #startedAtMonotonicMs = 0;
  #clientHello: Buffer | null = null;
  #wantsClientHello: boolean;
  #isGuarded: boolean;
  #isServerHelloSeen = false;
  #isSessionMarked = false;
  #helloRetryRequest = false;
  #earlyDataReason = '';
  #hasParameters = false;
  /** Client: early data was offered, and its fate is not known. */
  #isEarlyOffered = false;
  #isWaiting = false;
  /** A call of the handler is running: what it causes is done afterwards. */
  #isTelling = false;

  constructor(input: QuicTlsInput) {
    this.#input = input;
    this.#isServer = input.context.role === 'server';
    this.#isGuarded = input.watch?.guard?.isEmpty === false;
    this.#wantsClientHello = this.#isGuarded || (input.keepsClientHello ?? false);
  }

  /** Server: the ClientHello as one record, as `TlsConnection.clientHello`; null for none. */
  get clientHello(): Uint8Array | null {
    return this.#clientHello;
  }

  /** What the client asked for (SNI), known as soon as there are secrets; '' for none. */
  get serverName(): string {
    return this.#peer?.serverName ?? this.#quic?.ssl.serverName ?? '';
  }

  /** The protocol agreed on, known as `serverName` is. */
  get selectedProtocol(): string {
    return this.#peer?.selectedProtocol ?? this.#quic?.ssl.alpn ?? '';
  }

  /** Server: which of its hosts the ClientHello has chosen; -1 before it has come. */
  get host(): number {
    if (this.#peer !== null) return this.#peer.host;
    return this.#quic === null ? -1 : hostOf(this.#quic.ssl);
  }

  get isComplete(): boolean {
    return this.#peer !== null;
  }

  /** As `TlsConnection.peerCertificates`. Early data comes under what a ticket has proved. */
  peerCertificates(): readonly Buffer[] {
    if (this.#peer !== null) return this.#peer.certificates;
    const ssl = this.#quic?.ssl;
    const isEarly = ssl !== undefined && ssl.earlyDataStatus === EarlyDataStatus.accepted;
    return isEarly ? ssl.peerCertificates() : [];
  }

  /** Client: what a later connection may resume; null when the server gave nothing. */
  takeSession(): SslSession | null {
    return this.#quic?.ssl.session() ?? null;
  }

  noteEarlyData(bytes: number): void {
    this.#earlyDataBytes += bytes;
  }

  start(handler: QuicTlsHandler, transportParameters: Uint8Array): void {
    assert(this.#handler === null, 'a handshake starts once');
    this.#handler = handler;
    const quic = new QuicSsl(this.#input.context, transportParameters);
    this.#quic = quic;
    // What a host does not want its ClientHello takes away; afterwards it could not be allowed.
    if (this.#isServer) {
      quic.enableEarlyData();
      return;
    }
    const { session, prepare } = this.#input;
    prepare?.(quic.ssl);
    if (session !== undefined) {
      quic.ssl.useSession(session);
      const isAllowed = session.earlyDataBytesMax === QUIC_EARLY_DATA;
      this.#isEarlyOffered = isAllowed && quic.enableEarlyData();
    }
    this.#noteStart();
    this.#goOn(quic);
  }

  receive(level: EncryptionLevel, bytes: Uint8Array): void {
    if (this.#hasEnded && this.#quic === null) {
      // Nothing is sent to a server once its handshake is complete (RFC 9001 §6, RFC 8446 §4.6).
      if (!this.#isFailed && this.#peer !== null) this.#tellAlert(ALERT_UNEXPECTED_MESSAGE);
      return;
    }
    const quic = this.#quic;
    if (quic === null || bytes.length === 0) return;
    if (this.#startedAtMs === 0) this.#noteStart();
    if (!this.#hasEnded) {
      this.#bytesReceived += bytes.length;
      this.#traceReceived(bytes);
      if (this.#wantsClientHello) this.#keepClientHello(bytes);
      if (this.#isGuarded && !this.#wantsClientHello && this.#isRefused()) return;
    }
    if (level !== quic.readLevel || !quic.receive(bytes)) {
      this.#violation('handshake bytes of another level, or too many');
      return;
    }
    if (!this.#isServer && isHelloRetryRequestMessage(bytes)) quic.forgetEarlyData();
    if (!this.#isWaiting) this.#goOn(quic);
  }

  /** An unfinished handshake ends with it: then the record is taken. */
  free(reason?: QuicCloseReason): void {
    if (this.#isFreed) return;
    if (this.#startedAtMs !== 0) this.#endFailed(this.#cutOff(reason));
    this.#isFreed = true;
    this.#release();
  }

  #cutOff(reason: QuicCloseReason | undefined): Failure {
    const { by, errorCode = 0, isApplication } = reason ?? {};
    const alert = errorCode - TransportErrorCode.handshakeAlert;
    if (by === 'peer' && isApplication === false && alert >= 0 && alert <= ALERT_NUMBER_MAX) {
      return alertReceived(alertName(alert), this.#blamed);
    }
    const code = by === 'idle' ? 'tls-handshake-timeout' : 'tls-handshake-abandoned';
    const error = new SluiceError(code, 'the handshake was abandoned', { blame: this.#blamed });
    return { error, alert: '', alertSentBy: '' };
  }

  get #blamed(): 'downstream' | 'upstream' {
    return this.#isServer ? 'downstream' : 'upstream';
  }

  // ------------------------------------------------------------------ going on

  #goOn(quic: QuicSsl): void {
    const status = this.#advance(quic);
    if (this.#isServer && !this.#hasEnded) this.#noteServerHello(quic);
    const events = quic.takeEvents();
    for (const event of events) this.#look(event);
    if (status === SslStatus.failed || status === SslStatus.ended) {
      this.#tell(events);
      this.#failOf(quic);
    } else if (quic.isLeftBehind) {
      this.#violation('handshake bytes that the change of keys has left behind');
    } else if (status === SslStatus.complete && !this.#hasParameters) {
      // OpenSSL does not insist on the extension.
      this.#failBy(ALERT_MISSING_EXTENSION, 'the peer sent no transport parameters');
    } else {
      this.#tell(events);
      if (status === SslStatus.complete) this.#complete(quic);
      else if (status === SslStatus.paused) this.#askCluster(quic);
    }
  }

  #advance(quic: QuicSsl): number {
    if (this.#hasEnded) return quic.advance();
    this.#trace?.enter(TraceCall.handshake);
    const status = quic.advance();
    this.#trace?.leave(TraceCall.handshake, quic.ssl.state);
    return status;
  }

  /** What the engine itself wants to know of what OpenSSL has told. */
  #look(event: QuicTlsEvent): void {
    if (event.kind === 'parameters') this.#hasParameters = true;
    if (event.kind !== 'bytes' || this.#hasEnded) return;
    this.#bytesSent += event.bytes.length;
    this.#trace?.sent(event.bytes.length);
  }

  #tell(events: readonly QuicTlsEvent[]): void {
    const handler = this.#handler!;
    this.#isTelling = true;
    for (const event of events) {
      if (!this.#isFreed) this.#tellOne(handler, event);
      if (event.kind === 'secret') event.bytes.fill(0);
    }
    this.#isTelling = false;
    if (this.#isFreed) this.#release();
  }

  #tellOne(handler: QuicTlsHandler, event: QuicTlsEvent): void {
    if (event.kind === 'parameters') handler.onTransportParameters(event.bytes);
    else if (event.kind === 'bytes') handler.onHandshakeBytes(event.level, event.bytes);
    else {
      // Before there is anything that could carry again what was sent for nothing.
      if (event.level === Level.application) this.#tellFateOfEarlyData(handler);
      const { level, direction, bytes } = event;
      handler.onSecret({ level, direction, bytes, suite: event.suite as QuicCipherSuite });
    }
  }

  /** Client. */
  #tellFateOfEarlyData(handler: QuicTlsHandler): void {
    if (!this.#isEarlyOffered) return;
    this.#isEarlyOffered = false;
    if (this.#quic?.ssl.earlyDataStatus === EarlyDataStatus.rejected) handler.onEarlyDataRefused();
  }

  #complete(quic: QuicSsl): void {
    if (this.#hasEnded || this.#isFreed) return;
    const { ssl } = quic;
    this.#peer = {
      serverName: ssl.serverName,
      selectedProtocol: ssl.alpn,
      host: hostOf(ssl),
      certificates: ssl.peerCertificates(),
    };
    const facts = {
      applicationProtocol: ssl.alpn,
      isResumed: ssl.isResumed,
      isEarlyDataAccepted: ssl.earlyDataStatus === EarlyDataStatus.accepted,
    };
    this.#end(null);
    if (this.#isServer) this.#release();
    this.#handler!.onHandshakeComplete(facts);
  }

  #askCluster(quic: QuicSsl): void {
    const { ssl } = quic;
    this.#isWaiting = true;
    let isInside = true;
    const question = decisionOf(ssl)!.clusterQuestion!;
    this.#input.acceptance!.cluster!.ask(question.random, (strike) => {
      if (this.#hasEnded || this.#isFreed) return;
      this.#isWaiting = false;
      question.answer = strike;
      this.#goOn(quic);
      if (!isInside && !this.#isFreed) this.#handler!.onWork();
    });
    isInside = false;
  }

  // ------------------------------------------------------------------ what a server notes

  #noteStart(): void {
    const { clock, watch = null } = this.#input;
    this.#startedAtMs = clock.wallMs();
    this.#startedAtMonotonicMs = clock.monotonicMs();
    if (watch !== null) this.#trace = beginTrace(watch, this.#isServer ? 'server' : 'client');
  }

  /** The recorder, and who reads what it has left, know handshake messages in records. */
  #traceReceived(bytes: Uint8Array): void {
    if (this.#trace === null) return;
    const record = recordOf(bytes);
    this.#trace.received(record, record.length);
  }

  #keepClientHello(piece: Uint8Array): void {
    const earlier = this.#clientHello?.subarray(RECORD_HEADER_BYTES) ?? new Uint8Array();
    const message = Buffer.concat([earlier, piece]);
    const isHeaderHere = message.length >= HANDSHAKE_HEADER_BYTES;
    const length = isHeaderHere ? HANDSHAKE_HEADER_BYTES + message.readUIntBE(1, 3) : 0;
    const isWhole = isHeaderHere && message.length >= length;
    this.#wantsClientHello = !isWhole && message.length < CLIENT_HELLO_BYTES_MAX;
    const end = isWhole ? length : message.length;
    this.#clientHello = recordOf(message.subarray(0, Math.min(end, CLIENT_HELLO_BYTES_MAX)));
  }

  /** A ClientHello that has ended workers does not reach OpenSSL. */
  #isRefused(): boolean {
    this.#isGuarded = false;
    const hello = this.#clientHello;
    if (hello === null || this.#input.watch?.guard?.refuses(hello) !== true) return false;
    this.#fail(helloRefused(this.#blamed), ALERT_HANDSHAKE_FAILURE);
    return true;
  }

  /** What OpenSSL has just decided, before the client is told of it. */
  #noteServerHello(quic: QuicSsl): void {
    const { ssl } = quic;
    const { acceptance } = this.#input;
    const hello = this.#isServerHelloSeen ? null : quic.firstBytes;
    if (hello !== null) {
      this.#isServerHelloSeen = true;
      this.#helloRetryRequest = isHelloRetryRequestMessage(hello);
      noteRefusedFlight(ssl, acceptance);
    }
    if (this.#isSessionMarked || !ssl.hasSession) return;
    this.#isSessionMarked = true;
    this.#earlyDataReason = settleEarlyData(ssl, acceptance, this.#helloRetryRequest);
  }

  // ------------------------------------------------------------------ the end

  #violation(message: string): void {
    this.#failBy(ALERT_UNEXPECTED_MESSAGE, message);
  }

  #failBy(alert: number, message: string): void {
    const error = new SluiceError('tls-protocol-violation', message, { blame: this.#blamed });
    this.#fail({ error, alert: alertName(alert), alertSentBy: 'us' }, alert);
  }

  #failOf(quic: QuicSsl): void {
    const { ssl } = quic;
    if (ssl.refusal === ALERT_MISSING_EXTENSION) {
      this.#failBy(ALERT_MISSING_EXTENSION, 'the client sent no transport parameters');
      return;
    }
    // Before a version is chosen OpenSSL has only the alerts of older ones.
    const alert = ssl.refusal > 0 ? ssl.refusal : quic.alert;
    const failure = explainFailure({
      peer: this.#blamed,
      fault: ssl.fault,
      errors: ssl.errors,
      isAgreed: this.#isAgreed,
      plaintextAlert: alert > 0 ? alert : -1,
      sealedAlert: false,
      verifyResult: ssl.verifyResult,
      verifyResultText: ssl.verifyResultText,
    });
    this.#fail(failure, alert);
  }

  /** `alert`: what goes to the peer; -1 when OpenSSL did not say. */
  #fail(failure: Failure, alert: number): void {
    // Nor is it close_notify that ends a handshake.
    const known = alert > 0 ? alert : alertNumber(failure.alert);
    this.#end(failure);
    const { message } = failure.error;
    this.#release();
    this.#tellAlert(known > 0 ? known : ALERT_INTERNAL_ERROR, message);
  }

  #tellAlert(alert: number, message = 'nothing is expected from a client any more'): void {
    if (this.#isFreed || this.#isFailed) return;
    this.#isFailed = true;
    this.#handler!.onAlert(alert, message);
  }

  #endFailed(failure: Failure): void {
    if (this.#hasEnded) return;
    if (this.#startedAtMs === 0) this.#noteStart();
    this.#end(failure);
  }

  /** The server has chosen: over QUIC its first bytes of a handshake are never an alert. */
  get #isAgreed(): boolean {
    return this.#isServer ? this.#isServerHelloSeen : this.#hasParameters;
  }

  /** Takes the record, once. */
  #end(failure: Failure | null): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#isWaiting = false;
    const quic = this.#quic!;
    const decision = decisionOf(quic.ssl);
    if (decision !== null) this.#input.acceptance?.release(decision);
    const record = takeHandshakeRecord(quic.ssl, {
      failure,
      isAgreed: this.#isAgreed,
      earlyDataReason: this.#earlyDataReason,
      earlyDataBytes: this.#earlyDataBytes,
      helloRetryRequest: this.#helloRetryRequest,
      startedAtMs: this.#startedAtMs,
      durationMs: this.#input.clock.monotonicMs() - this.#startedAtMonotonicMs,
      bytesReceived: this.#bytesReceived,
      bytesSent: this.#bytesSent,
      clientHello: this.#clientHello,
    });
    if (this.#trace !== null) endTrace(this.#trace, record);
    this.#trace = null;
    this.#input.owner.onHandshakeEnd(record);
    this.#clientHello = null;
    this.#wantsClientHello = false;
  }

  /** Frees what OpenSSL holds, unless a call of the handler has still to be made with it. */
  #release(): void {
    if (this.#isTelling) return;
    this.#quic?.[Symbol.dispose]();
    this.#quic = null;
  }
}

/** -1 before a ClientHello has named one. */
function hostOf(ssl: Ssl): number {
  return decisionOf(ssl)?.host ?? -1;
}

/** Handshake bytes as one record (RFC 8446 §5.1). */
function recordOf(message: Uint8Array): Buffer {
  const bytes = message.subarray(0, RECORD_BYTES_MAX);
  const record = Buffer.alloc(RECORD_HEADER_BYTES + bytes.length);
  record[0] = 22;
  record[1] = 3;
  record[2] = 1;
  record.writeUInt16BE(bytes.length, 3);
  record.set(bytes, RECORD_HEADER_BYTES);
  return record;
}
