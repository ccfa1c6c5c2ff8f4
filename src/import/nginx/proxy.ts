// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
/** `proxy_pass` and `grpc_pass`: which group of origins, and what it is asked for. */
import { Draft } from '../draft.ts';
import { importCache } from './cache.ts';
import { type HeaderFacts, importHiddenHeaders, importRequestHeaders } from './headers.ts';
import type { Location } from './locations.ts';
import { type ProxyTarget, proxyTarget } from './origins.ts';
import type { Directive } from './parser.ts';
import { prefixRewrite, replaceBy, wholePath } from './paths.ts';
import type { Scope } from './scope.ts';
import type { NginxState, RouteDraft } from './state.ts';
import { namesVariables, translated, uriText, type VariableFacts } from './variables.ts';

export interface ProxyFacts {
  readonly scope: Scope;
  readonly state: NginxState;
  readonly variables: VariableFacts;
  /** Null for the server itself. */
  readonly location: Location | null;
  /** Of the location, in our language. */
  readonly pattern: string;
  /** Of a `rewrite … break` that holds here: the path is as that says. */
  readonly rewrite: Draft | null;
}

/** False when it is left out: the route answers by itself then. */
export function importProxy(directive: Directive, route: RouteDraft, facts: ProxyFacts): boolean {
  const { scope, state, variables } = facts;
  const written = withConstants(directive.args[0] ?? '', variables);
  const target = proxyTarget(/^\w+:\/\//.test(written) ? written : `grpc://${written}`);
  const report = state.report;
  if (target === null || namesVariables(target.place)) {
    report.leftOut(directive, {
      reason: 'where it leads is found out for each request',
      remedy: 'write a route and a group of origins for each destination',
    });
    return false;
  }
  const rewrite = facts.rewrite ?? rewriteOf(target, facts);
  if (rewrite === null) {
    const reason = `what it makes of the path is not to be had: ${target.uri}`;
    report.leftOut(directive, { reason, remedy: 'write rewrite: {replace: {pattern, with}}' });
    return false;
  }
  route.body.set('origin', state.groups.group(target, scope), directive);
  report.imported(directive);
  if (rewrite.size > 0) route.body.at('rewrite').absorb(rewrite);
  const headers: HeaderFacts = {
    scope,
    state,
    variables: { ...variables, proxyHost: target.host },
  };
  importRequestHeaders(route, headers, directive.name === 'grpc_pass');
  importHiddenHeaders(route, headers);
  importRedirects(route, scope, state);
  importCache(scope, route, state);
  return true;
}

function withConstants(text: string, { constants }: VariableFacts): string {
  let result = text;
  for (let i = 0; i < 8; i++) {
    const next = result.replace(
      /\$(?:\{(\w+)\}|(\w+))/g,
      (whole, braced?: string, plain?: string) => {
        return constants.get(braced ?? plain!) ?? whole;
      },
    );
    if (next === result) break;
    result = next;
  }
  return result;
}

/** Null for what is not to be had. */
function rewriteOf(target: ProxyTarget, facts: ProxyFacts): Draft | null {
  const { uri } = target;
  const { location, variables, pattern } = facts;
  if (uri === null) return new Draft();
  if (!namesVariables(uri)) return location === null ? null : prefixRewrite(location, uri);
  if (/^\$(?:request_uri|uri\$is_args\$args|uri)$/.test(uri)) return new Draft();
  const added = /^(\/[^$?#]*)\$(?:request_uri|uri\$is_args\$args)$/.exec(uri)?.[1];
  if (added !== undefined) return Draft.of({ 'add-prefix': uriText(added) });
  const keepsQuery = /\$is_args\$args$/.test(uri);
  const path = uri.replace(/\$is_args\$args$/, '');
  const { text, unknown } = translated(path, variables, 'request');
  if (unknown.length > 0 || pattern === '' || /[?#]|\$\{/.test(text)) return null;
  const rewrite = Draft.of({ replace: replaceBy(wholePath(pattern), text) });
  return keepsQuery ? rewrite : rewrite.set('query-remove', ['*']);
}

/** nginx changes redirects of the origin by itself where `proxy_pass` changes the path. */
function importRedirects(route: RouteDraft, scope: Scope, state: NginxState): void {
  for (const directive of scope.all('proxy_redirect')) {
    if (directive.args[0] === 'off') {
      route.body.at('rewrite').set('map-location', false, directive);
      state.report.imported(directive);
    } else if (directive.args[0] === 'default') state.report.needless(directive, 'sluice does so');
    else {
      state.report.partly(directive, {
        reason: "redirects to the origin's own name are changed to the client's, others stay",
        remedy: 'let the origin know its public name',
      });
    }
  }
}
