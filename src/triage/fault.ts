/** Whether two capsules tell of one fault. */
import type { Capsule } from './capsule.ts';

/**
 * Same kind and signal, in the same observer; where no observer was running, in the same call. With
 * an observer the call may differ: what was being done when it ran depends on the configuration.
 */
export function isSameFault(one: Capsule, other: Capsule): boolean {
  if (one.kind !== other.kind || one.death?.signal !== other.death?.signal) return false;
  const observers = [one, other].map(({ suspect }) => suspect?.observer ?? null);
  if (observers[0] !== observers[1]) return false;
  if (observers[0] !== null) return true;
  return (one.suspect?.call ?? null) === (other.suspect?.call ?? null);
}
