/** How much longer things take on a busy machine. */
import { availableParallelism, loadavg } from 'node:os';

/** A wait is at most this many times longer, so that it ends in any case. */
const SLOWDOWN_MAX = 8;

/** How many programs want each processor, from 1 to 8: what a wait is multiplied by. */
export function slowdown(): number {
  return Math.min(SLOWDOWN_MAX, Math.max(1, loadavg()[0]! / availableParallelism()));
}
