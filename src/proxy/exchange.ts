/**
 * One request's life, as steps: begin → look up → serve | fetch → deliver → finish. Every step ends
 * in another one or in `finish`, which runs exactly once, whatever happened.
 *
 * A fresh hit of usual size does not come here: proxy.ts answers it without an exchange.
 */
import { assert } from '../base/assert.ts';
import { SluiceError } from '../base/errors.ts';
import { type RequestDirectives, requestDirectives } from '../cache/cache-control.ts';
import { cacheStatusMember, type ForwardReason } from '../cache/cache-status.ts';
import type { Flight, ReleaseReason, Waiter } from '../cache/collapse.ts';
import type { StoreHit } from '../cache/contract.ts';
import { completionOf, isCombinable } from '../cache/parts.ts';
import { evaluatePreconditions, notModifiedFields } from '../cache/preconditions.ts';
import { type Piece, planRange, planWhole, type Representation } from '../cache/range.ts';
import { ageSeconds, decideReuse, ttlSeconds } from '../cache/reuse.ts';
import { selectStored } from '../cache/select.ts';
import type { StoringDecision } from '../cache/storing.ts';
import { canValidate } from '../cache/validation.ts';
import type { RequestFacts, RequestHandler, ResponseSender } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { CacheOutcome } from '../telemetry/exchange-summary.ts';
import {
  AssembledReply,
  type AssemblyInput,
  environmentForParts,
  isSliced,
} from './assembled-reply.ts';
import type { ProxyEnvironment } from './environment.ts';
import { incompleteError, loopError } from './exchange-errors.ts';
import { ExchangeRecord } from './exchange-record.ts';
import { addOurMark, isLooping, PROXY_NAME, responseFieldsToClient } from './forwarding.ts';
import { type LocalResponse, localJson, localResponse } from './local-response.ts';
import { claimFlight } from './machine-flight.ts';
import { detailOf, missStatus } from './miss-status.ts';
import { OriginRequest, type OriginRequestOwner, type Validation } from './origin-request.ts';
import type { OpenExchange, PartTask } from './part-request.ts';
import { proxyStatusField, proxyStatusOf } from './proxy-status.ts';
import { isSoftPurge, mayPurge, selectorsOf } from './purge-request.ts';
import { revalidateInBackground } from './revalidation.ts';
import type { Entrance } from './routing/rules.ts';
import { StoredReply } from './stored-reply.ts';
import type { OriginGroup } from './upstream/group.ts';
import { handshakeFault, isWebSocketConnect, openingHandshake, tunnelFields } from './websocket.ts';

/** Methods that we know what to do with when we are the last hop (RFC 9110 §9.3.7). */
const ALLOW = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** Octets of an origin's error page that are read although ours goes out in its place. */
const SWALLOWED_BYTES_MAX = 1_048_576;

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
  /** An extended CONNECT that is translated: `#head` is then what the origin is asked. */
  readonly #isTranslated: boolean;
  /** The client may send content, or a tunnel's bytes. */
  readonly #expectsContent: boolean;
  #request: OriginRequest | null = null;
  #requestStarted = false;
  /** The client's request is complete; its trailers wait for the origin if there are any. */
  #requestEnd: { readonly trailers: FieldSection | null } | null = null;
  #waitingOn: Flight | null = null;
  #reply: { pump(): void; cancel(): void } | null = null;
  #headSent = false;
  #responseEnded = false;
  #over = false;
  #forward: ForwardReason = 'uri-miss';
  /** The stale stored response that may stand in for an error. */
  #fallback: StoreHit | undefined;
  #collapsed = false;
  #mayCollapse = true;
  #askedAgain = false;
  /** How often another worker's fetch has ended without an answer for this request. */
  #rounds = 0;
  /** Of the key's fetches by all workers, when the store was looked into. */
  #serial = 0;
  #swallowedBytes = 0;
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
    this.#isTranslated = isWebSocketConnect(head);
    this.#expectsContent = head.contentLength !== 0;
    this.#head = this.#isTranslated ? openingHandshake(head) : head;
    this.#sender = sender;
    this.#facts = facts;
    this.#key = key;
    this.#directives = requestDirectives(head.fields);
    this.#record = new ExchangeRecord(environment, head, facts, startedMs);
  }

  // ------------------------------------------------------------------ begin

  begin(): void {
    const { method, fields } = this.#head;
    const refusal = this.#environment.route.screen(fields);
    // Until the origin can take it, content stays with the client.
    if (this.#expectsContent) this.#sender.pause();
    if (refusal !== null) this.#fail(refusal);
    // RFC 8441 §4 names no status for protocols that we do not know; RFC 9110 §15.6.2 fits.
    else if (method === 'CONNECT' && this.#head.upgrade !== '') this.#answer(501, []);
    else if (method === 'CONNECT') this.#answer(405, [['allow', ALLOW]]);
    else if (method === 'TRACE') this.#answer(405, [['allow', ALLOW]]);
    else if (isLooping(fields)) this.#fail(loopError());
    else if (method === 'OPTIONS' && fields.first('max-forwards')?.trim() === '0') {
      this.#answer(204, [['allow', ALLOW]]);
    } else if (method === 'PURGE') this.#purge();
    else this.#lookUp();
  }

  /** Instead of `begin`: neither the cache nor an origin is asked. */
  turnAway(entrance: Entrance): void {
    if (entrance.kind === 'answered') {
      this.#answerWith(entrance.response);
      return;
    }
    const { error, retryAfterSeconds } = entrance;
    this.#fail(error, retryAfterSeconds > 0 ? [['retry-after', String(retryAfterSeconds)]] : []);
  }

  /** Never forwarded: whoever may not purge here must not reach an origin that lets anybody. */
  #purge(): void {
    const { purges, keyRules } = this.#environment;
    if (!mayPurge(this.#head, this.#facts.remoteAddress, purges)) {
      this.#answer(403, []);
      return;
    }
    const selectors = selectorsOf(this.#head, keyRules);
    // Early data may be a replay (RFC 8470 §2).
    this.#facts.whenHandshakeEnds((complete) => {
      if (!complete || this.#over) return;
      purges.purge(selectors, isSoftPurge(this.#head.fields), (count) => {
        if (this.#over) return;
        const status = count === null ? 503 : count === 0 ? 404 : 200;
        this.#answerWith(localJson(status, this.#environment.dateNow(), { purged: count }));
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
      this.#serial = store.machineFetches?.serialOf(this.#key) ?? 0;
      store.lookup(this.#key, (hits) => {
        if (this.#over) return;
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
      this.#sendStoredHead(status, fields, contentLength, selected, outcome);
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
    if (this.#over) return;
    this.#record.cache = outcome;
    this.#sendHead(head);
  }

  onNotAssembled(): void {
    this.#reply = null;
    if (!this.#over) this.#miss('partial', null);
  }

  /** Nothing stored can be used as it is. `stored` is what a conditional request can be about. */
  #miss(forward: ForwardReason, stored: Validation | null): void {
    if (this.#directives.onlyIfCached && this.#environment.cachePolicy.honourRequestDirectives) {
      // RFC 9111 §5.2.1.7.
      this.#forward = forward;
      this.#answer(504, []);
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
    this.#record.cache = outcome;
    const { errorPages } = this.#environment.route;
    if (errorPages?.intercepts(response.status)) {
      const page = errorPages.replace(response.status, response.fields);
      page.fields.set('age', String(ageSeconds(response, nowMs)));
      this.#answerWith(page);
      return true;
    }
    if (precondition === 'not-modified') {
      this.#sendStoredHead(304, notModifiedFields(response.fields), 0, hit, outcome);
      this.#endResponse(null);
      return true;
    }
    // RFC 9110 §14.2: ranges are for GET.
    const hasRange = this.#head.method === 'GET' && fields.has('range');
    const plan = hasRange
      ? planRange(fields, response, nowMs, crypto.randomUUID())
      : planWhole(response);
    if (plan.kind === 'forward') return false;
    if (plan.kind === 'whole') {
      const pieces = [{ start: 0, end: Number.POSITIVE_INFINITY }];
      this.#sendStoredHead(response.status, response.fields, response.contentLength, hit, outcome);
      this.#sendPieces(hit, pieces);
    } else {
      this.#sendStoredHead(plan.status, plan.fields, plan.contentLength, hit, outcome);
      this.#sendPieces(hit, plan.pieces);
    }
    return true;
  }

  #sendStoredHead(
    status: number,
    stored: FieldSection,
    contentLength: number,
    hit: StoreHit,
    outcome: CacheOutcome,
  ): void {
    const nowMs = this.#environment.clock.wallMs();
    const fields = stored.clone();
    fields.set('age', String(ageSeconds(hit.response, nowMs)));
    addOurMark(fields, this.#cacheStatus(outcome, ttlSeconds(hit.response, nowMs)));
    this.#discardRequestContent();
    this.#sendHead({ status, fields, contentLength });
  }

  #sendPieces(hit: StoreHit, pieces: readonly Piece[]): void {
    if (this.#head.method === 'HEAD') {
      this.#endResponse(null);
      return;
    }
    this.#reply = new StoredReply(hit, pieces, this.#sender, (sentBytes, error) => {
      this.#record.responseBytes += sentBytes;
      if (error === null) this.#endResponse(null);
      else this.#breakOff(incompleteError(error));
    });
    this.#reply.pump();
  }

  // ------------------------------------------------------------------ fetch from the origin

  #fetch(forward: ForwardReason, validation: Validation | null): void {
    this.#forward = forward;
    if (this.#record.cache === 'none') this.#record.cache = 'miss';
    const decision = this.#environment.earlyDataPolicies.decide(this.#head, this.#facts);
    if (decision === 'refuse') {
      this.#answer(425, []);
    } else if (decision === 'hold') {
      this.#facts.whenHandshakeEnds((complete) => {
        if (complete && !this.#over) this.#fetchOrWait(validation);
      });
    } else {
      this.#fetchOrWait(validation);
    }
  }

  #fetchOrWait(validation: Validation | null): void {
    const { collapse, clock, passMemory, route, store } = this.#environment;
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
      !passMemory.has(this.#key, nowMs);
    if (!shareable) {
      this.#send(validation, null);
      return;
    }
    const stamp = store.stampOf(this.#key);
    const joined = collapse.join(this.#key, this, nowMs, stamp);
    switch (joined.role) {
      case 'leader':
        this.#lead(joined.flight, validation, nowMs);
        break;
      case 'waiter':
        this.#waitingOn = joined.flight;
        break;
      case 'reader':
        this.onResponse(joined.hit);
        break;
      case 'alone':
        this.#send(validation, null);
        break;
    }
  }

  #lead(flight: Flight, validation: Validation | null, nowMs: number): void {
    switch (claimFlight(this.#environment, flight, this.#serial)) {
      case 'ask':
        this.#send(validation, flight);
        break;
      case 'ask-alone':
        flight.release('uncacheable');
        this.#send(validation, null);
        break;
      case 'wait':
        this.#waitingOn = flight;
        this.#environment.collapse.wait(flight, this, nowMs);
        break;
      case 'look-again':
        flight.release('again');
        this.onRelease('again');
        break;
    }
  }

  #send(validation: Validation | null, flight: Flight | null): void {
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
      remoteAddress: this.#facts.remoteAddress,
      facts: this.#facts,
      early: this.#facts.early,
      mayStore: mayStore && this.#environment.route.caches,
      validation,
      fallback: this.#fallback,
      flight,
      owner: this,
    });
    this.#request.start();
  }

  // ------------------------------------------------------------------ while others fetch

  onResponse(hit: StoreHit): void {
    this.#waitingOn = null;
    if (this.#over) return;
    this.#collapsed = true;
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
    if (this.#over) return;
    if (reason === 'again' && ++this.#rounds < ROUNDS_MAX) this.#lookUp();
    else this.#goAlone();
  }

  #goAlone(): void {
    this.#collapsed = false;
    this.#mayCollapse = false;
    this.#record.cache = 'miss';
    this.#fetch(this.#forward, null);
  }

  // ------------------------------------------------------------------ the request's content

  onRequestStarted(): void {
    this.#requestStarted = true;
    if (this.#head.contentLength !== 0) this.#sender.resume();
    if (this.#requestEnd !== null) this.#request?.sendEnd(this.#requestEnd.trailers);
  }

  onRequestRestart(): void {
    this.#requestStarted = false;
    if (this.#expectsContent) this.#sender.pause();
  }

  onContent(bytes: Uint8Array): void {
    this.#record.requestBytes += bytes.length;
    if (this.#over || this.#request === null || this.#responseEnded) return;
    assert(this.#requestStarted, 'content comes after resume');
    if (!this.#request.sendContent(bytes)) this.#sender.pause();
  }

  onEnd(trailers: FieldSection | null): void {
    this.#requestEnd = { trailers };
    if (this.#requestStarted && !this.#over) this.#request?.sendEnd(trailers);
  }

  onRequestWritable(): void {
    if (!this.#over) this.#sender.resume();
  }

  #discardRequestContent(): void {
    if (this.#expectsContent && this.#requestEnd === null) this.#sender.discardContent();
  }

  // ------------------------------------------------------------------ the origin's response

  onInformational(status: number, fields: FieldSection): void {
    // RFC 9110 §15.2: 100 answers an expectation; without one the client must not be confused.
    if (this.#over || (status === 100 && !this.#head.expectContinue)) return;
    this.#sender.sendInformational(status, fields);
  }

  onOriginResponse(response: ResponseHead, storing: StoringDecision | 'not-asked'): void {
    this.#record.originAnswered(response.status);
    this.#isRefused = storing !== 'store' && storing !== 'not-asked';
    const fault = this.#isTranslated ? handshakeFault(this.#head, response) : null;
    if (fault !== null) {
      this.#request?.abandon();
      this.#fail(fault);
      return;
    }
    const { dateNow, route } = this.#environment;
    if (route.errorPages?.intercepts(response.status)) {
      // The origin's own content goes on into the store, or nowhere: see `#swallow`.
      this.#answerWith(route.errorPages.replace(response.status, response.fields), storing);
      return;
    }
    const status = this.#cacheStatus(this.#record.cache, null, storing);
    const fields = responseFieldsToClient(response.fields, dateNow(), status);
    this.#sendHead({ status: response.status, fields, contentLength: response.contentLength });
  }

  onFillContent(bytes: Uint8Array): boolean {
    if (this.#over) return this.#swallow(bytes);
    this.#record.responseBytes += bytes.length;
    return this.#sender.sendContent(bytes);
  }

  /** Content that nobody gets is read for its connection's sake, as long as that is cheap. */
  #swallow(bytes: Uint8Array): true {
    this.#swallowedBytes += bytes.length;
    if (this.#swallowedBytes > SWALLOWED_BYTES_MAX) this.#request?.abandon();
    return true;
  }

  onFillEnd(trailers: FieldSection | null): void {
    if (!this.#over) this.#endResponse(trailers);
  }

  onFillError(error: SluiceError): void {
    if (!this.#over) this.#breakOff(error);
  }

  onFillDetached(hit: StoreHit): void {
    this.#request = null;
    const start = this.#record.responseBytes;
    this.#record.responseBytes = 0;
    this.#reply = new StoredReply(
      hit,
      [{ start, end: Number.POSITIVE_INFINITY }],
      this.#sender,
      (sentBytes, error) => {
        this.#record.responseBytes = start + sentBytes;
        if (error === null) this.#endResponse(null);
        else this.#breakOff(incompleteError(error));
      },
    );
  }

  onStored(hit: StoreHit, how: 'revalidated' | 'stale', originStatus: number): void {
    if (this.#over) return;
    this.#request = null;
    if (originStatus !== 0) this.#record.originAnswered(originStatus);
    if (!this.#serve(hit, how)) this.#fetch('request', null);
  }

  onAskAgain(how: 'after-handshake' | 'without-conditions'): void {
    if (this.#over) return;
    this.#request = null;
    this.#requestStarted = false;
    this.#mayCollapse = false;
    if (this.#askedAgain) {
      this.#fail(new SluiceError('too-early', 'the origin refused twice', { blame: 'upstream' }));
      return;
    }
    this.#askedAgain = true;
    if (how === 'without-conditions') {
      this.#fetch(this.#forward, null);
      return;
    }
    this.#facts.whenHandshakeEnds((complete) => {
      if (complete && !this.#over) this.#fetch(this.#forward, null);
    });
  }

  onFailure(error: SluiceError): void {
    if (!this.#over) this.#fail(error);
  }

  // ------------------------------------------------------------------ tunnels

  onUpgrade(response: ResponseHead): void {
    this.#record.originAnswered(response.status);
    const fault = this.#isTranslated ? handshakeFault(this.#head, response) : null;
    if (fault !== null) {
      this.#request?.abandon();
      this.#fail(fault);
      return;
    }
    this.#record.responseStarted(this.#isTranslated ? 200 : response.status);
    this.#headSent = true;
    const fields = this.#isTranslated ? tunnelFields(response) : response.fields;
    this.#sender.upgrade(response.status, fields);
    this.#sender.resume();
  }

  onTunnelBytes(bytes: Uint8Array): boolean {
    return this.onFillContent(bytes);
  }

  onTunnelEnd(): void {
    if (!this.#over) this.#endResponse(null);
  }

  // ------------------------------------------------------------------ deliver

  onWritable(): void {
    if (this.#over) return;
    if (this.#reply !== null) this.#reply.pump();
    else this.#request?.ready();
  }

  #sendHead(head: ResponseHead): void {
    this.#headSent = true;
    this.#record.responseStarted(head.status);
    const source = { head: this.#head, facts: this.#facts };
    this.#environment.route.responseEdits?.apply(head.fields, source);
    this.#sender.sendHead(head);
  }

  #endResponse(trailers: FieldSection | null): void {
    this.#responseEnded = true;
    this.#sender.sendEnd(trailers);
    this.#finish('');
  }

  /** A response of our own. */
  #answer(status: number, extra: readonly (readonly [string, string])[]): void {
    const { dateNow, route } = this.#environment;
    const response = localResponse(status, dateNow(), extra);
    this.#answerWith(route.errorPages === null ? response : route.errorPages.dress(response));
  }

  #answerWith(response: LocalResponse, storing: StoringDecision | 'not-asked' = 'not-asked'): void {
    addOurMark(response.fields, this.#cacheStatus(this.#record.cache, null, storing));
    this.#discardRequestContent();
    this.#sendHead({ ...response, contentLength: response.content.length });
    if (this.#head.method !== 'HEAD' && response.content.length > 0) {
      this.#record.responseBytes += response.content.length;
      this.#sender.sendContent(response.content);
    }
    this.#endResponse(null);
  }

  /** The exchange failed: tell the client if its response has not begun, else break it off. */
  #fail(error: SluiceError, extra: readonly (readonly [string, string])[] = []): void {
    if (this.#headSent) {
      this.#breakOff(error);
      return;
    }
    this.#record.errorCode = error.code;
    const { status } = proxyStatusOf(error);
    this.#answer(status, [['proxy-status', proxyStatusField(PROXY_NAME, error)], ...extra]);
  }

  #breakOff(error: SluiceError): void {
    this.#sender.abort(error);
    this.#finish(error.code);
  }

  #cacheStatus(
    outcome: CacheOutcome,
    ttl: number | null,
    storing: StoringDecision | 'not-asked' = 'not-asked',
  ): string {
    if (outcome === 'miss' && ttl === null && !this.#collapsed) {
      return missStatus(this.#forward, storing);
    }
    const hit = outcome === 'hit' || outcome === 'stale';
    return cacheStatusMember(PROXY_NAME, {
      hit,
      forward: hit ? null : this.#forward,
      forwardStatus: outcome === 'revalidated' ? 304 : 0,
      stored: storing === 'store' || outcome === 'revalidated',
      collapsed: this.#collapsed,
      ttlSeconds: ttl,
      key: '',
      detail: detailOf(storing),
    });
  }

  // ------------------------------------------------------------------ finish

  onAbort(error: SluiceError): void {
    if (this.#over) return;
    this.#waitingOn?.leave(this);
    this.#reply?.cancel();
    this.#request?.abandon();
    this.#finish(error.code);
  }

  #finish(errorCode: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#record.finish(errorCode);
  }
}
