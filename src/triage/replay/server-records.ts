/** Names what a server sends: its records, and of handshake messages in the clear which they are. */
import { alertName } from '../../tls/alerts.ts';

const RECORD_HEADER_BYTES = 5;
/** What is listed; a server that sends more has answered. */
const NAMES_MAX = 50;

const Content = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const;

const contentNames: Readonly<Record<number, string>> = {
  [Content.changeCipherSpec]: 'change_cipher_spec',
  [Content.alert]: 'alert',
  [Content.handshake]: 'handshake',
  [Content.applicationData]: 'application_data',
};

/** RFC 8446 §4, RFC 5246 §7.4. */
const messageNames: Readonly<Record<number, string>> = {
  0: 'hello_request',
  2: 'server_hello',
  4: 'new_session_ticket',
  8: 'encrypted_extensions',
  11: 'certificate',
  12: 'server_key_exchange',
  13: 'certificate_request',
  14: 'server_hello_done',
  15: 'certificate_verify',
  20: 'finished',
  22: 'certificate_status',
};

/** The random of a ServerHello that is a HelloRetryRequest (RFC 8446 §4.1.3). */
const RETRY_RANDOM = Buffer.from(
  'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c',
  'hex',
);
const RANDOM_OFFSET = 6;

export class ServerRecords {
  /** As `handshake:server_hello` or `application_data`, in order. */
  readonly received: string[] = [];
  /** RFC name of the last alert in the clear that is not close_notify; '' for none. */
  alert = '';
  #rest = Buffer.alloc(0);
  #isLost = false;

  take(bytes: Uint8Array): void {
    if (this.#isLost) return;
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= RECORD_HEADER_BYTES) {
      const type = this.#rest[0]!;
      if (contentNames[type] === undefined || this.#rest[1] !== 3) {
        this.#isLost = true;
        this.#note('bytes that are no TLS');
        return;
      }
      const end = RECORD_HEADER_BYTES + this.#rest.readUInt16BE(3);
      if (this.#rest.length < end) return;
      this.#takeRecord(type, this.#rest.subarray(RECORD_HEADER_BYTES, end));
      this.#rest = this.#rest.subarray(end);
    }
  }

  #takeRecord(type: number, content: Buffer): void {
    if (type === Content.alert && content.length === 2) this.#takeAlert(content[1]!);
    else if (type === Content.handshake) this.#takeHandshake(content);
    else this.#note(contentNames[type]!);
  }

  #takeAlert(code: number): void {
    const name = alertName(code);
    this.#note(`alert:${name}`);
    if (name !== 'close_notify') this.alert = name;
  }

  /** Messages that begin in this record; those of TLS 1.2 after the keys changed are sealed. */
  #takeHandshake(content: Buffer): void {
    for (let at = 0; at + 4 <= content.length; ) {
      const message = content.subarray(at, at + 4 + content.readUIntBE(at + 1, 3));
      const name = messageNames[message[0]!];
      if (name === undefined) {
        this.#note('handshake');
        return;
      }
      this.#note(`handshake:${isRetry(message) ? 'hello_retry_request' : name}`);
      at += message.length;
    }
  }

  #note(name: string): void {
    if (this.received.length < NAMES_MAX) this.received.push(name);
  }
}

function isRetry(message: Buffer): boolean {
  const random = message.subarray(RANDOM_OFFSET, RANDOM_OFFSET + RETRY_RANDOM.length);
  return message[0] === 2 && RETRY_RANDOM.equals(random);
}
