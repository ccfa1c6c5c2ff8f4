/** The plugins of one route, and which of them a request is for. */
import type { RequestFacts } from '../http/exchange.ts';
import type { RequestHead } from '../http/message.ts';
import { anyReadingUnder, type PathRule, pathRule, readPath } from '../routing/path.ts';
import { methodSet } from '../routing/request-test.ts';
import type { PluginMatch } from './options.ts';
import { type PluginRoute, PluginRun } from './plugin-run.ts';
import type { LoadedPlugin, PluginSet } from './plugin-set.ts';

interface Candidate {
  readonly plugin: LoadedPlugin;
  readonly paths: readonly PathRule[];
  readonly methods: ReadonlySet<string> | null;
}

export interface RoutePluginsInput {
  readonly set: PluginSet;
  /** The route's name. */
  readonly route: string;
  /** The group of origins that it asks. */
  readonly origin: string;
  readonly hasOrigin: (name: string) => boolean;
  readonly dateNow: () => string;
}

export class RoutePlugins implements PluginRoute {
  readonly name: string;
  readonly origin: string;
  readonly hasOrigin: (name: string) => boolean;
  readonly dateNow: () => string;
  readonly hasResponseHook: boolean;
  readonly #candidates: readonly Candidate[];
  /** Set when each is for every request of the route. */
  readonly #all: readonly LoadedPlugin[] | null;

  constructor({ route, origin, hasOrigin, dateNow }: RoutePluginsInput, plugins: LoadedPlugin[]) {
    this.name = route;
    this.origin = origin;
    this.hasOrigin = hasOrigin;
    this.dateNow = dateNow;
    this.hasResponseHook = plugins.some(({ hooks }) => hooks?.onResponse !== undefined);
    this.#candidates = plugins.map((plugin) => {
      const { paths, methods } = plugin.options.match;
      return { plugin, paths: paths.map(pathRule), methods: methodSet(methods) };
    });
    const areForAll = plugins.every(({ options: { match } }) => isForAll(match));
    this.#all = areForAll ? plugins : null;
  }

  /** Null when none is for the request. */
  begin(head: RequestHead, facts: RequestFacts): PluginRun | null {
    const plugins = this.#all ?? this.#pluginsFor(head);
    return plugins.length === 0 ? null : new PluginRun(this, plugins, head, facts);
  }

  /** A path that can be read as one that a plugin is for is one: else its other spelling would pass. */
  #pluginsFor(head: RequestHead): LoadedPlugin[] {
    const readings = readPath(head.path);
    return this.#candidates
      .filter(({ paths, methods }) => {
        if (methods !== null && !methods.has(head.method)) return false;
        return paths.length === 0 || paths.some((rule) => anyReadingUnder(readings, rule));
      })
      .map(({ plugin }) => plugin);
  }
}

function isForAll({ paths, methods }: PluginMatch): boolean {
  return paths.length === 0 && methods.length === 0;
}

/** Null when the route has none, and so pays nothing. */
export function pluginsOfRoute(input: RoutePluginsInput): RoutePlugins | null {
  const plugins = input.set.plugins.filter(({ options: { match }, hooks, onFault }) => {
    const isHere = match.routes.length === 0 || match.routes.includes(input.route);
    return isHere && (hooks !== null || onFault === 'refuse');
  });
  return plugins.length === 0 ? null : new RoutePlugins(input, plugins);
}
