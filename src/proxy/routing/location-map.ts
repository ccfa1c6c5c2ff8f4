/**
 * Where a redirect of the origin leads, as its client must write it: what the route's rewrite has
 * taken off and put before the path is put back, and the origin's own name gives way to the one
 * that the client has asked for (RFC 9110 §10.2.2, §8.7).
 */
import { type Authority, configuredAuthority } from '../../http/authority.ts';
import type { FieldSection } from '../../http/field-section.ts';
import type { RequestHead } from '../../http/message.ts';
import type { RewriteOptions } from './route.ts';
import type { VariableSource } from './variables.ts';

const NAMES = ['location', 'content-location'] as const;

export class LocationMap {
  readonly #options: Pick<RewriteOptions, 'stripPrefix' | 'addPrefix'>;
  /** What the origin may call itself. */
  readonly #origins: readonly Authority[];

  constructor(options: RewriteOptions, originAuthority: string) {
    this.#options = options;
    const names = [originAuthority, options.host].filter((name) => name !== '');
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
    const absolute = /^(https?):\/\/([^/?#]*)(.*)$/i.exec(value);
    if (absolute === null) {
      return value.startsWith('/') && !value.startsWith('//') ? this.#path(value) : value;
    }
    const [, scheme, written, rest] = absolute;
    const named = configuredAuthority(written!).inScheme(scheme!.toLowerCase());
    const isNamed = (one: Authority) => one.inScheme(scheme!.toLowerCase()) === named;
    if (isNamed(request.authority)) {
      return value.slice(0, value.length - rest!.length) + this.#path(rest!);
    }
    if (!this.#origins.some(isNamed)) return value;
    return `${request.scheme}://${request.authority.text}${this.#path(rest!)}`;
  }

  #path(path: string): string {
    const { stripPrefix, addPrefix } = this.#options;
    // An origin that knows what it is called by writes the client's path already.
    if (stripPrefix !== '' && isUnder(path, stripPrefix)) return path;
    if (addPrefix !== '' && !isUnder(path, addPrefix)) return path;
    const bare = path.slice(withoutSlash(addPrefix).length);
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
