/** What an operator may decide about the rules, per route. Durations are milliseconds. */

export interface CachePolicy {
  /**
   * Targeted fields that speak to this cache, most specific first (RFC 9213 §2.2). Default:
   * CDN-Cache-Control. Add `surrogate-control` for origins that still send it.
   */
  readonly targetedFields: readonly string[];
  /** Share of the time since Last-Modified used as heuristic lifetime (RFC 9111 §4.2.2). */
  readonly heuristicFraction: number;
  /** Bounds of a heuristic lifetime. Default 0 to one day, as RFC 9111 §4.2.2 has in mind. */
  readonly heuristicLifetimeMinMs: number;
  readonly heuristicLifetimeMaxMs: number;
  /**
   * Lifetime of responses to which the origin gives none, instead of the heuristic; 0, the default,
   * for the heuristic.
   */
  readonly lifetimeDefaultMs: number;
  /** Bounds of the lifetime that the origin states; 0 and null, the defaults, for none. */
  readonly lifetimeMinMs: number;
  readonly lifetimeMaxMs: number | null;
  /** Overrides what the origin says of lifetimes, but for errors; null, the default, to honour it. */
  readonly lifetimeOverrideMs: number | null;
  /** Lifetime for errors (404, 410, 5xx) without one of their own; 0, the default, for none. */
  readonly negativeLifetimeMs: number;
  /** The same for one status, such as `404`, in place of it. */
  readonly negativeLifetimesMs: Readonly<Record<string, number>>;
  /**
   * How long a stored response is kept from eviction, within a share of the store (see
   * PINNED_SHARE_MAX); 0, the default, for not at all. Purges and updates are not kept off.
   */
  readonly pinMs: number;
  /**
   * What to do with a response that sets a cookie. A cookie that identifies one user must not reach
   * another.
   *
   * - `never`: it is not stored.
   * - `public`: only with Cache-Control `public` or `s-maxage`, which speak of shared caches.
   * - `explicit`, the default: with a lifetime that Cache-Control (or a targeted field) states; not
   *   by Expires or heuristics, which frameworks add without a thought of cookies. RFC 9111 §7.3
   *   leaves it to the origin to say so, and this asks that it has said something.
   * - `always`: as any other response.
   */
  readonly setCookie: 'never' | 'public' | 'explicit' | 'always';
  /** Obeys the client's Cache-Control (RFC 9111 §5.2.1). A busy edge may prefer not to. */
  readonly honourRequestDirectives: boolean;
  /** Serves stale on errors this long when nobody says otherwise; 0, the default, for not at all. */
  readonly staleIfErrorMs: number;
  /** Serves stale while it revalidates this long when nobody says otherwise; 0 for not at all. */
  readonly staleWhileRevalidateMs: number;
  /** Lets Content-Language stand for Accept-Language; see `matchesPreferredLanguage`. */
  readonly selectByLanguage: boolean;
  /** Stores 206 responses and answers ranges from them (RFC 9111 §3.3). */
  readonly storePartial: boolean;
}

export const defaultCachePolicy: CachePolicy = {
  targetedFields: ['cdn-cache-control'],
  heuristicFraction: 0.1,
  heuristicLifetimeMinMs: 0,
  heuristicLifetimeMaxMs: 86_400_000,
  lifetimeDefaultMs: 0,
  lifetimeMinMs: 0,
  lifetimeMaxMs: null,
  lifetimeOverrideMs: null,
  negativeLifetimeMs: 0,
  negativeLifetimesMs: {},
  pinMs: 0,
  setCookie: 'explicit',
  honourRequestDirectives: true,
  staleIfErrorMs: 0,
  staleWhileRevalidateMs: 0,
  selectByLanguage: true,
  storePartial: true,
};
