/**
 * A TLS handshake without records: OpenSSL's interface for QUIC stacks of others
 * (SSL_set_quic_tls_cbs). Its six callbacks exist once for the process; they copy what they are told
 * into a list, which is taken when the call that caused them has returned.
 *
 * Measured on 3.5.8, and each a test: `SSL_do_handshake` returns 1 before the client's Finished when
 * early data is enabled and none came, after a HelloRetryRequest even without a session; a client
 * leaves `early_data` in its second ClientHello; CRYPTO is never sent at the level of early data; what
 * is lent is not looked at for its level.
 */
import { assert } from '../../base/assert.ts';
import { Callback } from '../callbacks.ts';
import { counted } from '../counters.ts';
import { addressOf, NativeBuffer } from '../memory.ts';
import { libcMemory, libssl } from '../openssl-table.ts';
import { addressOfSsl, Ssl, SslStatus } from '../ssl.ts';
import type { SslContext } from '../ssl-context.ts';
import { type Slot, SlotPool } from './slots.ts';

const { checked } = libssl;
const { memcpy } = libcMemory.direct;
const { SSL_get_session, SSL_SESSION_get0_cipher, SSL_CIPHER_get_id } = libssl.direct;

/** OpenSSL's numbers of the levels. */
const EARLY = 1;
const HANDSHAKE = 2;

/** What is lent to OpenSSL at once. It is content with any pieces. */
const LENT_BYTES = 4_096;

/** The encoded transport parameters of one side. Ours take about a hundred. */
const PARAMETER_BYTES_MAX = 512;

/**
 * Bytes of handshake messages that may wait to be read, as while a ClientHello is asked about: a
 * client's whole flight, with certificates.
 */
const WAITING_BYTES_MAX = 65_536;

/** The longest secret: the hash of SHA-384. */
const SECRET_BYTES_MAX = 48;

const lentPool = new SlotPool(LENT_BYTES);
const parameterPool = new SlotPool(PARAMETER_BYTES_MAX);

/** How much native memory connections hold: for tests. */
export function quicSlotsTaken(): number {
  return lentPool.takenCount + parameterPool.takenCount;
}

export type QuicTlsLevel = 0 | 1 | 2 | 3;

/** What OpenSSL has told, in its order. */
export type QuicTlsEvent =
  | { readonly kind: 'bytes'; readonly level: QuicTlsLevel; readonly bytes: Buffer }
  | {
      readonly kind: 'secret';
      readonly level: QuicTlsLevel;
      readonly direction: 'read' | 'write';
      /** The number of the cipher suite (RFC 8446 §B.4). */
      readonly suite: number;
      /** To be wiped by whoever takes it. */
      readonly bytes: Buffer;
    }
  | { readonly kind: 'parameters'; readonly bytes: Buffer };

const COPY_BYTES = 16_384;
const copy = NativeBuffer.allocate(COPY_BYTES);
const copyAddress = addressOf(copy);
const word = NativeBuffer.allocate(8);
const wordAddress = addressOf(word);
const words = new BigUint64Array(word.bytes.buffer, 0, 1);

/** Copies `length` bytes that OpenSSL shows us. */
function copyOf(address: bigint, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; at += COPY_BYTES) {
    const count = Math.min(COPY_BYTES, length - at);
    memcpy(copyAddress, address + BigInt(at), count);
    copy.bytes.copy(bytes, at, 0, count);
  }
  return bytes;
}

/** `*address = value` for a pointer or a size_t. */
function store(address: bigint, value: bigint): void {
  words[0] = value;
  memcpy(address, wordAddress, 8);
}

/** What a connection shows to the callbacks. */
interface Scene {
  send(bytes: Buffer): void;
  /** Null for nothing. */
  lend(): { readonly address: bigint; readonly length: number } | null;
  release(length: number): void;
  secret(level: QuicTlsLevel, isWrite: boolean, bytes: Buffer): void;
  parameters(bytes: Buffer): void;
  alert(code: number): void;
}

/** Whose call into OpenSSL is running. */
let scene: Scene | null = null;

function currentScene(): Scene {
  assert(scene !== null, 'OpenSSL calls back from inside of a call of ours');
  return scene;
}

const OK = 1;
const FAILED = 0;

// Numbers of core_dispatch.h.
const OSSL_FUNC_SSL_QUIC_TLS_CRYPTO_SEND = 2001;
const OSSL_DISPATCH_BYTES = 16;

function makeCallbacks(): readonly Callback[] {
  return [
    new Callback(
      'quic-send',
      { arguments: ['pointer', 'pointer', 'u32', 'pointer', 'pointer'], return: 'i32' },
      (_ssl: bigint, address: bigint, length: number, consumed: bigint) => {
        currentScene().send(copyOf(address, length));
        store(consumed, BigInt(length));
        return OK;
      },
      FAILED,
    ),
    new Callback(
      'quic-receive',
      { arguments: ['pointer', 'pointer', 'pointer', 'pointer'], return: 'i32' },
      (_ssl: bigint, buffer: bigint, length: bigint) => {
        const lent = currentScene().lend();
        store(buffer, lent?.address ?? 0n);
        store(length, BigInt(lent?.length ?? 0));
        return OK;
      },
      FAILED,
    ),
    new Callback(
      'quic-release',
      { arguments: ['pointer', 'u32', 'pointer'], return: 'i32' },
      (_ssl: bigint, length: number) => {
        currentScene().release(length);
        return OK;
      },
      FAILED,
    ),
    new Callback(
      'quic-secret',
      { arguments: ['pointer', 'u32', 'i32', 'pointer', 'u32', 'pointer'], return: 'i32' },
      (_ssl: bigint, level: number, direction: number, secret: bigint, length: number) => {
        assert(length <= SECRET_BYTES_MAX, 'a secret is as long as a hash');
        const bytes = copyOf(secret, length);
        copy.bytes.fill(0, 0, length);
        currentScene().secret(level as QuicTlsLevel, direction === 1, bytes);
        return OK;
      },
      FAILED,
    ),
    new Callback(
      'quic-parameters',
      { arguments: ['pointer', 'pointer', 'u32', 'pointer'], return: 'i32' },
      (_ssl: bigint, address: bigint, length: number) => {
        currentScene().parameters(copyOf(address, length));
        return OK;
      },
      FAILED,
    ),
    new Callback(
      'quic-alert',
      { arguments: ['pointer', 'u32', 'pointer'], return: 'i32' },
      (_ssl: bigint, code: number) => {
        currentScene().alert(code & 0xff);
        return OK;
      },
      FAILED,
    ),
  ];
}

let dispatch: NativeBuffer | null = null;

/** An array of `OSSL_DISPATCH`, which an all-zero one ends. Made once, and kept for the process. */
function dispatchAddress(): bigint {
  if (dispatch === null) {
    const callbacks = makeCallbacks();
    // They are nobody's leak.
    counted('callback', -callbacks.length);
    const table = NativeBuffer.allocate(OSSL_DISPATCH_BYTES * (callbacks.length + 1));
    callbacks.forEach((callback, index) => {
      const at = index * OSSL_DISPATCH_BYTES;
      table.bytes.writeInt32LE(OSSL_FUNC_SSL_QUIC_TLS_CRYPTO_SEND + index, at);
      table.bytes.writeBigUInt64LE(callback.pointer, at + 8);
    });
    dispatch = table;
  }
  return addressOf(dispatch);
}

export class QuicSsl implements Disposable {
  /** The connection's facts, and what steps of its ClientHello set up. */
  readonly ssl: Ssl;
  readonly #address: bigint;
  /** Must stay as they are for as long as OpenSSL may look at them. */
  readonly #parameters: Slot;
  #events: QuicTlsEvent[] = [];
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #lent: Slot | null = null;
  /** Of the lent bytes those that were not released. */
  #lentBytes = 0;
  #readLevel: QuicTlsLevel = 0;
  #writeLevel: QuicTlsLevel = 0;
  #isLeftBehind = false;
  #isFinished = false;
  #isDisposed = false;
  /** What OpenSSL wants to be sent to the peer (RFC 8446 §6); -1 for nothing. */
  alert = -1;
  readonly #scene: Scene;

  /** `parameters`: the encoded extension 57. */
  constructor(context: SslContext, parameters: Uint8Array) {
    assert(parameters.length <= PARAMETER_BYTES_MAX, 'our transport parameters are few');
    this.ssl = new Ssl(context, 'quic');
    this.#address = addressOfSsl(this.ssl);
    this.#scene = this.#makeScene();
    this.#parameters = parameterPool.take();
    this.#parameters.bytes.set(parameters);
    const isSet =
      checked.SSL_set_quic_tls_cbs(this.#address, dispatchAddress(), 0n) === 1 &&
      checked.SSL_set_quic_tls_transport_params(
        this.#address,
        this.#parameters.address,
        parameters.length,
      ) === 1;
    assert(isSet, 'OpenSSL lends its handshake to QUIC');
  }

  /** Before the handshake begins; a client's session must allow early data. Returns whether it could. */
  enableEarlyData(): boolean {
    return checked.SSL_set_quic_tls_early_data_enabled(this.#address, 1) === 1;
  }

  /**
   * Client, when a HelloRetryRequest has come: the second ClientHello must not offer early data
   * (RFC 8446 §4.1.2), and OpenSSL leaves it in.
   */
  forgetEarlyData(): void {
    const session = SSL_get_session(this.#address);
    if (session !== 0n) checked.SSL_SESSION_set_max_early_data(session, 0);
  }

  /** The level that `receive` takes bytes of: never that of early data. */
  get readLevel(): QuicTlsLevel {
    return this.#readLevel;
  }

  /** Whether a lower level had bytes left when the keys of a higher one came (RFC 9001 §4.1.3). */
  get isLeftBehind(): boolean {
    return this.#isLeftBehind;
  }

  /** Adds bytes of handshake messages of the present read level. False: more wait than may. */
  receive(bytes: Uint8Array): boolean {
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > WAITING_BYTES_MAX) return false;
    for (let at = 0; at < bytes.length; at += LENT_BYTES) {
      this.#waiting.push(Buffer.from(bytes.subarray(at, at + LENT_BYTES)));
    }
    return true;
  }

  /** Goes on as far as what was received leads: a status of `SslStatus`. */
  advance(): number {
    const outer = scene;
    scene = this.#scene;
    try {
      return this.#isFinished ? this.ssl.read(copy) : this.#handshake();
    } finally {
      scene = outer;
    }
  }

  #handshake(): number {
    for (;;) {
      const before = this.#waitingBytes;
      const status = this.ssl.handshake();
      if (status !== SslStatus.complete) return status;
      this.#isFinished = this.ssl.isInitFinished;
      if (this.#isFinished) return status;
      // It could be answered already, no more: the client's Finished is awaited.
      if (this.#waitingBytes === 0 || this.#waitingBytes === before) return SslStatus.wantsInput;
    }
  }

  /** The first handshake bytes of the next `takeEvents`; null for none. */
  get firstBytes(): Uint8Array | null {
    return this.#events.find(({ kind }) => kind === 'bytes')?.bytes ?? null;
  }

  /** What was told since the last call. */
  takeEvents(): readonly QuicTlsEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    const outer = scene;
    scene = this.#scene;
    this.ssl[Symbol.dispose]();
    scene = outer;
    if (this.#lent !== null) lentPool.give(this.#lent);
    this.#lent = null;
    this.#parameters.bytes.fill(0);
    parameterPool.give(this.#parameters);
    for (const event of this.#events) event.bytes.fill(0);
    this.#events = [];
    this.#waiting = [];
  }

  #makeScene(): Scene {
    return {
      send: (bytes) => {
        this.#events.push({ kind: 'bytes', level: this.#writeLevel, bytes });
      },
      lend: () => this.#lend(),
      release: (length) => this.#release(length),
      secret: (level, isWrite, bytes) => this.#noteSecret(level, isWrite, bytes),
      parameters: (bytes) => {
        this.#events.push({ kind: 'parameters', bytes });
      },
      alert: (code) => {
        this.alert = code;
      },
    };
  }

  #lend(): { readonly address: bigint; readonly length: number } | null {
    assert(this.#lentBytes === 0, 'what was lent before has been released');
    const next = this.#waiting.shift();
    if (next === undefined) return null;
    this.#waitingBytes -= next.length;
    this.#lent ??= lentPool.take();
    this.#lent.bytes.set(next);
    this.#lentBytes = next.length;
    return { address: this.#lent.address, length: next.length };
  }

  #release(length: number): void {
    this.#lentBytes -= length;
    if (this.#lentBytes > 0 || this.#lent === null) return;
    this.#lentBytes = 0;
    lentPool.give(this.#lent);
    this.#lent = null;
  }

  #noteSecret(level: QuicTlsLevel, isWrite: boolean, bytes: Buffer): void {
    if (isWrite && level !== EARLY) this.#writeLevel = level;
    if (!isWrite && level !== EARLY) {
      if (level >= HANDSHAKE && this.#waitingBytes > 0) this.#isLeftBehind = true;
      this.#readLevel = level;
    }
    const direction = isWrite ? 'write' : 'read';
    this.#events.push({ kind: 'secret', level, direction, suite: this.#suite(level), bytes });
  }

  /** Early data goes under the suite of the ticket's connection (RFC 8446 §4.2.10). */
  #suite(level: QuicTlsLevel): number {
    const session = SSL_get_session(this.#address);
    const pending = checked.SSL_get_pending_cipher(this.#address);
    const isOfSession = level === EARLY && session !== 0n;
    const cipher = isOfSession ? SSL_SESSION_get0_cipher(session) : pending;
    assert(cipher !== 0n, 'a secret is for a cipher suite');
    return SSL_CIPHER_get_id(cipher) & 0xffff;
  }
}
