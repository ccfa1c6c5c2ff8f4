/** For which authorities a connection may be used (RFC 9113 §9.1.1, RFC 9114 §3.3). */
import type { Authority } from './authority.ts';

/** The authority as asked with the scheme. */
export type CoverageCheck = (authority: Authority, scheme: string) => boolean;

/** Asks once for an authority that comes again: the last is nearly always the next request's, too. */
export class CoveredAuthority {
  readonly #check: CoverageCheck;
  #authority: Authority | null = null;
  #scheme = '';

  /** Without a check, all are covered. */
  constructor(check: CoverageCheck = () => true) {
    this.#check = check;
  }

  covers(authority: Authority, scheme: string): boolean {
    if (authority === this.#authority && scheme === this.#scheme) return true;
    if (!this.#check(authority, scheme)) return false;
    this.#authority = authority;
    this.#scheme = scheme;
    return true;
  }
}
