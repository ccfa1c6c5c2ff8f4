/** What a congestion controller is: NewReno and CUBIC are the two that there are. */

export type CongestionControl = 'cubic' | 'new-reno';

export interface CongestionController {
  /** Bytes that may be in flight. */
  readonly windowBytes: number;
  /** Below this the window grows by what is acknowledged. */
  readonly slowStartBytes: number;
  /** Bytes that were in flight have been acknowledged; those sent before the last reduction grow nothing. */
  onAcknowledged(sample: AcknowledgedBytes, nowMs: number): void;
  /** Loss, or ECN: `sentMs` of the latest packet at fault. Once for each round trip. */
  onCongestion(sentMs: number, nowMs: number): void;
  /** Nothing came through for long (RFC 9002 §7.6). */
  onPersistentCongestion(): void;
  /** The path's largest datagram has changed. */
  onDatagramBytes(bytes: number): void;
}

/** One object that is used again. */
export interface AcknowledgedBytes {
  bytes: number;
  sentMs: number;
  isApplicationLimited: boolean;
  smoothedRttMs: number;
}

/** RFC 9002 §7.2. */
export function initialWindow(datagramBytes: number): number {
  return Math.min(10 * datagramBytes, Math.max(14_720, 2 * datagramBytes));
}

/** Datagrams that may always be in flight (RFC 9002 §7.2). */
export const WINDOW_DATAGRAMS_MIN = 2;
