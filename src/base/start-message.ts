/**
 * What a program that starts sluice is told. It imports nothing, so that an app of any Node may read it
 * with it.
 */

/** Names a descriptor to which it is written. */
export const START_DESCRIPTOR = 'SLUICE_START_FD';

/** What is written there when sluice serves, as one line of JSON. */
export interface StartMessage {
  readonly pid: number;
  readonly listeners: readonly { readonly kind: string; readonly address: string }[];
  /** Where the admin endpoint is; null without one. */
  readonly admin: string | null;
  /** SHA-256 fingerprints of the certificates. */
  readonly certificates: readonly string[];
}
