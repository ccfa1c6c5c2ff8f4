// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of the configuration.
/** `return`, `rewrite` and `if`: what nginx does with a request before it looks who may make it. */
import { Draft } from '../draft.ts';
import { importedPattern, PatternProblem } from '../regular-expressions.ts';
import { ACCESS_DIRECTIVES } from './access.ts';
import { conditionOf, type Extra } from './conditions.ts';
import type { Directive } from './parser.ts';
import { replaceBy, wholePath } from './paths.ts';
import { translated, uriText, type VariableFacts } from './variables.ts';

/** What a route does in place of asking an origin. A text says why there is none. */
export type Action = { readonly kind: 'redirect' | 'respond'; readonly draft: Draft };

export function returnAction(directive: Directive, variables: VariableFacts): Action | string {
  const [first = '', second] = directive.args;
  if (/^\d+$/.test(first)) return statusAction(directive, Number(first), second, variables);
  return redirectTo(directive, first, 302, variables);
}

const REDIRECTS = [301, 302, 303, 307, 308];
/** nginx closes the connection without an answer. */
const CLOSE = 444;

function statusAction(
  place: Directive,
  status: number,
  text: string | undefined,
  variables: VariableFacts,
): Action | string {
  if (REDIRECTS.includes(status) && text !== undefined) {
    return redirectTo(place, text, status, variables);
  }
  const draft = new Draft().set('status', status === CLOSE ? 403 : status, place);
  if (status !== CLOSE && (status < 200 || status > 599))
    return `no status to answer with: ${status}`;
  if (text === undefined || text === '') return { kind: 'respond', draft };
  const body = translated(text, variables, 'request');
  if (body.unknown.length > 0 || /\$(?:\{|\d)/.test(body.text))
    return 'a body has no variables here';
  return { kind: 'respond', draft: draft.set('body', body.text, place) };
}

function redirectTo(
  place: Directive,
  written: string,
  status: number,
  variables: VariableFacts,
): Action | string {
  const { text, unknown } = translated(written, variables, 'request');
  if (unknown.length > 0) return `sluice has no ${unknown.join(', ')}`;
  const to = absolute(uriText(text));
  return { kind: 'redirect', draft: new Draft().set('to', to, place).set('status', status) };
}

/** nginx puts scheme and host before a path. */
function absolute(to: string): string {
  return to.startsWith('/') && !to.startsWith('//') ? `\${scheme}://\${authority}${to}` : to;
}

export interface RewriteRule {
  /** '' for every path. */
  readonly pattern: string;
  readonly groups: ReadonlyMap<string, number>;
  readonly flag: 'redirect' | 'permanent' | 'last' | 'break' | '';
  readonly text: string;
}

/** Throws PatternProblem. */
export function rewriteRule({ args }: Directive): RewriteRule {
  const [written = '', text = '', flag = ''] = args;
  const isAll = ['^', '.*', '^.*$', '^/', '^(.*)$', '^/(.*)$', '(.*)', '^(.*)'].includes(written);
  const { text: pattern, names } = importedPattern(written, { ofPath: true });
  const isUsed = /\$[1-9{]|\$\w/.test(text);
  const isRedirect = /^(?:https?:\/\/|\$scheme)/.test(text);
  const known = ['redirect', 'permanent', 'last', 'break'].find((one) => one === flag);
  return {
    pattern: isAll && !isUsed ? '' : pattern,
    groups: names,
    flag: (known ?? (isRedirect ? 'redirect' : '')) as RewriteRule['flag'],
    text,
  };
}

/** Of a rule that redirects. The query goes along unless the text ends with `?`. */
export function rewriteRedirect(
  place: Directive,
  { flag, text, groups, pattern }: RewriteRule,
  variables: VariableFacts,
): Action | string {
  const all = new Map([...variables.groups, ...groups]);
  const hasPattern = pattern !== '';
  const { text: path, unknown } = translated(
    text.replace(/\?$/, ''),
    { ...variables, groups: all, hasPattern },
    'request',
  );
  if (unknown.length > 0) return `sluice has no ${unknown.join(', ')}`;
  const target = uriText(path);
  const hasQuery = text.includes('?') || /\$\{(?:target|query)\}$/.test(target);
  const to = absolute(hasQuery ? target : `${target}?\${query}`);
  const status = flag === 'permanent' ? 301 : 302;
  return { kind: 'redirect', draft: new Draft().set('to', to, place).set('status', status) };
}

/** Of a rule that changes the path on the way to the origin. A text says why not. */
export function rewriteReplace(rule: RewriteRule, variables: VariableFacts): Draft | string {
  const all = new Map([...variables.groups, ...rule.groups]);
  const { text, unknown } = translated(
    rule.text.replace(/\?$/, ''),
    { ...variables, groups: all, hasPattern: true },
    'request',
  );
  if (unknown.length > 0) return `sluice has no ${unknown.join(', ')}`;
  if (/[?#]|\$\{/.test(text)) return 'a rewritten path has no query here';
  const path = text.startsWith('/') ? text : `/${text}`;
  const pattern = rule.pattern === '' ? '^.*$' : wholePath(rule.pattern);
  const draft = Draft.of({ replace: replaceBy(pattern, path) });
  return rule.text.endsWith('?') ? draft.set('query-remove', ['*']) : draft;
}

/** What an `if` does to requests for which it holds. */
export interface IfRule {
  readonly extra: Extra;
  readonly action: Action;
  /** `add_header` inside. */
  readonly headers: readonly Directive[];
}

/** A text says why it is left out. */
export function ifRule(directive: Directive, variables: VariableFacts): IfRule | string {
  const extra = conditionOf(directive);
  if (typeof extra === 'string') return extra;
  const block = directive.block ?? [];
  const acts = block.filter(({ name }) => name === 'return' || name === 'rewrite');
  const headers = block.filter(({ name }) => name === 'add_header');
  const others = block.filter(
    (one) => !acts.includes(one) && !headers.includes(one) && one.name !== 'break',
  );
  const [act] = acts;
  if (others.length > 0 || acts.length !== 1 || act === undefined) {
    return 'an if may have one return or redirect here, and headers for it';
  }
  const facts = {
    ...variables,
    groups: extra.groups ?? new Map(),
    hasPattern: extra.pattern !== undefined,
  };
  const action = act.name === 'return' ? returnAction(act, facts) : ifRewrite(act, facts);
  return typeof action === 'string' ? action : { extra, action, headers };
}

function ifRewrite(directive: Directive, variables: VariableFacts): Action | string {
  let rule: RewriteRule;
  try {
    rule = rewriteRule(directive);
  } catch (error) {
    if (error instanceof PatternProblem) return error.message;
    throw error;
  }
  const isRedirect = rule.flag === 'redirect' || rule.flag === 'permanent';
  // `^(.*)$` and `$1` are the path.
  const text = /^\^?\/?\(\.\*\)\$?$/.test(directive.args[0] ?? '')
    ? rule.text.replace(/(\/?)\$1/, '${uri}')
    : rule.text;
  if (!isRedirect || (rule.pattern !== '' && text === rule.text)) {
    return 'a rewrite in an if may be a redirect for every path here';
  }
  return rewriteRedirect(directive, { ...rule, pattern: '', text }, variables);
}

const KEEP_OUT = new Set([...ACCESS_DIRECTIVES, 'internal', 'limit_req', 'limit_conn']);

/** Whether leaving this out could let somebody in. */
export function keepsOut(directive: Directive): boolean {
  if (directive.name === 'return') return !/^(?:2\d\d|3\d\d|https?:)/.test(directive.args[0] ?? '');
  if (KEEP_OUT.has(directive.name)) return true;
  if (directive.name === 'rewrite')
    return !/^(?:redirect|permanent)$/.test(directive.args[2] ?? '');
  return (directive.block ?? []).some(keepsOut);
}
