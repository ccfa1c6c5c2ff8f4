/**
 * A stand-in for TLS 1.3 in tests of the QUIC core: messages of the sizes and levels that TLS has, secrets
 * that both sides derive from the client's random bytes, and no secrecy whatsoever.
 */

import { createHash } from 'node:crypto';
import { copyOfBytes } from '../../../src/base/bytes.ts';
import type { QuicCloseReason } from '../../../src/quic/application.ts';
import {
  EncryptionLevel,
  QuicCipherSuite,
  type QuicRole,
  type QuicTls,
  type QuicTlsHandler,
} from '../../../src/quic/contracts.ts';

const Message = {
  clientHello: 1,
  serverHello: 2,
  ticket: 4,
  serverFlight: 8,
  finished: 20,
} as const;
const RANDOM_BYTES = 32;

export interface FakeTlsOptions {
  /** Bytes of the ClientHello and of the server's second flight, parameters included. */
  readonly helloBytes?: number;
  readonly flightBytes?: number;
  readonly suite?: QuicCipherSuite;
  /** A client offers early data; a server takes it. */
  readonly isEarly?: boolean;
  /** The server waits until `resume` before it answers the ClientHello. */
  readonly isPaused?: boolean;
  /** The alert with which it fails at its first message. */
  readonly alert?: number;
  readonly random?: Uint8Array;
}

export class FakeTls implements QuicTls {
  readonly #role: QuicRole;
  readonly #options: FakeTlsOptions;
  #handler: QuicTlsHandler | undefined;
  #parameters: Uint8Array = new Uint8Array(0);
  #random: Uint8Array;
  #received: Uint8Array = new Uint8Array(0);
  #isEarlyOffered = false;
  #isPaused: boolean;
  isFree = false;
  earlyBytes = 0;
  /** Why the connection ended. */
  freedFor: QuicCloseReason | undefined;
  /** Messages that were read, by their types. */
  readonly messages: number[] = [];

  constructor(role: QuicRole, options: FakeTlsOptions = {}) {
    this.#role = role;
    this.#options = options;
    this.#random = options.random ?? new Uint8Array(RANDOM_BYTES).fill(7);
    this.#isPaused = options.isPaused ?? false;
  }

  start(handler: QuicTlsHandler, transportParameters: Uint8Array): void {
    this.#handler = handler;
    this.#parameters = copyOfBytes(transportParameters);
    if (this.#role === 'server') return;
    const isEarly = this.#options.isEarly === true;
    const body = [this.#random, Uint8Array.of(isEarly ? 1 : 0), told(this.#parameters)];
    this.#send(EncryptionLevel.initial, Message.clientHello, body, this.#options.helloBytes ?? 300);
    if (isEarly) this.#secret(EncryptionLevel.early, 'write');
  }

  receive(level: EncryptionLevel, bytes: Uint8Array): void {
    if (this.isFree) throw new Error('TLS is used after it was freed');
    this.#received = Buffer.concat([this.#received, bytes]);
    this.#read(level);
  }

  /** The server goes on after its wait. */
  resume(): void {
    this.#isPaused = false;
    this.#read(EncryptionLevel.initial);
    if (!this.isFree) this.#handler!.onWork();
  }

  #read(level: EncryptionLevel): void {
    while (!this.#isPaused && !this.isFree && this.#received.length >= 4) {
      const [type, a, b, c] = this.#received as unknown as [number, number, number, number];
      const end = 4 + a * 65_536 + b * 256 + c;
      if (this.#received.length < end) return;
      const body = copyOfBytes(this.#received, 4, end);
      this.#received = copyOfBytes(this.#received, end);
      this.messages.push(type);
      this.#onMessage(level, type, body);
    }
  }

  #onMessage(level: EncryptionLevel, type: number, body: Uint8Array): void {
    if (this.#options.alert !== undefined) {
      this.#handler!.onAlert(this.#options.alert, 'as the test wants it');
      return;
    }
    const expected = this.#role === 'server' ? SERVER_READS[type] : CLIENT_READS[type];
    if (expected !== level) this.#handler!.onAlert(10, 'unexpected message');
    else if (type === Message.clientHello) this.#answer(body);
    else if (type === Message.serverHello) {
      this.#secret(EncryptionLevel.handshake, 'read');
      this.#secret(EncryptionLevel.handshake, 'write');
    } else if (type === Message.serverFlight) this.#finish(body);
    else if (type === Message.finished) {
      this.#secret(EncryptionLevel.application, 'read');
      this.#send(EncryptionLevel.application, Message.ticket, [], 200);
      this.#complete(this.#isEarlyOffered && this.#options.isEarly === true);
    }
  }

  #answer(hello: Uint8Array): void {
    this.#random = copyOfBytes(hello, 0, RANDOM_BYTES);
    this.#isEarlyOffered = hello[RANDOM_BYTES] === 1;
    const isEarly = this.#isEarlyOffered && this.#options.isEarly === true;
    this.#handler!.onTransportParameters(toldAt(hello, RANDOM_BYTES + 1));
    if (isEarly) this.#secret(EncryptionLevel.early, 'read');
    this.#send(EncryptionLevel.initial, Message.serverHello, [], 90);
    this.#secret(EncryptionLevel.handshake, 'write');
    const body = [Uint8Array.of(isEarly ? 1 : 0), told(this.#parameters)];
    const flightBytes = this.#options.flightBytes ?? 2_500;
    this.#send(EncryptionLevel.handshake, Message.serverFlight, body, flightBytes);
    this.#secret(EncryptionLevel.application, 'write');
    this.#secret(EncryptionLevel.handshake, 'read');
  }

  #finish(flight: Uint8Array): void {
    const isAccepted = flight[0] === 1;
    this.#handler!.onTransportParameters(toldAt(flight, 1));
    if (this.#options.isEarly === true && !isAccepted) this.#handler!.onEarlyDataRefused();
    this.#secret(EncryptionLevel.application, 'read');
    this.#send(EncryptionLevel.handshake, Message.finished, [], 36);
    this.#secret(EncryptionLevel.application, 'write');
    this.#complete(this.#options.isEarly === true && isAccepted);
  }

  #complete(isEarlyDataAccepted: boolean): void {
    const isResumed = this.#options.isEarly === true;
    this.#handler!.onHandshakeComplete({
      applicationProtocol: 'h3',
      isResumed,
      isEarlyDataAccepted,
    });
  }

  #send(level: EncryptionLevel, type: number, body: readonly Uint8Array[], bytes: number): void {
    const content = Buffer.concat(body);
    const length = Math.max(content.length, bytes - 4);
    const message = Buffer.alloc(4 + length);
    message.writeUInt32BE(length);
    message[0] = type;
    content.copy(message, 4);
    this.#handler!.onHandshakeBytes(level, message);
  }

  #secret(level: EncryptionLevel, direction: 'read' | 'write'): void {
    const isClients = (this.#role === 'client') === (direction === 'write');
    const suite = this.#options.suite ?? QuicCipherSuite.aes128Gcm;
    const hash = createHash(suite === QuicCipherSuite.aes256Gcm ? 'sha384' : 'sha256');
    const bytes = hash.update(`${level} ${isClients}`).update(this.#random).digest();
    this.#handler!.onSecret({ level, direction, suite, bytes });
    bytes.fill(0);
  }

  noteEarlyData(bytes: number): void {
    this.earlyBytes += bytes;
  }

  free(reason?: QuicCloseReason): void {
    if (!this.isFree) this.freedFor = reason;
    this.isFree = true;
  }
}

const SERVER_READS: Record<number, EncryptionLevel> = {
  [Message.clientHello]: EncryptionLevel.initial,
  [Message.finished]: EncryptionLevel.handshake,
};
const CLIENT_READS: Record<number, EncryptionLevel> = {
  [Message.serverHello]: EncryptionLevel.initial,
  [Message.serverFlight]: EncryptionLevel.handshake,
  [Message.ticket]: EncryptionLevel.application,
};

function told(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

function toldAt(bytes: Uint8Array, at: number): Uint8Array {
  const length = bytes[at]! * 256 + bytes[at + 1]!;
  return copyOfBytes(bytes, at + 2, at + 2 + length);
}
