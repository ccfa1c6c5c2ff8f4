/** One address of one server of a group: what balancing, health and counting know of it. */
import type { RequestHead } from '../http/message.ts';
import type { ServerMetrics } from '../telemetry/origin-metrics.ts';
import type { Candidate } from './balance.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import { combineHashes, hashText } from './hash.ts';
import type { OriginServerOptions, PassiveHealthOptions } from './options.ts';
import { nameOfServer } from './server-names.ts';
import type { AdminState } from './shared-health.ts';
import { BAD_ANSWERS, BAD_ANSWERS_MAX, requestText, Trouble, type TroubleNews } from './trouble.ts';

/** What is counted of a server, all of its addresses together; telemetry/origin-metrics.ts. */
export type ServerCounters = Pick<
  ServerMetrics,
  'attemptStarted' | 'answered' | 'failed' | 'ejected' | 'holds' | 'fails' | 'addressesAre'
>;

/** A server as it stands in the configuration. */
export class OriginServer {
  readonly options: OriginServerOptions;
  /** `host:port`, or `host:port#2` for the second of the same name: unique in its group. */
  readonly name: string;
  readonly counters: ServerCounters;
  adminState: AdminState = 'up';
  readonly trouble: Trouble;
  /** With a status of 500 and above, in a row. */
  #badAnswers = 0;

  constructor(
    options: OriginServerOptions,
    name: string,
    counters: ServerCounters,
    onTrouble: (news: TroubleNews) => void,
  ) {
    this.options = options;
    this.name = name;
    this.counters = counters;
    this.trouble = new Trouble(onTrouble);
  }

  /** The head of an answer to `head` has come. */
  answered(status: number, head: RequestHead, nowMs: number): void {
    if (status < 500) {
      this.#badAnswers = 0;
      return;
    }
    this.#badAnswers++;
    if (this.#badAnswers < BAD_ANSWERS_MAX) return;
    const message = `it answers with ${status}`;
    this.trouble.failed({ code: BAD_ANSWERS, message, request: requestText(head) }, nowMs);
  }
}

/** A share in slow start is never below this part of the full one. */
const RAMP_SHARE_MIN = 0.1;

export class UpstreamEndpoint implements Candidate {
  readonly server: OriginServer;
  readonly address: string;
  /** `address:port`, or the path of a socket: the same in every worker. */
  readonly key: string;
  readonly pool: EndpointPool;
  readonly seed: number;
  share: number;
  credit = 0;
  activeCount = 0;
  /** The verdict of the active checks; up until they say otherwise. */
  isChecked = true;
  /** Neither checks nor an operator object. */
  isWanted = true;
  /** What the last check that this worker made found wrong; '' for nothing. */
  checkFault = '';
  /** Failures in a row, of requests. */
  failures = 0;
  /** Ejections, less those that have been forgiven. */
  ejections = 0;
  /** Monotonic milliseconds; 0 when it is not ejected. */
  ejectedUntilMs = 0;
  /** Mean milliseconds to a response's head, the last few dozen weighing most; -1 without any. */
  latencyMs = -1;
  /** Slow start: since when; 0 when it has its full share. */
  #rampSinceMs = 0;
  #readmittedMs = 0;

  constructor(server: OriginServer, address: string, pool: EndpointPool) {
    this.server = server;
    this.address = address;
    const { port } = server.options;
    this.key = nameOfServer(address, port);
    this.pool = pool;
    this.share = server.options.weight;
    // The address and not the name: two workers may hear the addresses in another order.
    this.seed = combineHashes(hashText(address), port);
  }

  /** Whether it may be asked at all. */
  get isUp(): boolean {
    return this.isWanted && this.ejectedUntilMs === 0;
  }

  /** Why it is not asked. */
  get state(): 'up' | 'ejected' | 'unhealthy' | 'drain' | 'down' {
    if (this.server.adminState !== 'up') return this.server.adminState;
    if (!this.isChecked) return 'unhealthy';
    return this.ejectedUntilMs === 0 ? 'up' : 'ejected';
  }

  /** Begins to take its share little by little. */
  startSlowly(nowMs: number, slowStartMs: number): void {
    if (slowStartMs === 0) return;
    this.#rampSinceMs = nowMs;
    this.#setShare(RAMP_SHARE_MIN);
  }

  /** Moves slow start on. Called now and then. */
  ramp(nowMs: number, slowStartMs: number): void {
    if (this.#rampSinceMs === 0) return;
    const part = (nowMs - this.#rampSinceMs) / slowStartMs;
    if (part >= 1) this.#rampSinceMs = 0;
    this.#setShare(Math.min(1, Math.max(RAMP_SHARE_MIN, part)));
  }

  #setShare(part: number): void {
    this.share = this.server.options.weight * part;
    // Credit earned at another share would be paid back in a burst.
    this.credit = 0;
  }

  /** An attempt went well, to its end. */
  succeeded(): void {
    this.failures = 0;
  }

  /** The head of a response came after so long. */
  answeredIn(elapsedMs: number): void {
    const previous = this.latencyMs;
    this.latencyMs = previous < 0 ? elapsedMs : previous + (elapsedMs - previous) / LATENCY_WINDOW;
  }

  /** An attempt failed; returns whether that was one too many. */
  isOneTooMany(options: PassiveHealthOptions): boolean {
    this.failures++;
    return options.failures > 0 && this.failures >= options.failures && this.ejectedUntilMs === 0;
  }

  eject(nowMs: number, options: PassiveHealthOptions): void {
    this.ejections++;
    const forMs = Math.min(options.ejectionMs * this.ejections, options.ejectionMaxMs);
    this.ejectedUntilMs = nowMs + forMs;
    this.failures = 0;
    this.server.counters.ejected();
  }

  /** The ejection is over. */
  readmit(nowMs: number): void {
    this.ejectedUntilMs = 0;
    this.#readmittedMs = nowMs;
  }

  /** Time without an ejection takes back what the earlier ones have added to the next. */
  forgive(nowMs: number, stepMs: number): void {
    if (this.ejections === 0 || this.ejectedUntilMs !== 0) return;
    if (nowMs - this.#readmittedMs < stepMs) return;
    this.ejections--;
    this.#readmittedMs = nowMs;
  }
}

const LATENCY_WINDOW = 32;
