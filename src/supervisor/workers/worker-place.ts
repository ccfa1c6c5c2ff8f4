/** What a worker is to the supervisor, whether a process of its own fills its place or this one does. */
import type { SluiceOptions } from '../../config/options.ts';
import type { AnswerOn, QuestionOn, Topic, WorkerChange } from '../../worker/contract.ts';

/** For `/stats`. */
export interface WorkerStatus {
  readonly index: number;
  readonly pid: number | null;
  readonly state: 'starting' | 'running' | 'draining';
  readonly restarts: number;
  readonly startedAt: string;
}

export interface WorkerPlace {
  readonly status: WorkerStatus;
  /** Of the process that serves; null when there is none. */
  readonly servingPid: number | null;
  /** Whether it takes new connections, as far as it has said. */
  readonly isServing: boolean;
  /** It never served yet: until all have, there is no sluice. */
  readonly isFirstStart: boolean;
  /** Times that the process was replaced. */
  readonly restarts: number;
  /** Resolves when it accepts connections for the first time; rejects when it ends before that. */
  start(): Promise<void>;
  /** For this worker, as soon as it serves, and its successors. */
  tell(change: WorkerChange): void;
  /**
   * Null when the worker does not answer in time; undefined when there is none that serves, and so
   * none that remembers anything.
   */
  ask<T extends Topic>(topic: T, question: QuestionOn<T>): Promise<AnswerOn<T> | null | undefined>;
  /** What a successor is started with from now on. */
  adopt(options: SluiceOptions): void;
  /**
   * Has the worker serve new connections by other options. Rejects with UsageError when it cannot,
   * with Error when it is not there or does not answer.
   */
  reconfigure(options: SluiceOptions): Promise<void>;
  /** From now on its end is what was wanted: it is neither reported nor replaced. */
  expectEnd(): void;
  /** Drains and ends it. Resolves when it has ended. */
  stop(timeoutMs: number): Promise<void>;
  /** It hangs: it is ended, and replaced. */
  endHung(silentMs: number): void;
  /** Ends its process at once, unless that is ours. */
  kill(): void;
}

/** Asks one worker on one topic; as {@link WorkerPlace.ask}. */
export type AskWorker<T extends Topic> = (
  question: QuestionOn<T>,
) => Promise<AnswerOn<T> | null | undefined>;
