/** One server of nginx as routes of ours, in the order in which they must stand. */
import { Draft } from '../draft.ts';
import { importedPattern, PatternProblem } from '../regular-expressions.ts';
import type { ImportReport } from '../report.ts';
import { importAccess, onlyMethods } from './access.ts';
import { importResponseHeaders } from './headers.ts';
import { remedyFor } from './known.ts';
import { fileBelow, importCompression, importErrorPages, importRates } from './limits.ts';
import { type Location, nestedIn, type OrderedLocation, orderLocations } from './locations.ts';
import type { Directive } from './parser.ts';
import {
  bothPaths,
  EVERY_PATH,
  exactPath,
  type PathMatch,
  pathOfLocation,
  patternPath,
  prefixKey,
} from './paths.ts';
import { importProxy } from './proxy.ts';
import {
  type Action,
  type IfRule,
  ifRule,
  keepsOut,
  returnAction,
  rewriteRedirect,
  rewriteReplace,
  rewriteRule,
} from './rewrites.ts';
import { RouteWriter, type Spot, variablesOf } from './route-writer.ts';
import type { Scope } from './scope.ts';
import type { Instance } from './servers.ts';
import { type NginxState, RouteDraft } from './state.ts';
import type { VariableFacts } from './variables.ts';

/** What `set`, `if`, `rewrite` and `return` of a block leave for the rest. */
interface Phase {
  readonly variables: VariableFacts;
  readonly final: Action | null;
  readonly finalPlace: Directive | null;
  readonly rewrite: Draft | null;
  /** Why nobody may come in here. */
  readonly closed: readonly string[];
  /** Only these methods, as an `if` says that refuses all others. */
  readonly methods: readonly string[];
}

/** Adds to `routes`, which are those of all servers. */
export function addServerRoutes(instance: Instance, state: NginxState, routes: Draft[]): void {
  new ServerRoutes(instance, state, routes).add();
}

class ServerRoutes {
  readonly #instance: Instance;
  readonly #state: NginxState;
  readonly #writer: RouteWriter;
  readonly #level: readonly Location[];

  constructor(instance: Instance, state: NginxState, routes: Draft[]) {
    this.#instance = instance;
    this.#state = state;
    this.#writer = new RouteWriter(instance, state, routes);
    this.#level = nestedIn(instance.server.directive, []);
  }

  add(): void {
    const { server } = this.#instance;
    const { report } = this.#state;
    report.imported(server.directive);
    const top: Spot = { scope: server.scope, location: null, path: EVERY_PATH, title: '' };
    const own = this.#phase(top, server.block, variablesOf(server));
    const withoutCertificate = this.#state.closedServers.get(server);
    const phase =
      withoutCertificate === undefined
        ? own
        : { ...own, closed: [...own.closed, withoutCertificate] };
    if (phase.final !== null) {
      for (const { directive } of this.#level)
        needlessAll(directive, 'nothing comes to it: the server answers before', report);
      this.#answer(top, phase, phase.final);
      return;
    }
    const { ordered, unreachable, impossible } = orderLocations(this.#level);
    for (const { directive } of unreachable)
      needlessAll(
        directive,
        'no request comes to it: a longer prefix is beside the one around it',
        report,
      );
    for (const { directive } of impossible) {
      report.leftOut(directive, {
        reason: 'a regular expression within another',
        remedy: 'write one path-pattern for both',
        decides: true,
      });
    }
    this.#redirectsToSlash(ordered);
    for (const one of ordered) this.#location(one, phase);
    const isWhole = ordered.some(
      ({ location, within }) =>
        location.kind === 'prefix' && location.text === '/' && within === '',
    );
    if (!isWhole) this.#spot(top, phase, server.directive);
  }

  /** `/api` is sent to `/api/`, when that goes to an origin, and nothing else is for `/api`. */
  #redirectsToSlash(ordered: readonly OrderedLocation[]): void {
    for (const { location } of ordered) {
      const { kind, text, directive } = location;
      if (kind !== 'prefix' || text.length < 2 || !text.endsWith('/')) continue;
      const passes = (directive.block ?? []).some(({ name }) =>
        /^(?:proxy|grpc|fastcgi|uwsgi|scgi)_pass$/.test(name),
      );
      const bare = text.slice(0, -1);
      const has = ordered.some(
        (one) => one.location.text === bare && one.location.kind !== 'regex',
      );
      if (!passes || has) continue;
      const route = new RouteDraft();
      const path = exactPath(bare);
      if (!this.#writer.match(route, path, {})) continue;
      const to = `\${scheme}://\${authority}${prefixKey(text)}?\${query}`;
      route.body.set('redirect', Draft.of({ to, status: 301 }));
      this.#writer.push(route, `${bare} to ${text}`);
    }
  }

  #location({ location, within }: OrderedLocation, above: Phase): void {
    const { directive } = location;
    const { report } = this.#state;
    let path: PathMatch | null;
    try {
      path = bothPaths(pathOfLocation(location), { ...EVERY_PATH, prefix: within });
      for (const around of location.chain.slice(0, -1)) {
        const [sign = ''] = around.args;
        if (!sign.startsWith('~') || path === null) continue;
        const ignoreCase = sign.startsWith('~*');
        const text = around.args[1] ?? sign.replace(/^~\*?/, '');
        path = bothPaths(
          path,
          patternPath(importedPattern(text, { ignoreCase, ofPath: true }).text),
        );
      }
    } catch (error) {
      if (!(error instanceof PatternProblem)) throw error;
      this.#unmatched(location, error.message);
      return;
    }
    if (path === null) return;
    report.imported(directive);
    const scope = location.chain.reduce(
      (around, { block }) => around.inside(block ?? []),
      this.#instance.server.scope,
    );
    const title = directive.args.join(' ');
    const spot: Spot = {
      scope,
      location,
      path,
      title: within === '' ? title : `${title} below ${within}`,
    };
    const variables = { ...above.variables, groups: path.groups, hasPattern: path.pattern !== '' };
    const phase = this.#phase(spot, directive.block ?? [], variables);
    const closed = [...above.closed, ...phase.closed];
    const methods = phase.methods.length > 0 ? phase.methods : above.methods;
    this.#spot(spot, { ...phase, closed, methods }, directive);
  }

  /**
   * A location for which there is no pattern: requests that it would take come to others, which may let
   * in whom this one keeps out. So nothing of the server that comes after is open.
   */
  #unmatched({ directive }: Location, reason: string): void {
    const decides = (directive.block ?? []).some(keepsOut);
    this.#state.report.leftOut(directive, {
      reason,
      remedy: 'write a route with another path-pattern',
      decides: true,
    });
    if (!decides) return;
    const route = new RouteDraft();
    this.#writer.match(route, EVERY_PATH, {});
    route.body.set('respond', Draft.of({ status: 403 }));
    route.close(
      `${directive.file}:${directive.line} keeps clients out, and could not be imported: ${reason}`,
    );
    this.#writer.push(route, `closed for ${directive.text}`);
  }

  /** Goes through the directives that nginx carries out one after the other; adds a route for each condition. */
  #phase(spot: Spot, block: readonly Directive[], start: VariableFacts): Phase {
    const { report } = this.#state;
    const constants = new Map(start.constants);
    const variables: VariableFacts = { ...start, constants };
    const closed: string[] = [];
    let methods: readonly string[] = [];
    let rewrite: Draft | null = null;
    for (const directive of block) {
      const { name, args } = directive;
      if (name === 'set') {
        constants.set((args[0] ?? '').replace(/^\$/, ''), args[1] ?? '');
        report.imported(directive);
      } else if (name === 'return') {
        const final = returnAction(directive, variables);
        if (typeof final !== 'string') {
          report.imported(directive);
          return { variables, final, finalPlace: directive, rewrite, closed, methods };
        }
        closed.push(this.#leaveOut(directive, final));
      } else if (name === 'if') {
        const outcome = this.#if(directive, spot, variables);
        methods = outcome.methods.length > 0 ? outcome.methods : methods;
        closed.push(...outcome.closed);
        for (const set of (directive.block ?? []).filter((one) => one.name === 'set')) {
          constants.set((set.args[0] ?? '').replace(/^\$/, ''), null);
        }
      } else if (name === 'rewrite') {
        const outcome = this.#rewrite(directive, spot, variables);
        rewrite = outcome.rewrite ?? rewrite;
        closed.push(...outcome.closed);
        if (outcome.final !== null) {
          return {
            variables,
            final: outcome.final,
            finalPlace: directive,
            rewrite,
            closed,
            methods,
          };
        }
      } else if (name === 'break') report.imported(directive);
    }
    return { variables, final: null, finalPlace: null, rewrite, closed, methods };
  }

  #leaveOut(directive: Directive, reason: string): string {
    const decides = keepsOut(directive);
    this.#state.report.leftOut(directive, { reason, remedy: remedyFor(directive.name), decides });
    return `${directive.file}:${directive.line} ${directive.name} left out`;
  }

  #if(
    directive: Directive,
    spot: Spot,
    variables: VariableFacts,
  ): Pick<Phase, 'methods' | 'closed'> {
    const rule = ifRule(directive, variables);
    const { report } = this.#state;
    if (typeof rule === 'string') {
      const closes = keepsOut(directive);
      const reason = this.#leaveOut(directive, rule);
      for (const inner of directive.block ?? []) {
        report.leftOut(inner, {
          reason: 'its if is left out',
          remedy: remedyFor('if'),
          decides: keepsOut(inner),
        });
      }
      return { methods: [], closed: closes ? [reason] : [] };
    }
    const { otherMethods } = rule.extra;
    if (otherMethods !== undefined) return this.#otherMethods(directive, rule, otherMethods);
    if (!this.#writer.conditional(spot, rule, directive)) {
      const reason = this.#leaveOut(directive, 'two conditions of one kind');
      return { methods: [], closed: keepsOut(directive) ? [reason] : [] };
    }
    report.imported(directive, ...(directive.block ?? []));
    return { methods: [], closed: [] };
  }

  /** `if ($request_method !~ ^(GET|HEAD)$) {return 405;}` is a rule about access here. */
  #otherMethods(
    directive: Directive,
    { action }: IfRule,
    methods: readonly string[],
  ): Pick<Phase, 'methods' | 'closed'> {
    const { report } = this.#state;
    const status = action.kind === 'respond' ? Number(action.draft.get('status')) : 0;
    if (status < 400) {
      this.#leaveOut(directive, 'other methods are not to be had as a condition');
      return { methods: [], closed: [] };
    }
    report.imported(...(directive.block ?? []));
    report.partly(directive, { reason: `other methods get 403, not ${status}`, remedy: 'none' });
    return { methods, closed: [] };
  }

  #rewrite(
    directive: Directive,
    spot: Spot,
    variables: VariableFacts,
  ): Pick<Phase, 'rewrite' | 'final' | 'closed'> {
    const { report } = this.#state;
    const nothing = { rewrite: null, final: null, closed: [] };
    try {
      const rule = rewriteRule(directive);
      const isRedirect = rule.flag === 'redirect' || rule.flag === 'permanent';
      const passes = (spot.location?.directive.block ?? []).some(({ name }) =>
        /^(?:proxy|grpc)_pass$/.test(name),
      );
      if (!isRedirect && !(rule.flag === 'break' && passes)) {
        return { ...nothing, closed: [this.#elsewhere(directive, spot, rule.pattern)] };
      }
      const path = rule.pattern === '' ? EVERY_PATH : patternPath(rule.pattern, rule.groups);
      if (isRedirect) {
        const action = rewriteRedirect(directive, rule, variables);
        if (typeof action === 'string') {
          this.#leaveOut(directive, action);
          return nothing;
        }
        report.imported(directive);
        if (rule.pattern === '' || rule.pattern === spot.path.pattern)
          return { ...nothing, final: action };
        const extra = { pattern: path.pattern, groups: path.groups };
        if (!this.#writer.conditional(spot, { extra, action, headers: [] }, directive)) {
          this.#leaveOut(directive, 'two regular expressions for one path');
        }
        return nothing;
      }
      const rewrite = rewriteReplace(rule, variables);
      if (typeof rewrite === 'string')
        return { ...nothing, closed: [this.#leaveOut(directive, rewrite)] };
      report.imported(directive);
      return {
        ...nothing,
        rewrite: rewrite.note(`${directive.file}:${directive.line} ${directive.text}`),
      };
    } catch (error) {
      if (!(error instanceof PatternProblem)) throw error;
      return { ...nothing, closed: [this.#leaveOut(directive, error.message)] };
    }
  }

  /** To another location: whatever that asks for would be passed by. */
  #elsewhere(directive: Directive, spot: Spot, pattern: string): string {
    const reason = this.#leaveOut(directive, 'a route does not hand a request on to another');
    if (pattern === '' || pattern === spot.path.pattern) return reason;
    const route = new RouteDraft();
    if (!this.#writer.match(route, { ...spot.path, pattern }, {})) return reason;
    route.body.set('respond', Draft.of({ status: 404 }));
    route.close(reason);
    this.#writer.push(route, `${spot.title} ${directive.text}`.trim());
    return '';
  }

  #answer(spot: Spot, { variables, finalPlace }: Phase, action: Action): void {
    const route = new RouteDraft();
    if (!this.#writer.match(route, spot.path, {})) return;
    if (action.kind === 'respond') typeOf(action.draft, spot.scope);
    route.body.set(action.kind, action.draft, ...(finalPlace === null ? [] : [finalPlace]));
    importResponseHeaders(route, { scope: spot.scope, state: this.#state, variables });
    // nginx answers so before it looks who asks.
    for (const rule of spot.scope.own('allow', 'deny', 'auth_basic', 'auth_request', 'limit_req')) {
      this.#state.report.needless(rule, 'nginx answers with return before it looks at this');
    }
    this.#writer.push(route, spot.title);
  }

  /** The main route of a location, or of what no location is for. */
  #spot(spot: Spot, phase: Phase, place: Directive): void {
    if (phase.final !== null) {
      this.#answer(spot, phase, phase.final);
      return;
    }
    const { scope, location } = spot;
    const state = this.#state;
    const route = new RouteDraft();
    if (!this.#writer.match(route, spot.path, {})) return;
    const internal = scope.own('internal')[0];
    if (internal !== undefined) {
      state.report.imported(internal);
      route.body.set('respond', Draft.of({ status: 404 }), internal);
      this.#writer.push(route, spot.title);
      return;
    }
    const { variables, rewrite } = phase;
    const pass = scope.own('proxy_pass', 'grpc_pass').at(-1);
    const facts = { scope, state, variables, location, pattern: spot.path.pattern, rewrite };
    const isPassed = pass !== undefined && importProxy(pass, route, facts);
    if (!isPassed) this.#unserved(route, scope, pass ?? place);
    importAccess(scope, route, state);
    if (phase.methods.length > 0)
      route.access = [...onlyMethods(route.access, phase.methods), Draft.of({ deny: 'all' })];
    for (const reason of phase.closed) if (reason !== '') route.close(reason);
    importRates(scope, route, state);
    importResponseHeaders(route, { scope, state, variables });
    if (isPassed) importCompression(scope, route, state);
    importErrorPages(scope, route, state, (uri) => this.#fileFor(uri));
    this.#writer.push(route, spot.title);
  }

  /** What nginx would answer from files or by other means. */
  #unserved(route: RouteDraft, scope: Scope, place: Directive): void {
    const directives = scope.own(
      'root',
      'alias',
      'try_files',
      'index',
      'autoindex',
      'fastcgi_pass',
      'uwsgi_pass',
      'scgi_pass',
    );
    for (const directive of directives) {
      this.#state.report.leftOut(directive, {
        reason: 'sluice does not answer so',
        remedy: remedyFor(directive.name),
      });
    }
    route.body.set(
      'respond',
      Draft.of({ status: place.name === 'location' || place.name === 'server' ? 404 : 503 }),
    );
    route.body.note(
      ...directives.map(({ file, line, text }) => `left out: ${file}:${line} ${text}`),
    );
  }

  /** Where nginx has the file of an error page. */
  #fileFor(uri: string): string | null {
    const { scope } = this.#instance.server;
    const found = this.#level.find(({ kind, text }) =>
      kind === 'exact' ? text === uri : kind === 'prefix' && text !== '/' && uri.startsWith(text),
    );
    const inside = found === undefined ? scope : scope.inside(found.directive.block ?? []);
    return fileBelow(inside, uri, found?.text ?? '/', this.#state.directory);
  }
}

function needlessAll(directive: Directive, reason: string, report: ImportReport): void {
  report.needless(directive, reason);
  for (const inner of directive.block ?? []) needlessAll(inner, reason, report);
}

/** Of a fixed answer nginx says that it is what `default_type` says. */
function typeOf(respond: Draft, scope: Scope): void {
  const type = scope.last('default_type');
  const added = scope
    .all('add_header')
    .find(({ args }) => args[0]?.toLowerCase() === 'content-type');
  const text = added?.args[1] ?? type?.args[0];
  if (respond.get('body') === undefined || text === undefined || text.includes('$')) return;
  respond.at('headers').set('Content-Type', text, ...(added === undefined ? [type!] : [added]));
}
