/**
 * One `SSL_CTX`: what connections of one kind have in common.
 *
 * Long because it wraps one type of OpenSSL, a few lines for each of its functions.
 */
import { assert } from '../base/assert.ts';
import { Callback } from './callbacks.ts';
import { counted } from './counters.ts';
import { type InfoObserver, InfoScene } from './info-observer.ts';
import { stringAt } from './load.ts';
import { addressOf, NativeBuffer } from './memory.ts';
import { opensslErrorText, takeOpensslErrors } from './openssl-errors.ts';
import { libcMemory, libcrypto, libssl } from './openssl-table.ts';
import { type TicketKeys, ticketKeyCallback } from './ticket-keys.ts';
import { addressOfCertificate, addressOfKey, type Certificate, type PrivateKey } from './x509.ts';

const { checked } = libssl;

// Names and values of ssl.h.
const SSL_CTRL_SESS_TIMEOUTS = 30;
const SSL_CTRL_MODE = 33;
const SSL_CTRL_SET_SESS_CACHE_MODE = 44;
const SSL_CTRL_CHAIN_CERT = 89;
const SSL_CTRL_SET_GROUPS_LIST = 92;
const SSL_CTRL_SET_SIGALGS_LIST = 98;
const SSL_CTRL_SET_MIN_PROTO_VERSION = 123;
const SSL_CTRL_SET_MAX_PROTO_VERSION = 124;
const SSL_CTRL_GET0_IMPLEMENTED_GROUPS = 139;
const SSL_SESS_CACHE_OFF = 0n;
const SSL_SESS_CACHE_CLIENT_NO_STORE = 0x0001n | 0x0300n;
const SSL_VERIFY_PEER = 1;
const SSL_VERIFY_FAIL_IF_NO_PEER_CERT = 2;
const SSL_CTRL_SET_TLSEXT_STATUS_REQ_CB = 63;
const SSL_CTRL_SET_TLSEXT_STATUS_REQ_TYPE = 65;
const SSL_CTRL_SET_TLSEXT_STATUS_REQ_OCSP_RESP = 71;
const TLSEXT_STATUSTYPE_ocsp = 1n;
const SSL_TLSEXT_ERR_OK = 0;
const SSL_TLSEXT_ERR_NOACK = 3;
const SSL_TLSEXT_ERR_ALERT_FATAL = 2;
/** NID_kx_ecdhe, NID_kx_dhe, and NID_kx_any, which is TLS 1.3's. */
const EPHEMERAL: ReadonlySet<number> = new Set([1038, 1039, 1063]);
const OPENSSL_NPN_NEGOTIATED = 1;

export const SslOption = {
  NO_TICKET: 1n << 14n,
  NO_COMPRESSION: 1n << 17n,
  CIPHER_SERVER_PREFERENCE: 1n << 22n,
  PRIORITIZE_CHACHA: 1n << 21n,
  NO_ANTI_REPLAY: 1n << 24n,
  NO_RENEGOTIATION: 1n << 30n,
} as const;

export const SslMode = {
  ACCEPT_MOVING_WRITE_BUFFER: 2n,
  RELEASE_BUFFERS: 16n,
} as const;

export const TlsVersion = { 'TLSv1.2': 0x0303n, 'TLSv1.3': 0x0304n } as const;
export type TlsVersion = keyof typeof TlsVersion;

/** Whether a server asks clients for a certificate (RFC 8446 §4.3.2), and goes on without one. */
export const CertificateDemand = {
  off: 0,
  optional: SSL_VERIFY_PEER,
  required: SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
} as const;
export type CertificateDemand = keyof typeof CertificateDemand;

/** RFC 8446 §4.1.2. */
export const CLIENT_RANDOM_BYTES = 32;

/** **For native/ only**: the `SSL_CTX *`; 0n once it has been freed. */
export let addressOfContext: (context: SslContext) => bigint;
/** **For native/ only**: a connection holds its context, and lets it go. */
export let holdContext: (context: SslContext, delta: 1 | -1) => void;

export class SslContext implements Disposable {
  readonly role: 'server' | 'client';
  #address: bigint;
  /** Memory and callbacks that OpenSSL refers to for as long as the context lives. */
  readonly #owned: Disposable[] = [];
  /** By the address of the certificate, of which OpenSSL holds a reference as well. */
  readonly #staples = new Map<bigint, NativeBuffer>();
  #connectionCount = 0;
  #expiredSeen = 0;
  #closing = false;
  #callsBack = false;

  static {
    addressOfContext = (context) => context.#address;
    holdContext = (context, delta) => {
      context.#connectionCount += delta;
      context.#freeWhenUnused();
    };
  }

  constructor(role: 'server' | 'client') {
    this.role = role;
    const method = role === 'server' ? checked.TLS_server_method() : checked.TLS_client_method();
    this.#address = checked.SSL_CTX_new(method);
    if (this.#address === 0n) throw new Error(`SSL_CTX_new: ${opensslErrorText()}`);
    counted('ssl-ctx', 1);
    // Tickets are stateless, and sessions toward origins are kept by their owner.
    const cacheMode = role === 'server' ? SSL_SESS_CACHE_OFF : SSL_SESS_CACHE_CLIENT_NO_STORE;
    checked.SSL_CTX_ctrl(this.#address, SSL_CTRL_SET_SESS_CACHE_MODE, cacheMode, 0n);
  }

  /** Disposes something with the context, once its last connection has been disposed. */
  own(owned: Disposable): void {
    this.#owned.push(owned);
  }

  /**
   * Whether OpenSSL may call us from any call about a connection, not only from those that advance a
   * handshake.
   */
  get callsBack(): boolean {
    return this.#callsBack;
  }

  setOptions(options: bigint): void {
    checked.SSL_CTX_set_options(this.#address, options);
  }

  setMode(mode: bigint): void {
    checked.SSL_CTX_ctrl(this.#address, SSL_CTRL_MODE, mode, 0n);
  }

  setVersions(min: TlsVersion, max: TlsVersion): void {
    const { SSL_CTX_ctrl } = checked;
    const lower = SSL_CTX_ctrl(this.#address, SSL_CTRL_SET_MIN_PROTO_VERSION, TlsVersion[min], 0n);
    const upper = SSL_CTX_ctrl(this.#address, SSL_CTRL_SET_MAX_PROTO_VERSION, TlsVersion[max], 0n);
    assert(lower === 1 && upper === 1, 'TLS 1.2 and 1.3 are built in');
  }

  /** Groups in OpenSSL's list syntax, as `X25519MLKEM768:X25519` or `DEFAULT`. Throws an Error. */
  setGroups(list: string): void {
    const status = withCString(list, (address) =>
      checked.SSL_CTX_ctrl(this.#address, SSL_CTRL_SET_GROUPS_LIST, 0n, address),
    );
    if (status !== 1) throw new Error(opensslErrorText());
  }

  /**
   * Every group that this library can negotiate in the versions of the context, by the name that
   * `Ssl.group` gives.
   */
  implementedGroups(): string[] {
    const { OPENSSL_sk_new_null, OPENSSL_sk_num, OPENSSL_sk_value, OPENSSL_sk_free } =
      libcrypto.checked;
    const stack = OPENSSL_sk_new_null();
    checked.SSL_CTX_ctrl(this.#address, SSL_CTRL_GET0_IMPLEMENTED_GROUPS, 0n, stack);
    const names = Array.from({ length: OPENSSL_sk_num(stack) }, (_, index) =>
      stringAt(OPENSSL_sk_value(stack, index)),
    );
    OPENSSL_sk_free(stack);
    return names;
  }

  /** Signature schemes to accept, by IANA names, separated by colons. Throws an Error. */
  setSignatureSchemes(list: string): void {
    const status = withCString(list, (address) =>
      checked.SSL_CTX_ctrl(this.#address, SSL_CTRL_SET_SIGALGS_LIST, 0n, address),
    );
    if (status !== 1) throw new Error(opensslErrorText());
  }

  /** Cipher suites of TLS 1.2 in OpenSSL's list syntax. Throws an Error. */
  setCipherList(list: string): void {
    const status = withCString(list, (address) =>
      checked.SSL_CTX_set_cipher_list(this.#address, address),
    );
    if (status !== 1) throw new Error(opensslErrorText());
  }

  /** Cipher suites of TLS 1.3 by their IANA names. Throws an Error. */
  setCipherSuites(list: string): void {
    const status = withCString(list, (address) =>
      checked.SSL_CTX_set_ciphersuites(this.#address, address),
    );
    if (status !== 1) throw new Error(opensslErrorText());
  }

  /**
   * How much early data a ticket allows (RFC 8446 §4.2.10) and how much is taken, or skipped when
   * it is not accepted.
   */
  setEarlyData(offeredBytesMax: number, receivedBytesMax: number): void {
    checked.SSL_CTX_set_max_early_data(this.#address, offeredBytesMax);
    checked.SSL_CTX_set_recv_max_early_data(this.#address, receivedBytesMax);
  }

  /** Sessions are tied to this name: a ticket of another service is not taken for one of ours. */
  setSessionIdContext(name: string): void {
    withCString(name, (address) =>
      checked.SSL_CTX_set_session_id_context(this.#address, address, Buffer.byteLength(name)),
    );
  }

  setTickets(countPerHandshake: number, lifetimeSeconds: number): void {
    checked.SSL_CTX_set_num_tickets(this.#address, countPerHandshake);
    checked.SSL_CTX_set_timeout(this.#address, BigInt(lifetimeSeconds));
  }

  /** How many sessions were not resumed since the last call because they had expired. */
  takeExpiredSessions(): number {
    const count = checked.SSL_CTX_ctrl(this.#address, SSL_CTRL_SESS_TIMEOUTS, 0n, 0n);
    const more = count - this.#expiredSeen;
    this.#expiredSeen = count;
    return more;
  }

  /** The context frees `keys` with itself. */
  setTicketKeys(keys: TicketKeys): void {
    const callback = ticketKeyCallback(keys);
    this.#owned.push(callback, keys);
    checked.SSL_CTX_set_tlsext_ticket_key_evp_cb(this.#address, callback.pointer);
  }

  /** Leaf first. Takes references of its own: the caller disposes what it passed. */
  useCertificate(chain: readonly Certificate[], key: PrivateKey): void {
    const { SSL_CTX_use_certificate, SSL_CTX_use_PrivateKey, SSL_CTX_ctrl } = checked;
    const [leaf, ...issuers] = chain;
    assert(leaf !== undefined, 'a chain has a leaf');
    const context = this.#address;
    let ok = SSL_CTX_use_certificate(context, addressOfCertificate(leaf)) === 1;
    ok &&= SSL_CTX_use_PrivateKey(context, addressOfKey(key)) === 1;
    for (const issuer of issuers) {
      const address = addressOfCertificate(issuer);
      ok &&= SSL_CTX_ctrl(context, SSL_CTRL_CHAIN_CERT, 1n, address) === 1;
    }
    if (!ok) throw new Error(opensslErrorText());
  }

  /** Server: keeps a certificate's response (RFC 6960, DER) for `sendStatus`. */
  staple(certificate: Certificate, response: Uint8Array): void {
    const copy = NativeBuffer.allocate(response.length);
    copy.bytes.set(response);
    this.#staples.set(addressOfCertificate(certificate), copy);
    this.#owned.push(copy);
  }

  /** Server: sends the responses to clients that ask for the certificate's status (RFC 6066 §8). */
  sendStatus(): void {
    const callback = new Callback(
      'certificate-status',
      { arguments: ['pointer', 'pointer'], return: 'i32' },
      (ssl: bigint) => {
        const response = this.#staples.get(checked.SSL_get_certificate(ssl));
        if (response === undefined) return SSL_TLSEXT_ERR_NOACK;
        // OpenSSL frees it with the connection.
        const copy = libcrypto.checked.CRYPTO_malloc(response.length, 0n, 0);
        if (copy === 0n) return SSL_TLSEXT_ERR_NOACK;
        memcpy(copy, addressOf(response), response.length);
        checked.SSL_ctrl(
          ssl,
          SSL_CTRL_SET_TLSEXT_STATUS_REQ_OCSP_RESP,
          BigInt(response.length),
          copy,
        );
        return SSL_TLSEXT_ERR_OK;
      },
      SSL_TLSEXT_ERR_NOACK,
    );
    this.#owned.push(callback);
    const { SSL_CTX_callback_ctrl } = checked;
    SSL_CTX_callback_ctrl(this.#address, SSL_CTRL_SET_TLSEXT_STATUS_REQ_CB, callback.pointer);
  }

  /** Client: asks servers for the status of their certificates. */
  askForStatus(): void {
    const { SSL_CTX_ctrl } = checked;
    SSL_CTX_ctrl(this.#address, SSL_CTRL_SET_TLSEXT_STATUS_REQ_TYPE, TLSEXT_STATUSTYPE_ocsp, 0n);
  }

  /**
   * Server: keeps the certificates compressed as well (RFC 8879), for clients that take them so.
   * Call it when all are there. Returns whether any algorithm is built in.
   */
  compressCertificates(): boolean {
    const isDone = checked.SSL_CTX_compress_certs(this.#address, 0) === 1;
    takeOpensslErrors();
    return isDone;
  }

  /** Writes secrets for Wireshark and its like: each line to `write`, in the NSS format. */
  logKeys(write: (line: string) => void): void {
    const callback = new Callback(
      'key-log',
      { arguments: ['pointer', 'pointer'], return: 'void' },
      (_ssl: bigint, line: bigint) => {
        write(stringAt(line));
        return undefined;
      },
      undefined,
    );
    this.#owned.push(callback);
    this.#callsBack = true;
    checked.SSL_CTX_set_keylog_callback(this.#address, callback.pointer);
  }

  /**
   * Server: the first of `protocols` that the client offers; none in common ends the handshake.
   * Under a cipher suite that HTTP/2 prohibits, it is the first of `otherwise`.
   */
  selectAlpn(protocols: readonly string[], otherwise: readonly string[]): void {
    assert(otherwise.length > 0, 'there is a protocol for every cipher suite');
    const list = encodeAlpn(protocols);
    const lesser = encodeAlpn(otherwise);
    const [offered, offeredLess] = [addressOf(list), addressOf(lesser)];
    const { SSL_select_next_proto } = checked;
    const select = new Callback(
      'alpn',
      {
        arguments: ['pointer', 'pointer', 'pointer', 'pointer', 'u32', 'pointer'],
        return: 'i32',
      },
      (ssl: bigint, out: bigint, outLength: bigint, peer: bigint, peerLength: number) => {
        const isFit = isFitForHttp2(ssl);
        const result = SSL_select_next_proto(
          out,
          outLength,
          isFit ? offered : offeredLess,
          isFit ? list.length : lesser.length,
          peer,
          peerLength,
        );
        // RFC 7301 §3.2: no_application_protocol when nothing is in common.
        return result === OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
      },
      SSL_TLSEXT_ERR_ALERT_FATAL,
    );
    this.#owned.push(select, list, lesser);
    checked.SSL_CTX_set_alpn_select_cb(this.#address, select.pointer, 0n);
  }

  /** Tells observers from inside of every handshake. Without observers nothing is called at all. */
  watchFromInside(observers: readonly InfoObserver[]): void {
    if (observers.length === 0) return;
    const callback = InfoScene.callback(observers);
    this.#callsBack = true;
    this.#owned.push(callback);
    checked.SSL_CTX_set_info_callback(this.#address, callback.pointer);
  }

  /** Client: the protocols to offer, most wanted first. */
  offerAlpn(protocols: readonly string[]): void {
    using list = encodeAlpn(protocols);
    // Unlike its kin this function returns 0 for success.
    const status = checked.SSL_CTX_set_alpn_protos(this.#address, addressOf(list), list.length);
    assert(status === 0, 'the protocol list is well-formed');
  }

  /** Server: asks clients for a certificate. One that cannot be verified ends the handshake. */
  askForCertificate(mode: CertificateDemand): void {
    checked.SSL_CTX_set_verify(this.#address, CertificateDemand[mode], 0n);
  }

  /** Server: trusts the certificate, and names it to clients as one to choose theirs by. */
  addClientAuthority(certificate: Certificate): void {
    this.addRoot(certificate);
    const status = checked.SSL_CTX_add_client_CA(this.#address, addressOfCertificate(certificate));
    assert(status === 1, 'memory is left');
  }

  verifyPeer(): void {
    checked.SSL_CTX_set_verify(this.#address, SSL_VERIFY_PEER, 0n);
  }

  /** Trusts every certificate of a PEM file. Returns whether there was one. */
  addRootsFromFile(path: string): boolean {
    const status = withCString(path, (address) =>
      checked.SSL_CTX_load_verify_file(this.#address, address),
    );
    takeOpensslErrors();
    return status === 1;
  }

  /** Trusts the certificates of a directory with OpenSSL's hashed names, read on demand. */
  addRootsFromDirectory(path: string): void {
    withCString(path, (address) => checked.SSL_CTX_load_verify_dir(this.#address, address));
    takeOpensslErrors();
  }

  addRoot(certificate: Certificate): void {
    const store = checked.SSL_CTX_get_cert_store(this.#address);
    libcrypto.checked.X509_STORE_add_cert(store, addressOfCertificate(certificate));
    takeOpensslErrors();
  }

  /** Frees the context once its last connection has been disposed. */
  [Symbol.dispose](): void {
    this.#closing = true;
    this.#freeWhenUnused();
  }

  #freeWhenUnused(): void {
    if (!this.#closing || this.#connectionCount > 0 || this.#address === 0n) return;
    checked.SSL_CTX_free(this.#address);
    this.#address = 0n;
    for (const owned of this.#owned) owned[Symbol.dispose]();
    counted('ssl-ctx', -1);
  }
}

const { SSL_get_session, SSL_get_servername, SSL_SESSION_get0_hostname } = libssl.direct;
const { memcpy, strcasecmp } = libcMemory.direct;
const TLSEXT_NAMETYPE_HOST_NAME = 0;

/** Whether an `SSL *` that resumes asks for the name that its session was made under. */
export function isNameOfSession(ssl: bigint): boolean {
  const session = SSL_get_session(ssl);
  if (session === 0n) return false;
  const asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_HOST_NAME);
  const stored = SSL_SESSION_get0_hostname(session);
  if (asked === 0n || stored === 0n) return asked === stored;
  // Names of hosts do not distinguish case (RFC 4343).
  return strcasecmp(asked, stored) === 0;
}

/**
 * RFC 9113 §9.2.2: with TLS 1.2, ephemeral key exchange and an AEAD cipher. OpenSSL chooses the suite
 * before it asks for the protocol.
 */
function isFitForHttp2(connection: bigint): boolean {
  const cipher = checked.SSL_get_pending_cipher(connection);
  if (cipher === 0n || checked.SSL_CIPHER_is_aead(cipher) === 0) return false;
  return EPHEMERAL.has(checked.SSL_CIPHER_get_kx_nid(cipher));
}

/** RFC 7301 §3.1: each name behind its length. */
function encodeAlpn(protocols: readonly string[]): NativeBuffer {
  const parts = protocols.map((name) => Buffer.from(`\0${name}`, 'latin1'));
  for (const part of parts) {
    assert(part.length > 1 && part.length <= 256, 'a protocol name has 1 to 255 bytes');
    part[0] = part.length - 1;
  }
  const encoded = Buffer.concat(parts);
  const list = NativeBuffer.allocate(encoded.length);
  list.bytes.set(encoded);
  return list;
}

/** Names of hosts and paths fit, which saves a mapping per connection. */
const STRING_BYTES = 4_096;
const strings = NativeBuffer.allocate(STRING_BYTES);

/** Lends a NUL-terminated copy of `text` to one call, which must not lend another. */
export function withCString<T>(text: string, use: (address: bigint) => T): T {
  assert(!text.includes('\0'), 'a C string holds no NUL');
  const length = Buffer.byteLength(text);
  if (length < STRING_BYTES) {
    strings.bytes.write(text);
    strings.bytes[length] = 0;
    return use(addressOf(strings));
  }
  // A fresh mapping is zeroed, which also ends the string.
  using copy = NativeBuffer.allocate(length + 1);
  copy.bytes.write(text);
  return use(addressOf(copy));
}
