/**
 * A ClientHello (RFC 8446 §4.1.2) taken apart so that anything in it can be left out: the lists in
 * its extensions as single entries. Put together again with nothing left out, it has the same bytes.
 */
import { clientHelloLength, clientHelloMessage, ExtensionType } from '../../tls/client-hello.ts';

const RECORD_HEADER_BYTES = 5;
const RANDOM_BYTES = 32;
/** Type and length. */
const MESSAGE_HEADER_BYTES = 4;

export interface HelloModel {
  readonly records: RecordModel;
  /** legacy_version. */
  readonly version: number;
  readonly random: Buffer;
  readonly sessionId: Buffer;
  readonly cipherSuites: readonly number[];
  readonly compressionMethods: Buffer;
  /** Null when the message ends before them, as it could before TLS 1.3. */
  readonly extensions: readonly ExtensionModel[] | null;
  /** Bytes after the ClientHello's records. */
  readonly rest: Buffer;
}

/** How the message is divided into records. */
export interface RecordModel {
  readonly version: number;
  /** Bytes of the message in each; the last one takes what is left. */
  readonly lengths: readonly number[];
}

export interface ExtensionModel {
  readonly type: number;
  readonly content: OpaqueContent | ListContent;
}

interface OpaqueContent {
  readonly kind: 'opaque';
  readonly data: Buffer;
}

/** A vector of entries. */
interface ListContent {
  readonly kind: 'list';
  /** Bytes of the vector's length. */
  readonly lengthSize: 1 | 2;
  readonly entries: readonly ListEntry[];
}

export interface ListEntry {
  /** The group, version, scheme or mode; for ALPN its place. */
  readonly value: number;
  /** As in the message, lengths included. */
  readonly bytes: Buffer;
}

/** How the entries of a list are found: by their size, or by the length that each has. */
interface ListForm {
  readonly lengthSize: 1 | 2;
  readonly entry: 'uint8' | 'uint16' | 'share' | 'vector8';
}

const listForms = new Map<number, ListForm>([
  [ExtensionType.supportedGroups, { lengthSize: 2, entry: 'uint16' }],
  [ExtensionType.signatureAlgorithms, { lengthSize: 2, entry: 'uint16' }],
  [ExtensionType.supportedVersions, { lengthSize: 1, entry: 'uint16' }],
  [ExtensionType.keyShare, { lengthSize: 2, entry: 'share' }],
  [ExtensionType.alpn, { lengthSize: 2, entry: 'vector8' }],
  // psk_key_exchange_modes, signature_algorithms_cert, ec_point_formats.
  [45, { lengthSize: 1, entry: 'uint8' }],
  [50, { lengthSize: 2, entry: 'uint16' }],
  [11, { lengthSize: 1, entry: 'uint8' }],
]);

/** Null for bytes that do not begin with a whole, well-formed ClientHello. */
export function readHello(flight: Uint8Array): HelloModel | null {
  const bytes = Buffer.from(flight.buffer, flight.byteOffset, flight.byteLength);
  const message = clientHelloMessage(bytes);
  if (message === null) return null;
  try {
    return readMessage(bytes, Buffer.from(message));
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function readMessage(bytes: Buffer, message: Buffer): HelloModel {
  const body = new Cursor(message.subarray(MESSAGE_HEADER_BYTES));
  const version = body.uint(2);
  const random = body.take(RANDOM_BYTES);
  const sessionId = body.vector(1);
  const suites = body.vector(2);
  const cipherSuites = Array.from({ length: suites.length / 2 }, (_, i) =>
    suites.readUInt16BE(2 * i),
  );
  const compressionMethods = body.vector(1);
  const extensions = body.isAtEnd ? null : readExtensions(new Cursor(body.vector(2)));
  if (!body.isAtEnd || suites.length % 2 !== 0) throw new RangeError('malformed');
  const length = clientHelloLength(bytes);
  return {
    records: readRecords(bytes.subarray(0, length), message.length),
    version,
    random,
    sessionId,
    cipherSuites,
    compressionMethods,
    extensions,
    rest: bytes.subarray(length),
  };
}

/** What follows the message in its last record is no part of any ClientHello. */
function readRecords(bytes: Buffer, messageBytes: number): RecordModel {
  const lengths: number[] = [];
  let sum = 0;
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt16BE(at + 3);
    lengths.push(length);
    sum += length;
    at += RECORD_HEADER_BYTES + length;
  }
  if (sum !== messageBytes) throw new RangeError('more in the record than a ClientHello');
  return { version: bytes.readUInt16BE(1), lengths };
}

function readExtensions(list: Cursor): ExtensionModel[] {
  const extensions: ExtensionModel[] = [];
  while (!list.isAtEnd) {
    const type = list.uint(2);
    const data = list.vector(2);
    extensions.push({ type, content: readList(type, data) ?? { kind: 'opaque', data } });
  }
  return extensions;
}

/** Null when it is none, or not well-formed: then it stays as it is. */
function readList(type: number, data: Buffer): ListContent | null {
  const form = listForms.get(type);
  if (form === undefined) return null;
  try {
    const outer = new Cursor(data);
    const list = new Cursor(outer.vector(form.lengthSize));
    if (!outer.isAtEnd) return null;
    const entries: ListEntry[] = [];
    while (!list.isAtEnd) entries.push(readEntry(list, form.entry, entries.length));
    return { kind: 'list', lengthSize: form.lengthSize, entries };
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function readEntry(list: Cursor, form: ListForm['entry'], index: number): ListEntry {
  const start = list.at;
  let value = index;
  if (form === 'vector8') list.vector(1);
  else value = list.uint(form === 'uint8' ? 1 : 2);
  if (form === 'share') list.vector(2);
  return { value, bytes: list.since(start) };
}

/** The bytes, with lengths as they come to be. */
export function writeHello(model: HelloModel): Buffer {
  const body = Buffer.concat([
    uint(2, model.version),
    model.random,
    vector(1, model.sessionId),
    vector(2, ...model.cipherSuites.map((suite) => uint(2, suite))),
    vector(1, model.compressionMethods),
    ...(model.extensions === null ? [] : [vector(2, ...model.extensions.map(writeExtension))]),
  ]);
  const message = Buffer.concat([Buffer.of(1), uint(3, body.length), body]);
  return Buffer.concat([...inRecords(message, model.records), model.rest]);
}

function writeExtension({ type, content }: ExtensionModel): Buffer {
  const data =
    content.kind === 'opaque'
      ? content.data
      : vector(content.lengthSize, ...content.entries.map(({ bytes }) => bytes));
  return Buffer.concat([uint(2, type), vector(2, data)]);
}

function inRecords(message: Buffer, { version, lengths }: RecordModel): Buffer[] {
  const records: Buffer[] = [];
  let at = 0;
  for (const [index, length] of lengths.entries()) {
    const end = index === lengths.length - 1 ? message.length : at + length;
    const content = message.subarray(at, end);
    at = Math.min(end, message.length);
    // A shorter message needs fewer records, and an empty one is forbidden (RFC 8446 §5.1).
    if (content.length === 0) break;
    records.push(Buffer.of(22), uint(2, version), vector(2, content));
  }
  return records;
}

function uint(size: 1 | 2 | 3, value: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeUIntBE(value, 0, size);
  return bytes;
}

function vector(size: 1 | 2, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([uint(size, body.length), body]);
}

/** Walks bytes, and throws RangeError instead of leaving them. */
class Cursor {
  readonly #bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.at === this.#bytes.length;
  }

  take(count: number): Buffer {
    if (this.at + count > this.#bytes.length) throw new RangeError('malformed');
    const part = this.#bytes.subarray(this.at, this.at + count);
    this.at += count;
    return part;
  }

  uint(size: 1 | 2): number {
    return this.take(size).readUIntBE(0, size);
  }

  vector(size: 1 | 2): Buffer {
    return this.take(this.uint(size));
  }

  since(start: number): Buffer {
    return this.#bytes.subarray(start, this.at);
  }
}
