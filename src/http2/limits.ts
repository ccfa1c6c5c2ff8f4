/** Every number that bounds what one HTTP/2 peer can cost. */

import type { Budget } from '../http/abuse-budgets.ts';

/** What a peer can do too often. */
export type AbuseKind =
  | 'rapid-reset'
  | 'stream-errors'
  | 'settings'
  | 'ping'
  | 'priority'
  | 'empty-frames'
  | 'window-update';

/** All that ends a connection with ENHANCE_YOUR_CALM: budgets, and bounds on what is held. */
export type Http2Abuse =
  | AbuseKind
  | 'continuation'
  | 'field-section-size'
  | 'unread-control-frames';

export interface Http2Limits {
  /** Streams that the peer may have open at once (SETTINGS_MAX_CONCURRENT_STREAMS). */
  readonly streamsConcurrentMax: number;
  /** Bytes of decoded headers as RFC 9113 §6.5.2 counts them; larger ones get 431. */
  readonly fieldSectionBytesMax: number;
  /** Bytes of one encoded field block, over all its frames. */
  readonly fieldBlockBytesMax: number;
  /** CONTINUATION frames of one field block. */
  readonly continuationFramesMax: number;
  /** Bytes of the dynamic table, in either direction. */
  readonly tableBytesMax: number;
  /** Bytes of bodies that one stream, or all together, may send before any are consumed. */
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  /** How far these windows may grow for a fast and distant peer. */
  readonly streamWindowBytesMax: number;
  readonly connectionWindowBytesMax: number;
  /** Bytes of one stream's body that wait for the peer's window before its sender is stopped. */
  readonly streamSendBytesMax: number;
  /**
   * Bytes of frames other than DATA that wait for a peer that does not read; beyond it, sluice
   * reads no more from that peer.
   */
  readonly blockedBytesMax: number;
  /** Acknowledgements and resets that wait for a peer that does not read. */
  readonly blockedControlFramesMax: number;
  /** PRIORITY_UPDATE frames kept for streams that are still idle. */
  readonly earlyPrioritiesMax: number;
  readonly budgets: Readonly<Record<AbuseKind, Budget>>;
}

/**
 * streamsConcurrentMax: RFC 9113 §6.5.2 advises 100 at least; nginx has 128. fieldSectionBytesMax
 * and fieldBlockBytesMax: the 64 KiB of Envoy's 60 and Node's 16 to 64. continuationFramesMax: four
 * blocks of 16 KiB would do, and a peer that flushes small pieces gets some grace (CVE-2024-27316
 * and its kin sent them without end). tableBytesMax: the RFC's initial value.
 *
 * Windows: 256 KiB keep 20 Mbit/s busy at 100 ms, as in nginx for a stream at 1 MiB in all; a peer
 * whose round trips show that it could do more gets up to 2 and 4 MiB. streamSendBytesMax: four full
 * frames. blockedBytesMax: one output buffer.
 *
 * Budgets. rapid-reset (CVE-2023-44487): a browser that leaves a page cancels what it has open, at
 * most streamsConcurrentMax at once; twice that, and 32 a second (nghttp2: 1000 and 33).
 * stream-errors (MadeYouReset, CVE-2025-8671): honest peers make none. settings, ping
 * (CVE-2019-9512, CVE-2019-9515): peers that measure round trips ping a few times a second. priority
 * (CVE-2019-9513): a browser reprioritizes each image of a page. empty-frames (CVE-2019-9518).
 * window-update: two for each DATA frame are free (one for the stream, one for the connection).
 */
export const defaultHttp2Limits: Http2Limits = {
  streamsConcurrentMax: 128,
  fieldSectionBytesMax: 65_536,
  fieldBlockBytesMax: 65_536,
  continuationFramesMax: 32,
  tableBytesMax: 4_096,
  streamWindowBytes: 262_144,
  connectionWindowBytes: 1_048_576,
  streamWindowBytesMax: 2_097_152,
  connectionWindowBytesMax: 4_194_304,
  streamSendBytesMax: 65_536,
  blockedBytesMax: 65_536,
  blockedControlFramesMax: 1_000,
  earlyPrioritiesMax: 32,
  budgets: {
    'rapid-reset': { burst: 256, perSecond: 32 },
    'stream-errors': { burst: 100, perSecond: 10 },
    settings: { burst: 20, perSecond: 1 },
    ping: { burst: 100, perSecond: 10 },
    priority: { burst: 1_000, perSecond: 100 },
    'empty-frames': { burst: 100, perSecond: 10 },
    'window-update': { burst: 2_000, perSecond: 200 },
  },
};

/** A field section this many times the limit is an attack on our time, not a mistake. */
export const FIELD_SECTION_ABUSE_FACTOR = 16;

/** Bytes of the buffer in which frames are collected before they are handed down. */
export const OUTPUT_BUFFER_BYTES = 65_536;

/** Output buffers kept for the next connection that has something to say (2 MiB). */
export const OUTPUT_BUFFERS_KEPT_MAX = 32;

/** A partial frame's buffer of at most this many bytes is kept by an idle connection. */
export const PARTIAL_FRAME_BYTES_KEPT = 1_024;

/** A stream has moved on when this many bytes of its content were sent, or all of it. */
export const PROGRESS_BYTES = 1_024;
