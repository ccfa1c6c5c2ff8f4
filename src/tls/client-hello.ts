/**
 * Reads a ClientHello (RFC 8446 §4.1.2) from the bytes that a client has sent: for fingerprints,
 * logs and recordings. OpenSSL has its own reader, and decides; nothing here alters a handshake.
 */

/** What is kept of a ClientHello, at most: four times that of a browser with a post-quantum share. */
export const CLIENT_HELLO_BYTES_MAX = 8_192;

/**
 * Bytes that are read at most until a ClientHello is complete. Record headers come on top: a
 * browser's ClientHello with one byte in each record (RFC 8446 §5.1), as tools against censorship
 * send it, still fits.
 */
export const CLIENT_HELLO_FLIGHT_BYTES_MAX = 16_384;

const CONTENT_TYPE_HANDSHAKE = 22;
const HANDSHAKE_TYPE_CLIENT_HELLO = 1;
const RECORD_HEADER_BYTES = 5;
const HANDSHAKE_HEADER_BYTES = 4;
const RANDOM_BYTES = 32;

/** Numbers of the IANA registry of TLS extensions. */
export const ExtensionType = {
  serverName: 0,
  supportedGroups: 10,
  signatureAlgorithms: 13,
  alpn: 16,
  padding: 21,
  preSharedKey: 41,
  earlyData: 42,
  supportedVersions: 43,
  cookie: 44,
  keyShare: 51,
  encryptedClientHello: 0xfe0d,
} as const;

export interface Extension {
  readonly type: number;
  /** A part of what was given to `parseClientHello`. */
  readonly data: Uint8Array;
}

/** Numbers are as sent, GREASE (RFC 8701) included, in the client's order. */
export interface ClientHello {
  readonly legacyVersion: number;
  readonly random: Uint8Array;
  readonly sessionId: Uint8Array;
  readonly cipherSuites: readonly number[];
  readonly extensions: readonly Extension[];
  /** '' for none, and for one that is no ASCII. */
  readonly serverName: string;
  /** Latin-1, most wanted first. */
  readonly protocols: readonly string[];
  readonly supportedVersions: readonly number[];
  readonly supportedGroups: readonly number[];
  readonly signatureAlgorithms: readonly number[];
  /** Groups for which a share was sent. */
  readonly keyShareGroups: readonly number[];
  readonly offersEarlyData: boolean;
}

/**
 * How many bytes at the start of a client's first flight are the records of its ClientHello; 0 when
 * more must come to tell, -1 when it begins with none.
 */
export function clientHelloLength(flight: Uint8Array): number {
  return new ClientHelloScan().lengthIn(flight);
}

/** The same for a flight that grows: each of its records is looked at once. */
export class ClientHelloScan {
  /** Of the message: it may be in pieces, for a record has one byte or more (RFC 8446 §5.1). */
  readonly #header: number[] = [];
  /** Bytes of the message in whole records. */
  #got = 0;
  /** Where they end. */
  #at = 0;

  /** As {@link clientHelloLength}; `flight` is all that has come, from the first byte. */
  lengthIn(flight: Uint8Array): number {
    while (this.#at + RECORD_HEADER_BYTES <= flight.length) {
      const at = this.#at;
      const length = uint16(flight, at + 3);
      if (flight[at] !== CONTENT_TYPE_HANDSHAKE || flight[at + 1] !== 3 || length === 0) return -1;
      const start = at + RECORD_HEADER_BYTES;
      const isFirst = this.#got === 0 && start < flight.length;
      if (isFirst && flight[start] !== HANDSHAKE_TYPE_CLIENT_HELLO) return -1;
      if (start + length > flight.length) return 0;
      this.#take(flight.subarray(start, start + length));
      if (this.#got >= this.#wanted) return this.#at;
    }
    const next = flight[this.#at];
    return next === undefined || next === CONTENT_TYPE_HANDSHAKE ? 0 : -1;
  }

  #take(content: Uint8Array): void {
    this.#header.push(...content.subarray(0, HANDSHAKE_HEADER_BYTES - this.#header.length));
    this.#got += content.length;
    this.#at += RECORD_HEADER_BYTES + content.length;
  }

  get #wanted(): number {
    if (this.#header.length < HANDSHAKE_HEADER_BYTES) return Number.POSITIVE_INFINITY;
    return HANDSHAKE_HEADER_BYTES + uint24(Uint8Array.from(this.#header), 1);
  }
}

/** Null for bytes that are no whole, well-formed ClientHello in its records. */
export function parseClientHello(records: Uint8Array): ClientHello | null {
  try {
    const message = clientHelloMessage(records);
    if (message === null) return null;
    return readBody(new Reader(message.subarray(HANDSHAKE_HEADER_BYTES)));
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}

/** RFC 8701: values that a client adds so that servers learn to ignore what they do not know. */
export function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);
}

class Malformed extends Error {}

/** The message with its header, out of its records; null when it is not whole. */
export function clientHelloMessage(records: Uint8Array): Uint8Array | null {
  const length = clientHelloLength(records);
  if (length <= 0) return null;
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < length; ) {
    const end = at + RECORD_HEADER_BYTES + uint16(records, at + 3);
    pieces.push(records.subarray(at + RECORD_HEADER_BYTES, end));
    at = end;
  }
  const message = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  return message.subarray(0, HANDSHAKE_HEADER_BYTES + uint24(message, 1));
}

function readBody(body: Reader): ClientHello {
  const legacyVersion = body.uint16();
  const random = body.take(RANDOM_BYTES);
  const sessionId = body.vector8();
  const cipherSuites = numbers(body.vector16());
  body.vector8(); // legacy_compression_methods
  const extensions: Extension[] = [];
  // Before TLS 1.3 a ClientHello could end here (RFC 5246 §7.4.1.2).
  if (!body.isAtEnd) {
    const list = new Reader(body.vector16());
    while (!list.isAtEnd) extensions.push({ type: list.uint16(), data: list.vector16() });
  }
  if (!body.isAtEnd) throw new Malformed();
  const find = (type: number) => extensions.find((one) => one.type === type)?.data;
  const { supportedGroups, signatureAlgorithms, supportedVersions } = ExtensionType;
  return {
    legacyVersion,
    random,
    sessionId,
    cipherSuites,
    extensions,
    serverName: serverNameIn(find(ExtensionType.serverName)),
    protocols: protocolsIn(find(ExtensionType.alpn)),
    supportedVersions: within(find(supportedVersions), (data) => numbers(data.vector8())),
    supportedGroups: within(find(supportedGroups), (data) => numbers(data.vector16())),
    signatureAlgorithms: within(find(signatureAlgorithms), (data) => numbers(data.vector16())),
    keyShareGroups: within(find(ExtensionType.keyShare), keyShareGroupsIn),
    offersEarlyData: find(ExtensionType.earlyData) !== undefined,
  };
}

/** A list in an extension; empty when the extension is absent. */
function within<T>(data: Uint8Array | undefined, read: (reader: Reader) => T[]): T[] {
  return data === undefined ? [] : read(new Reader(data));
}

/** RFC 6066 §3: the first name of type host_name. */
function serverNameIn(data: Uint8Array | undefined): string {
  const names = within(data, (reader) => {
    const list = new Reader(reader.vector16());
    const found: string[] = [];
    while (!list.isAtEnd) {
      const type = list.uint8();
      const name = latin1(list.vector16());
      if (type === 0 && /^[\x21-\x7e]*$/.test(name)) found.push(name);
    }
    return found;
  });
  return names[0] ?? '';
}

/** RFC 7301 §3.1. */
function protocolsIn(data: Uint8Array | undefined): string[] {
  return within(data, (reader) => {
    const list = new Reader(reader.vector16());
    const found: string[] = [];
    while (!list.isAtEnd) found.push(latin1(list.vector8()));
    return found;
  });
}

/** RFC 8446 §4.2.8. */
function keyShareGroupsIn(reader: Reader): number[] {
  const list = new Reader(reader.vector16());
  const groups: number[] = [];
  while (!list.isAtEnd) {
    groups.push(list.uint16());
    list.vector16();
  }
  return groups;
}

function numbers(bytes: Uint8Array): number[] {
  if (bytes.length % 2 !== 0) throw new Malformed();
  return Array.from({ length: bytes.length / 2 }, (_, index) => uint16(bytes, 2 * index));
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function uint16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function uint24(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
}

/** Walks bytes, and throws Malformed instead of leaving them. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(count: number): Uint8Array {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw new Malformed();
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  uint8(): number {
    return this.take(1)[0]!;
  }

  uint16(): number {
    return uint16(this.take(2), 0);
  }

  vector8(): Uint8Array {
    return this.take(this.uint8());
  }

  vector16(): Uint8Array {
    return this.take(this.uint16());
  }
}
