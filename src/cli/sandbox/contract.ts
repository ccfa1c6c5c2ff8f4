/** What a sandbox and the sluice that it has started say to one another over their IPC channel. */
import type { JsonValue } from '../../triage/incident.ts';

import type { OriginPorts } from '../../triage/replay/scripted-origin.ts';

/** Raised when an older checkout would misunderstand. */
export const SANDBOX_PROTOCOL = 2;

/** What suffices for handshakes, so that older checkouts can be tried. */
export const HANDSHAKE_PROTOCOL = 1;

export interface SandboxStart {
  readonly protocol: typeof SANDBOX_PROTOCOL | typeof HANDSHAKE_PROTOCOL;
  readonly options: JsonValue;
  readonly features: Readonly<Record<string, boolean>>;
  /** An empty directory of its own, where incidents go. */
  readonly directory: string;
  /** Of version 2: the origin that there is, and a listener without TLS is wanted. */
  readonly origin?: OriginPorts;
}

export type SandboxCommand =
  | { readonly type: 'start'; readonly start: SandboxStart }
  /** Answered with `settled`. */
  | { readonly type: 'settle' };

export type SandboxReport =
  | { readonly type: 'ready'; readonly port: number; readonly plainPort?: number }
  | { readonly type: 'failed'; readonly message: string; readonly remedy: string }
  /**
   * All workers are there and have turned their event loops since they were asked. `deaths`: of
   * workers, since the start.
   */
  | { readonly type: 'settled'; readonly deaths: number };

/** Of the directory. */
export const INCIDENTS = 'incidents';
