/** What `/traffic` of the admin endpoint answers, for those who draw it. */

/** Counts since the start, over all workers; two of them tell what is between. */
export interface TrafficSample {
  /** Milliseconds of this machine's clock. */
  readonly atMs: number;
  readonly requests: number;
  /** By the status's hundreds, as `2xx`, or `none`. */
  readonly byStatus: Readonly<Record<string, number>>;
  readonly byCache: Readonly<Record<string, number>>;
  /** Requests by the time they took: how many were within each of `bounds`, and beyond the last. */
  readonly durations: readonly number[];
  /** Seconds. */
  readonly bounds: readonly number[];
  readonly connections: number;
  readonly handshakes: Readonly<Record<string, number>>;
  readonly handshakesFailed: number;
  readonly resumed: number;
  readonly earlyDataAccepted: number;
  readonly earlyDataRejected: number;
  readonly bytesOut: number;
  /** By name, as logs have it. */
  readonly routes: Readonly<Record<string, RouteSample>>;
}

export interface RouteSample {
  readonly requests: number;
  readonly hits: number;
  /** Status 5xx, or no response at all. */
  readonly errors: number;
  /** As those of all. */
  readonly durations: readonly number[];
}
