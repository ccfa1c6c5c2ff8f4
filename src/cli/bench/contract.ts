/** What a bench and the sluice that it has started say to one another over their IPC channel. */
import type { JsonValue } from '../../triage/capsule.ts';

/** Raised when an older checkout would misunderstand. */
export const BENCH_PROTOCOL = 1;

export interface BenchStart {
  readonly protocol: typeof BENCH_PROTOCOL;
  readonly options: JsonValue;
  readonly features: Readonly<Record<string, boolean>>;
  /** An empty directory of its own, where capsules go. */
  readonly directory: string;
}

export type BenchCommand =
  | { readonly type: 'start'; readonly start: BenchStart }
  /** Answered with `settled`. */
  | { readonly type: 'settle' };

export type BenchReport =
  | { readonly type: 'ready'; readonly port: number }
  | { readonly type: 'failed'; readonly message: string; readonly remedy: string }
  /**
   * All workers are there and have turned their event loops since they were asked. `deaths`: of
   * workers, since the start.
   */
  | { readonly type: 'settled'; readonly deaths: number };

/** Of the directory. */
export const CAPSULES = 'capsules';
