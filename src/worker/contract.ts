/** What the supervisor gives a worker, and what it can ask of it. */

import type { ChallengeAnswers } from '../acme/challenges.ts';
import type { ListQuery, PurgeSelector } from '../cache/contract.ts';
import type { SluiceOptions } from '../config/options.ts';
import type { InheritedDatagrams, InheritedListener } from '../downstream/options.ts';
import type { PluginHost } from '../plugin/plugin-set.ts';
import type { AccessLogSink } from '../telemetry/access-log.ts';
import type { LevelTable, LogEvent } from '../telemetry/log-event.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { WrongNumber } from '../telemetry/number-check.ts';
import type { CertificatePair } from '../tls/host-options.ts';
import type { HelloGuard } from '../tls/refusal/hello-guard.ts';
import type { TicketRing } from '../tls/ticket-ring.ts';
import type { TraceRecorder } from '../tls/trace-recorder.ts';
import type { DangerModules } from './danger.ts';
import type { FailureKind } from './failure-table.ts';
import type { HandshakeJournal } from './handshakes/handshake-journal.ts';
import type { ObserverState } from './handshakes/handshake-observers.ts';
import type { HandshakeFault, NewFailures } from './new-failures.ts';
import type { SharedHandle } from './shared-layout.ts';
import type { WorkerLog } from './worker-log.ts';

/** What crosses from the supervisor to a worker, in the same process or another. */
export interface WorkerSetup {
  readonly options: SluiceOptions;
  /** 0 to `options.workers` - 1; a replacement has its predecessor's. */
  readonly workerIndex: number;
  /** Of all workers: those of others it takes over when they do not serve. */
  readonly listeners: readonly InheritedListener[];
  /** The UDP sockets beside them, of this worker alone: what comes for another waits for its successor. */
  readonly datagrams: readonly InheritedDatagrams[];
  /** What all processes share: its descriptor, and what is where in it. */
  readonly memory: SharedHandle;
  /** Of sluice. */
  readonly version: string;
  /** What holds for all workers when this one begins. */
  readonly changes: LastChanges;
}

/**
 * What a worker is told while it lives, in the same process or another. A new one costs a member here
 * and its handler: for who begins later, the last of each kind is remembered by itself.
 */
export type WorkerChange =
  /** Other ticket keys, for new connections of every configuration. */
  | { readonly type: 'tickets'; readonly tickets: TicketRing }
  /** What of its subsystems is reported from now on. */
  | { readonly type: 'log-levels'; readonly levels: LevelTable }
  /** Fingerprints of all ClientHellos that are refused from now on (tls/refusal/hello-guard.ts). */
  | { readonly type: 'refused-hellos'; readonly fingerprints: readonly string[] }
  /** Indices of all other workers whose connections it takes as well, from now on. */
  | { readonly type: 'stand-in'; readonly places: readonly number[] }
  /**
   * For the host with these names, other certificates, which the supervisor has tried, for new
   * connections. Of a host that is not there, because options have changed meanwhile: nothing.
   */
  | {
      readonly type: 'certificates';
      readonly names: readonly string[];
      readonly certificates: readonly CertificatePair[];
    }
  /** What authorities that look whether a name is ours are answered, instead of what they were before. */
  | { readonly type: 'challenges'; readonly answers: ChallengeAnswers }
  /** Log files have been moved away: each is opened by its name again. */
  | { readonly type: 'reopen-logs' };

export type ChangeType = WorkerChange['type'];
export type ChangeOf<T extends ChangeType> = Extract<WorkerChange, { readonly type: T }>;

/** The last change of each kind. Without ticket keys and log levels no worker begins. */
export type LastChanges = { readonly [T in ChangeType]?: ChangeOf<T> } & {
  readonly [T in 'tickets' | 'log-levels']: ChangeOf<T>;
};

/** What a worker does about each change. */
export type ChangeHandlers = { readonly [T in ChangeType]: (change: ChangeOf<T>) => void };

/** How a worker reaches its supervisor, in the same process or another. */
export interface SupervisorLink {
  readonly purgeEverywhere: PurgeEverywhere;
  onHandshakeFault(fault: HandshakeFault): void;
  /** What this worker has counted cannot be true. */
  onWrongNumber(wrong: WrongNumber): void;
  /** For the error log. */
  onEvent(event: LogEvent): void;
}

/** A purge, as a client of the admin endpoint or of a data port wants it. */
export interface PurgeRequest {
  readonly selectors: readonly PurgeSelector[];
  /** Mark stale instead of removing. */
  readonly soft: boolean;
}

/** What the supervisor asks of a worker's cache. */
export type CacheQuestion =
  | ({ readonly kind: 'purge'; readonly nowMs: number } & PurgeRequest)
  /** Take in what another worker has purged in the directory that all share. */
  | ({ readonly kind: 'follow'; readonly nowMs: number } & PurgeRequest)
  /** How many stored responses a purge would remove. */
  | { readonly kind: 'count'; readonly selectors: PurgeRequest['selectors'] }
  | { readonly kind: 'lookup'; readonly key: string }
  | ({ readonly kind: 'list' } & ListQuery);

export type CacheAnswer =
  /** Stored responses that went, or -1 when that is found out bit by bit. */
  | {
      readonly kind: 'purged';
      readonly count: number;
      /** The worker caches for itself, though it should share a directory: others must purge, too. */
      readonly isApart: boolean;
    }
  | { readonly kind: 'followed' }
  /** -1: more than are counted. */
  | { readonly kind: 'counted'; readonly count: number }
  | { readonly kind: 'found'; readonly lookup: CacheLookup }
  | {
      readonly kind: 'listed';
      readonly entries: readonly ListedResponse[];
      readonly next: string | null;
    };

export interface ListedResponse extends Omit<StoredVariant, 'fields' | 'tier'> {
  readonly key: string;
}

/** What one worker knows of a URL. */
export interface CacheLookup {
  /** As the rules of routes make them of the URL. */
  readonly keys: readonly string[];
  /** Routes that it may take on which nothing is cached. */
  readonly uncachedRoutes: readonly string[];
  /** Under these keys and what fields, cookies and slices add to them. */
  readonly stored: { readonly responses: number; readonly bytes: number };
  readonly variants: readonly StoredVariant[];
  /** A fetch that others may wait for is under way. */
  readonly isBeingFetched: boolean;
  /** Why the last response that this worker saw was not stored; null when it was, or never seen. */
  readonly refused: {
    readonly decision: string;
    readonly reason: string;
    readonly status: number;
    /** Milliseconds ago. */
    readonly agoMs: number;
  } | null;
}

/** One stored response. Times are whole seconds. */
export interface StoredVariant {
  readonly status: number;
  readonly tier: 'memory' | 'disk';
  readonly contentLength: number;
  /** `bytes 0-99/1000` of a stored part; null for all of it. */
  readonly part: string | null;
  /** What the request had in the fields that Vary names; null for absent. */
  readonly vary: Record<string, string | null>;
  readonly isFresh: boolean;
  readonly ageSeconds: number;
  readonly lifetimeSeconds: number;
  /** Negative when stale. */
  readonly ttlSeconds: number;
  /** Where the lifetime is from: max-age, expires, heuristic and so on. */
  readonly lifetimeSource: string;
  readonly isMarkedStale: boolean;
  /** Of the stored fields, those that a cache acts by. */
  readonly fields: Record<string, string>;
  /** ISO 8601. */
  readonly storedAt: string;
}

/** What the supervisor asks of a worker about handshakes. */
export type HandshakeQuestion =
  | { readonly kind: 'failures' }
  | { readonly kind: 'observers' }
  /** Call an observer again that was cut off. */
  | { readonly kind: 'enable'; readonly observer: string };

export interface HandshakeAnswer {
  readonly failures: readonly FailureKind[];
  readonly observers: readonly ObserverState[];
}

/** What a worker can be asked, by topic. */
export interface WorkerTopics {
  readonly cache: { readonly question: CacheQuestion; readonly answer: CacheAnswer };
  readonly handshakes: { readonly question: HandshakeQuestion; readonly answer: HandshakeAnswer };
}

export type Topic = keyof WorkerTopics;
export type QuestionOn<T extends Topic> = WorkerTopics[T]['question'];
export type AnswerOn<T extends Topic> = WorkerTopics[T]['answer'];

/** What a worker answers on each topic. */
export type Answerers = {
  readonly [T in Topic]: (question: QuestionOn<T>) => AnswerOn<T> | Promise<AnswerOn<T>>;
};

/** From the supervisor to a worker process. */
export type WorkerCommand =
  | { readonly type: 'start'; readonly setup: WorkerSetup }
  | { readonly type: 'drain'; readonly timeoutMs: number }
  | { readonly type: 'change'; readonly change: WorkerChange }
  | {
      readonly type: 'ask';
      readonly id: number;
      readonly topic: Topic;
      readonly question: QuestionOn<Topic>;
    }
  /** Serve new connections by other options. */
  | { readonly type: 'reconfigure'; readonly id: number; readonly options: SluiceOptions }
  /** Answers a worker's `purge`; null when a worker could not be reached. */
  | { readonly type: 'purged'; readonly id: number; readonly count: number | null };

/** From a worker process to the supervisor. `remedy` is there when the user made the mistake. */
export type WorkerReport =
  /** The program is there; it waits for `start`. */
  | { readonly type: 'loaded' }
  | { readonly type: 'ready' }
  /** It was told to end by somebody else, and takes no new connections any more. */
  | { readonly type: 'leaving' }
  | { readonly type: 'handshake-fault'; readonly fault: HandshakeFault }
  | { readonly type: 'wrong-number'; readonly wrong: WrongNumber }
  /** For the error log. */
  | { readonly type: 'event'; readonly event: LogEvent }
  | { readonly type: 'failed'; readonly message: string; readonly remedy: string | null }
  | { readonly type: 'answer'; readonly id: number; readonly answer: AnswerOn<Topic> }
  /** Answers `reconfigure`; why it could not be done, or null. */
  | {
      readonly type: 'reconfigured';
      readonly id: number;
      readonly fault: { readonly message: string; readonly remedy: string } | null;
    }
  /** A client of a data port wants a purge in all workers. */
  | { readonly type: 'purge'; readonly id: number; readonly request: PurgeRequest };

/** What a worker is started with: its setup, with the means to count and to log. */
export interface WorkerInput
  extends Pick<WorkerSetup, 'options' | 'workerIndex' | 'listeners' | 'datagrams'> {
  /** What the supervisor has said last. */
  readonly tickets: { current: TicketRing };
  readonly metrics: Metrics;
  readonly accessLog: AccessLogSink;
  readonly log: WorkerLog;
  readonly handshakes: HandshakeJournal;
  readonly recorder: TraceRecorder;
  readonly plugins: PluginHost;
  readonly danger: DangerModules;
  readonly newFailures: NewFailures;
  readonly guard: HelloGuard;
  /** The strike register's shared memory. */
  readonly strikes: Int32Array;
  /** The rate limits' shared memory, and what client names are hashed with in it. */
  readonly rates: { readonly words: Int32Array; readonly secret: Uint8Array };
  /** What the workers share about origins. */
  readonly sharedHealth: Int32Array;
  /** What has been removed from the caches of all (cache/invalidation-epochs.ts). */
  readonly tombstones: Int32Array;
  /** About the cache directory (cache/disk-words.ts). */
  readonly diskWords: Int32Array;
  readonly purgeEverywhere: PurgeEverywhere;
}

/** Purges in all workers; `done` gets how many stored responses went, -1, or null, as above. */
export type PurgeEverywhere = (request: PurgeRequest, done: (count: number | null) => void) => void;

/** Of changes that concern its logs or its guard a worker's service need not know. */
export type ServiceHandlers = Omit<ChangeHandlers, 'log-levels' | 'refused-hellos' | 'reopen-logs'>;

export interface RunningWorker {
  /**
   * Stops accepting, after what already waits in the listening sockets' queues; lets running
   * exchanges finish; breaks off what is left after `timeoutMs`. Resolves when nothing is open.
   */
  drain(timeoutMs: number): Promise<void>;
  readonly answers: Answerers;
  readonly changes: ServiceHandlers;
  /**
   * Serves new connections by other options; open ones keep theirs. Throws UsageError for options
   * that cannot be carried out; then everything stays as it was.
   */
  reconfigure(options: SluiceOptions): void;
}

/** Resolves when the worker is accepting connections. */
export type StartWorker = (input: WorkerInput) => Promise<RunningWorker>;
