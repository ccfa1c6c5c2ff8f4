/**
 * Where a redirect of the origin leads, as its client must write it: what the route's rewrite and the
 * origin's URL have taken off and put before the path is put back, and the origin's own name gives
 * way to the one that the client has asked for (RFC 9110 §10.2.2, §8.7).
 */
import { type Authority, configuredAuthority } from '../http/authority.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import type { RewriteOptions } from './route.ts';
import type { VariableSource } from './variables.ts';

const NAMES = ['location', 'content-location'] as const;

/** What of the origin is in its redirects. */
export interface OriginPlace {
  readonly authority: string;
  /** Of its URL: comes before the path of every request; '' for none. */
  readonly pathPrefix: string;
}

export class LocationMap {
  readonly #stripPrefix: string;
  /** What the path of every request begins with at the origin. */
  readonly #added: string;
  /** What the origin may call itself. */
  readonly #origins: readonly Authority[];

  constructor(
    { stripPrefix, addPrefix, host }: Pick<RewriteOptions, 'stripPrefix' | 'addPrefix' | 'host'>,
    { authority, pathPrefix }: OriginPlace,
  ) {
    this.#stripPrefix = stripPrefix;
    this.#added = withoutSlash(pathPrefix) + addPrefix;
    const names = [authority, host].filter((name) => name !== '');
    this.#origins = names.map(configuredAuthority);
  }

  apply(fields: FieldSection, { head }: Pick<VariableSource, 'head'>): void {
    for (const name of NAMES) {
      const value = fields.first(name);
      if (value === undefined) continue;
      const mapped = this.map(value, head);
      if (mapped !== value) fields.set(name, mapped);
    }
  }

  /** What leads elsewhere, or is relative to a path, stays as it is. */
  map(value: string, request: Pick<RequestHead, 'scheme' | 'authority'>): string {
    // With an authority, and a scheme or none (RFC 3986 §4.2: a network-path reference).
    const absolute = /^(?:(https?):)?\/\/([^/?#]*)((?:[/?#].*)?)$/i.exec(value);
    if (absolute === null) return value.startsWith('/') ? this.#path(value) : value;
    const [, sent = request.scheme, written, rest] = absolute;
    const scheme = sent.toLowerCase();
    const named = configuredAuthority(written!).inScheme(scheme);
    const isNamed = (one: Authority) => one.inScheme(scheme) === named;
    // An origin that is asked without TLS takes its client to have none; one that leads to https
    // knows better.
    const isSure = scheme === request.scheme || scheme === 'https';
    if (isSure && isNamed(request.authority)) {
      return value.slice(0, value.length - rest!.length) + this.#path(rest!);
    }
    if (!isNamed(request.authority) && !this.#origins.some(isNamed)) return value;
    return `${request.scheme}://${request.authority.text}${this.#path(rest!)}`;
  }

  #path(path: string): string {
    const [stripPrefix, added] = [this.#stripPrefix, this.#added];
    // An origin that knows what it is called by writes the client's path already.
    if (stripPrefix !== '' && isUnder(path, stripPrefix)) return path;
    if (added !== '' && !isUnder(path, added)) return path;
    const bare = path.slice(withoutSlash(added).length);
    const joined = withoutSlash(stripPrefix) + bare;
    // Two slashes at the beginning would name a host (RFC 3986 §4.2).
    return joined.replace(/^\/{2,}/, '/');
  }
}

function isUnder(path: string, prefix: string): boolean {
  const tree = withoutSlash(prefix);
  return path.startsWith(tree) && /^(?:$|[/?#])/.test(path.slice(tree.length));
}

function withoutSlash(prefix: string): string {
  return prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
}
