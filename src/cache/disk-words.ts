/**
 * Words of shared memory by which a worker's supervisor knows whether it died inside its cache
 * directory, and the next worker in its place what follows from that.
 */

/** Above 0 while the worker may be inside the index. */
export const MARK = 0;
/** 0, or `WITHOUT`, or when a worker died in the directory, in seconds since the epoch. */
export const VERDICT = 1;

/** Of VERDICT: the worker has died of the directory again and again, and does without. */
export const WITHOUT = 1;

/** 1 while the worker caches in memory, though there is a directory; 0 otherwise. */
export const APART = 2;

/** 32-bit words of one worker: a cache line of its own. */
export const DISK_WORDS = 16;
