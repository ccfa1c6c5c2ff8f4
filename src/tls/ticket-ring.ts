/** The active ticket keys, as they go from the supervisor to the workers: plain data. */
export interface TicketRing {
  /** 80 bytes each (native/ticket-keys.ts). The first encrypts, and all of them decrypt. */
  readonly keys: readonly Uint8Array[];
  /**
   * Before it, by the clock that all processes of the machine share (native/boot-clock.ts), no early
   * data is accepted: tickets under these keys may have
   * been used while this strike register was not there. 0 when that cannot be.
   */
  readonly earlyDataFromMs: number;
}

/**
 * Keys of one ring. Every ticket is looked up by its key's name, one comparison after the other, so
 * a ring is short.
 */
export const TICKET_KEYS_MAX = 32;

/** Two, so that a browser can open two connections at once with different tickets. */
export const TICKETS_PER_HANDSHAKE_DEFAULT = 2;

/** Seconds. RFC 8446 §4.6.1 allows up to 7 days; a day bounds what a stolen key opens. */
export const TICKET_LIFETIME_SECONDS_DEFAULT = 86_400;

/** Half a ticket's life: a key that is stolen opens what was sent in a day and a half at most. */
export const TICKET_ROTATION_MS_DEFAULT = 43_200_000;
