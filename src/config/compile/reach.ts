/** Whether a route can get a request at all: those before it may take everything. Pure. */
import { isNameOf } from '../../base/host-names.ts';
import { matchEverything, type RouteMatch } from '../../routing/route.ts';

/**
 * Whether every request that `inner` is for is one that `outer` is for. False also where that is
 * not easily seen, as with two patterns.
 */
export function covers(outer: RouteMatch, inner: RouteMatch): boolean {
  return (
    (outer.scheme === '' || outer.scheme === inner.scheme) &&
    hostsCover(outer.hosts, inner.hosts) &&
    pathCovers(outer, inner) &&
    methodsCover(outer.methods, inner.methods) &&
    Object.entries(outer.headers).every(([name, value]) => {
      const wanted = inner.headers[name];
      return wanted !== undefined && (value.kind === 'any' || areEqual(wanted, value));
    }) &&
    OTHERS.every((key) => {
      return areEqual(outer[key], matchEverything[key]) || areEqual(outer[key], inner[key]);
    })
  );
}

/** Conditions of which the same ones cover each other, and no others. */
const OTHERS = [
  'hostPattern',
  'pathPattern',
  'cookies',
  'query',
  'from',
  'ports',
  'websocket',
  'tls',
] as const satisfies readonly (keyof RouteMatch)[];

function areEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function pathCovers(outer: RouteMatch, inner: RouteMatch): boolean {
  // What is left out of the outer one may be what the inner one is for.
  if (outer.not.length > 0 && !areEqual(outer.not, inner.not)) return false;
  const isOpen = outer.pathPrefix === '' && outer.pathPattern === '';
  if (!isOpen && outer.ignoreCase !== inner.ignoreCase) return false;
  return outer.pathPrefix === '' || isBelow(inner.pathPrefix, outer.pathPrefix);
}

function hostsCover(outer: readonly string[], inner: readonly string[]): boolean {
  if (outer.length === 0) return true;
  const isCovered = (name: string) => outer.some((one) => one === name || isNameOf(one, name));
  return inner.length > 0 && inner.every(isCovered);
}

/** A prefix is of whole segments: /api is for /api and /api/x, not for /apis. */
function isBelow(path: string, prefix: string): boolean {
  const whole = prefix.endsWith('/') ? prefix : `${prefix}/`;
  return path === prefix || path.startsWith(whole);
}

function methodsCover(outer: readonly string[], inner: readonly string[]): boolean {
  if (outer.length === 0) return true;
  const isTaken = (method: string) =>
    outer.includes(method) || (method === 'HEAD' && outer.includes('GET'));
  return inner.length > 0 && inner.every(isTaken);
}
