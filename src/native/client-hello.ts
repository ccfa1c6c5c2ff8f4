/**
 * The moment after a ClientHello has been read and before anything of it was decided: version,
 * session, certificate, early data (SSL_CTX_set_client_hello_cb). It is the only moment at which a
 * server can choose by name what all of these depend on.
 *
 * What runs here runs inside OpenSSL: steps look at the hello, choose by a look-up in a table, and
 * return. They come in order, and the first that does not say `proceed` is the last. What they decide
 * is kept with the connection (`Ssl.decision`).
 */
import { Callback } from './callbacks.ts';
import { viewOf } from './load.ts';
import { addressOf, NativeBuffer } from './memory.ts';
import { libcMemory, libssl } from './openssl-table.ts';
import { type Ssl, sslAt } from './ssl.ts';
import { addressOfContext, type SslContext } from './ssl-context.ts';

/** `SSL_CLIENT_HELLO_…` of ssl.h. */
export const HelloVerdict = {
  proceed: 1,
  /** Ends the handshake with the alert that `ClientHello.refuse` was given. */
  refuse: 0,
  /** The handshake stops (`SslStatus.paused`), and goes through all steps again when resumed. */
  pause: -1,
} as const;
export type HelloVerdict = (typeof HelloVerdict)[keyof typeof HelloVerdict];

/** Decides on a ClientHello, which is valid until the return. One that throws refuses it. */
export type ClientHelloStep = (hello: ClientHello) => HelloVerdict;

const EXTENSION_SERVER_NAME = 0;
const EXTENSION_PROTOCOLS = 16;
const EXTENSION_EARLY_DATA = 42;
const EXTENSION_PRE_SHARED_KEY = 41;
const EXTENSION_QUIC_TRANSPORT_PARAMETERS = 57;
const RANDOM_BYTES = 32;
/** Of a ticket's key, with which the ticket begins (RFC 5077 §4). */
const KEY_NAME_BYTES = 16;
/** Behind it, chosen at random for each ticket (ticket-keys.ts). */
const INITIALIZATION_VECTOR_BYTES = 16;
/** Bytes before the first ticket: length of the list, length of the ticket (RFC 8446 §4.2.11). */
const TICKET_OFFSET = 4;
const VECTOR_OFFSET = TICKET_OFFSET + KEY_NAME_BYTES;
const TICKET_BEGINNING_BYTES = KEY_NAME_BYTES + INITIALIZATION_VECTOR_BYTES;
const NAME_BYTES_MAX = 255;
/** Bytes before the name: length of the list, type of the entry, length of the name. */
const NAME_OFFSET = 5;
const NAME_TYPE_HOST_NAME = 0;

const { SSL_client_hello_get0_ext, SSL_client_hello_get0_random } = libssl.direct;
const { memcpy } = libcMemory.direct;

const results = NativeBuffer.allocate(16);
const pointerAddress = addressOf(results);
const lengthAddress = pointerAddress + 8n;
const resultPointers = new BigUint64Array(results.bytes.buffer);
const resultWords = new Uint32Array(results.bytes.buffer);
const LENGTH_WORD = 2;

const extension = NativeBuffer.allocate(NAME_OFFSET + NAME_BYTES_MAX);
const extensionAddress = addressOf(extension);
const random = NativeBuffer.allocate(RANDOM_BYTES);
const randomAddress = addressOf(random);

/** A ClientHello (RFC 8446 §4.1.2), and the connection that has received it. */
class ClientHello {
  readonly #ssl: bigint;
  readonly #alertAddress: bigint;
  /** What the hello belongs to; steps may set it up for the rest of the handshake. */
  readonly connection: Ssl;

  constructor(ssl: bigint, alertAddress: bigint) {
    this.#ssl = ssl;
    this.#alertAddress = alertAddress;
    this.connection = sslAt(ssl);
  }

  /** ClientHello.random, 32 bytes, valid until the step returns. */
  get random(): Uint8Array {
    SSL_client_hello_get0_random(this.#ssl, pointerAddress);
    memcpy(randomAddress, resultPointers[0]!, RANDOM_BYTES);
    return random.bytes;
  }

  /** RFC 9001 §8.2. */
  get hasQuicParameters(): boolean {
    return this.#findExtension(EXTENSION_QUIC_TRANSPORT_PARAMETERS);
  }

  get offersEarlyData(): boolean {
    return this.#findExtension(EXTENSION_EARLY_DATA);
  }

  /** Whether the one protocol that it offers (RFC 7301 §3.1) is this one. */
  offersOnly(protocol: string): boolean {
    if (!this.#findExtension(EXTENSION_PROTOCOLS)) return false;
    const { bytes } = extension;
    // Length of the list, length of the name, name.
    const length = 3 + protocol.length;
    if (resultWords[LENGTH_WORD]! !== length || length > bytes.length) return false;
    memcpy(extensionAddress, resultPointers[0]!, length);
    return bytes[2] === protocol.length && bytes.toString('latin1', 3, length) === protocol;
  }

  /** Four bytes of the first ticket offered that were chosen at random when it was made; null without one. */
  get ticketMark(): number | null {
    return this.#findTicket() ? extension.bytes.readInt32BE(VECTOR_OFFSET) : null;
  }

  /** Copies the beginning of the first ticket offered. */
  #findTicket(): boolean {
    if (!this.#findExtension(EXTENSION_PRE_SHARED_KEY)) return false;
    const { bytes } = extension;
    const length = TICKET_OFFSET + TICKET_BEGINNING_BYTES;
    if (resultWords[LENGTH_WORD]! < length) return false;
    memcpy(extensionAddress, resultPointers[0]!, length);
    return bytes.readUInt16BE(2) >= TICKET_BEGINNING_BYTES;
  }

  /**
   * The host name asked for (RFC 6066 §3) in lower case and without a final dot; '' for none, and
   * for one that OpenSSL will refuse as malformed a little later. Bytes: it may be no name at all.
   */
  get serverName(): string {
    if (!this.#findExtension(EXTENSION_SERVER_NAME)) return '';
    const { bytes } = extension;
    const length = resultWords[LENGTH_WORD]!;
    if (length <= NAME_OFFSET || length > bytes.length) return '';
    memcpy(extensionAddress, resultPointers[0]!, length);
    const isWhole = bytes.readUInt16BE(0) === length - 2 && bytes[2] === NAME_TYPE_HOST_NAME;
    if (!isWhole || bytes.readUInt16BE(3) !== length - NAME_OFFSET) return '';
    const hasFinalDot = bytes[length - 1] === 0x2e && length > NAME_OFFSET + 1;
    const end = hasFinalDot ? length - 1 : length;
    return bytes.toString('latin1', NAME_OFFSET, end).toLowerCase();
  }

  /** Sends this alert (RFC 8446 §6) instead of going on. */
  refuse(alert: number): HelloVerdict {
    this.connection.refusal = alert;
    new Int32Array(viewOf(this.#alertAddress, 4))[0] = alert;
    return HelloVerdict.refuse;
  }

  #findExtension(type: number): boolean {
    return SSL_client_hello_get0_ext(this.#ssl, type, pointerAddress, lengthAddress) === 1;
  }
}

/**
 * Server: has every ClientHello of connections made from this context go through `steps`. The second
 * one, after a HelloRetryRequest, too.
 */
export function onClientHello(context: SslContext, steps: readonly ClientHelloStep[]): void {
  const callback = new Callback(
    'client-hello',
    { arguments: ['pointer', 'pointer', 'pointer'], return: 'i32' },
    (ssl: bigint, alertAddress: bigint) => {
      const hello = new ClientHello(ssl, alertAddress);
      for (const step of steps) {
        const verdict = step(hello);
        if (verdict !== HelloVerdict.proceed) return verdict;
      }
      return HelloVerdict.proceed;
    },
    HelloVerdict.refuse,
  );
  context.own(callback);
  libssl.checked.SSL_CTX_set_client_hello_cb(addressOfContext(context), callback.pointer, 0n);
}
