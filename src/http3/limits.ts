/** Every number that bounds what one HTTP/3 peer can cost, beside those of QUIC (src/quic/limits.ts). */
import type { Budget } from '../http/abuse-budgets.ts';

/** What a peer can do too often. */
export type Http3AbuseKind =
  | 'rapid-reset'
  | 'stream-errors'
  | 'priority'
  | 'empty-frames'
  | 'control-frames'
  | 'unknown-streams';

/** All that ends a connection with H3_EXCESSIVE_LOAD: budgets, and bounds on what is held. */
export type Http3Abuse = Http3AbuseKind | 'unread-instructions';

export interface Http3Limits {
  /** Requests that the peer may have open at once: sent to it as QUIC's limit of streams. */
  readonly streamsConcurrentMax: number;
  /** Bytes of decoded headers (SETTINGS_MAX_FIELD_SECTION_SIZE); larger ones get 431. */
  readonly fieldSectionBytesMax: number;
  /** Bytes of one encoded HEADERS frame; larger ones get 431 unread. */
  readonly fieldBlockBytesMax: number;
  /** Bytes of QPACK's dynamic table, in either direction. */
  readonly tableBytesMax: number;
  /** Streams that may wait for instructions of QPACK, in either direction. */
  readonly blockedStreamsMax: number;
  /** Our sections that refer to the table and that the peer has not acknowledged. */
  readonly unacknowledgedSectionsMax: number;
  /** Bytes of QPACK's instructions that wait for a peer that does not read. */
  readonly unreadInstructionBytesMax: number;
  /** Bytes of a frame on the control stream. */
  readonly controlFrameBytesMax: number;
  /** PRIORITY_UPDATE frames kept for streams that have not been opened. */
  readonly earlyPrioritiesMax: number;
  readonly budgets: Readonly<Record<Http3AbuseKind, Budget>>;
}

/**
 * What HTTP/2 has too is the same here. tableBytesMax: as HTTP/2's. blockedStreamsMax: what quiche,
 * nghttp3 and browsers allow is 16 to 100. unacknowledgedSectionsMax: two for each open stream.
 * unreadInstructionBytesMax: 64 KiB are 10,000 requests and more. controlFrameBytesMax: SETTINGS and
 * PRIORITY_UPDATE are some ten bytes long.
 *
 * Budgets. rapid-reset: as HTTP/2's; QUIC's limit of streams alone does not stop a client that
 * opens and resets them (CVE-2023-44487). stream-errors: honest peers make none. priority: a
 * browser reprioritizes each image of a page. empty-frames: empty DATA, and frames that mean
 * nothing, on requests. control-frames: the same on the control stream, and MAX_PUSH_ID.
 * unknown-streams: reserved types, which are sent a few times to see whether they are ignored.
 */
export const defaultHttp3Limits: Http3Limits = {
  streamsConcurrentMax: 128,
  fieldSectionBytesMax: 65_536,
  fieldBlockBytesMax: 65_536,
  tableBytesMax: 4_096,
  blockedStreamsMax: 16,
  unacknowledgedSectionsMax: 256,
  unreadInstructionBytesMax: 65_536,
  controlFrameBytesMax: 4_096,
  earlyPrioritiesMax: 32,
  budgets: {
    'rapid-reset': { burst: 256, perSecond: 32 },
    'stream-errors': { burst: 100, perSecond: 10 },
    priority: { burst: 1_000, perSecond: 100 },
    'empty-frames': { burst: 100, perSecond: 10 },
    'control-frames': { burst: 100, perSecond: 10 },
    'unknown-streams': { burst: 20, perSecond: 1 },
  },
};
