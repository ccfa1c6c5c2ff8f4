/** Packet protection by node:crypto: slow, and independent of the one that the product has. */
import { type CipherGCMTypes, createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import {
  type InitialKeys,
  type KeyGeneration,
  PACKET_TAG_BYTES,
  type PacketOpener,
  type PacketPlace,
  type PacketProtectionFactory,
  type PacketSealer,
  QuicCipherSuite,
  type QuicRole,
} from '../../../src/quic/contracts.ts';

interface Suite {
  readonly aead: string;
  readonly mask: string;
  readonly hash: string;
  readonly keyBytes: number;
}

const SUITES: Record<QuicCipherSuite, Suite> = {
  [QuicCipherSuite.aes128Gcm]: {
    aead: 'aes-128-gcm',
    mask: 'aes-128-ecb',
    hash: 'sha256',
    keyBytes: 16,
  },
  [QuicCipherSuite.aes256Gcm]: {
    aead: 'aes-256-gcm',
    mask: 'aes-256-ecb',
    hash: 'sha384',
    keyBytes: 32,
  },
  [QuicCipherSuite.chacha20]: {
    aead: 'chacha20-poly1305',
    mask: 'chacha20',
    hash: 'sha256',
    keyBytes: 32,
  },
};

const INITIAL_SALT = Buffer.from('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'hex');
const RETRY_KEY = Buffer.from('be0c690b9f66575a1d766b54e368c84e', 'hex');
const RETRY_NONCE = Buffer.from('461599d35d632bf2239825bb', 'hex');

function expandLabel(hash: string, secret: Uint8Array, label: string, length: number): Buffer {
  const text = Buffer.from(`tls13 ${label}`);
  const info = Buffer.concat([Buffer.from([0, length, text.length]), text, Buffer.from([0, 1])]);
  return createHmac(hash, secret).update(info).digest().subarray(0, length);
}

/** Keys of one generation. */
class Keys {
  readonly secret: Buffer;
  readonly key: Buffer;
  readonly iv: Buffer;
  readonly suite: Suite;

  constructor(suite: Suite, secret: Uint8Array) {
    this.suite = suite;
    this.secret = Buffer.from(secret);
    this.key = expandLabel(suite.hash, secret, 'quic key', suite.keyBytes);
    this.iv = expandLabel(suite.hash, secret, 'quic iv', 12);
  }

  next(): Keys {
    const length = this.secret.length;
    return new Keys(this.suite, expandLabel(this.suite.hash, this.secret, 'quic ku', length));
  }

  nonce(packetNumber: number): Buffer {
    const nonce = Buffer.from(this.iv);
    const low = Buffer.alloc(8);
    low.writeBigUInt64BE(BigInt(packetNumber));
    for (let i = 0; i < 8; i++) nonce[4 + i]! ^= low[i]!;
    return nonce;
  }
}

function maskOf(suite: Suite, key: Buffer, sample: Uint8Array): Buffer {
  if (suite.mask === 'chacha20') {
    return createCipheriv('chacha20', key, sample).update(Buffer.alloc(5));
  }
  return createCipheriv(suite.mask, key, null).update(sample);
}

function flip(bytes: Uint8Array, place: PacketPlace, mask: Buffer): void {
  for (let i = 0; i < place.packetNumberBytes; i++) {
    bytes[place.packetNumberAt + i]! ^= mask[1 + i]!;
  }
}

const gcm = (suite: Suite) => suite.aead as CipherGCMTypes;

class NodeSealer implements PacketSealer {
  readonly #suite: Suite;
  readonly #headerKey: Buffer;
  #keys: Keys;
  isFree = false;

  constructor(suite: Suite, secret: Uint8Array) {
    this.#suite = suite;
    this.#headerKey = expandLabel(suite.hash, secret, 'quic hp', suite.keyBytes);
    this.#keys = new Keys(suite, secret);
  }

  seal(bytes: Uint8Array, place: PacketPlace): void {
    if (this.isFree) throw new Error('a sealer is used after it was freed');
    const payloadAt = place.packetNumberAt + place.packetNumberBytes;
    const nonce = this.#keys.nonce(place.packetNumber);
    const cipher = createCipheriv(gcm(this.#suite), this.#keys.key, nonce, { authTagLength: 16 });
    cipher.setAAD(bytes.subarray(place.start, payloadAt));
    const sealed = cipher.update(bytes.subarray(payloadAt, place.end));
    cipher.final();
    bytes.set(sealed, payloadAt);
    bytes.set(cipher.getAuthTag(), place.end);
    const sampleAt = place.packetNumberAt + 4;
    const mask = maskOf(this.#suite, this.#headerKey, bytes.subarray(sampleAt, sampleAt + 16));
    bytes[place.start]! ^= mask[0]! & (bytes[place.start]! & 0x80 ? 0x0f : 0x1f);
    flip(bytes, place, mask);
  }

  update(): void {
    this.#keys = this.#keys.next();
  }

  free(): void {
    this.isFree = true;
  }
}

class NodeOpener implements PacketOpener {
  readonly #suite: Suite;
  readonly #headerKey: Buffer;
  #previous: Keys | undefined;
  #current: Keys;
  #next: Keys;
  isFree = false;

  constructor(suite: Suite, secret: Uint8Array) {
    this.#suite = suite;
    this.#headerKey = expandLabel(suite.hash, secret, 'quic hp', suite.keyBytes);
    this.#current = new Keys(suite, secret);
    this.#next = this.#current.next();
  }

  unmask(bytes: Uint8Array, place: PacketPlace): boolean {
    if (this.isFree) throw new Error('an opener is used after it was freed');
    const sampleAt = place.packetNumberAt + 4;
    if (sampleAt + 16 > place.end) return false;
    const mask = maskOf(this.#suite, this.#headerKey, bytes.subarray(sampleAt, sampleAt + 16));
    bytes[place.start]! ^= mask[0]! & (bytes[place.start]! & 0x80 ? 0x0f : 0x1f);
    place.packetNumberBytes = (bytes[place.start]! & 3) + 1;
    flip(bytes, place, mask);
    place.packetNumber = 0;
    for (let i = 0; i < place.packetNumberBytes; i++) {
      place.packetNumber = place.packetNumber * 256 + bytes[place.packetNumberAt + i]!;
    }
    return true;
  }

  open(bytes: Uint8Array, place: PacketPlace, generation: KeyGeneration): boolean {
    if (this.isFree) throw new Error('an opener is used after it was freed');
    const keys = generation === 0 ? this.#current : generation < 0 ? this.#previous : this.#next;
    const payloadAt = place.packetNumberAt + place.packetNumberBytes;
    const tagAt = place.end - PACKET_TAG_BYTES;
    if (keys === undefined || tagAt < payloadAt) return false;
    const nonce = keys.nonce(place.packetNumber);
    const decipher = createDecipheriv(gcm(this.#suite), keys.key, nonce, { authTagLength: 16 });
    decipher.setAAD(bytes.subarray(place.start, payloadAt));
    decipher.setAuthTag(bytes.subarray(tagAt, place.end));
    try {
      const plain = decipher.update(bytes.subarray(payloadAt, tagAt));
      decipher.final();
      bytes.set(plain, payloadAt);
      return true;
    } catch {
      return false;
    }
  }

  advance(): void {
    this.#previous = this.#current;
    this.#current = this.#next;
    this.#next = this.#current.next();
  }

  dropPrevious(): void {
    this.#previous = undefined;
  }

  free(): void {
    this.isFree = true;
  }
}

export class NodeProtection implements PacketProtectionFactory {
  /** Sealers and openers that were made and not freed. */
  readonly #made: (NodeSealer | NodeOpener)[] = [];

  get live(): number {
    return this.#made.filter((one) => !one.isFree).length;
  }

  sealer(suite: QuicCipherSuite, secret: Uint8Array): PacketSealer {
    const made = new NodeSealer(SUITES[suite], secret);
    this.#made.push(made);
    return made;
  }

  opener(suite: QuicCipherSuite, secret: Uint8Array): PacketOpener {
    const made = new NodeOpener(SUITES[suite], secret);
    this.#made.push(made);
    return made;
  }

  initialKeys(destinationId: Uint8Array, role: QuicRole): InitialKeys {
    const initial = createHmac('sha256', INITIAL_SALT).update(destinationId).digest();
    const client = expandLabel('sha256', initial, 'client in', 32);
    const server = expandLabel('sha256', initial, 'server in', 32);
    const [ours, theirs] = role === 'client' ? [client, server] : [server, client];
    const suite = QuicCipherSuite.aes128Gcm;
    return { sealer: this.sealer(suite, ours), opener: this.opener(suite, theirs) };
  }

  retryTag(pseudoPacket: Uint8Array): Uint8Array {
    const cipher = createCipheriv('aes-128-gcm', RETRY_KEY, RETRY_NONCE);
    cipher.setAAD(pseudoPacket);
    cipher.final();
    return cipher.getAuthTag();
  }

  allocate(bytes: number): Uint8Array {
    return Buffer.alloc(bytes);
  }
}
