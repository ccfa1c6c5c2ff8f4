/** What the supervisor gives a worker, and what it can ask of it. */
import type { Endpoint, SluiceOptions } from '../config/options.ts';
import type { AccessLogSink } from '../telemetry/access-log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** A listening socket, bound and listening already. The worker owns the descriptor. */
export interface InheritedListener {
  readonly fd: number;
  readonly kind: 'http' | 'https';
  readonly endpoint: Endpoint;
}

export interface WorkerInput {
  readonly options: SluiceOptions;
  /** 0 to `options.workers` - 1; a replacement has its predecessor's. */
  readonly workerIndex: number;
  readonly listeners: readonly InheritedListener[];
  readonly metrics: Metrics;
  readonly accessLog: AccessLogSink;
  /**
   * 80 random octets, the same for all workers of one start, so that each resumes what another
   * began: 16 for the key's name, 32 for encryption, 32 for authentication.
   */
  readonly ticketKeys: Buffer;
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
