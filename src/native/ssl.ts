/**
 * One `SSL` over memory BIOs: a TLS connection's state machine without I/O.
 *
 * Long because it wraps one type of OpenSSL, a few lines for each of its functions.
 */
import { assert } from '../base/assert.ts';
import { isHostName } from '../base/host-names.ts';
import { KEPT_BYTES_MAX, lendLargeBuffer, takeLargeBuffer } from './bio-buffers.ts';
import { type CallbackFault, callbackFaultCount, lastCallbackFault } from './callbacks.ts';
import { counted } from './counters.ts';
import { stringAt, transientAddressOf, viewOf } from './load.ts';
import { addressOf, NativeBuffer } from './memory.ts';
import { type OpensslError, takeOpensslErrors } from './openssl-errors.ts';
import { libcMemory, libcrypto, libssl } from './openssl-table.ts';
import { markSession, POLICY_MARK_BYTES } from './session-marks.ts';
import {
  addressOfContext,
  CertificateDemand,
  CLIENT_RANDOM_BYTES,
  holdContext,
  isNameOfSession,
  type SslContext,
  TlsVersion,
  withCString,
} from './ssl-context.ts';
import { SslSession } from './ssl-session.ts';
import { certificateDer } from './x509.ts';

const ssl = libssl.checked;
const { SSL_get_error } = libssl.direct;
/** Where nothing calls back (load.ts). */
const plainCalls = libssl.direct;
const {
  SSL_get_session,
  SSL_get_servername,
  SSL_SESSION_get0_hostname,
  SSL_SESSION_set1_hostname,
} = libssl.direct;
const { SSL_get_state } = libssl.direct;
const { SSL_new, SSL_set_bio, SSL_set_accept_state, SSL_set_connect_state } = libssl.direct;
const { ERR_clear_error, ERR_peek_error, BIO_ctrl, BIO_ctrl_pending, BIO_read, BIO_new } =
  libcrypto.direct;
const { memcpy } = libcMemory.direct;
const memoryMethod = libcrypto.checked.BIO_s_mem();

// Names and values of ssl.h and bio.h.
const SSL_ERROR_WANT_READ = 2;
const SSL_ERROR_ZERO_RETURN = 6;
const SSL_ERROR_WANT_CLIENT_HELLO_CB = 11;
const SSL_READ_EARLY_DATA_SUCCESS = 1;
const SSL_READ_EARLY_DATA_FINISH = 2;
const SSL_CTRL_SET_TLSEXT_HOSTNAME = 55;
const SSL_CTRL_SET_GROUPS_LIST = 92;
const SSL_CTRL_SET_MIN_PROTO_VERSION = 123;
const SSL_CTRL_SET_MAX_PROTO_VERSION = 124;
const SSL_CTRL_GET_TLSEXT_STATUS_REQ_OCSP_RESP = 70;
const SSL_CTRL_GET_SIGNATURE_NAME = 140;
const SSL_CTRL_GET_PEER_SIGNATURE_NAME = 141;
const TLSEXT_NAMETYPE_HOST_NAME = 0;
const BIO_CTRL_INFO = 3;
const BIO_C_SET_BUF_MEM = 114;
const BIO_NOCLOSE = 0n;
const X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS = 0x4;
/** RFC 9525 §2: a common name is no name of a server's. */
const X509_CHECK_FLAG_NEVER_CHECK_SUBJECT = 0x20;

/** What the reading methods return when it is not a count of bytes, which is positive. */
export const SslStatus = {
  /** All input is consumed, and more is needed. */
  wantsInput: 0,
  /** The peer has sent close_notify. */
  ended: -1,
  /** See `errors`; an alert may wait in the output. */
  failed: -2,
  /** There is, or will be, no (more) early data: go on with `handshake`. */
  earlyDataEnded: -3,
  /** The handshake is complete. */
  complete: -4,
  /** A step of ours wants time (client-hello.ts): call again, without further input. */
  paused: -5,
} as const;

/** As OpenSSL has it (SSL_get_early_data_status). */
export const EarlyDataStatus = { notSent: 0, rejected: 1, accepted: 2 } as const;

/** Copying is cheaper than asking V8 for an address below this many bytes. */
const SCRATCH_BYTES = 16_384;
const scratch = NativeBuffer.allocate(SCRATCH_BYTES);
const scratchAddress = addressOf(scratch);

/** Where calls leave a size or a pointer. */
const results = NativeBuffer.allocate(64);
const resultAddress = addressOf(results);
const secondResultAddress = resultAddress + 8n;
const resultWords = new Uint32Array(results.bytes.buffer);
const resultPointers = new BigUint64Array(results.bytes.buffer);

/**
 * A `BUF_MEM` (buffer.h: length, data, max, flags) through which a memory BIO reads ciphertext in
 * place: it copies the struct when it is set, so that one serves every connection.
 */
const inputView = NativeBuffer.allocate(32);
const inputViewAddress = addressOf(inputView);
const inputViewWords = new Uint32Array(inputView.bytes.buffer);
const inputViewPointers = new BigUint64Array(inputView.bytes.buffer);
const LENGTH_WORD = 0;
const DATA_POINTER = 1;
const MAX_WORD = 4;

const PEEK_BYTES_MAX = 256;

/**
 * SSL_get_error takes any error in the queue for one of the call before it, also one that Node's own
 * use of OpenSSL has left. Looking is a tenth of the price of clearing.
 */
function clearErrors(): void {
  if (ERR_peek_error() !== 0) ERR_clear_error();
}

/** Reads what SSL_get0_alpn_selected and its kin have left: a pointer and a length. */
function protocolFromResults(): string {
  const length = Math.min(resultWords[2]!, 255);
  if (length === 0) return '';
  memcpy(scratchAddress, resultPointers[0]!, length);
  return scratch.bytes.toString('latin1', 0, length);
}

function cipherName(cipher: bigint): string {
  return cipher === 0n ? '' : stringAt(ssl.SSL_CIPHER_standard_name(cipher));
}

/** Of servers: OpenSSL's callbacks are given the address. */
const connections = new Map<bigint, Ssl>();

/** **For native/ only**: the `SSL *`; 0n once it has been freed. */
export let addressOfSsl: (ssl: Ssl) => bigint;

/** **For native/ only**: the connection of a server that an `SSL *` is. */
export function sslAt(address: bigint): Ssl {
  const connection = connections.get(address);
  assert(connection !== undefined, 'OpenSSL calls us about connections that live');
  return connection;
}

export class Ssl implements Disposable {
  #ssl: bigint;
  readonly #input: bigint;
  readonly #output: bigint;
  readonly #context: SslContext;
  /** How to read and write: with care where OpenSSL may call us from there. */
  readonly #calls: Pick<typeof ssl, 'SSL_read' | 'SSL_write' | 'SSL_write_early_data' | 'SSL_free'>;
  /** The context that a ClientHello has chosen instead; null before. */
  #chosen: SslContext | null = null;
  /** What the steps of its ClientHello have decided, in the terms of whoever takes them; null before. */
  decision: object | null = null;
  /** The most bytes that the output has held since its buffer was made. */
  #outputPeakBytes = 0;
  /** The alert with which a step of its ClientHello has refused it; -1 for none. OpenSSL may send another. */
  refusal = -1;
  /** Causes of the last `failed`, oldest first. */
  errors: readonly OpensslError[] = [];
  /** The first exception of ours that OpenSSL has met while it worked on this connection. */
  fault: CallbackFault | null = null;

  static {
    addressOfSsl = (one) => one.#ssl;
  }

  /**
   * `quic`: it has no records, and so no input and no output here: OpenSSL calls quic/quic-tls.ts for
   * them, from any call.
   */
  constructor(context: SslContext, carrier: 'records' | 'quic' = 'records') {
    this.#context = context;
    this.#calls = context.callsBack || carrier === 'quic' ? ssl : plainCalls;
    this.#ssl = SSL_new(addressOfContext(context));
    assert(this.#ssl !== 0n, 'the context is open and memory is left');
    this.#input = carrier === 'quic' ? 0n : BIO_new(memoryMethod);
    this.#output = carrier === 'quic' ? 0n : BIO_new(memoryMethod);
    if (carrier === 'records') {
      assert(this.#input !== 0n && this.#output !== 0n, 'memory is left');
      SSL_set_bio(this.#ssl, this.#input, this.#output);
    }
    if (context.role === 'server') {
      SSL_set_accept_state(this.#ssl);
      connections.set(this.#ssl, this);
    } else SSL_set_connect_state(this.#ssl);
    holdContext(context, 1);
    counted('ssl', 1);
  }

  /**
   * Makes `length` bytes at `offset` the input, which are read in place: they must stay as they
   * are until `inputBytes` is 0 or the next call of this method, which drops what was not read.
   */
  feed(buffer: NativeBuffer, offset: number, length: number): void {
    assert(offset >= 0 && offset + length <= buffer.length, 'the bytes are inside the buffer');
    inputViewWords[LENGTH_WORD] = length;
    inputViewWords[MAX_WORD] = length;
    const address = addressOf(buffer);
    inputViewPointers[DATA_POINTER] = offset === 0 ? address : address + BigInt(offset);
    BIO_ctrl(this.#input, BIO_C_SET_BUF_MEM, BIO_NOCLOSE, inputViewAddress);
  }

  /** Bytes fed and not yet read. */
  get inputBytes(): number {
    return BIO_ctrl_pending(this.#input);
  }

  /** Takes what was fed and not read, so that the place where it is may be used for other things. */
  takeInput(): Buffer {
    const input = Buffer.alloc(this.inputBytes);
    for (let at = 0; at < input.length; ) {
      const count = BIO_read(
        this.#input,
        scratchAddress,
        Math.min(SCRATCH_BYTES, input.length - at),
      );
      assert(count > 0, 'a memory BIO that holds bytes gives some');
      scratch.bytes.copy(input, at, 0, count);
      at += count;
    }
    return input;
  }

  /** Bytes of output not yet taken. */
  get outputBytes(): number {
    return BIO_ctrl_pending(this.#output);
  }

  /** Advances the handshake as far as the input goes: `complete`, `wantsInput` or `failed`. */
  handshake(): number {
    clearErrors();
    const faults = callbackFaultCount();
    const result = ssl.SSL_do_handshake(this.#ssl);
    this.#lookForFault(faults);
    return result === 1 ? SslStatus.complete : this.#status(result);
  }

  /** Server: as `handshake`, and reads early data; a count, `earlyDataEnded` or a status. */
  readEarlyData(target: NativeBuffer): number {
    clearErrors();
    const address = addressOf(target);
    const faults = callbackFaultCount();
    const result = ssl.SSL_read_early_data(this.#ssl, address, target.length, resultAddress);
    this.#lookForFault(faults);
    if (result === SSL_READ_EARLY_DATA_SUCCESS) return resultWords[0]!;
    if (result === SSL_READ_EARLY_DATA_FINISH) return SslStatus.earlyDataEnded;
    return this.#status(result);
  }

  /** Decrypts one record: a count of bytes, `wantsInput`, `ended` or `failed`. */
  read(target: NativeBuffer): number {
    clearErrors();
    const faults = callbackFaultCount();
    const count = this.#calls.SSL_read(this.#ssl, addressOf(target), target.length);
    this.#lookForFault(faults);
    return count > 0 ? count : this.#status(count);
  }

  /** Encrypts bytes of JavaScript's memory. Returns whether it could. */
  write(bytes: Uint8Array, early: boolean): boolean {
    const { length } = bytes;
    if (length > SCRATCH_BYTES) return this.#write(transientAddressOf(bytes), length, early);
    scratch.bytes.set(bytes);
    return this.#write(scratchAddress, length, early);
  }

  /** Encrypts bytes of native memory. Returns whether it could. */
  writeNative(buffer: NativeBuffer, length: number, early: boolean): boolean {
    assert(length <= buffer.length, 'the bytes are inside the buffer');
    return this.#write(addressOf(buffer), length, early);
  }

  #write(address: bigint, length: number, early: boolean): boolean {
    if (length === 0) return true;
    if (length > KEPT_BYTES_MAX && BIO_ctrl_pending(this.#output) === 0) {
      lendLargeBuffer(this.#output);
    }
    clearErrors();
    const faults = callbackFaultCount();
    const { SSL_write, SSL_write_early_data } = this.#calls;
    const done = early
      ? SSL_write_early_data(this.#ssl, address, length, resultAddress) === 1
      : SSL_write(this.#ssl, address, length) === length;
    this.#lookForFault(faults);
    if (!done) this.errors = takeOpensslErrors();
    return done;
  }

  /** Moves output to `target`; returns how many bytes. */
  takeOutput(target: NativeBuffer): number {
    const pending = BIO_ctrl_pending(this.#output);
    if (pending === 0) return 0;
    if (pending > this.#outputPeakBytes) this.#outputPeakBytes = pending;
    const count = BIO_read(this.#output, addressOf(target), target.length);
    assert(count > 0, 'a memory BIO that holds bytes gives some');
    if (count === pending && this.#outputPeakBytes > KEPT_BYTES_MAX) {
      takeLargeBuffer(this.#output, this.#outputPeakBytes);
      this.#outputPeakBytes = 0;
    }
    return count;
  }

  /**
   * Looks at waiting output without taking it: up to 256 bytes from `offset`, or counted from the
   * end when negative. Valid until the next call.
   */
  peekOutput(offset: number, length: number): Uint8Array {
    const pending = BIO_ctrl(this.#output, BIO_CTRL_INFO, 0n, resultAddress);
    const start = offset < 0 ? Math.max(0, pending + offset) : offset;
    const count = Math.max(0, Math.min(length, pending - start, PEEK_BYTES_MAX));
    if (count > 0) memcpy(scratchAddress, resultPointers[0]! + BigInt(start), count);
    return scratch.bytes.subarray(0, count);
  }

  /** Sends close_notify. Only once the handshake is complete. */
  shutdown(): void {
    clearErrors();
    ssl.SSL_shutdown(this.#ssl);
    clearErrors();
  }

  /** Renews our sending key, and asks the peer to renew its own (RFC 8446 §4.6.3). */
  updateKeys(): void {
    const SSL_KEY_UPDATE_REQUESTED = 1;
    assert(ssl.SSL_key_update(this.#ssl, SSL_KEY_UPDATE_REQUESTED) === 1, 'TLS 1.3 is open');
    // The message itself goes out with the handshake function.
    ssl.SSL_do_handshake(this.#ssl);
  }

  /** `before`: how many faults there were before the call. */
  #lookForFault(before: number): void {
    if (callbackFaultCount() !== before) this.fault ??= lastCallbackFault();
  }

  #status(result: number): number {
    const error = SSL_get_error(this.#ssl, result);
    if (error === SSL_ERROR_WANT_READ) return SslStatus.wantsInput;
    if (error === SSL_ERROR_ZERO_RETURN) return SslStatus.ended;
    if (error === SSL_ERROR_WANT_CLIENT_HELLO_CB) return SslStatus.paused;
    this.errors = takeOpensslErrors();
    return SslStatus.failed;
  }

  // What follows is for steps of a ClientHello (client-hello.ts), before anything is decided.

  /**
   * Goes on with another context's certificates, TLS 1.2 and 1.3 cipher suites, trusted and named
   * client CAs, and callbacks for ALPN, stapling and the key log. Everything else was copied when
   * the connection was made (SSL_new) and stays: tickets and their callback, and what the methods
   * below set.
   */
  useContext(context: SslContext): void {
    assert(this.#chosen === null, 'a context is chosen once');
    const switched = ssl.SSL_set_SSL_CTX(this.#ssl, addressOfContext(context));
    assert(switched !== 0n, 'the context is open and memory is left');
    holdContext(context, 1);
    this.#chosen = context;
  }

  setVersions(min: TlsVersion, max: TlsVersion): void {
    const { SSL_ctrl } = ssl;
    const lower = SSL_ctrl(this.#ssl, SSL_CTRL_SET_MIN_PROTO_VERSION, TlsVersion[min], 0n);
    const upper = SSL_ctrl(this.#ssl, SSL_CTRL_SET_MAX_PROTO_VERSION, TlsVersion[max], 0n);
    assert(lower === 1 && upper === 1, 'TLS 1.2 and 1.3 are built in');
  }

  /** As `SslContext.setGroups`; the list has been tried on a context. */
  setGroups(list: string): void {
    const { SSL_ctrl } = ssl;
    const status = withCString(list, (address) =>
      SSL_ctrl(this.#ssl, SSL_CTRL_SET_GROUPS_LIST, 0n, address),
    );
    assert(status === 1, 'the groups are those of a context');
  }

  /** As `SslContext.setEarlyData`. */
  setEarlyData(offeredBytesMax: number, receivedBytesMax: number): void {
    ssl.SSL_set_max_early_data(this.#ssl, offeredBytesMax);
    ssl.SSL_set_recv_max_early_data(this.#ssl, receivedBytesMax);
  }

  /** As `SslContext.askForCertificate`. */
  askForCertificate(mode: CertificateDemand): void {
    ssl.SSL_set_verify(this.#ssl, CertificateDemand[mode], 0n);
  }

  // What follows is for the client before its handshake starts.

  /** Asks for this name (RFC 6066 §3). */
  setServerName(name: string): void {
    const { SSL_ctrl } = ssl;
    withCString(name, (address) => SSL_ctrl(this.#ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, 0n, address));
  }

  /** The certificate must bear this DNS name (RFC 9525) or, when `isAddress`, this IP address. */
  expectName(name: string, isAddress: boolean): void {
    const parameters = ssl.SSL_get0_param(this.#ssl);
    const { X509_VERIFY_PARAM_set1_host, X509_VERIFY_PARAM_set1_ip_asc } = libcrypto.checked;
    libcrypto.checked.X509_VERIFY_PARAM_set_hostflags(
      parameters,
      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
    );
    const status = withCString(name, (address) =>
      isAddress
        ? X509_VERIFY_PARAM_set1_ip_asc(parameters, address)
        : X509_VERIFY_PARAM_set1_host(parameters, address, Buffer.byteLength(name)),
    );
    assert(status === 1, 'the caller has checked the name');
  }

  useSession(session: SslSession): void {
    session.offerOn(this.#ssl);
  }

  /** The session as it stands, for a later connection; null while it could not be resumed. */
  session(): SslSession | null {
    return SslSession.of(this.#ssl);
  }

  // What follows are facts of the handshake. None may be asked from inside a callback of OpenSSL.

  /** `TLSv1.3`. Before the versions are agreed it is the highest that we would take. */
  get version(): string {
    return stringAt(ssl.SSL_get_version(this.#ssl));
  }

  get cipher(): string {
    return cipherName(ssl.SSL_get_current_cipher(this.#ssl));
  }

  /** Server: what it has chosen, from the ServerHello or HelloRetryRequest on; '' before. */
  get chosenCipher(): string {
    return cipherName(ssl.SSL_get_pending_cipher(this.#ssl));
  }

  get group(): string {
    // OpenSSL 3.5 dereferences the session here, and there is none between a HelloRetryRequest and
    // the second ClientHello.
    if (!this.hasSession) return '';
    return stringAt(ssl.SSL_get0_group_name(this.#ssl));
  }

  /** The scheme with which the server signed: we on a server, the peer on a client. */
  get signature(): string {
    const command =
      this.#context.role === 'server'
        ? SSL_CTRL_GET_SIGNATURE_NAME
        : SSL_CTRL_GET_PEER_SIGNATURE_NAME;
    if (ssl.SSL_ctrl(this.#ssl, command, 0n, resultAddress) !== 1) return '';
    return stringAt(resultPointers[0]!);
  }

  get isResumed(): boolean {
    return ssl.SSL_session_reused(this.#ssl) === 1;
  }

  /**
   * Server: whether the session that was offered had expired. To be asked right after the ClientHello
   * was read, by every connection of the context: OpenSSL only counts.
   */
  takeIsExpired(): boolean {
    return this.#context.takeExpiredSessions() > 0;
  }

  /** Whether there is a session yet: not before the ClientHello, nor after a HelloRetryRequest. */
  get hasSession(): boolean {
    return SSL_get_session(this.#ssl) !== 0n;
  }

  /** Whether the server name asked for is the one that the session resumed was made under. */
  get isNameOfSession(): boolean {
    return isNameOfSession(this.#ssl);
  }

  /**
   * Notes the server name asked for in the session, and so in the tickets that are made next. In
   * TLS 1.3 OpenSSL does it only for contexts that choose by name. `policyMark` goes with it: 16 bytes
   * that `onEarlyData` shows when the session is resumed.
   */
  markSession(policyMark: Uint8Array): void {
    const session = SSL_get_session(this.#ssl);
    assert(policyMark.length === POLICY_MARK_BYTES, 'a mark has a fixed length');
    markSession(session, policyMark);
    const name = SSL_get_servername(this.#ssl, TLSEXT_NAMETYPE_HOST_NAME);
    // A resumed session of TLS 1.2 lends out its own copy, which the call would free first.
    if (name === SSL_SESSION_get0_hostname(session)) return;
    SSL_SESSION_set1_hostname(session, name);
  }

  /** The protocol that was chosen when the session was made. */
  get alpnOfSession(): string {
    const session = SSL_get_session(this.#ssl);
    if (session === 0n) return '';
    ssl.SSL_SESSION_get0_alpn_selected(session, resultAddress, secondResultAddress);
    return protocolFromResults();
  }

  /** ClientHello.random, once it was read; valid until the next call here. */
  get clientRandom(): Uint8Array {
    const length = ssl.SSL_get_client_random(this.#ssl, scratchAddress, CLIENT_RANDOM_BYTES);
    return scratch.bytes.subarray(0, length);
  }

  /**
   * Whether the handshake has ended. With QUIC and early data `handshake` says so before the client's
   * Finished has come.
   */
  get isInitFinished(): boolean {
    return ssl.SSL_is_init_finished(this.#ssl) === 1;
  }

  get earlyDataStatus(): number {
    return ssl.SSL_get_early_data_status(this.#ssl);
  }

  /** A host name (RFC 6066 §3); '' for none. A server that chooses by it takes no other text. */
  get serverName(): string {
    const name = stringAt(SSL_get_servername(this.#ssl, TLSEXT_NAMETYPE_HOST_NAME));
    return isHostName(name) ? name : '';
  }

  get alpn(): string {
    ssl.SSL_get0_alpn_selected(this.#ssl, resultAddress, secondResultAddress);
    return protocolFromResults();
  }

  /** `OSSL_HANDSHAKE_STATE` (ssl.h): cheap, and safe at any moment. */
  get state(): number {
    return SSL_get_state(this.#ssl);
  }

  get stateName(): string {
    return stringAt(ssl.SSL_state_string_long(this.#ssl));
  }

  /** Client: the response that came with the server's certificate (RFC 6066 §8); null for none. */
  get stapledResponse(): Buffer | null {
    const GET_RESPONSE = SSL_CTRL_GET_TLSEXT_STATUS_REQ_OCSP_RESP;
    const length = ssl.SSL_ctrl(this.#ssl, GET_RESPONSE, 0n, resultAddress);
    return length <= 0 ? null : Buffer.from(new Uint8Array(viewOf(resultPointers[0]!, length)));
  }

  /** `X509_V_…` (x509_vfy.h); 0 when the chain was verified. */
  get verifyResult(): number {
    return ssl.SSL_get_verify_result(this.#ssl);
  }

  get verifyResultText(): string {
    return stringAt(libcrypto.checked.X509_verify_cert_error_string(BigInt(this.verifyResult)));
  }

  /**
   * What the peer has proved to be, DER, leaf first; empty without a certificate. After a resumption
   * the leaf alone, from the ticket.
   */
  peerCertificates(): Buffer[] {
    const leaf = ssl.SSL_get0_peer_certificate(this.#ssl);
    if (leaf === 0n) return [];
    const { OPENSSL_sk_num, OPENSSL_sk_value } = libcrypto.checked;
    const chain = ssl.SSL_get_peer_cert_chain(this.#ssl);
    const count = chain === 0n ? 0 : OPENSSL_sk_num(chain);
    const all = Array.from({ length: count }, (_, index) => OPENSSL_sk_value(chain, index));
    // A server's view of the chain leaves the leaf out, a client's has it.
    if (this.#context.role === 'server') all.unshift(leaf);
    return all.map(certificateDer);
  }

  [Symbol.dispose](): void {
    if (this.#ssl === 0n) return;
    // The BIOs belong to the SSL and go with it.
    this.#calls.SSL_free(this.#ssl);
    connections.delete(this.#ssl);
    this.#ssl = 0n;
    counted('ssl', -1);
    if (this.#chosen !== null) holdContext(this.#chosen, -1);
    holdContext(this.#context, -1);
  }
}
