/** How a request's target and host change on the way to the origin. */
import { parameterName } from '../cache/rules/key.ts';
import { type Authority, configuredAuthority, parseAuthority } from '../http/authority.ts';
import { isAsciiOriginForm } from '../http/made-text.ts';
import type { RequestHead } from '../http/message.ts';
import { type Captures, NO_CAPTURES } from './captures.ts';
import { isUnder, readPath } from './path.ts';
import { compilePattern } from './pattern.ts';
import { pathOf, queryOf } from './request-values.ts';
import type { RewriteOptions } from './route.ts';
import { compileTemplate, hasVariables, type Template, type VariableSource } from './variables.ts';

/** As `rewrite.host`: the authority of the origin itself. */
export const ORIGIN_HOST = `\${origin}`;

/** The texts of a rewrite, made for each request. Of the target only: the cache key is, too. */
interface Texts {
  readonly addPrefix: Template;
  /** Null for none. */
  readonly replaceWith: Template | null;
  /** Encoded. */
  readonly querySet: readonly Template[];
  readonly host: Template;
}

export class Rewrite {
  readonly #options: RewriteOptions;
  readonly #pattern: RegExp | null;
  readonly #texts: Texts;

  /** Throws SyntaxError for a pattern that is none, and for texts that no head may have. */
  constructor(options: RewriteOptions, captures: Captures = NO_CAPTURES) {
    this.#options = options;
    refuseUnusable(options);
    this.#pattern = options.replace === null ? null : compilePattern(options.replace.pattern);
    const { addPrefix, replace, querySet, host } = options;
    const make = (text: string, encode?: (value: string) => string) =>
      compileTemplate(text, 'target', { captures, ...(encode && { encode }) });
    this.#texts = {
      addPrefix: make(addPrefix),
      // The groups of its own pattern are its own; what variables have is text.
      replaceWith:
        replace === null ? null : make(replace.with, (value) => value.replaceAll('$', '$$$$')),
      querySet: Object.entries(querySet).map(([name, value]) => {
        if (!hasVariables(value)) {
          const encoded = encodedParameter([name, value]);
          return () => encoded;
        }
        const template = make(value, decodedPart);
        return (source: VariableSource) => encodedParameter([name, template(source)]);
      }),
      host: host === ORIGIN_HOST ? () => host : make(host),
    };
  }

  get hasPattern(): boolean {
    return this.#pattern !== null;
  }

  /** Whether the path that an origin gets can be told from the options alone. */
  get isFixed(): boolean {
    const { addPrefix, host } = this.#options;
    return !hasVariables(addPrefix) && (host === ORIGIN_HOST || !hasVariables(host));
  }

  /** Of a request: what its redirects are mapped by. */
  placeFor(head: RequestHead): Pick<RewriteOptions, 'stripPrefix' | 'addPrefix' | 'host'> {
    const source = { head, facts: null };
    const { stripPrefix, host } = this.#options;
    const addPrefix = this.#texts.addPrefix(source);
    return { stripPrefix, addPrefix, host: host === ORIGIN_HOST ? '' : this.#texts.host(source) };
  }

  /**
   * Path and query for an origin whose URL has the path `base`; `*` and the empty target of CONNECT
   * stay as they are.
   */
  target(head: RequestHead, base = ''): string {
    const target = head.path;
    if (!target.startsWith('/')) return target;
    const source = { head, facts: null };
    const path = base + this.#path(pathOf(target), source, base !== '');
    const query = this.#query(target, source);
    return query === undefined ? path : `${path}?${query}`;
  }

  /** The client's, too, where what variables have made is no host. */
  authority(head: RequestHead, originAuthority: string): Authority {
    const { host } = this.#options;
    if (host === '') return head.authority;
    if (host === ORIGIN_HOST) return configuredAuthority(originAuthority);
    return parseAuthority(this.#texts.host({ head, facts: null })) ?? head.authority;
  }

  /** Empty only when `mayBeEmpty`. */
  #path(sent: string, source: VariableSource, mayBeEmpty: boolean): string {
    const { stripPrefix } = this.#options;
    const addPrefix = this.#texts.addPrefix(source);
    let path = sent;
    if (stripPrefix !== '') {
      // A prefix that is spelt another way is found, and removed, in the normal spelling.
      if (!isUnder(path, stripPrefix, 'tree')) path = readPath(sent).normal;
      if (isUnder(path, stripPrefix, 'tree')) path = path.slice(stripPrefix.length);
      else path = sent;
    }
    if (this.#pattern !== null) {
      const { normal } = readPath(path);
      const text = this.#texts.replaceWith!(source);
      if (this.#pattern.test(normal)) path = normal.replace(this.#pattern, text);
    }
    // Nothing but the prefix was asked for: nothing but what takes its place is asked.
    if (path === '' && (addPrefix !== '' || mayBeEmpty)) return addPrefix;
    if (!path.startsWith('/')) path = `/${path}`;
    if (addPrefix === '') return path;
    return addPrefix.endsWith('/') ? addPrefix + path.slice(1) : addPrefix + path;
  }

  /** Undefined for none. */
  #query(target: string, source: VariableSource): string | undefined {
    const { queryRemove, querySet } = this.#options;
    const names = Object.keys(querySet);
    const sent = target.includes('?') ? queryOf(target) : undefined;
    if (queryRemove.length === 0 && names.length === 0) return sent;
    const kept = (sent ?? '').split('&').filter((parameter) => {
      const name = parameterName(parameter);
      return (
        parameter !== '' && !names.includes(name) && !queryRemove.some((one) => fits(one, name))
      );
    });
    kept.push(...this.#texts.querySet.map((parameter) => parameter(source)));
    return kept.length === 0 ? undefined : kept.join('&');
  }
}

/** What is written here gets into request lines, Host and Location. */
function refuseUnusable({ host, replace, stripPrefix, addPrefix }: RewriteOptions): void {
  const example = withoutVariables(host);
  if (host !== '' && host !== ORIGIN_HOST && parseAuthority(example) === null) {
    throw new SyntaxError(`rewrite.host is no host: ${host}`);
  }
  // It may be a part of a path; `?` begins a query.
  const pieces = {
    'replace.with': `/${replace?.with ?? ''}`,
    stripPrefix: `/${stripPrefix}`,
    addPrefix: `/${addPrefix}`,
  };
  for (const [key, text] of Object.entries(pieces)) {
    if (isAsciiOriginForm(withoutVariables(text))) continue;
    throw new SyntaxError(`rewrite.${key} has a blank or another character that no path has`);
  }
}

/** With a letter for each variable. */
function withoutVariables(text: string): string {
  return text.replace(/\$\{[^{}]*\}/g, 'x');
}

/** A part of a path as the text that it stands for, which is then encoded as a parameter. */
function decodedPart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function encodedParameter([name, value]: [string, string]): string {
  try {
    return `${encodeURIComponent(name)}=${encodeURIComponent(value)}`;
  } catch {
    // Half of a surrogate pair.
    throw new SyntaxError(`the parameter ${name} has half a character`);
  }
}

function fits(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
