/** Handshake messages of a TLS 1.3 server, read by the client of a desk (RFC 8446 §4). */
import { ExtensionType } from '../../../tls/client-hello.ts';

export const MessageType = {
  serverHello: 2,
  newSessionTicket: 4,
  endOfEarlyData: 5,
  encryptedExtensions: 8,
  certificate: 11,
  certificateRequest: 13,
  finished: 20,
} as const;

/** The random by which a ServerHello is a HelloRetryRequest (§4.1.3). */
export const RETRY_RANDOM = Buffer.from(
  'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c',
  'hex',
);

const TLS13 = 0x0304;

export interface ServerHello {
  readonly isRetry: boolean;
  readonly isTls13: boolean;
  readonly suite: number;
  /** Of its key_share; null when there is none. */
  readonly group: number | null;
  readonly share: Buffer;
  readonly cookie: Buffer | null;
  /** Whether it has taken the ticket. */
  readonly isResumed: boolean;
}

/** `body` is without the header of the message. Throws RangeError for what is malformed. */
export function readServerHello(body: Buffer): ServerHello {
  const reader = new BodyReader(body);
  reader.take(2);
  const isRetry = RETRY_RANDOM.equals(reader.take(32));
  reader.vector(1);
  const suite = reader.uint(2);
  reader.take(1);
  const extensions = reader.isAtEnd ? new Map<number, Buffer>() : readExtensions(reader.vector(2));
  const keyShare = extensions.get(ExtensionType.keyShare);
  const version = extensions.get(ExtensionType.supportedVersions);
  return {
    isRetry,
    isTls13: version?.readUInt16BE(0) === TLS13,
    suite,
    group: keyShare?.readUInt16BE(0) ?? null,
    share: keyShare?.subarray(4) ?? Buffer.alloc(0),
    cookie: extensions.get(ExtensionType.cookie) ?? null,
    isResumed: extensions.has(ExtensionType.preSharedKey),
  };
}

/** Whether early data was accepted (§4.2.10). */
export function acceptsEarlyData(encryptedExtensions: Buffer): boolean {
  return readExtensions(new BodyReader(encryptedExtensions).vector(2)).has(ExtensionType.earlyData);
}

export interface NewSessionTicket {
  readonly ageAdd: number;
  readonly nonce: Buffer;
  readonly identity: Buffer;
}

export function readNewSessionTicket(body: Buffer): NewSessionTicket {
  const reader = new BodyReader(body);
  reader.take(4);
  const ageAdd = reader.uint(4);
  return { ageAdd, nonce: reader.vector(1), identity: reader.vector(2) };
}

function readExtensions(bytes: Buffer): Map<number, Buffer> {
  const reader = new BodyReader(bytes);
  const extensions = new Map<number, Buffer>();
  while (!reader.isAtEnd) extensions.set(reader.uint(2), reader.vector(2));
  return extensions;
}

class BodyReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(count: number): Buffer {
    if (this.#at + count > this.#bytes.length) throw new RangeError('malformed');
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  uint(size: 1 | 2 | 4): number {
    return this.take(size).readUIntBE(0, size);
  }

  vector(size: 1 | 2): Buffer {
    return this.take(this.uint(size));
  }
}
