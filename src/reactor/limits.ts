/**
 * How much one wake-up may do, and how much may wait. Every number bounds either the time that one
 * peer can take from the others or the memory that one can hold.
 */

/** Bytes per `recv`. Linux delivers at most 64 KiB at once over loopback, less over a network. */
export const RECEIVE_BYTES = 65_536;

/** Bytes read from one socket before the others get their turn: two full receives. */
export const READ_BYTES_PER_TURN_MAX = 131_072;

/** Connections accepted by one listener before the others get their turn; libuv stops at 1. */
export const ACCEPTS_PER_TURN_MAX = 64;

/** Receiving calls of one UDP socket before the others get their turn: 128 messages. */
export const RECEIVES_PER_TURN_MAX = 8;

/** Events taken from the kernel at once. */
export const EVENTS_PER_ROUND_MAX = 128;

/** How often epoll is called in a row before Node's loop continues. */
export const ROUNDS_PER_TURN_MAX = 8;

/** Milliseconds of work before Node's loop (timers, files, admin endpoint) goes on. */
export const TURN_MS_MAX = 8;

/** Events handled between two looks at the clock. */
export const EVENTS_PER_CLOCK_READ = 8;

/**
 * Bytes of unsent output per socket above which `write` returns false. Two of Node's or nginx's
 * usual buffers; together with the kernel's send buffer enough for 100 ms at 20 Mbit/s.
 */
export const OUTPUT_HIGH_WATER_BYTES = 262_144;

/**
 * Bytes of a body that are worth one `write`, until the kernel has taken so many whole; then twice
 * as many, and so on. One large send wakes the peer once: over loopback, eight small ones take
 * twice as long.
 */
export const BYTES_AT_ONCE_MIN = 131_072;

/** Bytes of a body in one `write` at most: what the kernel does not take is copied. */
export const BYTES_AT_ONCE_MAX = 1_048_576;

/** Bytes per block of unsent output: one is the least that a slow reader costs. */
export const OUTPUT_CHUNK_BYTES = 65_536;

/** Blocks of unsent output kept for reuse (4 MiB); further ones go back to the kernel. */
export const OUTPUT_CHUNKS_KEPT_MAX = 64;

/** Below this a copy to native memory costs less than taking the address of JavaScript memory. */
export const COPIED_WRITE_BYTES_MAX = 4_096;

/** Milliseconds that a listener waits when the process or the machine is out of descriptors. */
export const ACCEPT_PAUSE_MS = 100;
