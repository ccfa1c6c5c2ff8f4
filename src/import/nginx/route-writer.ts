/** Writes the routes of one server: their conditions, which all have in common, and their names. */
import { Draft } from '../draft.ts';
import type { Extra } from './conditions.ts';
import { type HeaderFacts, importResponseHeader, importResponseHeaders } from './headers.ts';
import type { Location } from './locations.ts';
import type { Directive } from './parser.ts';
import { type PathMatch, prefixKey } from './paths.ts';
import type { IfRule } from './rewrites.ts';
import type { Scope } from './scope.ts';
import type { Instance, NginxServer } from './servers.ts';
import { type NginxState, RouteDraft } from './state.ts';
import type { VariableFacts } from './variables.ts';

/** Where requests are while nginx looks what to do with them. */
export interface Spot {
  readonly scope: Scope;
  readonly location: Location | null;
  readonly path: PathMatch;
  /** Shown in the name of the route. */
  readonly title: string;
}

type Conditional = Pick<IfRule, 'extra' | 'action' | 'headers'>;

export function variablesOf(server: NginxServer): VariableFacts {
  const ports = [...new Set(server.listens.map(({ port }) => String(port)))];
  return {
    serverName: server.names.find((name) => !name.startsWith('*')) ?? '',
    port: ports.length === 1 ? ports[0]! : '',
    groups: new Map(),
    hasPattern: false,
    constants: new Map(),
    proxyHost: '',
  };
}

export class RouteWriter {
  readonly #instance: Instance;
  readonly #state: NginxState;
  readonly #routes: Draft[];

  constructor(instance: Instance, state: NginxState, routes: Draft[]) {
    this.#instance = instance;
    this.#state = state;
    this.#routes = routes;
  }

  /** Before the route of a spot: what is done with requests that ask for more. False when a route cannot. */
  conditional(spot: Spot, { extra, action, headers }: Conditional, place: Directive): boolean {
    const route = new RouteDraft();
    let path = spot.path;
    if (extra.pattern !== undefined) {
      if (path.pattern !== '' && path.pattern !== extra.pattern) return false;
      path = { ...path, pattern: extra.pattern, groups: extra.groups ?? new Map() };
    }
    if (!this.match(route, path, extra)) return true;
    route.body.set(action.kind, action.draft, place);
    const variables = variablesOf(this.#instance.server);
    const facts: HeaderFacts = { scope: spot.scope, state: this.#state, variables };
    const edits = route.body.at('response-headers');
    if (headers.length === 0) importResponseHeaders(route, facts);
    for (const header of headers) importResponseHeader(header, edits, facts);
    this.push(route, `${spot.title} ${place.text}`.trim());
    return true;
  }

  /** False when no request of this server can be meant. */
  match(route: RouteDraft, path: PathMatch, extra: Extra): boolean {
    const { hosts, scheme, server } = this.#instance;
    const { match } = route;
    const wanted = extra.scheme ?? scheme;
    if (scheme !== '' && wanted !== scheme) return false;
    if (wanted !== '') match.set('scheme', wanted);
    const isOurs = (name: string) => {
      return (
        hosts.length === 0 ||
        hosts.some((own) => own === name || (own.startsWith('*') && name.endsWith(own.slice(1))))
      );
    };
    const names = extra.hosts === undefined ? hosts : extra.hosts.filter(isOurs);
    if (extra.hosts !== undefined && names.length === 0) return false;
    const places = server.scope.own('server_name');
    if (names.length > 0)
      match.set('hosts', [...names], ...(extra.hosts === undefined ? places : []));
    if (path.prefix !== '' && path.prefix !== '/') match.set('path-prefix', prefixKey(path.prefix));
    if (path.pattern !== '') match.set('path-pattern', path.pattern);
    if (extra.methods !== undefined) match.set('methods', [...extra.methods]);
    if (extra.headers !== undefined) match.set('headers', Draft.of(extra.headers));
    if (extra.from !== undefined) match.set('from', [...extra.from]);
    return true;
  }

  push(route: RouteDraft, title: string): void {
    const { hosts, scheme } = this.#instance;
    const words = [hosts[0] ?? 'default', scheme, title === '' ? 'otherwise' : title];
    const base = words
      .filter((word) => word !== '')
      .join(' ')
      .slice(0, 80);
    const names = new Set(this.#routes.map((one) => one.get('name')));
    let name = base;
    for (let i = 2; names.has(name); i++) name = `${base} (${i})`;
    this.#routes.push(route.finished(name));
  }
}
