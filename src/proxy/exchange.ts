/**
 * One request's life, as steps: begin → look up → serve | forward → deliver → finish. Every step ends
 * in another one or in `finish`, which runs exactly once, whatever happened.
 *
 * Three things have a state, each in one place: who answers (`Answerer` here), where the request is
 * (forwarded-request.ts), and how far the response is (reply/delivery.ts).
 *
 * A fresh hit of usual size does not come here: proxy.ts answers it without an exchange.
 */
import { assert } from '../base/assert.ts';
import type { SluiceError } from '../base/errors.ts';
import type { StoreHit } from '../cache/contract.ts';
import { completionOf, isCombinable } from '../cache/parts.ts';
import { type RequestDirectives, requestDirectives } from '../cache/rules/cache-control.ts';
import type { ForwardReason } from '../cache/rules/cache-status.ts';
import { evaluatePreconditions, notModifiedFields } from '../cache/rules/preconditions.ts';
import { type Piece, planRange, planWhole, type Representation } from '../cache/rules/range.ts';
import { ageSeconds, decideReuse } from '../cache/rules/reuse.ts';
import { selectStored } from '../cache/rules/select.ts';
import { canValidate } from '../cache/rules/validation.ts';
import type { RequestFacts, RequestHandler, ResponseSender } from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead, ResponseHead } from '../http/message.ts';
import type { PluginRun } from '../plugin/plugin-run.ts';
import { BODY_TOO_LARGE, type GateResult } from '../routing/rules.ts';
import type { CacheOutcome } from '../telemetry/exchange-summary.ts';
import type { ProxyEnvironment } from './environment.ts';
import { incompleteError, loopError } from './exchange-errors.ts';
import { ExchangeRecord } from './exchange-record.ts';
import { ForwardedRequest, type ForwardOwner } from './forwarded-request.ts';
import { answerPurge } from './purge-request.ts';
import { AssembledReply, type AssemblyInput, type AssemblyOwner } from './reply/assembled-reply.ts';
import { Delivery } from './reply/delivery.ts';
import { isSliced } from './reply/slices.ts';
import { StoredReply } from './reply/stored-reply.ts';
import { isLooping } from './request/forwarding.ts';
import type { Validation } from './request/origin-request.ts';
import { environmentForParts, type OpenExchange, type PartTask } from './request/part-request.ts';
import { RequestContent } from './request/request-content.ts';
import { revalidateInBackground } from './revalidation.ts';

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

/** All that is stored. */
const ALL: readonly Piece[] = [{ start: 0, end: Number.POSITIVE_INFINITY }];

export interface ExchangeInput {
  readonly environment: ProxyEnvironment;
  readonly head: RequestHead;
  readonly sender: ResponseSender;
  readonly facts: RequestFacts;
  /** Of the cache; empty for what is answered without it. */
  readonly key: string;
  /** Monotonic time of the request's first byte. */
  readonly startedMs: number;
  /** Of the request recorder; -1 for none. */
  readonly slot: number;
  /** Of the request's plugins; null for none. */
  readonly plugins: PluginRun | null;
  /** Not a client's: it asks for a part of what another exchange answers with. */
  readonly part: PartTask | null;
}

/**
 * Who answers, and is told what the client does:
 *
 * - null: nobody yet. The store is looked into, or the answer is our own.
 * - ForwardedRequest: the origin, or what comes of another request to it.
 * - StoredReply: one stored response. AssembledReply: parts of one.
 */
type Answerer = ForwardedRequest | StoredReply | AssembledReply | null;

/** Whether one may follow another. Once the delivery is over, nobody does. */
function mayFollow(next: Answerer, now: Answerer): boolean {
  // Whoever has given up without an answer: the cache is looked into, or the origin is asked.
  if (next === null) return now instanceof ForwardedRequest || now instanceof AssembledReply;
  // What the origin has said, or others have fetched, is read from the store.
  if (now instanceof ForwardedRequest) return next instanceof StoredReply;
  // A stored response that could not be read to its end is completed with parts.
  if (now instanceof StoredReply) return next instanceof AssembledReply;
  return now === null;
}

export class Exchange implements RequestHandler, ForwardOwner, AssemblyOwner {
  readonly #input: ExchangeInput;
  readonly #directives: RequestDirectives;
  readonly #record: ExchangeRecord;
  readonly #content: RequestContent;
  readonly #delivery: Delivery;
  #answerer: Answerer = null;
  /** Made for the first time that the origin is asked. */
  #forwarded: ForwardedRequest | null = null;
  /** Of a request that waits for its turn. */
  #delayed: NodeJS.Timeout | null = null;
  /** Of the key's fetches by all workers, when the store was looked into. */
  #version = 0;

  constructor(input: ExchangeInput) {
    this.#input = input;
    const { environment, head, sender, facts, startedMs, slot, plugins } = input;
    // An extended CONNECT that is translated: `head` is then what the origin is asked.
    const sent = head.sentAs ?? head;
    const given = { environment, facts, plugins };
    const record = new ExchangeRecord({ ...given, head: sent, startedMs, slot });
    const content = new RequestContent(sender, sent.contentLength !== 0);
    this.#directives = requestDirectives(head.fields);
    this.#record = record;
    this.#content = content;
    this.#delivery = new Delivery({ ...given, head, sender, record, content });
  }

  #turnTo(next: Answerer): void {
    assert(mayFollow(next, this.#answerer), 'an exchange goes from one who answers to the next');
    this.#answerer = next;
  }

  // ------------------------------------------------------------------ begin

  begin(): void {
    const { environment, head, facts } = this.#input;
    const { method, fields } = head;
    const refusal = environment.route.screen(fields);
    this.#content.hold();
    if (refusal !== null) this.#delivery.fail(refusal);
    // RFC 8441 §4 names no status for protocols that we do not know; RFC 9110 §15.6.2 fits.
    else if (method === 'CONNECT' && head.upgrade !== '') this.#delivery.answer(501, []);
    else if (method === 'CONNECT') this.#delivery.answer(405, [['allow', ALLOW]]);
    else if (method === 'TRACE') this.#delivery.answer(405, [['allow', ALLOW]]);
    else if (isLooping(fields)) this.#delivery.fail(loopError());
    else if (method === 'OPTIONS' && fields.first('max-forwards')?.trim() === '0') {
      this.#delivery.answer(204, [['allow', ALLOW]]);
    } else if (method === 'PURGE') answerPurge(environment, head, facts, this.#delivery);
    else this.#lookUp();
  }

  /** What comes meanwhile waits with the client, which may give up. */
  delay(ms: number, then: () => void): void {
    this.#content.hold();
    this.#delayed = setTimeout(() => {
      if (!this.#delivery.isOver) then();
    }, ms);
  }

  /** Instead of `begin`: neither the cache nor an origin is asked. */
  turnAway(gateResult: GateResult): void {
    if (gateResult.kind === 'delayed') {
      const { ms, answer } = gateResult;
      if (answer !== null) this.delay(ms, () => this.#delivery.answerWith(answer));
      return;
    }
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
    this.#delivery.answer(this.#input.head.method === 'OPTIONS' ? 204 : 405, [['allow', ALLOW]]);
  }

  // ------------------------------------------------------------------ look up

  #lookUp(): void {
    const { environment, head, key, part } = this.#input;
    const { method, upgrade } = head;
    if (upgrade !== '' || method === 'OPTIONS' || !environment.route.caches) {
      this.#record.cache = 'bypass';
      this.#forward('bypass', null);
    } else if (method !== 'GET' && method !== 'HEAD') {
      this.#record.cache = 'bypass';
      this.#forward('method', null);
    } else if (part?.kind === 'gap') {
      this.#forward('partial', null);
    } else {
      const { store } = environment;
      this.#version = store.crossWorkerFetches?.versionOf(key) ?? 0;
      store.lookup(key, (hits) => {
        if (this.#delivery.isOver) return;
        if (part === null && isSliced(environment, head, key, hits)) this.#assembleSlices();
        else this.#decide(hits);
      });
    }
  }

  #decide(hits: readonly StoreHit[]): void {
    const { environment, head, key, part } = this.#input;
    const { cachePolicy, clock } = environment;
    const nowMs = clock.wallMs();
    const selected = selectStored(hits, head.fields, cachePolicy);
    if (part !== null && part.of !== null) {
      this.#decidePart(selected, part.of);
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
    if (!this.serve(selected, outcome)) {
      this.#miss(selected.response.partial === null ? 'request' : 'partial', null);
      return;
    }
    if (stale && decision.revalidate) {
      const validation = { selected, hits };
      const plugins = this.#input.plugins?.forPart() ?? null;
      revalidateInBackground({ environment, head, key, validation, plugins });
    }
  }

  /** What the validator stands for has been judged: a part with the same is right (RFC 9111 §3.4). */
  #decidePart(selected: StoreHit | undefined, of: Representation): void {
    const isSame = selected !== undefined && isCombinable(selected.response, of);
    if (!isSame || !this.serve(selected, 'hit')) this.#miss('partial', null);
  }

  // ------------------------------------------------------------------ parts

  #assembleSlices(): void {
    const { sliceBytes } = this.#input.environment;
    this.#assemble(AssembledReply.ofSlices(this.#assembly(), sliceBytes));
  }

  /** Answers from stored parts and, when they do not have all of it, what they lack. */
  #assembleParts(selected: StoreHit, hits: readonly StoreHit[], outcome: CacheOutcome): boolean {
    const { environment, head } = this.#input;
    const { clock, cachePolicy } = environment;
    const input = this.#assembly();
    const { boundary } = input;
    const completion = completionOf({ head, selected, hits, boundary, nowMs: clock.wallMs() });
    if (completion === null) return false;
    const isWhole = completion.sections.every(({ kind }) => kind !== 'missing');
    if (!isWhole && this.#directives.onlyIfCached && cachePolicy.honourRequestDirectives) {
      return false;
    }
    if (isWhole) {
      this.#record.cache = outcome;
      this.#delivery.sendStoredHead(completion.answer, selected, outcome);
    }
    this.#assemble(AssembledReply.ofParts(input, completion));
    return true;
  }

  #assemble(reply: AssembledReply): void {
    this.#turnTo(reply);
    reply.begin();
  }

  #assembly(): AssemblyInput {
    const { environment, head, facts, key, plugins } = this.#input;
    const open: OpenExchange = (partHead, partKey, part, sender) => {
      return new Exchange({
        environment: environmentForParts(environment),
        head: partHead,
        sender,
        facts,
        key: partKey,
        startedMs: environment.clock.monotonicMs(),
        // The request that it is a part of is recorded.
        slot: -1,
        plugins: plugins?.forPart() ?? null,
        part,
      });
    };
    return { environment, head, key, owner: this, open, boundary: crypto.randomUUID() };
  }

  /** The origin's response may not be stored. */
  get isRefused(): boolean {
    return this.#forwarded?.isRefused ?? false;
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
    if (this.#delivery.isOver) return;
    this.#turnTo(null);
    this.#miss('partial', null);
  }

  // ------------------------------------------------------------------ forward

  /** Nothing stored can be used as it is. `stored` is what a conditional request can be about. */
  #miss(forward: ForwardReason, stored: Validation | null): void {
    const { cachePolicy } = this.#input.environment;
    // RFC 9111 §5.2.1.7.
    if (this.#directives.onlyIfCached && cachePolicy.honourRequestDirectives) {
      this.#delivery.answer(504, []);
    } else {
      this.#forward(forward, stored);
    }
  }

  #forward(forward: ForwardReason, stored: Validation | null): void {
    const version = this.#version;
    const forwarded = (this.#forwarded ??= this.#makeForwarded());
    this.#turnTo(forwarded);
    const validation = this.#validationOf(stored);
    forwarded.ask({ forward, validation, fallback: stored?.selected, version });
  }

  #makeForwarded(): ForwardedRequest {
    const { environment, head, facts, key, part, sender, plugins } = this.#input;
    return new ForwardedRequest({
      environment,
      head,
      facts,
      key,
      part,
      sender,
      plugins,
      directives: this.#directives,
      content: this.#content,
      delivery: this.#delivery,
      record: this.#record,
      owner: this,
    });
  }

  lookAgain(): void {
    this.#turnTo(null);
    this.#lookUp();
  }

  #validationOf(stored: Validation | null): Validation | null {
    const { environment, head } = this.#input;
    if (stored === null || stored.hits.length === 0 || head.method !== 'GET') return null;
    const { selected, hits } = stored;
    // What is stored is in codings that this client does not take: another one must be made.
    if (selected === undefined && environment.route.compression !== null) return null;
    const about = selected ?? hits[0]!;
    if (!canValidate(head.fields, about.response)) return null;
    const hasRange = head.fields.has('range');
    if (about.response.partial === null && !hasRange) return { selected, hits };
    // Another variant's part is not what this client wants.
    if (about.response.partial === null && selected === undefined) return null;
    return hasRange && this.#hasAllOf(about) ? { selected: about, hits } : null;
  }

  /** Whether what is stored has the ranges that are asked for. */
  #hasAllOf({ response }: StoreHit): boolean {
    const { environment, head } = this.#input;
    return planRange(head.fields, response, environment.clock.wallMs(), '').kind === 'part';
  }

  // ------------------------------------------------------------------ serve from the cache

  serve(hit: StoreHit, outcome: CacheOutcome): boolean {
    const { response } = hit;
    const { environment, head } = this.#input;
    const { fields } = head;
    const nowMs = environment.clock.wallMs();
    const precondition = evaluatePreconditions(fields, response, nowMs);
    if (precondition === 'forward') return false;
    // RFC 9110 §14.2: ranges are for GET.
    const hasRange = head.method === 'GET' && fields.has('range');
    const plan = hasRange
      ? planRange(fields, response, nowMs, crypto.randomUUID())
      : planWhole(response);
    if (plan.kind === 'forward' && precondition !== 'not-modified') return false;
    this.#record.cache = outcome;
    const { errorPages } = environment.route;
    if (errorPages?.intercepts(response.status)) {
      const page = errorPages.replace(response.status, response.fields);
      page.fields.set('age', String(ageSeconds(response, nowMs)));
      this.#delivery.answerWith(page);
    } else if (precondition === 'not-modified' || plan.kind === 'forward') {
      const notModified = { status: 304, fields: notModifiedFields(response.fields) };
      this.#delivery.sendStoredHead({ ...notModified, contentLength: 0 }, hit, outcome);
      this.#delivery.end(null);
    } else {
      const answer = plan.kind === 'whole' ? response : plan;
      this.#delivery.sendStoredHead(answer, hit, outcome);
      if (head.method === 'HEAD') this.#delivery.end(null);
      else this.#sendStored(hit, plan.kind === 'whole' ? ALL : plan.pieces).pump();
    }
    return true;
  }

  goOnFromStore(hit: StoreHit): void {
    const start = this.#record.responseBytes;
    this.#sendStored(hit, [{ start, end: Number.POSITIVE_INFINITY }]);
  }

  #sendStored(hit: StoreHit, pieces: readonly Piece[]): StoredReply {
    const reply = new StoredReply(hit, pieces, this.#delivery, (error) => {
      if (error === null) this.#delivery.end(null);
      else this.#complete(hit, reply, error);
    });
    this.#turnTo(reply);
    return reply;
  }

  /** What is stored could not be read to its end: its source has died, or it is damaged. */
  #complete({ response }: StoreHit, reply: StoredReply, error: Error): void {
    const mayAsk = this.#input.part === null && !this.#directives.onlyIfCached;
    if (!mayAsk || !AssembledReply.canComplete(response)) {
      this.#delivery.breakOff(incompleteError(error));
      return;
    }
    const rest = reply.rest(response.contentLength);
    this.#assemble(AssembledReply.ofRest(this.#assembly(), response, rest));
  }

  // ------------------------------------------------------------------ from the assembled reply

  onFillContent(bytes: Uint8Array): boolean {
    return this.#delivery.takeContent(bytes);
  }

  onFillEnd(trailers: FieldSection | null): void {
    this.#delivery.takeEnd(trailers);
  }

  onFailure(error: SluiceError): void {
    if (!this.#delivery.isOver) this.#delivery.fail(error);
  }

  // ------------------------------------------------------------------ from the client

  onContent(bytes: Uint8Array): void {
    this.#record.requestContent(bytes);
    if (!this.#delivery.wantsRequest || this.#forwarded === null) return;
    const { environment, head } = this.#input;
    const isTooLarge = this.#record.requestBytes > environment.route.requestBytesMax;
    if (isTooLarge && head.upgrade === '') {
      this.#answerer?.cancel();
      this.#delivery.fail(BODY_TOO_LARGE);
      return;
    }
    if (!this.#forwarded.sendContent(bytes)) this.#input.sender.pause();
  }

  onEnd(received: FieldSection | null): void {
    this.#record.requestEnd();
    const { environment, plugins } = this.#input;
    const screened = environment.route.screenTrailers(received);
    const trailers = plugins === null ? screened : plugins.screenTrailers(screened);
    this.#content.onEnd(trailers);
    // Without its content, which was dropped, it would be no end.
    if (this.#delivery.wantsRequest) this.#forwarded?.sendEnd(trailers);
  }

  onWritable(): void {
    if (this.#delivery.isOver) return;
    this.#record.touch();
    this.#answerer?.pump();
  }

  onAbort(error: SluiceError): void {
    if (this.#delivery.isOver) return;
    this.#record.touch();
    if (this.#delayed !== null) clearTimeout(this.#delayed);
    this.#answerer?.cancel();
    this.#delivery.finish(error.code);
  }
}
