/**
 * Shortages of our own: what the system refuses because this process, or this machine, has no more
 * of it. They say nothing about whoever is at the other end, and are held against nobody.
 */

/** The code of our own errors for them. */
const OUT_OF_RESOURCES = 'out-of-resources';

/**
 * Descriptors (EMFILE, ENFILE), memory and maps (ENOMEM), buffers (ENOBUFS), ports of our own end
 * (EADDRNOTAVAIL), watches of epoll (ENOSPC), processes (EAGAIN is not among them: most of the time it
 * means "not yet").
 */
export const SHORTAGES: readonly string[] = [
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ENOBUFS',
  'EADDRNOTAVAIL',
  'ENOSPC',
];

/** Whether an error, of ours or of Node's, says that we have run out of something. */
export function isOwnShortage(error: unknown): boolean {
  const { code, cause } = (error ?? {}) as { readonly code?: unknown; readonly cause?: unknown };
  if (code === OUT_OF_RESOURCES) return true;
  if (typeof code === 'string' && SHORTAGES.includes(code)) return true;
  return cause !== undefined && cause !== error && isOwnShortage(cause);
}
