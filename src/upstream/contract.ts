/** What an exchange sees of the origins: groups, and its own way through one. */
import type { SluiceError } from '../base/errors.ts';
import type { ContentPace, PaceWatch } from './content-pace.ts';
import type { UpstreamEndpoint } from './endpoint.ts';
import type { ConnectionWaiter } from './pool.ts';

/** One request's way through a group. What the group notes on it is for the group alone. */
export interface GroupRequest extends ConnectionWaiter {
  /** Only a connection that speaks HTTP/1.1 will do. */
  readonly needsHttp1: boolean;
  readonly attempts: Attempts;
}

/** A group's notes about a request. */
export class Attempts {
  endpoint: UpstreamEndpoint | null = null;
  /** Endpoints that have failed it. */
  failedAt: UpstreamEndpoint[] | null = null;
  count = 0;
  attemptMs = 0;
  isCounted = false;
  isRetrying = false;
  isTrial = false;
  /** Of the attempt under way; 0 before its head has come. */
  status = 0;
  /** The attempt has been held against its endpoint: once is enough. */
  isBlamed = false;
  outcome: 'ok' | 'failed' | 'cancelled' = 'cancelled';
}

export interface OriginGroup {
  readonly name: string;
  /** Host and, unless it is the scheme's default, port: for requests that name none. */
  readonly authority: string;
  /** It is told of the client in a field that only sluice writes: handler/client-header.ts. */
  readonly isHandler: boolean;
  /** Put before every path; '' for none. */
  readonly pathPrefix: string;
  /** Statuses after which another endpoint may be asked. */
  readonly retriedStatuses: readonly number[];
  /** For each request, whose pace it then tells `completed`. */
  watchPace(): PaceWatch;
  /** Chooses an endpoint and gives a connection to the request, perhaps at once. */
  start(request: GroupRequest): void;
  /** Gives a connection that has carried nothing yet to the endpoint that was chosen. */
  again(request: GroupRequest): void;
  /**
   * The endpoint has failed: chooses another one, for `goOn`. False when there is no other, or no
   * more attempts are allowed. `wasSent`: it may have been at work, and the budget for retries counts.
   */
  moveOn(request: GroupRequest, wasSent: boolean): boolean;
  goOn(request: GroupRequest): void;
  /** All of the request is here: it holds its connection for no longer than the origin takes. */
  gathered(request: GroupRequest): void;
  /** The head of a response has come. */
  answered(request: GroupRequest, status: number): void;
  /**
   * All of it has come, or a tunnel has been made: only now it is known whether that went well.
   * `pace` is null where it says nothing.
   */
  completed(request: GroupRequest, pace: ContentPace | null): void;
  /** An attempt has failed; `error` may not be the endpoint's fault. */
  failed(request: GroupRequest, error: SluiceError): void;
  /** The last call for a request that was started, whatever has become of it. */
  ended(request: GroupRequest): void;
  /** Withdraws a request that waits for a connection; it hears nothing more. `ended` follows. */
  withdraw(request: GroupRequest): void;
}

/** All groups of one worker. */
export interface Origins {
  readonly groups: ReadonlyMap<string, OriginGroup>;
  /** For requests that no route sends elsewhere. */
  readonly byDefault: OriginGroup;
}
