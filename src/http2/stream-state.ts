/**
 * What may arrive in which state of a stream: RFC 9113 §5.1, with §6 for each frame. Every rule on
 * the reception of a stream's frames is in this table; the connection only looks it up.
 */
import { FrameType } from './protocol.ts';

/** The states of RFC 9113 §5.1, with `closed` divided by what brought it about. */
export const StreamState = {
  IDLE: 0,
  RESERVED_LOCAL: 1,
  RESERVED_REMOTE: 2,
  OPEN: 3,
  HALF_CLOSED_LOCAL: 4,
  HALF_CLOSED_REMOTE: 5,
  /** Both sides have sent END_STREAM. */
  CLOSED_BY_END: 6,
  /** We sent RST_STREAM: the peer may not know yet. */
  CLOSED_BY_OUR_RESET: 7,
  CLOSED_BY_PEER_RESET: 8,
  /** Never used: a stream with a higher identifier was opened first (§5.1.1). */
  CLOSED_BY_SKIPPING: 9,
  /** Closed so long ago that we no longer know how. */
  CLOSED_AND_FORGOTTEN: 10,
} as const;

export const Reception = {
  PROCESS: 0,
  /** Discarded after what the connection's state needs: field decoding, flow control. */
  IGNORE: 1,
  STREAM_ERROR_STREAM_CLOSED: 2,
  CONNECTION_ERROR_STREAM_CLOSED: 3,
  CONNECTION_ERROR_PROTOCOL_ERROR: 4,
} as const;

const COLUMNS = 10;
const { PROCESS, IGNORE } = Reception;
const STREAM_CLOSED = Reception.STREAM_ERROR_STREAM_CLOSED;
const ALL_CLOSED = Reception.CONNECTION_ERROR_STREAM_CLOSED;
const PROTOCOL = Reception.CONNECTION_ERROR_PROTOCOL_ERROR;

/**
 * Columns: DATA, HEADERS, PRIORITY, RST_STREAM, PUSH_PROMISE, WINDOW_UPDATE. We take no pushes
 * (§6.5.2, SETTINGS_ENABLE_PUSH 0) and send none, so that PUSH_PROMISE is an error in every state
 * and no stream is ever reserved; those two rows stand for completeness.
 */
const ROWS: readonly (readonly number[])[] = [
  /* IDLE                 */ [PROTOCOL, PROCESS, IGNORE, PROTOCOL, PROTOCOL, PROTOCOL],
  /* RESERVED_LOCAL       */ [PROTOCOL, PROTOCOL, IGNORE, PROCESS, PROTOCOL, PROCESS],
  /* RESERVED_REMOTE      */ [PROTOCOL, PROCESS, IGNORE, PROCESS, PROTOCOL, PROTOCOL],
  /* OPEN                 */ [PROCESS, PROCESS, IGNORE, PROCESS, PROTOCOL, PROCESS],
  /* HALF_CLOSED_LOCAL    */ [PROCESS, PROCESS, IGNORE, PROCESS, PROTOCOL, PROCESS],
  /* HALF_CLOSED_REMOTE   */ [STREAM_CLOSED, STREAM_CLOSED, IGNORE, PROCESS, PROTOCOL, PROCESS],
  /* CLOSED_BY_END        */ [STREAM_CLOSED, ALL_CLOSED, IGNORE, IGNORE, PROTOCOL, IGNORE],
  /* CLOSED_BY_OUR_RESET  */ [IGNORE, IGNORE, IGNORE, IGNORE, PROTOCOL, IGNORE],
  /* CLOSED_BY_PEER_RESET */ [STREAM_CLOSED, STREAM_CLOSED, IGNORE, IGNORE, PROTOCOL, IGNORE],
  /* CLOSED_BY_SKIPPING   */ [PROTOCOL, PROTOCOL, IGNORE, PROTOCOL, PROTOCOL, PROTOCOL],
  /* CLOSED_AND_FORGOTTEN */ [IGNORE, ALL_CLOSED, IGNORE, IGNORE, PROTOCOL, IGNORE],
];

const COLUMN_TYPES = [
  FrameType.DATA,
  FrameType.HEADERS,
  FrameType.PRIORITY,
  FrameType.RST_STREAM,
  FrameType.PUSH_PROMISE,
  FrameType.WINDOW_UPDATE,
];

const table = new Uint8Array(ROWS.length * COLUMNS).fill(PROTOCOL);
for (let state = 0; state < ROWS.length; state++) {
  for (let column = 0; column < COLUMN_TYPES.length; column++) {
    table[state * COLUMNS + COLUMN_TYPES[column]!] = ROWS[state]![column]!;
  }
}

/**
 * What to do with a frame of the types above that arrived in a state. A CONTINUATION frame is judged
 * by the HEADERS frame that it belongs to (§6.10).
 */
export function receptionOf(state: number, frameType: number): number {
  return table[state * COLUMNS + frameType]!;
}
