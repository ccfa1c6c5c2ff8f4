/** How many connections a worker takes, by how many descriptors the system lets it have. */
import { readFileSync } from 'node:fs';

/**
 * Descriptors of a worker that are not for clients, where there are enough: 1,024 connections to an
 * origin, 256 open segments of the cache, and 64 for all else. Of few, half are for clients.
 */
export const DESCRIPTORS_KEPT = 1_344;

/** Connections of clients that a process with so many descriptors takes; at most `wanted`. */
export function connectionsFor(descriptors: number, wanted: number): number {
  const kept = Math.min(Math.ceil(descriptors / 2), DESCRIPTORS_KEPT);
  return Math.max(1, Math.min(wanted, descriptors - kept));
}

/**
 * Descriptors that this process may have (RLIMIT_NOFILE), and so what it starts. Node raises the soft
 * limit to the hard one at its start. Infinity where it cannot be found out.
 */
export function descriptorsMax(file = '/proc/self/limits'): number {
  try {
    const soft = /^Max open files +(\d+|unlimited)/m.exec(readFileSync(file, 'utf8'))?.[1];
    return soft === undefined || soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
