/** What the supervisor gives a worker, and what it can ask of it. */
import type { Endpoint, SluiceOptions } from '../config/options.ts';
import type { AccessLogSink } from '../telemetry/access-log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** What crosses from the supervisor to a worker, in the same process or another. */
export interface WorkerSetup {
  readonly options: SluiceOptions;
  /** 0 to `options.workers` - 1; a replacement has its predecessor's. */
  readonly workerIndex: number;
  readonly listeners: readonly InheritedListener[];
  /** Descriptor and length of the metrics' shared memory, and where the worker's region begins. */
  readonly metricsFd: number;
  readonly metricsBytes: number;
  readonly metricsOffset: number;
  /** Where in the same memory the strike register of all workers begins (tls/strike-register.ts). */
  readonly strikesOffset: number;
  /**
   * 80 random octets, the same for all workers of one start, so that each resumes what another
   * began: 16 for the key's name, 32 for encryption, 32 for authentication.
   */
  readonly ticketKeys: Buffer;
}

/** From the supervisor to a worker process. */
export type WorkerCommand =
  | { readonly type: 'start'; readonly setup: WorkerSetup }
  | { readonly type: 'drain'; readonly timeoutMs: number }
  | { readonly type: 'reopen-log' };

/** From a worker process to the supervisor. `remedy` is there when the user made the mistake. */
export type WorkerReport =
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly message: string; readonly remedy: string | null };

/** A listening socket, bound and listening. The worker adopts the descriptor, and closes it. */
export interface InheritedListener {
  readonly fd: number;
  readonly kind: 'http' | 'https';
  readonly endpoint: Endpoint;
}

/** What a worker is started with: its setup, with the means to count and to log. */
export interface WorkerInput
  extends Pick<WorkerSetup, 'options' | 'workerIndex' | 'listeners' | 'ticketKeys'> {
  readonly metrics: Metrics;
  readonly accessLog: AccessLogSink;
  /** The strike register's shared memory. */
  readonly strikes: Int32Array;
}

export interface RunningWorker {
  /**
   * Stops accepting, after what already waits in the listening sockets' queues; lets running
   * exchanges finish; breaks off what is left after `timeoutMs`. Resolves when nothing is open.
   */
  drain(timeoutMs: number): Promise<void>;
}

/** Resolves when the worker is accepting connections. */
export type StartWorker = (input: WorkerInput) => Promise<RunningWorker>;
