/**
 * One request's life, as steps: begin → look up → serve | fetch → deliver → finish. Every step ends
 * in another one or in `finish`, which runs exactly once, whatever happened.
 *
 * A fresh hit of usual size does not come here: proxy.ts answers it without an exchange.
 */
import { assert } from '../base/assert.ts';
import { SluiceError } from '../base/errors.ts';
import type { InFlightFetch, ReleaseReason, Waiter } from '../cache/collapse.ts';
import type { StoreHit } from '../cache/contract.ts';
import { completionOf, isCombinable } from '../cache/parts.ts';
import { type RequestDirectives, requestDirectives } from '../cache/rules/cache-control.ts';
import type { ForwardReason } from '../cache/rules/cache-status.ts';
import { evaluatePreconditions, notModifiedFields } from '../cache/rules/preconditions.ts';
import { type Piece, planRange, planWhole, type Representation } from '../cache/rules/range.ts';
import { ageSeconds, decideReuse } from '../cache/rules/reuse.ts';
import { selectStored } from '../cache/rules/select.ts';
import type { StoringDecision } from '../cache/rules/storing.ts';
import { canValidate } from '../cache/rules/validation.ts';
import type { RequestFacts, RequestHandler, ResponseSender } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import { localJson } from '../routing/local-response.ts';
import type { GateResult } from '../routing/rules.ts';
import type { CacheOutcome } from '../telemetry/exchange-summary.ts';
import type { OriginGroup } from '../upstream/group.ts';
import { claimFetch } from './cross-worker-fetch.ts';
import type { ProxyEnvironment } from './environment.ts';
import { incompleteError, loopError } from './exchange-errors.ts';
import { ExchangeRecord } from './exchange-record.ts';
import { Leftover } from './leftover.ts';
import { isSoftPurge, mayPurge, selectorsOf } from './purge-request.ts';
import {
  AssembledReply,
  type AssemblyInput,
  environmentForParts,
  isSliced,
} from './reply/assembled-reply.ts';
import { Delivery } from './reply/delivery.ts';
import { StoredReply } from './reply/stored-reply.ts';
import { isLooping } from './request/forwarding.ts';
import {
  type OriginAnswer,
  OriginRequest,
  type OriginRequestOwner,
  type Validation,
} from './request/origin-request.ts';
import type { OpenExchange, PartTask } from './request/part-request.ts';
import { revalidateInBackground } from './revalidation.ts';
import { handshakeFault, tunnelFields } from './websocket.ts';

/** Methods that we know what to do with when we are the last hop (RFC 9110 §9.3.7). */
const ALLOW = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** What the cache does for parts of one answer, from least to most. */
const EFFORTS: readonly CacheOutcome[] = [
  'none',
  'hit',
  'stale',
  'collapsed',
  'revalidated',
  'miss',
];

/** After so many fetches of other workers a request asks for itself. */
const ROUNDS_MAX = 4;

export class Exchange implements RequestHandler, OriginRequestOwner, Waiter {
  readonly #environment: ProxyEnvironment;
  readonly #origin: OriginGroup;
  readonly #head: RequestHead;
  readonly #sender: ResponseSender;
  readonly #facts: RequestFacts;
  readonly #key: string;
  readonly #directives: RequestDirectives;
  readonly #record: ExchangeRecord;
  readonly #delivery: Delivery;
  /** An extended CONNECT that is translated: `#head` is then what the origin is asked. */
  readonly #isTranslated: boolean;
  readonly #expectsContent: boolean;
  #request: OriginRequest | null = null;
  #requestStarted = false;
  /** The client's request is complete; its trailers wait for the origin if there are any. */
  #requestEnd: { readonly trailers: FieldSection | null } | null = null;
  #waitingOn: InFlightFetch | null = null;
  #reply: { pump(): void; cancel(): void } | null = null;
  /** The stale stored response that may stand in for an error. */
  #fallback: StoreHit | undefined;
  #mayCollapse = true;
  #askedAgain = false;
  /** How often another worker's fetch has ended without an answer for this request. */
  #rounds = 0;
  /** Of the key's fetches by all workers, when the store was looked into. */
  #serial = 0;
  readonly #leftover: Leftover;
  #isRefused = false;
  /** Not a client's: it asks for a part of what another exchange answers with. */
  readonly #part: PartTask | null;

  constructor(
    environment: ProxyEnvironment,
    head: RequestHead,
    sender: ResponseSender,
    facts: RequestFacts,
    key: string,
    startedMs: number,
    part: PartTask | null = null,
  ) {
    this.#environment = environment;
    this.#part = part;
    this.#origin = environment.origins.byDefault;
    this.#isTranslated = head.sentAs !== undefined;
    this.#expectsContent = (head.sentAs ?? head).contentLength !== 0;
    this.#head = head;
    this.#sender = sender;
    this.#facts = facts;
    this.#key = key;
    this.#directives = requestDirectives(head.fields);
    const record = new ExchangeRecord(environment, head.sentAs ?? head, facts, startedMs);
    const expectsContent = this.#expectsContent;
    this.#record = record;
    this.#leftover = new Leftover(environment.clock);
    this.#delivery = new Delivery({
      environment,
      head: this.#head,
      sender,
      facts,
      record,
      expectsContent,
    });
  }

  // ------------------------------------------------------------------ begin

  begin(): void {
    const { method, fields } = this.#head;
    const refusal = this.#environment.route.screen(fields);
    // Until the origin can take it, content stays with the client.
    if (this.#expectsContent) this.#sender.pause();
    if (refusal !== null) this.#delivery.fail(refusal);
    // RFC 8441 §4 names no status for protocols that we do not know; RFC 9110 §15.6.2 fits.
    else if (method === 'CONNECT' && this.#head.upgrade !== '') this.#delivery.answer(501, []);
    else if (method === 'CONNECT') this.#delivery.answer(405, [['allow', ALLOW]]);
    else if (method === 'TRACE') this.#delivery.answer(405, [['allow', ALLOW]]);
    else if (isLooping(fields)) this.#delivery.fail(loopError());
    else if (method === 'OPTIONS' && fields.first('max-forwards')?.trim() === '0') {
      this.#delivery.answer(204, [['allow', ALLOW]]);
    } else if (method === 'PURGE') this.#purge();
    else this.#lookUp();
  }

  /** Instead of `begin`: neither the cache nor an origin is asked. */
  turnAway(gateResult: GateResult): void {
    if (gateResult.kind === 'answered') {
      this.#delivery.answerWith(gateResult.response);
      return;
    }
    const { error, retryAfterSeconds } = gateResult;
    this.#delivery.fail(
      error,
      retryAfterSeconds > 0 ? [['retry-after', String(retryAfterSeconds)]] : [],
    );
  }

  /** Instead of `begin`: what is asked of this server and of no resource, when no route takes it. */
  answerForServer(): void {
    this.#delivery.answer(this.#head.method === 'OPTIONS' ? 204 : 405, [['allow', ALLOW]]);
  }

  /** Never forwarded: whoever may not purge here must not reach an origin that lets anybody. */
  #purge(): void {
    const { purges, keyRules } = this.#environment;
    if (!mayPurge(this.#head, this.#facts, purges)) {
      this.#delivery.answer(403, []);
      return;
    }
    const selectors = selectorsOf(this.#head, keyRules);
    // Early data may be a replay (RFC 8470 §2).
    this.#facts.whenHandshakeEnds((complete) => {
      if (!complete || this.#delivery.isOver) return;
      purges.purge(selectors, isSoftPurge(this.#head.fields), (count) => {
        if (this.#delivery.isOver) return;
        const status = count === null ? 503 : count === 0 ? 404 : 200;
        this.#delivery.answerWith(
          localJson(status, this.#environment.dateNow(), { purged: count }),
        );
      });
    });
  }

  // ------------------------------------------------------------------ look up

  #lookUp(): void {
    const { method, upgrade } = this.#head;
    if (upgrade !== '' || method === 'OPTIONS' || !this.#environment.route.caches) {
      this.#record.cache = 'bypass';
      this.#fetch('bypass', null);
    } else if (method !== 'GET' && method !== 'HEAD') {
      this.#record.cache = 'bypass';
      this.#fetch('method', null);
    } else if (this.#part?.kind === 'gap') {
      this.#fetch('partial', null);
    } else {
      const { store } = this.#environment;
      this.#serial = store.crossWorkerFetches?.serialOf(this.#key) ?? 0;
      store.lookup(this.#key, (hits) => {
        if (this.#delivery.isOver) return;
        if (this.#isSliced(hits)) this.#assembleSlices();
        else this.#decide(hits);
      });
    }
  }

  #decide(hits: readonly StoreHit[]): void {
    const { cachePolicy, clock } = this.#environment;
    const { fields } = this.#head;
    const nowMs = clock.wallMs();
    const selected = selectStored(hits, fields, cachePolicy);
    if (this.#part !== null && this.#part.of !== null) {
      this.#decidePart(selected, this.#part.of);
      return;
    }
    if (selected === undefined) {
      if (hits.length === 0) this.#miss('uri-miss', null);
      else this.#miss('vary-miss', { selected, hits });
      return;
    }
    const decision = decideReuse(this.#directives, selected.response, nowMs, cachePolicy);
    if (decision.use === 'validate') {
      this.#miss(decision.forward, { selected, hits });
      return;
    }
    const stale = decision.use === 'stale';
    const outcome = stale ? 'stale' : 'hit';
    const isPart = selected.response.partial !== null;
    if (isPart && this.#assembleParts(selected, hits, outcome)) return;
    if (!this.#serve(selected, outcome)) {
      this.#miss(selected.response.partial === null ? 'request' : 'partial', null);
      return;
    }
    if (stale && decision.revalidate) {
      const about = { selected, hits };
      revalidateInBackground(this.#environment, this.#origin, this.#head, this.#key, about);
    }
  }

  /** What the validator stands for has been judged: a part with the same is right (RFC 9111 §3.4). */
  #decidePart(selected: StoreHit | undefined, of: Representation): void {
    const isSame = selected !== undefined && isCombinable(selected.response, of);
    if (!isSame || !this.#serve(selected, 'hit')) this.#miss('partial', null);
  }

  // ------------------------------------------------------------------ parts

  #isSliced(hits: readonly StoreHit[]): boolean {
    return this.#part === null && isSliced(this.#environment, this.#head, this.#key, hits);
  }

  #assembleSlices(): void {
    this.#assemble(AssembledReply.ofSlices(this.#assembly(), this.#environment.sliceBytes));
  }

  /** Answers from stored parts and, when they do not have all of it, what they lack. */
  #assembleParts(selected: StoreHit, hits: readonly StoreHit[], outcome: CacheOutcome): boolean {
    const { clock, cachePolicy } = this.#environment;
    const input = this.#assembly();
    const nowMs = clock.wallMs();
    const completion = completionOf(this.#head, selected, hits, input.boundary, nowMs);
    if (completion === null) return false;
    const isWhole = completion.sections.every(({ kind }) => kind !== 'missing');
    if (!isWhole && this.#directives.onlyIfCached && cachePolicy.honourRequestDirectives) {
      return false;
    }
    if (isWhole) {
      const { status, fields, contentLength } = completion.answer;
      this.#record.cache = outcome;
      this.#delivery.sendStoredHead(status, fields, contentLength, selected, outcome);
    }
    this.#assemble(AssembledReply.ofParts(input, completion));
    return true;
  }

  #assemble(reply: AssembledReply): void {
    this.#reply = reply;
    reply.begin();
  }

  #assembly(): AssemblyInput {
    const open: OpenExchange = (head, key, task, sender) => {
      const { clock } = this.#environment;
      const environment = environmentForParts(this.#environment);
      return new Exchange(environment, head, sender, this.#facts, key, clock.monotonicMs(), task);
    };
    const [environment, head, key] = [this.#environment, this.#head, this.#key];
    return { environment, head, key, owner: this, open, boundary: crypto.randomUUID() };
  }

  get isRefused(): boolean {
    return this.#isRefused;
  }

  /** What the cache did, as far as it is known. */
  get outcome(): CacheOutcome {
    return this.#record.cache;
  }

  onAssembledHead(head: ResponseHead, outcome: CacheOutcome): void {
    if (this.#delivery.isOver) return;
    this.onPartOutcome(outcome);
    this.#delivery.sendHead(head);
  }

  /** What answers is made of parts: the one that took most says what the cache did. */
  onPartOutcome(outcome: CacheOutcome): void {
    const { cache } = this.#record;
    if (EFFORTS.indexOf(outcome) > EFFORTS.indexOf(cache)) this.#record.cache = outcome;
  }

  onNotAssembled(): void {
    this.#reply = null;
    if (!this.#delivery.isOver) this.#miss('partial', null);
  }

  /** Nothing stored can be used as it is. `stored` is what a conditional request can be about. */
  #miss(forward: ForwardReason, stored: Validation | null): void {
    if (this.#directives.onlyIfCached && this.#environment.cachePolicy.honourRequestDirectives) {
      // RFC 9111 §5.2.1.7.
      this.#delivery.answer(504, []);
      return;
    }
    this.#fallback = stored?.selected;
    this.#fetch(forward, this.#validationOf(stored));
  }

  #validationOf(stored: Validation | null): Validation | null {
    if (stored === null || stored.hits.length === 0 || this.#head.method !== 'GET') return null;
    const { selected, hits } = stored;
    // What is stored is in codings that this client does not take: another one must be made.
    if (selected === undefined && this.#environment.route.compression !== null) return null;
    const about = selected ?? hits[0]!;
    if (!canValidate(this.#head.fields, about.response)) return null;
    const hasRange = this.#head.fields.has('range');
    if (about.response.partial === null && !hasRange) return { selected, hits };
    // Another variant's part is not what this client wants.
    if (about.response.partial === null && selected === undefined) return null;
    return hasRange && this.#hasAllOf(about) ? { selected: about, hits } : null;
  }

  /** Whether what is stored has the ranges that are asked for. */
  #hasAllOf({ response }: StoreHit): boolean {
    const nowMs = this.#environment.clock.wallMs();
    return planRange(this.#head.fields, response, nowMs, '').kind === 'part';
  }

  // ------------------------------------------------------------------ serve from the cache

  /** Answers from a stored response; false when only the origin can answer this request. */
  #serve(hit: StoreHit, outcome: CacheOutcome): boolean {
    const { response } = hit;
    const { fields } = this.#head;
    const nowMs = this.#environment.clock.wallMs();
    const precondition = evaluatePreconditions(fields, response, nowMs);
    if (precondition === 'forward') return false;
    // RFC 9110 §14.2: ranges are for GET.
    const hasRange = this.#head.method === 'GET' && fields.has('range');
    const plan = hasRange
      ? planRange(fields, response, nowMs, crypto.randomUUID())
      : planWhole(response);
    if (plan.kind === 'forward' && precondition !== 'not-modified') return false;
    this.#record.cache = outcome;
    const { errorPages } = this.#environment.route;
    if (errorPages?.intercepts(response.status)) {
      const page = errorPages.replace(response.status, response.fields);
      page.fields.set('age', String(ageSeconds(response, nowMs)));
      this.#delivery.answerWith(page);
      return true;
    }
    if (precondition === 'not-modified' || plan.kind === 'forward') {
      this.#delivery.sendStoredHead(304, notModifiedFields(response.fields), 0, hit, outcome);
      this.#delivery.end(null);
      return true;
    }
    if (plan.kind === 'whole') {
      const pieces = [{ start: 0, end: Number.POSITIVE_INFINITY }];
      this.#delivery.sendStoredHead(
        response.status,
        response.fields,
        response.contentLength,
        hit,
        outcome,
      );
      this.#sendPieces(hit, pieces);
    } else {
      this.#delivery.sendStoredHead(plan.status, plan.fields, plan.contentLength, hit, outcome);
      this.#sendPieces(hit, plan.pieces);
    }
    return true;
  }

  #sendPieces(hit: StoreHit, pieces: readonly Piece[]): void {
    if (this.#head.method === 'HEAD') {
      this.#delivery.end(null);
      return;
    }
    this.#sendStored(hit, pieces).pump();
  }

  #sendStored(hit: StoreHit, pieces: readonly Piece[]): StoredReply {
    const reply = new StoredReply(hit, pieces, this.#delivery, (error) => {
      if (error === null) this.#delivery.end(null);
      else this.#complete(hit, reply, error);
    });
    this.#reply = reply;
    return reply;
  }

  /** What is stored could not be read to its end: its source has died, or it is damaged. */
  #complete({ response }: StoreHit, reply: StoredReply, error: Error): void {
    const mayAsk = this.#part === null && !this.#directives.onlyIfCached;
    if (!mayAsk || !AssembledReply.canComplete(response)) {
      this.#delivery.breakOff(incompleteError(error));
      return;
    }
    const rest = reply.rest(response.contentLength);
    this.#assemble(AssembledReply.ofRest(this.#assembly(), response, rest));
  }

  // ------------------------------------------------------------------ fetch from the origin

  #fetch(forward: ForwardReason, validation: Validation | null): void {
    const decision = this.#environment.earlyDataPolicies.decide(this.#head, this.#facts);
    if (decision === 'refuse') {
      this.#delivery.answer(425, []);
      return;
    }
    this.#delivery.forward = forward;
    if (this.#record.cache === 'none') this.#record.cache = 'miss';
    if (decision === 'hold') {
      this.#facts.whenHandshakeEnds((complete) => {
        if (complete && !this.#delivery.isOver) this.#fetchOrWait(validation);
      });
    } else {
      this.#fetchOrWait(validation);
    }
  }

  #fetchOrWait(validation: Validation | null): void {
    const { collapse, clock, hitForMissMemory, route, store } = this.#environment;
    const head = this.#head;
    const nowMs = clock.wallMs();
    const shareable =
      this.#mayCollapse &&
      route.caches &&
      head.method === 'GET' &&
      head.contentLength === 0 &&
      head.upgrade === '' &&
      (!head.fields.has('range') || this.#part?.kind === 'slice') &&
      !this.#directives.noCache &&
      !this.#directives.noStore &&
      !hitForMissMemory.has(this.#key, nowMs);
    if (!shareable) {
      this.#send(validation, null);
      return;
    }
    const stamp = store.stampOf(this.#key);
    const joined = collapse.join(this.#key, this, nowMs, stamp);
    switch (joined.role) {
      case 'leader':
        this.#lead(joined.inFlight, validation, nowMs);
        break;
      case 'waiter':
        this.#waitingOn = joined.inFlight;
        break;
      case 'reader':
        this.onResponse(joined.hit);
        break;
      case 'alone':
        this.#send(validation, null);
        break;
    }
  }

  #lead(inFlight: InFlightFetch, validation: Validation | null, nowMs: number): void {
    switch (claimFetch(this.#environment, inFlight, this.#serial)) {
      case 'ask':
        this.#send(validation, inFlight);
        break;
      case 'ask-alone':
        inFlight.release('uncacheable');
        this.#send(validation, null);
        break;
      case 'wait':
        this.#waitingOn = inFlight;
        this.#environment.collapse.wait(inFlight, this, nowMs);
        break;
      case 'look-again':
        inFlight.release('again');
        this.onRelease('again');
        break;
    }
  }

  #send(validation: Validation | null, inFlight: InFlightFetch | null): void {
    const { method, upgrade, contentLength } = this.#head;
    // Content is no part of the key: what it made the origin say must not answer those without it.
    const isPlainGet = method === 'GET' && contentLength === 0;
    const mayStore = (isPlainGet || method === 'POST') && upgrade === '';
    this.#record.originAsked();
    this.#request = new OriginRequest({
      environment: this.#environment,
      origin: this.#origin,
      head: this.#head,
      directives: this.#directives,
      key: this.#key,
      wholeKey: this.#part?.wholeKey ?? this.#key,
      peerAddress: this.#facts.peerAddress,
      facts: this.#facts,
      early: this.#facts.early,
      mayStore: mayStore && this.#environment.route.caches,
      validation,
      fallback: this.#fallback,
      inFlight,
      owner: this,
    });
    this.#request.start();
  }

  // ------------------------------------------------------------------ while others fetch

  onResponse(hit: StoreHit): void {
    this.#waitingOn = null;
    if (this.#delivery.isOver) return;
    this.#delivery.isCollapsed = true;
    if (!this.#isFor(hit) || !this.#serve(hit, 'collapsed')) this.#goAlone();
  }

  /**
   * RFC 9111 §4: what may only be used after validation was validated for the request that fetched
   * it, not for this one: it may be another user's.
   */
  #isFor(hit: StoreHit): boolean {
    const { cachePolicy, clock } = this.#environment;
    if (selectStored([hit], this.#head.fields, cachePolicy) === undefined) return false;
    const nowMs = clock.wallMs();
    return decideReuse(this.#directives, hit.response, nowMs, cachePolicy).use !== 'validate';
  }

  onRelease(reason: ReleaseReason): void {
    this.#waitingOn = null;
    if (this.#delivery.isOver) return;
    if (reason === 'again' && ++this.#rounds < ROUNDS_MAX) this.#lookUp();
    else this.#goAlone();
  }

  #goAlone(): void {
    this.#delivery.isCollapsed = false;
    this.#mayCollapse = false;
    this.#record.cache = 'miss';
    this.#fetch(this.#delivery.forward ?? 'miss', null);
  }

  // ------------------------------------------------------------------ the request's content

  onRequestStarted(): void {
    this.#requestStarted = true;
    const end = this.#requestEnd;
    // What was held back may come during this call, its end as well: `onEnd` hands that on.
    if (this.#head.contentLength !== 0) this.#sender.resume();
    if (end !== null) this.#request?.sendEnd(end.trailers);
  }

  onRequestRestart(): void {
    this.#requestStarted = false;
    if (this.#expectsContent) this.#sender.pause();
  }

  onContent(bytes: Uint8Array): void {
    this.#record.requestBytes += bytes.length;
    if (!this.#delivery.wantsRequest || this.#request === null) return;
    assert(this.#requestStarted, 'content comes after resume');
    if (!this.#request.sendContent(bytes)) this.#sender.pause();
  }

  onEnd(received: FieldSection | null): void {
    const trailers = this.#environment.route.screenTrailers(received);
    this.#requestEnd = { trailers };
    this.#delivery.requestEnded = true;
    // Without its content, which was dropped, it would be no end.
    if (this.#requestStarted && this.#delivery.wantsRequest) this.#request?.sendEnd(trailers);
  }

  onRequestWritable(): void {
    if (!this.#delivery.isOver) this.#sender.resume();
  }

  // ------------------------------------------------------------------ the origin's response

  onInformational(status: number, fields: FieldSection): void {
    // RFC 9110 §15.2: 100 answers an expectation; without one the client must not be confused.
    if (this.#delivery.isOver || (status === 100 && !this.#head.expectContinue)) return;
    this.#sender.sendInformational(status, fields);
  }

  onOriginResponse(response: ResponseHead, storing: StoringDecision | 'not-asked'): void {
    this.#record.originAnswered(response.status);
    this.#isRefused = storing !== 'store' && storing !== 'not-asked';
    const fault = this.#isTranslated ? handshakeFault(this.#head, response) : null;
    if (fault !== null) {
      this.#request?.abandon();
      this.#delivery.fail(fault);
      return;
    }
    const { route } = this.#environment;
    if (route.errorPages?.intercepts(response.status)) {
      // The origin's own content goes on into the store, or nowhere: see `#swallow`.
      this.#delivery.answerWith(
        route.errorPages.replace(response.status, response.fields),
        storing,
      );
      return;
    }
    this.#delivery.sendOriginHead(response, storing);
  }

  onFillContent(bytes: Uint8Array): boolean {
    if (this.#delivery.isOver) return this.#swallow(bytes);
    return this.#delivery.sendContent(bytes);
  }

  /** Our own page has gone out in place of the origin's. */
  #swallow(bytes: Uint8Array): true {
    if (!this.#leftover.takes(bytes)) this.#request?.abandon();
    return true;
  }

  onFillEnd(trailers: FieldSection | null): void {
    if (this.#delivery.isOver) return;
    this.#delivery.end(this.#environment.route.editTrailers(trailers));
  }

  onFillError(error: SluiceError): void {
    if (!this.#delivery.isOver) this.#delivery.breakOff(error);
  }

  onFillDetached(hit: StoreHit): void {
    this.#request = null;
    const start = this.#record.responseBytes;
    this.#sendStored(hit, [{ start, end: Number.POSITIVE_INFINITY }]);
  }

  onStored(hit: StoreHit, how: 'revalidated' | 'stale', { status, keeping }: OriginAnswer): void {
    if (this.#delivery.isOver) return;
    this.#request = null;
    if (status !== 0) this.#record.originAnswered(status);
    if (how === 'stale') this.#delivery.failedStatus = status === 0 ? -1 : status;
    this.#delivery.keeping = keeping;
    if (!this.#serve(hit, how)) this.#fetch('request', null);
  }

  onAskAgain(how: 'after-handshake' | 'without-conditions'): void {
    if (this.#delivery.isOver) return;
    this.#request = null;
    this.#requestStarted = false;
    this.#mayCollapse = false;
    if (this.#askedAgain) {
      this.#delivery.fail(
        new SluiceError('too-early', 'the origin refused twice', { blame: 'upstream' }),
      );
      return;
    }
    this.#askedAgain = true;
    if (how === 'without-conditions') {
      this.#fetch(this.#delivery.forward ?? 'miss', null);
      return;
    }
    this.#facts.whenHandshakeEnds((complete) => {
      if (complete && !this.#delivery.isOver) this.#fetch(this.#delivery.forward ?? 'miss', null);
    });
  }

  onFailure(error: SluiceError): void {
    if (!this.#delivery.isOver) this.#delivery.fail(error);
  }

  // ------------------------------------------------------------------ tunnels

  onUpgrade(response: ResponseHead): void {
    this.#record.originAnswered(response.status);
    const fault = this.#isTranslated ? handshakeFault(this.#head, response) : null;
    if (fault !== null) {
      this.#request?.abandon();
      this.#delivery.fail(fault);
      return;
    }
    this.#delivery.switched(this.#isTranslated ? 200 : response.status);
    const fields = this.#isTranslated ? tunnelFields(response) : response.fields;
    this.#sender.upgrade(response.status, fields);
    this.#sender.resume();
  }

  onTunnelBytes(bytes: Uint8Array): boolean {
    return this.onFillContent(bytes);
  }

  onTunnelEnd(): void {
    if (!this.#delivery.isOver) this.#delivery.end(null);
  }

  // ------------------------------------------------------------------ deliver

  onWritable(): void {
    if (this.#delivery.isOver) return;
    if (this.#reply !== null) this.#reply.pump();
    else this.#request?.ready();
  }

  // ------------------------------------------------------------------ finish

  onAbort(error: SluiceError): void {
    if (this.#delivery.isOver) return;
    this.#waitingOn?.leave(this);
    this.#reply?.cancel();
    this.#request?.abandon();
    this.#delivery.finish(error.code);
  }
}
