/** What a route decides about caching: plain data, as it crosses from the configuration to workers. */
import { defaultKeyRules, type KeyRules } from './key.ts';
import { type CachePolicy, defaultCachePolicy } from './policy.ts';

export interface CacheRules {
  /** Off: nothing is looked up or stored, and requests do not wait for one another. */
  readonly enabled: boolean;
  readonly policy: CachePolicy;
  readonly key: KeyRules;
  /**
   * Bytes of a slice: GETs of what is not stored whole fetch and store it in slices of this length,
   * so that a range costs its slices and not the whole. 0, the default, for no slices.
   */
  readonly sliceBytes: number;
}

export const defaultCacheRules: CacheRules = {
  enabled: true,
  policy: defaultCachePolicy,
  key: defaultKeyRules,
  sliceBytes: 0,
};

/** Smaller slices cost more requests than they save bytes. */
export const SLICE_BYTES_MIN = 65_536;
/** A longer slice would be fetched as a whole for a few seconds of a film. */
export const SLICE_BYTES_MAX = 67_108_864;
