/** How a request's target and host change on the way to the origin. */
import { parameterName } from '../cache/rules/key.ts';
import { type Authority, configuredAuthority, parseAuthority } from '../http/authority.ts';
import { isAsciiOriginForm } from '../http/made-text.ts';
import { isUnder, readPath } from './path.ts';
import { compilePattern } from './pattern.ts';
import type { RewriteOptions } from './route.ts';
import { pathOf, queryOf } from './variables.ts';

/** As `rewrite.host`: the authority of the origin itself. */
export const ORIGIN_HOST = `\${origin}`;

export class Rewrite {
  readonly #options: RewriteOptions;
  readonly #pattern: RegExp | null;

  /** Of `querySet`, encoded. */
  readonly #querySet: readonly string[];

  /** Throws SyntaxError for a pattern that is none, and for texts that no head may have. */
  constructor(options: RewriteOptions) {
    this.#options = options;
    refuseUnusable(options);
    this.#querySet = Object.entries(options.querySet).map(encodedParameter);
    this.#pattern = options.replace === null ? null : compilePattern(options.replace.pattern);
  }

  get hasPattern(): boolean {
    return this.#pattern !== null;
  }

  /**
   * Path and query for an origin whose URL has the path `base`; `*` and the empty target of CONNECT
   * stay as they are.
   */
  target(target: string, base = ''): string {
    if (!target.startsWith('/')) return target;
    const path = base + this.#path(pathOf(target), base !== '');
    const query = this.#query(target);
    return query === undefined ? path : `${path}?${query}`;
  }

  authority(authority: Authority, originAuthority: string): Authority {
    const { host } = this.#options;
    if (host === '') return authority;
    return configuredAuthority(host === ORIGIN_HOST ? originAuthority : host);
  }

  /** Empty only when `mayBeEmpty`. */
  #path(sent: string, mayBeEmpty: boolean): string {
    const { stripPrefix, replace, addPrefix } = this.#options;
    let path = sent;
    if (stripPrefix !== '') {
      // A prefix that is spelt another way is found, and removed, in the normal spelling.
      if (!isUnder(path, stripPrefix, 'tree')) path = readPath(sent).normal;
      if (isUnder(path, stripPrefix, 'tree')) path = path.slice(stripPrefix.length);
      else path = sent;
    }
    if (replace !== null) {
      const { normal } = readPath(path);
      if (this.#pattern!.test(normal)) path = normal.replace(this.#pattern!, replace.with);
    }
    // Nothing but the prefix was asked for: nothing but what takes its place is asked.
    if (path === '' && (addPrefix !== '' || mayBeEmpty)) return addPrefix;
    if (!path.startsWith('/')) path = `/${path}`;
    if (addPrefix === '') return path;
    return addPrefix.endsWith('/') ? addPrefix + path.slice(1) : addPrefix + path;
  }

  /** Undefined for none. */
  #query(target: string): string | undefined {
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
    kept.push(...this.#querySet);
    return kept.length === 0 ? undefined : kept.join('&');
  }
}

/** What is written here gets into request lines, Host and Location. */
function refuseUnusable({ host, replace, stripPrefix, addPrefix }: RewriteOptions): void {
  if (host !== '' && host !== ORIGIN_HOST && parseAuthority(host) === null) {
    throw new SyntaxError(`rewrite.host is no host: ${host}`);
  }
  // It may be a part of a path; `?` begins a query.
  const pieces = {
    'replace.with': `/${replace?.with ?? ''}`,
    stripPrefix: `/${stripPrefix}`,
    addPrefix: `/${addPrefix}`,
  };
  for (const [key, text] of Object.entries(pieces)) {
    if (isAsciiOriginForm(text)) continue;
    throw new SyntaxError(`rewrite.${key} has a blank or another character that no path has`);
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
