/**
 * A TLS 1.3 client (RFC 8446 §2) for a desk, without I/O: it sends a ClientHello like another one, and
 * goes on with records of the sizes that it is told. It trusts whoever answers: the server is one
 * that is looked at for a fault, and nothing of worth is sent to it.
 */
import { alertName } from '../../../tls/alerts.ts';
import { ExtensionType } from '../../../tls/client-hello.ts';
import type { HelloModel } from '../../reduce/hello-model.ts';
import { writeHello } from '../../reduce/hello-model.ts';
import { type HashName, hashBytes, KeySchedule, ticketKey } from './key-schedule.ts';
import type { KeyShare } from './key-shares.ts';
import {
  messageOf,
  ownModel,
  retriedModel,
  type Ticket,
  withEarlyData,
  withoutTicket,
  withTicket,
} from './own-hello.ts';
import { type CipherSuite, cipherSuites, RecordProtection } from './record-protection.ts';
import {
  acceptsEarlyData,
  MessageType,
  readNewSessionTicket,
  readServerHello,
  type ServerHello,
} from './server-messages.ts';

const RECORD_HEADER_BYTES = 5;
const Content = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const;
const CHANGE_CIPHER_SPEC = Buffer.of(Content.changeCipherSpec, 3, 3, 0, 1, 1);
const MESSAGE_HASH = 254;
/** Long enough for names of what a desk plays. */
const NAMES_MAX = 50;

export class ScriptedClient {
  /** Tickets for later connections, as they come. */
  readonly tickets: Ticket[] = [];
  /** What came sealed, by name, in order: `sealed:finished`, `sealed:application_data`. */
  readonly received: string[] = [];
  /** Application data received. */
  content: Buffer = Buffer.alloc(0);
  /** RFC name of the last alert that came sealed, or ''. */
  alert = '';
  /** The server has sent its Finished, and waits for ours. */
  isReady = false;
  isEarlyDataAccepted = false;
  /** Why it cannot go on, or ''. */
  fault = '';
  readonly #ticket: Ticket | null;
  readonly #earlyData: readonly Buffer[];
  #model: HelloModel;
  #shares: readonly KeyShare[];
  #isRetried = false;
  #transcript: Buffer[] = [];
  #suite: CipherSuite | null = null;
  #suiteNumber = 0;
  #schedule: KeySchedule | null = null;
  readonly #secrets: { client: Buffer; clientApplication: Buffer } = {
    client: Buffer.alloc(0),
    clientApplication: Buffer.alloc(0),
  };
  #early: RecordProtection | null = null;
  #reading: RecordProtection | null = null;
  #resumption: Buffer = Buffer.alloc(0);
  #isCertificateRequested = false;
  #hasSentChange = false;
  #rest: Buffer = Buffer.alloc(0);
  #messages: Buffer = Buffer.alloc(0);
  #pending: Buffer[] = [];

  /** `earlyData`: content of its records; not sent without a ticket. */
  constructor(template: HelloModel, ticket: Ticket | null, earlyData: readonly Buffer[] = []) {
    const { model, shares } = ownModel(ticket === null ? withoutTicket(template) : template);
    const announced = earlyData.length > 0 ? withEarlyData(model) : model;
    this.#ticket = ticket;
    this.#earlyData = earlyData;
    this.#model = ticket === null ? model : withTicket(announced, ticket, []);
    this.#shares = shares;
  }

  /** The records of the ClientHello, and of early data after it. */
  firstFlight(): Buffer {
    const hello = writeHello(this.#model);
    const message = messageOf(hello);
    this.#transcript = [message];
    const ticket = this.#ticket;
    // Announced is enough: a server that accepts it waits for its end (§4.5), even of none.
    if (ticket === null || !announcesEarlyData(this.#model)) return hello;
    const suite = cipherSuites.get(ticket.suite)!;
    const schedule = new KeySchedule(ticket.hash, ticket.key);
    const secret = schedule.derive('c e traffic', hashBytes(ticket.hash, message));
    this.#early = new RecordProtection(suite, secret);
    const records = this.#earlyData.map((data) => this.#early!.seal(Content.applicationData, data));
    return records.length === 0 ? hello : Buffer.concat([hello, ...this.#change(), ...records]);
  }

  /** Bytes from the server. */
  receive(bytes: Uint8Array): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= RECORD_HEADER_BYTES && this.fault === '') {
      const end = RECORD_HEADER_BYTES + this.#rest.readUInt16BE(3);
      if (this.#rest.length < end) return;
      const record = this.#rest.subarray(0, end);
      this.#rest = this.#rest.subarray(end);
      try {
        this.#takeRecord(record);
      } catch {
        // Whatever a broken server sends is an outcome, and no end of the desk's process.
        this.fault = 'what the server has sent cannot be read';
      }
    }
  }

  /** What is to be sent before the handshake can go on: a second ClientHello; or null. */
  takePending(): Buffer | null {
    if (this.#pending.length === 0) return null;
    return Buffer.concat(this.#pending.splice(0));
  }

  /** The last flight of the handshake, and application data, each part in a record. */
  finish(applicationData: readonly Buffer[]): Buffer {
    const suite = this.#suite!;
    const schedule = this.#schedule!;
    const parts: Buffer[] = [];
    if (this.isEarlyDataAccepted) {
      const message = handshakeMessage(MessageType.endOfEarlyData, Buffer.alloc(0));
      parts.push(this.#early!.seal(Content.handshake, message));
      this.#transcript.push(message);
    }
    parts.push(...this.#change());
    const protection = new RecordProtection(suite, this.#secrets.client);
    const messages: Buffer[] = [];
    if (this.#isCertificateRequested) {
      messages.push(handshakeMessage(MessageType.certificate, Buffer.alloc(4)));
    }
    this.#transcript.push(...messages);
    const verify = schedule.finished(this.#secrets.client, this.#transcriptHash);
    const finished = handshakeMessage(MessageType.finished, verify);
    this.#transcript.push(finished);
    this.#resumption = schedule.derive('res master', this.#transcriptHash);
    parts.push(protection.seal(Content.handshake, Buffer.concat([...messages, finished])));
    const application = new RecordProtection(suite, this.#secrets.clientApplication);
    for (const data of applicationData) {
      parts.push(application.seal(Content.applicationData, data));
    }
    return Buffer.concat(parts);
  }

  get #transcriptHash(): Buffer {
    return hashBytes(this.#hash, ...this.#transcript);
  }

  get #hash(): HashName {
    return this.#suite!.hash;
  }

  /** Once, by a client that has sent a session identifier (Appendix D.4). */
  #change(): Buffer[] {
    if (this.#hasSentChange || this.#model.sessionId.length === 0) return [];
    this.#hasSentChange = true;
    return [CHANGE_CIPHER_SPEC];
  }

  #takeRecord(record: Buffer): void {
    const type = record[0]!;
    const content = record.subarray(RECORD_HEADER_BYTES);
    if (type === Content.handshake) this.#takeHandshake(content, '');
    if (type !== Content.applicationData || this.#reading === null) return;
    const opened = this.#reading.open(record);
    if (opened === null) {
      this.fault = 'a record of the server cannot be opened';
    } else if (opened.type === Content.handshake) {
      this.#takeHandshake(opened.content, 'sealed:');
    } else if (opened.type === Content.applicationData) {
      this.content = Buffer.concat([this.content, opened.content]);
      this.#note('sealed:application_data');
    } else {
      this.alert = alertName(opened.content[1] ?? 0);
      this.#note(`sealed:alert:${this.alert}`);
    }
  }

  #takeHandshake(bytes: Buffer, prefix: string): void {
    this.#messages = Buffer.concat([this.#messages, bytes]);
    while (this.#messages.length >= 4) {
      const end = 4 + this.#messages.readUIntBE(1, 3);
      if (this.#messages.length < end) return;
      const message = this.#messages.subarray(0, end);
      this.#messages = this.#messages.subarray(end);
      if (prefix !== '') this.#note(prefix + (names[message[0]!] ?? String(message[0])));
      this.#takeMessage(message);
      if (this.fault !== '') return;
    }
  }

  #takeMessage(message: Buffer): void {
    const body = message.subarray(4);
    switch (message[0]) {
      case MessageType.serverHello:
        this.#takeServerHello(message, readServerHello(body));
        return;
      case MessageType.newSessionTicket:
        this.#takeTicket(body);
        return;
      case MessageType.encryptedExtensions:
        this.isEarlyDataAccepted = this.#early !== null && acceptsEarlyData(body);
        break;
      case MessageType.certificateRequest:
        this.#isCertificateRequested = true;
        break;
      default:
        break;
    }
    this.#transcript.push(message);
    if (message[0] === MessageType.finished) this.#onFinished();
  }

  #takeServerHello(message: Buffer, hello: ServerHello): void {
    const suite = cipherSuites.get(hello.suite);
    if (!hello.isTls13 || suite === undefined) {
      this.fault = 'the server has chosen something else than TLS 1.3';
      return;
    }
    this.#suite = suite;
    this.#suiteNumber = hello.suite;
    if (hello.isRetry) this.#retry(message, hello);
    else this.#agree(message, hello);
  }

  /** §4.4.1: the first ClientHello counts by its hash. */
  #retry(message: Buffer, { group, cookie }: ServerHello): void {
    const retried = this.#isRetried ? null : retriedModel(this.#model, group, cookie);
    if (retried === null) {
      this.fault = 'the server asks for a group of which there are no keys here';
      return;
    }
    this.#isRetried = true;
    const first = hashBytes(this.#hash, ...this.#transcript);
    this.#transcript = [handshakeMessage(MESSAGE_HASH, first), message];
    if (retried.share !== null) this.#shares = [retried.share];
    // Early data is over with it (§4.2.10).
    this.#early = null;
    const ticket = this.#ticket;
    const isUsable = ticket !== null && ticket.hash === this.#hash;
    this.#model = isUsable
      ? withTicket(retried.model, ticket, this.#transcript)
      : ticket === null
        ? retried.model
        : withoutTicket(retried.model);
    const bytes = writeHello(this.#model);
    this.#transcript.push(messageOf(bytes));
    this.#pending.push(...this.#change(), bytes);
  }

  #agree(message: Buffer, { group, share, isResumed }: ServerHello): void {
    this.#transcript.push(message);
    const ours = this.#shares.find((one) => one.group === group);
    if (group !== null && (ours?.secretWith ?? null) === null) {
      this.fault = 'the server has chosen a group of which there are no keys here';
      return;
    }
    const schedule = new KeySchedule(this.#hash, isResumed ? this.#ticket!.key : null);
    schedule.advance(group === null ? null : ours!.secretWith!(share));
    this.#schedule = schedule;
    this.#secrets.client = schedule.derive('c hs traffic', this.#transcriptHash);
    const server = schedule.derive('s hs traffic', this.#transcriptHash);
    this.#reading = new RecordProtection(this.#suite!, server);
  }

  #onFinished(): void {
    const schedule = this.#schedule!;
    schedule.advance(null);
    this.#secrets.clientApplication = schedule.derive('c ap traffic', this.#transcriptHash);
    const server = schedule.derive('s ap traffic', this.#transcriptHash);
    this.#reading = new RecordProtection(this.#suite!, server);
    this.isReady = true;
  }

  #takeTicket(body: Buffer): void {
    const { ageAdd, nonce, identity } = readNewSessionTicket(body);
    this.tickets.push({
      identity,
      key: ticketKey(this.#hash, this.#resumption, nonce),
      hash: this.#hash,
      suite: this.#suiteNumber,
      ageAdd,
      receivedAtMs: Date.now(),
    });
  }

  #note(name: string): void {
    if (this.received.length < NAMES_MAX) this.received.push(name);
  }
}

const names: Readonly<Record<number, string>> = {
  4: 'new_session_ticket',
  8: 'encrypted_extensions',
  11: 'certificate',
  13: 'certificate_request',
  15: 'certificate_verify',
  20: 'finished',
  24: 'key_update',
  25: 'compressed_certificate',
};

function announcesEarlyData({ extensions }: HelloModel): boolean {
  return (extensions ?? []).some(({ type }) => type === ExtensionType.earlyData);
}

function handshakeMessage(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  head[0] = type;
  return Buffer.concat([head, body]);
}
