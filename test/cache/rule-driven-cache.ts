/**
 * The least program that drives the cache's rules as a proxy would: for tests of the rules in
 * concert, with an origin and a clock that the test provides. No collapsing, no streaming.
 */

import type { Store, StoredResponse, StoreHit } from '../../src/cache/contract.ts';
import { NO_REQUEST_DIRECTIVES, requestDirectives } from '../../src/cache/rules/cache-control.ts';
import type { ForwardReason } from '../../src/cache/rules/cache-status.ts';
import { appendCacheStatus, cacheStatusMember } from '../../src/cache/rules/cache-status.ts';
import { invalidatedKeys } from '../../src/cache/rules/invalidation.ts';
import { cacheKey } from '../../src/cache/rules/key.ts';
import { type CachePolicy, defaultCachePolicy } from '../../src/cache/rules/policy.ts';
import { evaluatePreconditions, notModifiedFields } from '../../src/cache/rules/preconditions.ts';
import { planRange } from '../../src/cache/rules/range.ts';
import {
  ageSeconds,
  decideReuse,
  isOriginError,
  mayServeOnError,
  ttlSeconds,
} from '../../src/cache/rules/reuse.ts';
import { selectStored } from '../../src/cache/rules/select.ts';
import { receiveResponse } from '../../src/cache/rules/stored-response.ts';
import { decideStoring } from '../../src/cache/rules/storing.ts';
import {
  addValidation,
  canValidate,
  freshen,
  freshenedBy,
  headOutcome,
} from '../../src/cache/rules/validation.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import type { RequestHead } from '../../src/http/message.ts';
import { isSafeMethod } from '../../src/http/methods.ts';

export interface Answer {
  readonly status: number;
  readonly fields: FieldSection;
  readonly content: Buffer;
}

/** Null when the origin cannot be reached. */
export type Origin = (request: RequestHead) => Promise<Answer | null>;

export class RuleDrivenCache {
  readonly #store: Store;
  readonly #origin: Origin;
  readonly #now: () => number;
  readonly #policy: CachePolicy;
  /** Revalidations in the background. */
  readonly background = new Set<Promise<unknown>>();

  constructor(
    store: Store,
    origin: Origin,
    now: () => number,
    policy: CachePolicy = defaultCachePolicy,
  ) {
    this.#store = store;
    this.#origin = origin;
    this.#now = now;
    this.#policy = policy;
  }

  async handle(request: RequestHead): Promise<Answer> {
    const isGet = request.method === 'GET' || request.method === 'HEAD';
    if (!isGet) return this.#forward(request, 'method');
    const key = cacheKey(request);
    const hits = await new Promise<readonly StoreHit[]>((resolve) =>
      this.#store.lookup(key, resolve),
    );
    const selected = selectStored(hits, request.fields, this.#policy);
    const directives = requestDirectives(request.fields);
    if (selected === undefined) {
      if (directives.onlyIfCached) return gatewayTimeout();
      return this.#forward(request, hits.length > 0 ? 'vary-miss' : 'uri-miss');
    }
    const stored = selected.response;
    const decision = decideReuse(directives, stored, this.#now(), this.#policy);
    if (decision.use === 'validate') {
      if (directives.onlyIfCached) return gatewayTimeout();
      return this.#validate(request, decision.forward, selected, hits);
    }
    if (decision.use === 'stale' && decision.revalidate) {
      const background = this.#validate(request, 'stale', selected, hits);
      this.background.add(background);
      void background.finally(() => this.background.delete(background));
    }
    const answer = await this.#serve(request, selected, { hit: true });
    return answer ?? this.#forward(request, 'request');
  }

  /** Answers from a stored response; null when it cannot. */
  async #serve(
    request: RequestHead,
    hit: StoreHit,
    how: { hit?: boolean; forward?: ForwardReason; forwardStatus?: number },
  ): Promise<Answer | null> {
    const { response } = hit;
    const now = this.#now();
    const outcome = evaluatePreconditions(request.fields, response, now);
    if (outcome === 'forward') return null;
    const member = cacheStatusMember('test', {
      hit: how.hit ?? false,
      forward: how.forward ?? null,
      forwardStatus: how.forwardStatus ?? 0,
      stored: false,
      collapsed: false,
      ttlSeconds: ttlSeconds(response, now),
      key: '',
      detail: '',
    });
    const finish = (fields: FieldSection): FieldSection => {
      fields.set('age', String(ageSeconds(response, now)));
      fields.set('cache-status', appendCacheStatus(fields.combined('cache-status'), member));
      return fields;
    };
    if (outcome === 'not-modified') {
      const fields = finish(notModifiedFields(response.fields));
      return { status: 304, fields, content: Buffer.alloc(0) };
    }
    const content = await contentOf(hit);
    const plan = planRange(request.fields, response, now, 'boundary');
    if (plan.kind === 'forward') return null;
    if (plan.kind === 'whole' || request.method === 'HEAD') {
      return { status: response.status, fields: finish(response.fields.clone()), content };
    }
    const pieces = plan.pieces.map((piece) =>
      'bytes' in piece ? piece.bytes : content.subarray(piece.start, piece.end),
    );
    return { status: plan.status, fields: finish(plan.fields), content: Buffer.concat(pieces) };
  }

  async #forward(request: RequestHead, reason: ForwardReason): Promise<Answer> {
    const requestTime = this.#now();
    const answer = await this.#origin(request);
    if (answer === null) return gatewayTimeout();
    return this.#receive(request, answer, requestTime, reason);
  }

  #receive(
    request: RequestHead,
    answer: Answer,
    requestTime: number,
    reason: ForwardReason,
  ): Answer {
    const head = { ...answer, contentLength: answer.content.length };
    const stored = receiveResponse({
      request,
      response: head,
      requestTimeMs: requestTime,
      responseTimeMs: this.#now(),
      policy: this.#policy,
    });
    const directives = requestDirectives(request.fields);
    const decision = decideStoring(request, directives, stored, this.#policy);
    for (const key of invalidatedKeys(request, answer.status, answer.fields)) {
      this.#store.invalidate(key);
    }
    const conditional304 = answer.status === 304;
    if (decision === 'store' && !conditional304) {
      const writer = this.#store.create(cacheKey(request), stored);
      writer?.write(answer.content);
      writer?.commit(null);
    }
    if (request.method === 'HEAD') this.#updateByHead(request, answer, requestTime);
    const fields = answer.fields.clone();
    const member = cacheStatusMember('test', {
      hit: false,
      forward: reason,
      forwardStatus: 0,
      stored: decision === 'store',
      collapsed: false,
      ttlSeconds: null,
      key: '',
      detail: decision === 'store' ? '' : decision,
    });
    fields.set('cache-status', appendCacheStatus(fields.combined('cache-status'), member));
    return { ...answer, fields };
  }

  #updateByHead(request: RequestHead, answer: Answer, requestTime: number): void {
    const key = cacheKey(request);
    this.#store.lookup(key, (hits) => {
      const selected = selectStored(hits, request.fields, this.#policy);
      if (selected === undefined) return;
      const head = { ...answer, contentLength: 0 };
      const outcome = headOutcome(selected.response, head);
      if (outcome === 'invalidate') this.#store.invalidate(key);
      if (outcome !== 'update') return;
      this.#store.update(key, selected.response, this.#fresh(selected, request, head, requestTime));
    });
  }

  #fresh(
    hit: StoreHit,
    request: RequestHead,
    head: { status: number; fields: FieldSection; contentLength: number },
    requestTime: number,
  ): StoredResponse {
    return freshen({
      stored: hit.response,
      request,
      response: head,
      requestTimeMs: requestTime,
      responseTimeMs: this.#now(),
      policy: this.#policy,
    });
  }

  async #validate(
    request: RequestHead,
    reason: ForwardReason,
    selected: StoreHit,
    hits: readonly StoreHit[],
  ): Promise<Answer> {
    const stored = selected.response;
    if (request.method === 'HEAD' || !canValidate(request.fields, stored)) {
      return this.#orStale(request, selected, await this.#tryForward(request, reason));
    }
    const fields = request.fields.clone();
    addValidation(fields, stored, hits);
    const requestTime = this.#now();
    const answer = await this.#origin({ ...request, fields });
    if (answer === null || isOriginError(answer.status)) {
      const received =
        answer === null ? gatewayTimeout() : this.#receive(request, answer, requestTime, reason);
      return this.#orStale(request, selected, received);
    }
    if (answer.status !== 304) return this.#receive(request, answer, requestTime, reason);
    const match = freshenedBy(answer.fields, selected, hits);
    if (match === undefined) return this.#forward(request, reason);
    const head = { ...answer, contentLength: 0 };
    const fresh = this.#fresh(match, request, head, requestTime);
    const updated = this.#store.update(cacheKey(request), match.response, fresh);
    if (updated === undefined) return this.#forward(request, reason);
    const how = { forward: reason, forwardStatus: 304 };
    return (await this.#serve(request, updated, how)) ?? this.#forward(request, reason);
  }

  async #tryForward(request: RequestHead, reason: ForwardReason): Promise<Answer> {
    return this.#forward(request, reason);
  }

  async #orStale(request: RequestHead, hit: StoreHit, answer: Answer): Promise<Answer> {
    const failed = isOriginError(answer.status);
    const directives = requestDirectives(request.fields);
    if (!failed || !isSafeMethod(request.method)) return answer;
    if (!mayServeOnError(directives, hit.response, this.#now(), this.#policy)) return answer;
    return (await this.#serve(request, hit, { hit: true })) ?? answer;
  }
}

function gatewayTimeout(): Answer {
  return { status: 504, fields: new FieldSection(), content: Buffer.alloc(0) };
}

/** Reads all of a stored response's content. */
export function contentOf(hit: StoreHit): Promise<Buffer> {
  const parts: Buffer[] = [];
  return new Promise((resolve, reject) => {
    const reader = hit.open();
    reader.read(0, {
      onBytes(bytes) {
        parts.push(Buffer.from(bytes));
        return true;
      },
      onEnd(error) {
        reader.close();
        if (error === null) resolve(Buffer.concat(parts));
        else reject(error);
      },
    });
  });
}

export { NO_REQUEST_DIRECTIVES };
