import type { HostsEntry } from '../schema/hosts.ts';
import type { TransportPolicy } from '../secure-transport.ts';
import type { CompileContext } from './context.ts';

/** Milliseconds: browsers' lists ask for as much (hstspreload.org). */
const PRELOAD_AGE_MIN_MS = 31_536_000_000;

/** A year. */
const HSTS_AGE_DEFAULT_MS = 31_536_000_000;

export function compileTransportPolicies(
  entries: HostsEntry,
  context: CompileContext,
): TransportPolicy[] {
  const policies = entries.map(({ names = [], hsts, ...entry }, i) => ({
    names,
    redirectToHttps: entry['redirect-to-https'] ?? false,
    hsts: hstsOf(hsts, context.below(i, 'hsts')),
  }));
  return policies.filter(({ redirectToHttps, hsts }) => redirectToHttps || hsts !== '');
}

/** RFC 6797 §6.1. */
function hstsOf(entry: HostsEntry[number]['hsts'], context: CompileContext): string {
  if (entry === undefined || entry === false) return '';
  const {
    'max-age': maxAgeMs = HSTS_AGE_DEFAULT_MS,
    'include-subdomains': includesSubdomains = false,
    preload = false,
  } = entry === true ? {} : entry;
  if (preload && (!includesSubdomains || maxAgeMs < PRELOAD_AGE_MIN_MS)) {
    const remedy = 'write include-subdomains: on, and max-age: 365d or more';
    context.refuse(['preload'], 'no list takes it so', remedy);
  }
  const words = [`max-age=${Math.floor(maxAgeMs / 1_000)}`];
  if (includesSubdomains) words.push('includeSubDomains');
  if (preload) words.push('preload');
  return words.join('; ');
}
