/** Whether a route can get a request at all: those before it may take everything. Pure. */
import { isNameOf } from '../../base/host-names.ts';
import type { RouteMatch } from '../../routing/route.ts';

/**
 * Whether every request that `inner` is for is one that `outer` is for. False also where that is
 * not easily seen, as with two patterns.
 */
export function covers(outer: RouteMatch, inner: RouteMatch): boolean {
  return (
    (outer.scheme === '' || outer.scheme === inner.scheme) &&
    hostsCover(outer.hosts, inner.hosts) &&
    (outer.pathPrefix === '' || isBelow(inner.pathPrefix, outer.pathPrefix)) &&
    (outer.pathPattern === '' || outer.pathPattern === inner.pathPattern) &&
    methodsCover(outer.methods, inner.methods) &&
    Object.entries(outer.headers).every(([name, value]) => {
      return inner.headers[name] === value || (value === '*' && name in inner.headers);
    }) &&
    (outer.from.length === 0 || JSON.stringify(outer.from) === JSON.stringify(inner.from))
  );
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
