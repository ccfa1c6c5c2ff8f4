/** How a request's target and host change on the way to the origin. */
import { type Authority, configuredAuthority, parseAuthority } from '../../http/authority.ts';
import { isAsciiOriginForm } from '../../http/made-text.ts';
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

  /** Path and query for the origin; `*` and the empty target of CONNECT stay as they are. */
  target(target: string): string {
    if (!target.startsWith('/')) return target;
    const path = this.#path(pathOf(target));
    const query = this.#query(target);
    return query === undefined ? path : `${path}?${query}`;
  }

  authority(authority: Authority, originAuthority: string): Authority {
    const { host } = this.#options;
    if (host === '') return authority;
    return configuredAuthority(host === ORIGIN_HOST ? originAuthority : host);
  }

  #path(sent: string): string {
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
      const name = nameOf(parameter);
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

/** Decoded, as the origin will: otherwise `%75tm_x` would pass for another name. */
function nameOf(parameter: string): string {
  const name = parameter.split('=', 1)[0]!.replaceAll('+', ' ');
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function fits(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
