import type { Blame, SluiceError } from '../base/errors.ts';
import type { CallbackName } from '../native/callbacks.ts';
import type { NativeBuffer } from '../native/memory.ts';

/** Why early data was not accepted, in words for logs and metrics. */
export type EarlyDataOutcome = 'not-offered' | 'accepted' | 'rejected';

/** Immutable facts of one handshake, taken once by the engine when it has ended. */
export interface HandshakeRecord {
  readonly outcome: 'complete' | 'failed';
  /** `TLSv1.3`, `TLSv1.2`, or '' when none was agreed. */
  readonly version: string;
  /** IANA name of the cipher suite, as `TLS_AES_128_GCM_SHA256`, or ''. */
  readonly cipher: string;
  /** Name of the negotiated group as OpenSSL gives it, as `X25519MLKEM768`, or '' without (EC)DHE. */
  readonly group: string;
  /** The peer's or our signature scheme, as `ecdsa_secp256r1_sha256`, or '' when resumed. */
  readonly signature: string;
  readonly resumed: boolean;
  readonly earlyData: EarlyDataOutcome;
  /**
   * Words for a rejection, as `policy off` or `replayed` (docs/explanation/early-data.md has all); ''
   * otherwise.
   */
  readonly earlyDataReason: string;
  readonly earlyDataBytes: number;
  readonly helloRetryRequest: boolean;
  readonly serverName: string;
  readonly alpn: string;
  /** Wall-clock milliseconds of the first byte. */
  readonly startedAtMs: number;
  /** Milliseconds from the first byte to the end of the handshake. */
  readonly durationMs: number;
  /** Bytes received and sent until the end of the handshake, every flight included. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** RFC name of the alert that ended a failed handshake, as `handshake_failure`, or ''. */
  readonly alert: string;
  readonly alertSentBy: '' | 'us' | 'peer';
  /** Code of the error that ended a failed handshake (docs/reference/errors.md), or ''. */
  readonly errorCode: string;
  /** Whose fault the failure is; '' when it did not fail. */
  readonly blame: Blame | '';
  /** The first callback of ours that has thrown meanwhile, whatever came of it; '' for none. */
  readonly callbackFault: CallbackName | '';
  /** OpenSSL's words for the last handshake state, or where it failed the state's name in ssl.h. */
  readonly lastState: string;
}

/** What a TLS connection tells its owner. Never called from inside an OpenSSL callback. */
export interface TlsHandler {
  /**
   * Decrypted bytes, valid until the return. `early` marks early data (RFC 8446 §2.3): it may have
   * been replayed, and the handshake is still open.
   */
  onPlaintext(bytes: Uint8Array, early: boolean): void;
  /** Exactly once per connection, unless it is disposed before anything was received. */
  onHandshakeEnd(record: HandshakeRecord): void;
  /**
   * The engine has gone on by itself, after a wait that had nothing to do with the peer: as after a
   * `receive`, there may be output. Only where something is waited for (SharedServerOptions.cluster).
   */
  onResumed?(): void;
  /** The peer's close_notify: it sends no more. */
  onEnd(): void;
  /** The connection is broken; output holding an alert may still be waiting to be sent. */
  onError(error: SluiceError): void;
}

/** A TLS connection without I/O: ciphertext in, plaintext out, and back. */
export interface TlsConnection extends Disposable {
  /** True once the handshake is complete on our side (the peer's Finished was verified). */
  readonly isComplete: boolean;
  /** Whether `write` may be called: the handshake is complete, or early data can be answered. */
  readonly isWritable: boolean;
  /** The ALPN protocol agreed on, known as soon as early data can arrive; '' for none. */
  readonly selectedProtocol: string;
  /** The host name that the client asked for (SNI), known as `selectedProtocol` is; '' for none. */
  readonly serverName: string;
  /**
   * Server: the records of the first ClientHello as they came, as far as they came and 8 KiB at most,
   * until `onHandshakeEnd` returns. Null afterwards, and when nobody has asked to keep it.
   */
  readonly clientHello: Uint8Array | null;
  /** Server: which of its hosts the ClientHello has chosen; -1 before it has come. */
  readonly host: number;
  /** Ciphertext waiting in the engine. Take it after every `receive`, `write`, `start`, `shutdown`. */
  readonly hasOutput: boolean;
  /** Consumes `length` bytes of ciphertext and makes the handler's calls. */
  receive(buffer: NativeBuffer, length: number): void;
  /** The transport has ended (TCP FIN): truncation unless close_notify came first. */
  receiveEnd(): void;
  /** Encrypts all of the bytes into the engine's output. Callable from the handler's calls. */
  write(bytes: Uint8Array): void;
  /** As `write`, from native memory: the hot path. */
  writeNative(buffer: NativeBuffer, length: number): void;
  /** Moves ciphertext to the start of `target`; returns how many bytes, 0 when none are left. */
  takeOutput(target: NativeBuffer): number;
  /**
   * The certificates by which the peer has proved who it is, DER, leaf first; empty without, and
   * while they are not verified. After a resumption the leaf alone, from the ticket.
   */
  peerCertificates(): Buffer[];
  /** Sends close_notify. */
  shutdown(): void;
  /** Ends an unfinished handshake from outside (deadline, client gone): takes the record. */
  abandon(errorCode: string): void;
}
