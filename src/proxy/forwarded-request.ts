/**
 * An exchange's request that the cache does not answer, on its way to the origin: alone, or waiting
 * for the same that another request has asked. What comes back goes to the client; a stored response
 * may still answer in place of it.
 */
import { assert } from '../base/assert.ts';
import { SluiceError } from '../base/errors.ts';
import type { InFlightFetch, ReleaseReason, Waiter } from '../cache/collapse.ts';
import type { StoreHit } from '../cache/contract.ts';
import type { RequestDirectives } from '../cache/rules/cache-control.ts';
import type { ForwardReason } from '../cache/rules/cache-status.ts';
import { decideReuse } from '../cache/rules/reuse.ts';
import { selectStored } from '../cache/rules/select.ts';
import type { StoringDecision } from '../cache/rules/storing.ts';
import type { RequestFacts, ResponseSender } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { PluginRun } from '../plugin/plugin-run.ts';
import type { CacheOutcome } from '../telemetry/exchange-summary.ts';
import { claimFetch } from './cross-worker-fetch.ts';
import type { ProxyEnvironment } from './environment.ts';
import type { ExchangeRecord } from './exchange-record.ts';
import { Leftover } from './leftover.ts';
import type { Delivery } from './reply/delivery.ts';
import {
  type OriginAnswer,
  OriginRequest,
  type OriginRequestOwner,
  type Validation,
} from './request/origin-request.ts';
import type { PartTask } from './request/part-request.ts';
import type { RequestContent } from './request/request-content.ts';
import { handshakeFault, tunnelFields } from './websocket.ts';

/** After waiting for this many fetches of other workers, a request is fetched by its own worker. */
const ROUNDS_MAX = 4;

/** The exchange, which can answer from the cache. */
export interface ForwardOwner {
  /** Answers from a stored response; false when only the origin can answer the request. */
  serve(hit: StoreHit, outcome: CacheOutcome): boolean;
  /** The rest of the content is read from the store. */
  goOnFromStore(hit: StoreHit): void;
  /** Another worker has fetched something: the store is asked once more, then `ask` is called. */
  lookAgain(): void;
}

export interface ForwardInput {
  readonly environment: ProxyEnvironment;
  /** Of an extended CONNECT that is translated: what the origin is asked. */
  readonly head: RequestHead;
  readonly facts: RequestFacts;
  readonly key: string;
  readonly directives: RequestDirectives;
  readonly part: PartTask | null;
  readonly plugins: PluginRun | null;
  readonly sender: Pick<ResponseSender, 'sendInformational' | 'upgrade'>;
  readonly content: RequestContent;
  readonly delivery: Delivery;
  readonly record: ExchangeRecord;
  readonly owner: ForwardOwner;
}

/** Why the origin is asked, and about what. */
export interface Question {
  readonly forward: ForwardReason;
  readonly validation: Validation | null;
  /** The stale stored response that may stand in for an error. */
  readonly fallback: StoreHit | undefined;
  /** Of the key's fetches by all workers, when the store was looked into. */
  readonly version: number;
}

/** Where the request is, with what is there. */
type State =
  /** With us: the handshake's end is awaited, or something stored is looked at, or answers. */
  | { readonly at: 'home' }
  /** Another request's fetch may answer it. */
  | { readonly at: 'waiting'; readonly inFlight: InFlightFetch }
  /** With the origin. `takesContent`: its head has gone out, what the client sends may follow. */
  | { readonly at: 'origin'; readonly request: OriginRequest; takesContent: boolean }
  /**
   * The client is slow and reads what it gets from the store, where the response goes. What it still
   * sends goes to the origin: the response is to all of the request (RFC 9110 §3.4).
   */
  | { readonly at: 'detached'; readonly request: OriginRequest; readonly takesContent: boolean }
  /** The client has got a page of ours: the origin's goes into the store, or nowhere. */
  | { readonly at: 'replaced'; readonly request: OriginRequest; readonly leftover: Leftover };

const HOME: State = { at: 'home' };

/** What may follow what. Once the delivery is over, nothing does. */
const NEXT: Readonly<Record<State['at'], readonly State['at'][]>> = {
  home: ['waiting', 'origin'],
  waiting: ['home'],
  origin: ['home', 'replaced', 'detached'],
  detached: [],
  replaced: [],
};

/** Whether one fetch may answer it and others. */
type Company = 'shared' | 'alone';

type AgainHow = Parameters<OriginRequestOwner['onAskAgain']>[0];

export class ForwardedRequest implements OriginRequestOwner, Waiter {
  readonly #input: ForwardInput;
  #state: State = HOME;
  #company: Company = 'shared';
  /** Why it was sent once more. */
  #askedAgain: readonly AgainHow[] = [];
  /** How often another worker's fetch has ended without an answer for this request. */
  #rounds = 0;
  #fallback: StoreHit | undefined;
  #version = 0;
  #storing: StoringDecision | 'not-asked' = 'not-asked';

  constructor(input: ForwardInput) {
    this.#input = input;
  }

  /** The origin's response may not be stored. */
  get isRefused(): boolean {
    return this.#storing !== 'store' && this.#storing !== 'not-asked';
  }

  ask({ forward, validation, fallback, version }: Question): void {
    this.#fallback = fallback;
    this.#version = version;
    this.#forward(forward, validation);
  }

  /** The client can take more of the response. */
  pump(): void {
    if (this.#state.at === 'origin') this.#state.request.ready();
  }

  /** The client has gone. */
  cancel(): void {
    const state = this.#state;
    if (state.at === 'waiting') state.inFlight.leave(this);
    else if (state.at !== 'home') state.request.abandon();
  }

  #enter(state: State): void {
    const { at } = this.#state;
    assert(NEXT[at].includes(state.at), `a request goes from ${at} to ${state.at}`);
    this.#state = state;
  }

  // ------------------------------------------------------------------ on its way

  #forward(forward: ForwardReason, validation: Validation | null): void {
    const { environment, head, facts, delivery, record } = this.#input;
    const decision = environment.earlyDataPolicies.decide(head, facts);
    if (decision === 'refuse') {
      delivery.answer(425, []);
      return;
    }
    delivery.forward = forward;
    if (record.cache === 'none') record.cache = 'miss';
    if (decision === 'hold') {
      facts.whenHandshakeEnds((complete) => {
        if (complete && !delivery.isOver) this.#sendOrWait(validation);
      });
    } else {
      this.#sendOrWait(validation);
    }
  }

  #forwardAgain(): void {
    this.#forward(this.#input.delivery.forward ?? 'miss', null);
  }

  #sendOrWait(validation: Validation | null): void {
    const { environment, key } = this.#input;
    const { collapse, clock, store } = environment;
    const nowMs = clock.wallMs();
    if (!this.#isShareable(nowMs)) {
      this.#send(validation, null);
      return;
    }
    const joined = collapse.join(key, this, nowMs, store.versionOf(key));
    switch (joined.role) {
      case 'leader':
        this.#lead(joined.inFlight, validation, nowMs);
        break;
      case 'waiter':
        this.#enter({ at: 'waiting', inFlight: joined.inFlight });
        break;
      case 'reader':
        this.#share(joined.hit);
        break;
      case 'alone':
        this.#send(validation, null);
        break;
    }
  }

  #isShareable(nowMs: number): boolean {
    const { environment, head, key, part, directives } = this.#input;
    return (
      this.#company === 'shared' &&
      environment.route.caches &&
      head.method === 'GET' &&
      head.contentLength === 0 &&
      head.upgrade === '' &&
      (!head.fields.has('range') || part?.kind === 'slice') &&
      !directives.noCache &&
      !directives.noStore &&
      !environment.hitForMissMemory.has(key, nowMs)
    );
  }

  #lead(inFlight: InFlightFetch, validation: Validation | null, nowMs: number): void {
    const { environment } = this.#input;
    switch (claimFetch(environment, inFlight, this.#version)) {
      case 'ask':
        this.#send(validation, inFlight);
        break;
      case 'ask-alone':
        inFlight.release('uncacheable');
        this.#send(validation, null);
        break;
      case 'wait':
        this.#enter({ at: 'waiting', inFlight });
        environment.collapse.wait(inFlight, this, nowMs);
        break;
      case 'look-again':
        inFlight.release('again');
        this.#lookAgain();
        break;
    }
  }

  #send(validation: Validation | null, inFlight: InFlightFetch | null): void {
    const { environment, head, directives, key, part, facts, record, plugins } = this.#input;
    const { method, upgrade, contentLength } = head;
    // Content is no part of the key: what it made the origin say must not answer those without it.
    const isPlainGet = method === 'GET' && contentLength === 0;
    const mayStore = (isPlainGet || method === 'POST') && upgrade === '';
    record.originAsked();
    const request = new OriginRequest({
      environment,
      origin: environment.origins.byDefault,
      head,
      directives,
      key,
      wholeKey: part?.wholeKey ?? key,
      peerAddress: facts.peerAddress,
      facts,
      early: facts.early,
      plugins,
      mayStore: mayStore && environment.route.caches,
      validation,
      fallback: this.#fallback,
      inFlight,
      notes: record,
      owner: this,
    });
    this.#enter({ at: 'origin', request, takesContent: false });
    request.start();
  }

  // ------------------------------------------------------------------ while others fetch

  onResponse(hit: StoreHit): void {
    if (this.#input.delivery.isOver) return;
    this.#enter(HOME);
    this.#share(hit);
  }

  onRelease(reason: ReleaseReason): void {
    if (this.#input.delivery.isOver) return;
    this.#enter(HOME);
    if (reason === 'again') this.#lookAgain();
    else this.#goAlone();
  }

  #share(hit: StoreHit): void {
    const { delivery, owner } = this.#input;
    delivery.isCollapsed = true;
    if (!this.#isFor(hit) || !owner.serve(hit, 'collapsed')) this.#goAlone();
  }

  /**
   * RFC 9111 §4: what may only be used after validation was validated for the request that fetched
   * it, not for this one: it may be another user's.
   */
  #isFor(hit: StoreHit): boolean {
    const { environment, head, directives } = this.#input;
    const { cachePolicy, clock } = environment;
    if (selectStored([hit], head.fields, cachePolicy) === undefined) return false;
    return decideReuse(directives, hit.response, clock.wallMs(), cachePolicy).use !== 'validate';
  }

  #lookAgain(): void {
    if (++this.#rounds < ROUNDS_MAX) this.#input.owner.lookAgain();
    else this.#goAlone();
  }

  #goAlone(): void {
    const { delivery, record } = this.#input;
    delivery.isCollapsed = false;
    this.#company = 'alone';
    record.cache = 'miss';
    this.#forwardAgain();
  }

  // ------------------------------------------------------------------ the request's content

  onRequestStarted(): void {
    const state = this.#state;
    if (state.at !== 'origin') return;
    const { content, head } = this.#input;
    state.takesContent = true;
    const { end } = content;
    // What was held back may come during this call, its end as well: `sendEnd` hands that on.
    if (head.contentLength !== 0) content.ask();
    if (end !== null) state.request.sendEnd(end.trailers);
  }

  onRequestRestart(): void {
    if (this.#state.at === 'origin') this.#state.takesContent = false;
    this.#input.content.hold();
  }

  /** Returns false when no more can be taken until `onRequestWritable`. */
  sendContent(bytes: Uint8Array): boolean {
    const state = this.#state;
    if (state.at !== 'origin' && state.at !== 'detached') return true;
    assert(state.takesContent, 'content comes after resume');
    return state.request.sendContent(bytes);
  }

  sendEnd(trailers: FieldSection | null): void {
    const state = this.#state;
    const isThere = state.at === 'origin' || state.at === 'detached';
    if (isThere && state.takesContent) state.request.sendEnd(trailers);
  }

  onRequestWritable(): void {
    const { delivery, content } = this.#input;
    if (!delivery.isOver) content.ask();
  }

  // ------------------------------------------------------------------ the origin's response

  onInformational(status: number, fields: FieldSection): void {
    const { delivery, head, sender } = this.#input;
    // RFC 9110 §15.2: 100 answers an expectation; without one the client must not be confused.
    if (delivery.isOver || (status === 100 && !head.expectContinue)) return;
    sender.sendInformational(status, fields);
  }

  onOriginResponse(response: ResponseHead, storing: StoringDecision | 'not-asked'): void {
    const { environment, delivery, record } = this.#input;
    record.originAnswered(response.status);
    this.#storing = storing;
    if (this.#failsHandshake(response)) return;
    const { errorPages } = environment.route;
    if (errorPages?.intercepts(response.status)) {
      this.#replace();
      const page = errorPages.replace(response.status, response.fields);
      delivery.answerWith(page, storing);
      return;
    }
    delivery.sendOriginHead(response, storing);
  }

  #replace(): void {
    const state = this.#state;
    assert(state.at === 'origin', 'who answers was asked');
    const { request } = state;
    this.#enter({
      at: 'replaced',
      request,
      leftover: new Leftover(this.#input.environment.clock),
    });
  }

  onFillContent(bytes: Uint8Array): boolean {
    const state = this.#state;
    if (state.at === 'replaced') {
      if (!state.leftover.takes(bytes)) state.request.abandon();
      return true;
    }
    return this.#input.delivery.takeContent(bytes);
  }

  onFillEnd(trailers: FieldSection | null): void {
    this.#input.record.touch();
    this.#input.delivery.takeEnd(trailers);
  }

  onFillError(error: SluiceError): void {
    const { delivery } = this.#input;
    if (!delivery.isOver) delivery.breakOff(error);
  }

  onFillDetached(hit: StoreHit): void {
    const state = this.#state;
    assert(state.at === 'origin', 'who answers was asked');
    this.#enter({ ...state, at: 'detached' });
    this.#input.owner.goOnFromStore(hit);
  }

  onStored(hit: StoreHit, how: 'revalidated' | 'stale', { status, keeping }: OriginAnswer): void {
    const { delivery, record, owner } = this.#input;
    if (delivery.isOver) return;
    this.#enter(HOME);
    if (status !== 0) record.originAnswered(status);
    if (how === 'stale') delivery.failedStatus = status === 0 ? -1 : status;
    delivery.keeping = keeping;
    if (!owner.serve(hit, how)) this.#forward('request', null);
  }

  /** For each reason once: then there is no early data to refuse, and no condition to confirm. */
  onAskAgain(how: AgainHow): void {
    const { delivery, facts } = this.#input;
    if (delivery.isOver) return;
    this.#enter(HOME);
    if (this.#askedAgain.includes(how)) {
      delivery.fail(
        new SluiceError('too-early', 'the origin refused twice', { blame: 'upstream' }),
      );
      return;
    }
    this.#company = 'alone';
    this.#askedAgain = [...this.#askedAgain, how];
    if (how === 'without-conditions') {
      this.#forwardAgain();
      return;
    }
    facts.whenHandshakeEnds((complete) => {
      if (complete && !delivery.isOver) this.#forwardAgain();
    });
  }

  onFailure(error: SluiceError): void {
    const { delivery, record } = this.#input;
    record.touch();
    if (!delivery.isOver) delivery.fail(error);
  }

  // ------------------------------------------------------------------ tunnels

  onUpgrade(response: ResponseHead): void {
    const { head, sender, content, delivery, record } = this.#input;
    record.originAnswered(response.status);
    if (this.#failsHandshake(response)) return;
    const isTranslated = head.sentAs !== undefined;
    delivery.switched(isTranslated ? 200 : response.status);
    sender.upgrade(response.status, isTranslated ? tunnelFields(response) : response.fields);
    content.ask();
  }

  /** An extended CONNECT that was translated: the origin must have understood what it was asked. */
  #failsHandshake(response: ResponseHead): boolean {
    const { head, delivery } = this.#input;
    const fault = head.sentAs === undefined ? null : handshakeFault(head, response);
    if (fault === null) return false;
    this.cancel();
    delivery.fail(fault);
    return true;
  }

  onTunnelBytes(bytes: Uint8Array): boolean {
    return this.onFillContent(bytes);
  }

  onTunnelEnd(): void {
    const { delivery } = this.#input;
    if (!delivery.isOver) delivery.end(null);
  }
}
