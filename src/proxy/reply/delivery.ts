/**
 * The response of one exchange on its way to the client: its head, which says what the cache did, its
 * content, and its end, or that it breaks off. Whatever happens, `finish` runs once.
 */
import type { SluiceError } from '../../base/errors.ts';
import type { StoreHit } from '../../cache/contract.ts';
import { cacheStatusMember, type ForwardReason } from '../../cache/rules/cache-status.ts';
import { ageSeconds, ttlSeconds } from '../../cache/rules/reuse.ts';
import type { StoringDecision } from '../../cache/rules/storing.ts';
import type { RequestFacts, ResponseSender } from '../../http/exchange.ts';
import type { FieldSection } from '../../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../../http/message.ts';
import { PLUGIN_FAILED } from '../../plugin/faults.ts';
import { PLUGIN_CONTROL } from '../../plugin/origin-views.ts';
import type { PluginRun } from '../../plugin/plugin-run.ts';
import { type LocalResponse, localResponse } from '../../routing/local-response.ts';
import type { CacheOutcome } from '../../telemetry/exchange-summary.ts';
import type { ProxyEnvironment } from '../environment.ts';
import type { ExchangeRecord } from '../exchange-record.ts';
import { addOurMark, PROXY_NAME, responseFieldsToClient } from '../request/forwarding.ts';
import type { RequestContent } from '../request/request-content.ts';
import { grpcAnswer, isGrpcCall } from './grpc-answer.ts';
import { detailOf, missStatus } from './miss-status.ts';
import { proxyStatusField, proxyStatusOf } from './proxy-status.ts';

type Lines = readonly (readonly [name: string, value: string])[];

export interface DeliveryInput {
  readonly environment: ProxyEnvironment;
  readonly head: RequestHead;
  readonly sender: ResponseSender;
  readonly facts: RequestFacts;
  readonly record: ExchangeRecord;
  /** Of the request's plugins; null for none. */
  readonly plugins: PluginRun | null;
  /** What the client sends: the response may come before its end. */
  readonly content: Pick<RequestContent, 'isDropped' | 'drop'>;
}

/**
 * How far the response is; it only goes forward, and may leave out steps. `ended`: its end is being
 * handed over. `over`: the record is written.
 */
type Stage = 'awaited' | 'begun' | 'ended' | 'over';

export class Delivery {
  readonly #input: DeliveryInput;
  /** Why the origin was asked, for Cache-Status (RFC 9211 §2.2); null as long as it was not. */
  forward: ForwardReason | null = null;
  isCollapsed = false;
  /** The origin's status that a stale response stands in for; -1 when it did not answer. */
  failedStatus = 0;
  /** What became of the stored response that the origin has confirmed. */
  keeping: StoringDecision | 'not-asked' = 'not-asked';
  #stage: Stage = 'awaited';
  /** A plugin has refused the response: what comes of it is taken, and dropped. */
  #isReplaced = false;

  constructor(input: DeliveryInput) {
    this.#input = input;
  }

  get isOver(): boolean {
    return this.#stage === 'over';
  }

  /** What comes of the request is still wanted: by an origin, or for a tunnel. */
  get wantsRequest(): boolean {
    const isOpen = this.#stage === 'awaited' || this.#stage === 'begun';
    return isOpen && !this.#input.content.isDropped;
  }

  // ------------------------------------------------------------------ heads

  sendHead(head: ResponseHead): void {
    const { environment, head: request, facts, record, sender } = this.#input;
    this.#begin();
    record.responseStarted(head.status);
    const { status } = head;
    environment.route.responseEdits?.apply(head.fields, { head: request, facts, status });
    head.fields.remove(PLUGIN_CONTROL);
    const { plugins } = this.#input;
    const fields = plugins === null ? head.fields : plugins.onResponse(head.status, head.fields);
    if (fields === null) {
      this.#replace();
      return;
    }
    record.responseFields = fields;
    sender.sendHead(fields === head.fields ? head : { ...head, fields });
  }

  /** In place of a response that a plugin has failed to look at. Its source is read to its end all the same. */
  #replace(): void {
    const { environment, head, record, sender } = this.#input;
    const { status } = proxyStatusOf(PLUGIN_FAILED);
    const why = ['proxy-status', proxyStatusField(PROXY_NAME, PLUGIN_FAILED)] as const;
    const { fields, content } = localResponse(status, environment.dateNow(), [why]);
    this.#isReplaced = true;
    record.errorCode = PLUGIN_FAILED.code;
    record.responseFields = fields;
    record.responseStarted(status);
    sender.sendHead({ status, fields, contentLength: content.length });
    if (head.method !== 'HEAD') sender.sendContent(content);
  }

  /** The head of an answer that is made of a stored response; its fields are copied. */
  sendStoredHead(answer: ResponseHead, { response }: StoreHit, outcome: CacheOutcome): void {
    const { status, contentLength } = answer;
    const nowMs = this.#input.environment.clock.wallMs();
    const fields = answer.fields.clone();
    fields.set('age', String(ageSeconds(response, nowMs)));
    addOurMark(fields, this.#cacheStatus(outcome, ttlSeconds(response, nowMs), this.keeping));
    this.#input.content.drop();
    this.sendHead({ status, fields, contentLength });
  }

  sendOriginHead(response: ResponseHead, storing: StoringDecision | 'not-asked'): void {
    const { environment, record } = this.#input;
    const status = this.#cacheStatus(record.cache, null, storing);
    const fields = responseFieldsToClient(response.fields, environment.dateNow(), status);
    this.sendHead({ status: response.status, fields, contentLength: response.contentLength });
  }

  /** The protocols have been switched: what follows are a tunnel's bytes. */
  switched(status: number): void {
    this.#input.record.responseStarted(status);
    this.#begin();
  }

  #begin(): void {
    if (this.#stage === 'awaited') this.#stage = 'begun';
  }

  // ------------------------------------------------------------------ content

  /** Returns false when the client cannot take more for now. */
  sendContent(bytes: Uint8Array): boolean {
    const { record, sender } = this.#input;
    record.touch();
    if (this.#isReplaced) return true;
    record.responseBytes += bytes.length;
    return sender.sendContent(bytes);
  }

  /** From a source that may outlive its client: what comes after the end is taken, and dropped. */
  takeContent(bytes: Uint8Array): boolean {
    return this.isOver || this.sendContent(bytes);
  }

  /** The end of such a source; trailers are as the origin has sent them. */
  takeEnd(trailers: FieldSection | null): void {
    if (!this.isOver) this.end(this.#input.environment.route.editTrailers(trailers));
  }

  get bytesAtOnce(): number | undefined {
    return this.#input.sender.bytesAtOnce;
  }

  /** Whoever's answer it is, it ends the request, too: nobody wants the rest (RFC 9113 §8.1). */
  end(trailers: FieldSection | null): void {
    if (this.#stage !== 'over') this.#stage = 'ended';
    this.#input.content.drop();
    this.#input.sender.sendEnd(this.#isReplaced ? null : trailers);
    this.finish('');
  }

  breakOff(error: SluiceError): void {
    this.#input.sender.abort(error);
    this.finish(error.code);
  }

  // ------------------------------------------------------------------ responses of our own

  answer(status: number, extra: Lines): void {
    const { dateNow, route } = this.#input.environment;
    const response = localResponse(status, dateNow(), extra);
    this.answerWith(route.errorPages === null ? response : route.errorPages.dress(response));
  }

  answerWith(made: LocalResponse, storing: StoringDecision | 'not-asked' = 'not-asked'): void {
    const { head, record, content } = this.#input;
    const response = isGrpcCall(head) ? grpcAnswer(made) : made;
    addOurMark(response.fields, this.#cacheStatus(record.cache, null, storing));
    content.drop();
    this.sendHead({ ...response, contentLength: response.content.length });
    if (head.method !== 'HEAD' && response.content.length > 0) this.sendContent(response.content);
    this.end(null);
  }

  /** The exchange failed: tell the client if its response has not begun, else break it off. */
  fail(error: SluiceError, extra: Lines = []): void {
    if (this.#stage !== 'awaited') {
      this.breakOff(error);
      return;
    }
    this.#input.record.errorCode = error.code;
    const { status } = proxyStatusOf(error);
    this.answer(status, [['proxy-status', proxyStatusField(PROXY_NAME, error)], ...extra]);
  }

  finish(errorCode: string): void {
    if (this.#stage === 'over') return;
    this.#stage = 'over';
    this.#input.record.finish(errorCode);
  }

  // ------------------------------------------------------------------ Cache-Status

  #cacheStatus(
    outcome: CacheOutcome,
    ttl: number | null,
    storing: StoringDecision | 'not-asked',
  ): string {
    const { forward } = this;
    if (outcome === 'miss' && ttl === null && !this.isCollapsed && forward !== null) {
      return missStatus(forward, storing);
    }
    const isForError = outcome === 'stale' && this.failedStatus !== 0;
    // RFC 9211 §2.1: not a hit when the request was forwarded, whatever came of it.
    const hit = outcome === 'hit' || (outcome === 'stale' && !isForError);
    const forwardStatus = outcome === 'revalidated' ? 304 : isForError ? this.failedStatus : 0;
    return cacheStatusMember(PROXY_NAME, {
      hit,
      forward: hit ? null : forward,
      forwardStatus: Math.max(0, forwardStatus),
      stored: storing === 'store',
      collapsed: this.isCollapsed,
      ttlSeconds: ttl,
      key: '',
      detail: isForError ? 'stale-if-error' : detailOf(storing),
    });
  }
}
