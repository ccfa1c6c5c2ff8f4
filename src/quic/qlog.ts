/**
 * Writes a connection's trace as qlog (draft-ietf-quic-qlog-main-schema, JSON text sequences of RFC 7464),
 * which qvis and Wireshark's tools read. Costs a line for each packet: for single connections, on demand.
 */
import type { QuicCloseReason } from './application.ts';
import type { PacketDrop, QuicTrace } from './connection/trace.ts';
import type { QuicRole } from './contracts.ts';
import { SpaceId } from './recovery/loss.ts';

const PACKET_TYPES = {
  [SpaceId.initial]: 'initial',
  [SpaceId.handshake]: 'handshake',
  [SpaceId.application]: '1RTT',
} as const;

/** RFC 7464 §2.2. */
const RECORD_SEPARATOR = '\x1e';

export interface QlogStart {
  readonly role: QuicRole;
  /** Names the connection, such as its first Destination Connection ID. */
  readonly name: string;
  /** The time of the trace's beginning, by the clock of the connection and by the wall's. */
  readonly nowMs: number;
  readonly wallMs: number;
  /** Takes one record; it must not fail. */
  readonly write: (record: string) => void;
}

export class QlogTrace implements QuicTrace {
  readonly #startMs: number;
  readonly #write: (record: string) => void;

  constructor(start: QlogStart) {
    this.#startMs = start.nowMs;
    this.#write = start.write;
    this.#record({
      file_schema: 'urn:ietf:params:qlog:file:sequential',
      serialization_format: 'application/qlog+json-seq',
      trace: {
        vantage_point: { type: start.role },
        common_fields: {
          group_id: start.name,
          time_format: 'relative_to_epoch',
          reference_time: { clock_type: 'system', epoch: new Date(start.wallMs).toISOString() },
        },
        event_schemas: ['urn:ietf:params:qlog:events:quic'],
      },
    });
  }

  #record(record: object): void {
    this.#write(`${RECORD_SEPARATOR}${JSON.stringify(record)}\n`);
  }

  #event(name: string, nowMs: number, data: object): void {
    const time = Math.round((nowMs - this.#startMs) * 1_000) / 1_000;
    this.#record({ time, name: `quic:${name}`, data });
  }

  packetSent(space: SpaceId, number: number, bytes: number, nowMs: number): void {
    this.#event('packet_sent', nowMs, packetOf(space, number, bytes));
  }

  packetReceived(space: SpaceId, number: number, bytes: number, nowMs: number): void {
    this.#event('packet_received', nowMs, packetOf(space, number, bytes));
  }

  packetDropped(reason: PacketDrop, bytes: number, nowMs: number): void {
    this.#event('packet_dropped', nowMs, { raw: { length: bytes }, trigger: reason });
  }

  packetLost(space: SpaceId, number: number, nowMs: number): void {
    this.#event('packet_lost', nowMs, packetOf(space, number, undefined));
  }

  metrics(windowBytes: number, bytesInFlight: number, smoothedMs: number, nowMs: number): void {
    this.#event('recovery_metrics_updated', nowMs, {
      smoothed_rtt: smoothedMs,
      congestion_window: Math.floor(windowBytes),
      bytes_in_flight: bytesInFlight,
    });
  }

  keyUpdated(generation: number, nowMs: number): void {
    this.#event('key_updated', nowMs, { key_phase: generation, trigger: 'local_update' });
  }

  pathChanged(key: string, isValidated: boolean, nowMs: number): void {
    const state = isValidated ? 'migration_complete' : 'migration_started';
    this.#event('migration_state_updated', nowMs, { new: state, path_remote: key });
  }

  closed({ by, errorCode, isApplication, reason }: QuicCloseReason, nowMs: number): void {
    const code = isApplication ? { application_error: errorCode } : { connection_error: errorCode };
    const initiator = by === 'peer' || by === 'reset' ? 'remote' : 'local';
    this.#event('connection_closed', nowMs, { initiator, ...code, reason, trigger: by });
  }
}

function packetOf(space: SpaceId, number: number, bytes: number | undefined): object {
  const header = { packet_type: PACKET_TYPES[space], packet_number: number };
  return bytes === undefined ? { header } : { header, raw: { length: bytes } };
}
