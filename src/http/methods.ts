/** What the methods mean (RFC 9110 §9.2). Unknown methods are neither safe nor idempotent. */

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);
const IDEMPOTENT = new Set([...SAFE, 'PUT', 'DELETE']);

/** RFC 9110 §9.2.1. */
export function isSafeMethod(method: string): boolean {
  return SAFE.has(method);
}

/** RFC 9110 §9.2.2. */
export function isIdempotentMethod(method: string): boolean {
  return IDEMPOTENT.has(method);
}
