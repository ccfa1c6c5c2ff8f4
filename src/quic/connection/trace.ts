/** What may be written down of a connection as it goes (qlog, draft-ietf-quic-qlog-quic-events). */
import type { QuicCloseReason } from '../application.ts';
import type { SpaceId } from '../recovery/loss.ts';

/** Calls must not alter anything; numbers are as in qlog's events. All are optional to save time. */
export interface QuicTrace {
  packetSent(space: SpaceId, number: number, bytes: number, nowMs: number): void;
  packetReceived(space: SpaceId, number: number, bytes: number, nowMs: number): void;
  packetDropped(reason: PacketDrop, bytes: number, nowMs: number): void;
  packetLost(space: SpaceId, number: number, nowMs: number): void;
  /** The controller's window, bytes in flight, and the smoothed round trip. */
  metrics(windowBytes: number, bytesInFlight: number, smoothedMs: number, nowMs: number): void;
  keyUpdated(generation: number, nowMs: number): void;
  pathChanged(key: string, isValidated: boolean, nowMs: number): void;
  closed(reason: QuicCloseReason, nowMs: number): void;
}

/** Why a packet was not used. */
export type PacketDrop = 'header' | 'keys' | 'undecryptable' | 'duplicate' | 'short-initial';
