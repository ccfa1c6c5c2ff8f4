/** The routes of one configuration, each with what its exchanges work with. */
import { createHash } from 'node:crypto';
import type { RequestFacts } from '../http/exchange.ts';
import type { RequestHead } from '../http/message.ts';
import { isOfTarget } from '../routing/request-test.ts';
import type { RouteMatch, RouteOptions } from '../routing/route.ts';
import { Router, type RoutingFailure } from '../routing/router.ts';
import type { ProxyEnvironment } from './environment.ts';

export interface Routes {
  find(head: RequestHead, facts: RequestFacts): ProxyEnvironment | RoutingFailure;
  /** For requests that no route takes: they are answered, logged, and nothing more. */
  readonly unrouted: ProxyEnvironment;
}

/** What a route's requests get: one environment, or one of several that the request chooses. */
export interface RouteTarget {
  readonly environment: ProxyEnvironment;
  /** Null for one; itself returns null when the request names none that there is. */
  readonly choose: ((head: RequestHead, facts: RequestFacts) => ProxyEnvironment | null) | null;
}

/** `targets` are the routes', in their order. */
export function routeTable(
  routes: readonly RouteOptions[],
  targets: readonly RouteTarget[],
  unrouted: ProxyEnvironment,
): Routes {
  const router = new Router(routes.map(({ match }, i) => ({ match, target: targets[i]! })));
  return {
    find(head, facts) {
      const found = router.find(head, facts);
      if (typeof found === 'string') return found;
      return found.choose === null ? found.environment : (found.choose(head, facts) ?? 'no-route');
    },
    unrouted,
  };
}

/**
 * What is added to the cache keys of each route. Most routes are chosen by the target alone, which
 * the key has. One that is chosen by a field or by where the client is stores under keys of its own:
 * else what it fetched for some would be served to all. They are named by whom the route is for, so
 * that they are not another route's after a reload or a restart.
 */
export function keySuffixes(routes: readonly RouteOptions[]): string[] {
  return routes.map(({ match }) => (isOfTarget(match) ? '' : `\nroute ${idOf(match)}`));
}

function idOf(match: RouteMatch): string {
  return createHash('sha256').update(JSON.stringify(match)).digest('hex').slice(0, 16);
}
