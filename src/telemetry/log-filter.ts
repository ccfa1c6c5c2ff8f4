/** Which exchanges have a line in a log. Asked before a line is made. */
import { HostNames } from '../base/host-names.ts';
import type { ExchangeSummary } from './exchange-summary.ts';
import type { LogFilter } from './log-options.ts';

export type LineFilter = (summary: ExchangeSummary) => boolean;

/** Null when all have one. */
export function lineFilter(filter: LogFilter, sample: number): LineFilter | null {
  const { statuses, hosts, pathPrefix, methods, slowerThanMs, cache } = filter;
  const parts: LineFilter[] = [];
  if (statuses.length > 0) {
    parts.push(({ status }) => statuses.some(({ from, to }) => status >= from && status <= to));
  }
  if (slowerThanMs > 0) parts.push(({ durationMs }) => durationMs >= slowerThanMs);
  if (cache.length > 0) parts.push((summary) => cache.includes(summary.cache));
  if (methods.length > 0) parts.push(({ method }) => methods.includes(method));
  if (pathPrefix !== '') parts.push(({ path }) => path.startsWith(pathPrefix));
  if (hosts.length > 0) {
    const names = new HostNames<true>();
    for (const name of hosts) names.add(name, true);
    parts.push(({ host }) => names.find(host) === true);
  }
  if (sample < 1) parts.push((summary) => isSampled(requestHash(summary), sample));
  if (parts.length === 0) return null;
  return (summary) => parts.every((part) => part(summary));
}

/**
 * By a hash and not by chance: a request that is in a log of 1% is also in one of 10%, so that lines
 * of several logs can be put together.
 */
export function isSampled(hash: number, sample: number): boolean {
  return hash < sample * 2 ** 32;
}

/** Characters of the path that tell requests of one connection and millisecond apart. */
const HASHED_PATH_LENGTH = 64;

function requestHash({ remotePort, startedAtMs, path }: ExchangeSummary): number {
  let hash = mixed(remotePort, startedAtMs);
  const end = Math.min(path.length, HASHED_PATH_LENGTH);
  for (let i = 0; i < end; i++) hash = Math.imul(hash ^ path.charCodeAt(i), 0x01000193);
  return finished(hash);
}

/** An unsigned integer of 32 bits from what tells a connection from others. */
export function connectionHash(remotePort: number, startedAtMs: number): number {
  return finished(mixed(remotePort, startedAtMs));
}

function mixed(remotePort: number, startedAtMs: number): number {
  return Math.imul(0x811c9dc5 ^ remotePort, 0x01000193) ^ Math.trunc(startedAtMs % 2 ** 31);
}

/** So that each bit of the input alters each bit of the outcome. */
function finished(input: number): number {
  let hash = input ^ (input >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
