/**
 * Whether one configuration allows more than another, so that to go to it would weaken a policy. Pure,
 * and cautious: what is not known to be without weight for what is allowed counts as weaker.
 */
import { offAllowsMore } from '../tls/features.ts';

/**
 * Keys whose values never decide who may do what: `*` is one part of a path, and what is below a key
 * belongs to it. Whoever adds a key here says that no value of it lets anybody do more.
 */
const WITHOUT_WEIGHT: readonly string[] = [
  'drainTimeoutMs',
  'drainGraceMs',
  'logs',
  'errorLog',
  'origins/*/balance',
  'origins/*/slowStartMs',
  'origins/*/timeouts',
  'origins/*/retries',
  'origins/*/healthCheck',
  'origins/*/passiveHealth',
  'tls/ticketRotationMs',
  'tls/ticketsPerHandshake',
];

/** Where to go from `from` to `to` might allow more: paths of what differs; none when it cannot. */
export function weakenings(from: object, to: object): readonly string[] {
  const found: string[] = [];
  compare([], from, to, found);
  return found;
}

function compare(path: readonly string[], from: unknown, to: unknown, found: string[]): void {
  if (Object.is(from, to) || hasNoWeight(path)) return;
  if (isPlain(from) && isPlain(to) && Array.isArray(from) === Array.isArray(to)) {
    for (const name of new Set([...Object.keys(from), ...Object.keys(to)])) {
      compare([...path, name], from[name], to[name], found);
    }
    return;
  }
  if (isSameBytes(from, to)) return;
  // A feature that is switched off does nothing that it did before; off and on are values of their own.
  if (path.length === 2 && path[0] === 'features' && to === false && !offAllowsMore(path[1]!))
    return;
  found.push(path.join('/'));
}

function hasNoWeight(path: readonly string[]): boolean {
  return WITHOUT_WEIGHT.some((pattern) => {
    const parts = pattern.split('/');
    return (
      parts.length === path.length && parts.every((part, i) => part === '*' || part === path[i])
    );
  });
}

/** Objects whose keys are all there is to them. */
function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || Array.isArray(value);
}

function isSameBytes(from: unknown, to: unknown): boolean {
  if (!ArrayBuffer.isView(from) || !ArrayBuffer.isView(to)) return false;
  const bytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
    Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
  return bytes(from).equals(bytes(to));
}
