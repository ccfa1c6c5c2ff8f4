/**
 * The log of handshakes: a JSON line for each that failed, or for each at all. What a client sent
 * is escaped as JSON escapes, so that no ClientHello can forge a line.
 */
import type { LineLog } from '../../telemetry/line-log.ts';
import { connectionHash, isSampled } from '../../telemetry/log-filter.ts';
import type { HandshakeRecord } from '../../tls/contract.ts';
import type { HandshakeScene } from './handshake-observers.ts';

/**
 * Lines about failures per second and worker. More say nothing new, and a client that sends
 * garbage to a port must not fill the disk.
 */
export const FAILURE_LINES_PER_SECOND = 100;

export interface HandshakeLogSink {
  /** Whether complete handshakes are logged, too. */
  readonly isOfAll: boolean;
  write(record: HandshakeRecord, scene: HandshakeScene): void;
  /** Opens the file anew by its name, after it was moved away. */
  reopen(): void;
  close(): Promise<void>;
}

export interface HandshakeLogField {
  readonly name: string;
  readonly doc: string;
  /** Null: not known, or does not apply. */
  readonly value: (
    record: HandshakeRecord,
    scene: HandshakeScene,
  ) => string | number | boolean | null;
}

type Value = HandshakeLogField['value'];

const text = (value: string) => (value === '' ? null : value);
const field = (name: string, doc: string, value: Value) => ({ name, doc, value });

/** Every field, in the order of the keys. */
export const handshakeLogFields: readonly HandshakeLogField[] = [
  field('time', "when the client's first byte came, UTC with milliseconds", (record) =>
    new Date(record.startedAtMs).toISOString(),
  ),
  field('remote', "the client's address, or `unix`", (_, scene) =>
    text(scene.connection.remoteAddress),
  ),
  field('remote_port', "the client's port", (_, scene) => scene.connection.remotePort),
  field('local_port', 'the port that it connected to', (_, scene) => scene.connection.localPort),
  field('sni', 'the host name that it asked for', (record) => text(record.serverName)),
  field(
    'ja4',
    "the [JA4](https://github.com/FoxIO-LLC/ja4) fingerprint of the client's software",
    (_, scene) => text(scene.fingerprint),
  ),
  field('outcome', '`complete` or `failed`', (record) => record.outcome),
  field('error', 'why it failed: a [code](errors.md#tls)', (record) => text(record.errorCode)),
  field(
    'blame',
    'whose fault the failure is: `downstream` (the client), `upstream`, `internal` (a limit), `self` (our own code)',
    (record) => text(record.blame),
  ),
  field('alert', 'the alert that ended it, by its name in RFC 8446', (record) =>
    text(record.alert),
  ),
  field('alert_sent_by', '`us` or `peer`', (record) => text(record.alertSentBy)),
  field('last_state', 'where it stood, in the words of OpenSSL', (record) =>
    text(record.lastState),
  ),
  field('version', '`TLSv1.3`, `TLSv1.2`', (record) => text(record.version)),
  field('cipher', 'cipher suite', (record) => text(record.cipher)),
  field('group', 'key exchange group', (record) => text(record.group)),
  field('signature', 'scheme with which the server signed', (record) => text(record.signature)),
  field('alpn', 'the protocol agreed on', (record) => text(record.alpn)),
  field('resumed', 'by a ticket', (record) => record.resumed),
  field(
    'hello_retry_request',
    'the client was asked for another key share',
    (record) => record.helloRetryRequest,
  ),
  field('early_data', '`not-offered`, `accepted`, `rejected`', (record) => record.earlyData),
  field('early_data_reason', 'why early data was rejected', (record) =>
    text(record.earlyDataReason),
  ),
  field('early_data_bytes', 'bytes of early data accepted', (record) => record.earlyDataBytes),
  field(
    'duration_ms',
    'milliseconds from the first byte to the end',
    (record) => Math.round(record.durationMs * 1000) / 1000,
  ),
  field('bytes_received', 'bytes received until the end', (record) => record.bytesReceived),
  field('bytes_sent', 'bytes sent until the end', (record) => record.bytesSent),
];

export interface HandshakeLogInput {
  readonly log: Pick<LineLog, 'write' | 'reopen' | 'close'>;
  readonly scope: 'failed' | 'all';
  /** Share of the handshakes that have a line. */
  readonly sample?: number;
  readonly monotonicMs: () => number;
  onWritten(): void;
  /** A failure beyond what is logged in a second. */
  onSuppressed(): void;
}

export class HandshakeLog implements HandshakeLogSink {
  readonly isOfAll: boolean;
  readonly #input: HandshakeLogInput;
  #second = -1;
  #linesInSecond = 0;
  #suppressed = 0;

  constructor(input: HandshakeLogInput) {
    this.#input = input;
    this.isOfAll = input.scope === 'all';
  }

  write(record: HandshakeRecord, scene: HandshakeScene): void {
    const { sample = 1 } = this.#input;
    if (sample < 1) {
      const { remotePort } = scene.connection;
      if (!isSampled(connectionHash(remotePort, record.startedAtMs), sample)) return;
    }
    if (record.outcome === 'failed') {
      // Whoever connects and leaves, as health checks do, has not begun one.
      if (record.errorCode === 'tls-handshake-not-begun') return;
      if (!this.#mayLog()) return;
    } else if (!this.isOfAll) {
      return;
    }
    const line: Record<string, unknown> = {};
    for (const { name, value } of handshakeLogFields) line[name] = value(record, scene);
    if (this.#suppressed > 0) line.suppressed = this.#suppressed;
    this.#suppressed = 0;
    this.#input.log.write(`${JSON.stringify(line)}\n`);
    this.#input.onWritten();
  }

  #mayLog(): boolean {
    const second = Math.floor(this.#input.monotonicMs() / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#linesInSecond = 0;
    }
    if (this.#linesInSecond++ < FAILURE_LINES_PER_SECOND) return true;
    this.#suppressed++;
    this.#input.onSuppressed();
    return false;
  }

  reopen(): void {
    this.#input.log.reopen();
  }

  close(): Promise<void> {
    return this.#input.log.close();
  }
}
