/** Headers of requests and responses: `proxy_set_header`, `add_header`, `expires` and their kin. */
import { isProtectedField } from '../../routing/field-edits.ts';
import type { Draft } from '../draft.ts';
import type { Directive } from './parser.ts';
import type { Scope } from './scope.ts';
import type { NginxState, RouteDraft } from './state.ts';
import { translated, type VariableFacts } from './variables.ts';

export interface HeaderFacts {
  readonly scope: Scope;
  readonly variables: VariableFacts;
  readonly state: NginxState;
}

/** What sluice does by itself about headers that it answers for; of others there is nothing to say. */
const REQUEST_HEADERS: Readonly<Record<string, string>> = {
  connection: 'sluice keeps connections to origins, and passes WebSockets on',
  upgrade: 'sluice passes WebSockets on',
  'early-data': 'sluice says so by itself',
};

export function importRequestHeaders(route: RouteDraft, facts: HeaderFacts, isGrpc: boolean): void {
  const { scope, state } = facts;
  const name = isGrpc ? 'grpc_set_header' : 'proxy_set_header';
  const directives = scope.all(name);
  const host = directives.findLast(({ args }) => args[0]?.toLowerCase() === 'host');
  importHost(host, route, facts);
  for (const directive of directives) {
    if (directive !== host) importRequestHeader(directive, route, facts);
  }
  if (!scope.isOn('underscores_in_headers')) {
    route.body.set('underscores-in-headers', 'drop');
  }
  const setting = scope.last('underscores_in_headers');
  if (setting !== undefined) state.report.imported(setting);
}

/** Without the directive nginx sends the name that `proxy_pass` has; sluice sends the client's. */
function importHost(host: Directive | undefined, route: RouteDraft, facts: HeaderFacts): void {
  const { variables, state } = facts;
  if (host === undefined) {
    route.body.at('rewrite').set('host', variables.proxyHost);
    return;
  }
  const [, value = ''] = host.args;
  if (/^\$(?:host|http_host)(?::\$(?:server_port|proxy_port))?$/.test(value)) {
    state.report.needless(host, "sluice sends the client's Host");
    return;
  }
  const { text, unknown } = translated(value, variables, 'request');
  if (unknown.length === 0 && /^[\w.:[\]-]+$/.test(text)) {
    route.body.at('rewrite').set('host', text, host);
    state.report.imported(host);
    return;
  }
  state.report.leftOut(host, {
    reason: `no Host of ${value}: the client's is sent`,
    remedy: 'write rewrite: {host: NAME}, a route for each name',
  });
}

function importRequestHeader(directive: Directive, route: RouteDraft, facts: HeaderFacts): void {
  const { variables, state } = facts;
  const [name = '', value = ''] = directive.args;
  const lower = name.toLowerCase();
  if (isProtectedField(lower, 'request')) {
    state.report.needless(directive, REQUEST_HEADERS[lower] ?? 'sluice answers for it');
    return;
  }
  if (lower === 'x-forwarded-for' && value === '$proxy_add_x_forwarded_for') {
    state.report.needless(directive, 'sluice does so');
    return;
  }
  if (lower === 'x-forwarded-proto' && value === '$scheme') {
    state.report.needless(directive, 'sluice does so');
    return;
  }
  const edits = route.body.at('request-headers');
  if (value === '') {
    addTo(edits, 'remove', name, directive);
    state.report.imported(directive);
    return;
  }
  const { text, unknown } = translated(value, variables, 'request');
  if (unknown.length > 0 || !isPlain(text)) {
    // The client's own header of this name would pass for ours.
    addTo(edits, 'remove', name, directive);
    const what =
      unknown.length > 0 ? `sluice has no ${unknown.join(', ')}` : 'letters beyond ASCII';
    state.report.leftOut(directive, {
      reason: `${what}; the header is removed, so that no client can write it`,
      remedy: 'see the variables in docs/how-to/coming-from-other-servers.md',
    });
    return;
  }
  edits.at('set').set(name, text, directive);
  state.report.imported(directive);
}

function isPlain(text: string): boolean {
  return /^[\t\x20-\x7e]*$/.test(text);
}

function addTo(edits: Draft, key: 'remove', name: string, place: Directive): void {
  const names = (edits.get(key) ?? []) as readonly string[];
  if (!names.includes(name)) edits.set(key, [...names, name], place);
}

/** nginx says who it is in place of the origin. */
const HIDDEN = ['Server'];

export function importHiddenHeaders(route: RouteDraft, { scope, state }: HeaderFacts): void {
  const passed = scope.all('proxy_pass_header', 'grpc_pass_header');
  const names = passed.map(({ args }) => args[0]?.toLowerCase());
  state.report.imported(...passed);
  const more = scope.all('proxy_hide_header', 'grpc_hide_header');
  state.report.imported(...more);
  const hidden = HIDDEN.filter((name) => !names.includes(name.toLowerCase()));
  const removed = [...new Set([...hidden, ...more.map(({ args }) => args[0] ?? '')])];
  if (removed.length > 0) route.body.at('response-headers').set('remove', removed, ...more);
}

export function importResponseHeaders(route: RouteDraft, facts: HeaderFacts): void {
  for (const directive of facts.scope.all('add_header')) {
    importResponseHeader(directive, route.body.at('response-headers'), facts);
  }
}

/** Into `add` of these edits: nginx adds beside what the origin has. */
export function importResponseHeader(directive: Directive, edits: Draft, facts: HeaderFacts): void {
  const { variables, state } = facts;
  const { report } = state;
  const [name = '', value = '', always] = directive.args;
  if (isProtectedField(name.toLowerCase(), 'response')) {
    report.leftOut(directive, {
      reason: 'sluice answers for it',
      remedy: 'let the origin send it',
    });
    return;
  }
  if (/^\$upstream_cache_status$/.test(value)) {
    report.leftOut(directive, {
      reason: 'a header under this name is not to be had',
      remedy: 'read Cache-Status, which sluice sends',
    });
    return;
  }
  const { text, unknown } = translated(value, variables, 'target');
  if (unknown.length > 0 || !isPlain(text)) {
    const reason =
      unknown.length > 0
        ? `in responses there is no ${unknown.join(', ')}`
        : 'letters beyond ASCII';
    report.leftOut(directive, { reason, remedy: 'let the origin send it' });
    return;
  }
  if (text === '') {
    report.needless(directive, 'a header without a value is not sent');
    return;
  }
  const added = edits.at('add');
  const before = added.get(name);
  if (before !== undefined && name.toLowerCase() === 'set-cookie') {
    report.leftOut(directive, {
      reason: 'two cookies are not to be had',
      remedy: 'let the origin set it',
    });
    return;
  }
  // Two lines of one name are one list (RFC 9110 §5.3).
  added.set(name, before === undefined ? text : `${String(before)}, ${text}`, directive);
  if (always === 'always') {
    report.imported(directive);
    return;
  }
  report.partly(directive, {
    reason: 'sluice sends it with errors, too',
    remedy: 'nothing to do for most headers',
  });
}
