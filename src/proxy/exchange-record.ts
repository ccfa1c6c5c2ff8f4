/** What an exchange notes about itself on its way, and hands to the observer when it is over. */
import type { RequestFacts } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { FinishedRequest } from '../plugin/api.ts';
import type { PluginRun } from '../plugin/plugin-run.ts';
import {
  type CacheOutcome,
  type ExchangeSummary,
  emptySummary,
  type HeaderLines,
} from '../telemetry/exchange-summary.ts';
import { RequestPhaseCode } from '../telemetry/requests/request-layout.ts';
import type { ProxyEnvironment } from './environment.ts';

/** Filled anew for every exchange: the observer must not keep it. */
const summary: ExchangeSummary = emptySummary();

type RecordEnvironment = Pick<ProxyEnvironment, 'clock' | 'observer' | 'requests'>;

export interface ExchangeRecordInput {
  readonly environment: RecordEnvironment;
  readonly head: RequestHead;
  readonly facts: RequestFacts;
  /** Monotonic time of the request's first byte. */
  readonly startedMs: number;
  /** Of the request recorder; -1 for none. */
  readonly slot: number;
  /** Told when it is over; null for none. */
  readonly plugins: PluginRun | null;
}

/** Hears of the origin's answer as it comes in, before anything is done with it. */
export interface OriginNotes {
  originHead(head: ResponseHead): void;
  originContent(bytes: Uint8Array): void;
  originEnd(): void;
}

export class ExchangeRecord implements OriginNotes {
  readonly #environment: RecordEnvironment;
  /** Of the request recorder. */
  #slot: number;
  readonly #head: RequestHead;
  readonly #facts: RequestFacts;
  readonly #startedMs: number;
  readonly #plugins: PluginRun | null;
  readonly #startedAtMs: number;
  cache: CacheOutcome = 'none';
  /** Of the final response, as the client gets it. */
  responseFields: FieldSection | null = null;
  requestBytes = 0;
  responseBytes = 0;
  errorCode = '';
  #status = 0;
  #firstByteMs = -1;
  #answeredEarly = false;
  #askedMs = 0;
  #originStatus = 0;
  #originMs = -1;

  constructor({ environment, head, facts, startedMs, slot, plugins }: ExchangeRecordInput) {
    this.#plugins = plugins;
    this.#environment = environment;
    this.#head = head;
    this.#facts = facts;
    this.#startedMs = startedMs;
    this.#slot = slot;
    environment.requests.describe(slot);
    environment.requests.enter(slot, RequestPhaseCode.lookUp);
    this.#startedAtMs = environment.clock.wallMs();
    environment.requests.watcher?.onRequest(head);
  }

  /** Something has happened to the exchange: should the worker die of it, it is known. */
  touch(): void {
    this.#environment.requests.touch(this.#slot);
  }

  /** A piece of the request's body has come. */
  requestContent(bytes: Uint8Array): void {
    const { requests } = this.#environment;
    this.requestBytes += bytes.length;
    requests.requestPiece(this.#slot, bytes.length);
    requests.watcher?.onRequestPiece(this.#head, bytes.length);
  }

  requestEnd(): void {
    this.#environment.requests.bodyEnded(this.#slot, 'request');
  }

  originHead(head: ResponseHead): void {
    const { requests } = this.#environment;
    requests.answered(this.#slot, head);
    if (this.#slot !== OVER) requests.watcher?.onResponse(this.#head, head);
  }

  originContent(bytes: Uint8Array): void {
    const { requests } = this.#environment;
    requests.responsePiece(this.#slot, bytes.length);
    if (this.#slot !== OVER) requests.watcher?.onResponsePiece(this.#head, bytes.length);
  }

  originEnd(): void {
    this.#environment.requests.bodyEnded(this.#slot, 'response');
  }

  originAsked(): void {
    this.#environment.requests.enter(this.#slot, RequestPhaseCode.origin);
    this.#askedMs = this.#environment.clock.monotonicMs();
  }

  originAnswered(status: number): void {
    this.#environment.requests.enter(this.#slot, RequestPhaseCode.response);
    this.#originStatus = status;
    this.#originMs = this.#environment.clock.monotonicMs() - this.#askedMs;
  }

  responseStarted(status: number): void {
    this.#environment.requests.enter(this.#slot, RequestPhaseCode.deliver);
    this.#status = status;
    this.#firstByteMs = this.#environment.clock.monotonicMs() - this.#startedMs;
    this.#answeredEarly = this.#facts.early;
  }

  finish(errorCode: string): void {
    const { clock, observer, requests } = this.#environment;
    requests.enter(this.#slot, RequestPhaseCode.log);
    const head = this.#head;
    const facts = this.#facts;
    summary.startedAtMs = this.#startedAtMs;
    summary.method = head.method;
    summary.scheme = head.scheme;
    summary.version = head.version;
    if (observer.wantsText) noteTexts(summary, head, facts, this.responseFields);
    summary.status = this.#status;
    summary.requestBytes = this.requestBytes;
    summary.responseBytes = this.responseBytes;
    summary.durationMs = clock.monotonicMs() - this.#startedMs;
    summary.firstByteMs = this.#firstByteMs;
    summary.cache = this.cache;
    if (!facts.beganEarly) summary.earlyData = 'no';
    else summary.earlyData = this.#answeredEarly ? 'answered-early' : 'early';
    summary.originStatus = this.#originStatus;
    summary.originMs = this.#originMs;
    summary.errorCode = errorCode === '' ? this.errorCode : errorCode;
    observer.onFinish(summary);
    this.#plugins?.onFinish(finishedOf(summary));
    requests.watcher?.onEnd(head);
    requests.end(this.#slot);
    // A fill may outlive it, and the slot is another's from now on.
    this.#slot = OVER;
  }
}

/** Of the request recorder, for none. */
const OVER = -1;

/** What plugins are told. */
export function finishedOf(summary: ExchangeSummary): FinishedRequest {
  const { status, cache, durationMs, responseBytes, errorCode } = summary;
  return { status, cache, durationMs, responseBytes, error: errorCode };
}

/** What logs have and metrics have not. */
export function noteTexts(
  summary: ExchangeSummary,
  head: RequestHead,
  facts: RequestFacts,
  responseHeaders: HeaderLines | null,
): void {
  summary.requestHeaders = head.fields;
  summary.responseHeaders = responseHeaders;
  summary.connection = facts;
  summary.remoteAddress = facts.remoteAddress;
  summary.remotePort = facts.remotePort;
  summary.localPort = facts.localPort;
  summary.authority = head.authority.text;
  summary.host = head.authority.host;
  summary.path = head.path;
  summary.userAgent = head.fields.first('user-agent') ?? '';
  summary.referer = head.fields.first('referer') ?? '';
  summary.tls = facts.tls;
}
