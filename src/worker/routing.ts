/** Makes the routes of one worker from the options. */
import { UsageError } from '../base/errors.ts';
import type { CachePolicy } from '../cache/rules/policy.ts';
import { type CacheRules, defaultCacheRules } from '../cache/rules/rules.ts';
import { PLUGIN_CONTROL } from '../plugin/origin-views.ts';
import type { PluginSet } from '../plugin/plugin-set.ts';
import { pluginsOfRoute, type RoutePlugins } from '../plugin/route-plugins.ts';
import type { ExchangeObserver, ProxyEnvironment } from '../proxy/environment.ts';
import { keySuffixes, type Routes, type RouteTarget, routeTable } from '../proxy/route-table.ts';
import { capturesOf } from '../routing/captures.ts';
import type { ClaimedNames } from '../routing/claimed-names.ts';
import { RateLimiter } from '../routing/rate-limit.ts';
import { RateTable } from '../routing/rate-table.ts';
import type { RouteOptions } from '../routing/route.ts';
import { compileRules, NO_RULES, type RouteRules } from '../routing/rules.ts';
import { compileTemplate, hasVariables } from '../routing/variables.ts';
import type { OriginGroup, Origins } from '../upstream/contract.ts';

/** What is the same for all routes. */
export type CommonEnvironment = Omit<
  ProxyEnvironment,
  'origins' | 'cachePolicy' | 'keyRules' | 'sliceBytes' | 'route' | 'plugins'
>;

/** The shared memory of rate limits; see rate-table.ts. */
export interface RateMemory {
  readonly words: Int32Array;
  readonly secret: Uint8Array;
}

export interface RoutesInput {
  readonly routes: readonly RouteOptions[];
  readonly origins: Origins;
  readonly common: CommonEnvironment;
  readonly rates: RateMemory;
  readonly observerOf: (route: string) => ExchangeObserver;
  readonly claims: ClaimedNames;
  readonly plugins: PluginSet;
}

/** Throws UsageError for a route that cannot be carried out. */
export function openRoutes({
  routes,
  origins,
  common,
  rates,
  observerOf,
  claims,
  plugins,
}: RoutesInput): Routes {
  const table = new RateTable(rates.words);
  const suffixes = keySuffixes(routes);
  const targets = routes.map((options, i): RouteTarget => {
    const { name, rateLimit, cache } = options;
    const limiter =
      rateLimit === null ? null : new RateLimiter(table, rates.secret, name, rateLimit);
    const environment = { ...common, observer: observerOf(name) };
    const openFor = (group: OriginGroup): ProxyEnvironment => {
      // Without origins there is no group, whatever the type says: see openOrigins.
      const place = options.action.kind === 'origin' ? group : { authority: '', pathPrefix: '' };
      const route = named(options, () =>
        compileRules({ options, keySuffix: suffixes[i]!, limiter, origin: place, claims }),
      );
      const hooks = pluginsOfRoute({
        set: plugins,
        route: name,
        origin: options.action.kind === 'origin' ? group.name : '',
        hasOrigin: (other) => origins.groups.has(other),
        dateNow: common.dateNow,
      });
      const { groups } = origins;
      const asked = { groups, byDefault: group };
      return environmentOf({ common: environment, origins: asked, cache, route, plugins: hooks });
    };
    return targetOf(options, origins, openFor);
  });
  const cache = defaultCacheRules;
  const unrouted = environmentOf({ common, origins, cache, route: NO_RULES, plugins: null });
  return routeTable(routes, targets, unrouted);
}

function targetOf(
  options: RouteOptions,
  origins: Origins,
  openFor: (group: OriginGroup) => ProxyEnvironment,
): RouteTarget {
  const { action, match } = options;
  if (action.kind !== 'origin' || !hasVariables(action.origin)) {
    return { environment: openFor(groupOf(options, origins)), choose: null };
  }
  const nameOf = named(options, () =>
    compileTemplate(action.origin, 'target', { captures: capturesOf(match) }),
  );
  // Made when they are asked for: there may be as many groups as tenants.
  const opened = new Map<string, ProxyEnvironment>();
  return {
    environment: openFor(origins.byDefault),
    choose(head) {
      const name = nameOf({ head, facts: null });
      const group = origins.groups.get(name);
      if (group === undefined) return null;
      const environment = opened.get(name) ?? openFor(group);
      opened.set(name, environment);
      return environment;
    },
  };
}

interface EnvironmentParts {
  readonly common: CommonEnvironment;
  readonly origins: Origins;
  readonly cache: CacheRules;
  readonly route: RouteRules;
  readonly plugins: RoutePlugins | null;
}

/** One place, so that all environments have one shape. */
function environmentOf({
  common,
  origins,
  cache,
  route,
  plugins,
}: EnvironmentParts): ProxyEnvironment {
  const { policy, key: keyRules, sliceBytes } = cache;
  const cachePolicy = plugins === null ? policy : withPluginControl(policy);
  return { ...common, origins, cachePolicy, keyRules, sliceBytes, route, plugins };
}

/** What plugins say of lifetimes comes before what the origin says. */
function withPluginControl(policy: CachePolicy): CachePolicy {
  return { ...policy, targetedFields: [PLUGIN_CONTROL, ...policy.targetedFields] };
}

/** A route that answers by itself has one, too: it is never asked. */
function groupOf({ name, action }: RouteOptions, origins: Origins): OriginGroup {
  if (action.kind !== 'origin') return origins.byDefault;
  const group = origins.groups.get(action.origin);
  if (group !== undefined) return group;
  const known = [...origins.groups.keys()].join(', ');
  throw new UsageError(
    `route ${name}: there is no origin ${action.origin}`,
    `write one of ${known}`,
  );
}

function named<T>({ name }: RouteOptions, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UsageError(`route ${name}: ${error.message}`, 'write it another way');
  }
}
