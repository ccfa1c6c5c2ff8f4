/**
 * Throws when a condition that our own code guarantees does not hold. Never for bad input:
 * a failed assertion is a programmer's error, ends the worker, and the supervisor replaces it.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}
