/**
 * A request to the origin and what its response means for the cache: freshen, store, invalidate, or
 * nothing. Clients' exchanges and background revalidations both own one.
 *
 * Long because each way that a response can take is a few lines here.
 */
import { SluiceError } from '../../base/errors.ts';
import type { InFlightFetch } from '../../cache/collapse.ts';
import type { ContentWriter, StoredResponse, StoreHit } from '../../cache/contract.ts';
import type { RequestDirectives } from '../../cache/rules/cache-control.ts';
import { isFresh } from '../../cache/rules/freshness.ts';
import { invalidatedKeys } from '../../cache/rules/invalidation.ts';
import { isOriginError, mayServeOnError } from '../../cache/rules/reuse.ts';
import { receiveResponse } from '../../cache/rules/stored-response.ts';
import {
  decideKeeping,
  decideStoring,
  refuseAtOnce,
  type StoringDecision,
} from '../../cache/rules/storing.ts';
import { addValidation, freshen, freshenedBy, headOutcome } from '../../cache/rules/validation.ts';
import { matchesVary } from '../../cache/rules/vary.ts';
import { CLIENT_FIELD, clientFieldValue } from '../../handler/client-header.ts';
import type { Authority } from '../../http/authority.ts';
import type { RequestFacts } from '../../http/exchange.ts';
import type { FieldSection } from '../../http/field-section.ts';
import { isOriginForm } from '../../http/made-text.ts';
import type { RequestHead, ResponseHead } from '../../http/message.ts';
import { isSafeMethod } from '../../http/methods.ts';
import type { AskedHead } from '../../plugin/origin-views.ts';
import { PLUGIN_CONTROL } from '../../plugin/origin-views.ts';
import { type PluginRun, WAITS } from '../../plugin/plugin-run.ts';
import type { Compression } from '../../routing/compression.ts';
import type { OriginGroup } from '../../upstream/contract.ts';
import type { ProxyEnvironment } from '../environment.ts';
import type { OriginNotes } from '../exchange-record.ts';
import { Fetch, type FetchHandler } from '../fetch.ts';
import { Fill, type FillConsumer } from '../fill.ts';
import { Leftover } from '../leftover.ts';
import { EncodedFetch, type EncodedFetchInput, type OriginFetch } from '../reply/encoded-fetch.ts';
import { requestFieldsToOrigin } from './forwarding.ts';

/** What the origin has said, when a stored response answers in place of it. */
export interface OriginAnswer {
  /** 0 for nothing. */
  readonly status: number;
  /** `store` when what answers stays stored with what the origin said, or why not. */
  readonly keeping: StoringDecision | 'not-asked';
}

/** What becomes of the response. One of the final calls is made, unless the request is cancelled. */
export interface OriginRequestOwner extends FillConsumer {
  onRequestStarted(): void;
  /** It is sent once more: no content until `onRequestStarted` comes again. */
  onRequestRestart(): void;
  /** More request content can be sent. */
  onRequestWritable(): void;
  onInformational(status: number, fields: FieldSection): void;
  /** The response is to be delivered; its content follows through the FillConsumer's calls. */
  onOriginResponse(head: ResponseHead, storing: StoringDecision | 'not-asked'): void;
  onUpgrade(head: ResponseHead): void;
  /** A tunnel's bytes. */
  onTunnelBytes(bytes: Uint8Array): boolean;
  onTunnelEnd(): void;
  /** The stored response answers instead: confirmed by a 304, or stale because of an error. */
  onStored(hit: StoreHit, how: 'revalidated' | 'stale', answer: OriginAnswer): void;
  /**
   * The request must be sent again: after the handshake, because the origin answered 425 to what we
   * marked as early (RFC 8470 §5.2); or without conditions, because its 304 confirmed something that
   * is not stored here (RFC 9111 §4.3.4).
   */
  onAskAgain(how: 'after-handshake' | 'without-conditions'): void;
  onFailure(error: SluiceError): void;
}

/** What a conditional request to the origin is about. */
export interface Validation {
  readonly selected: StoreHit | undefined;
  readonly hits: readonly StoreHit[];
}

export interface OriginRequestInput {
  readonly environment: ProxyEnvironment;
  /** Who is asked. */
  readonly origin: OriginGroup;
  readonly head: RequestHead;
  readonly directives: RequestDirectives;
  readonly key: string;
  /** The key that what is not a part is stored under; the same unless a slice is asked for. */
  readonly wholeKey: string;
  /** As RequestFacts has it. */
  readonly peerAddress: string;
  /** Of the client's connection; null when nobody waits. */
  readonly facts: RequestFacts | null;
  /** Mark it with `Early-Data: 1`: the handshake is still open. */
  readonly early: boolean;
  /** Of the request's plugins; null for none. */
  readonly plugins: PluginRun | null;
  /** Whether the response may be stored, by the method and the request. */
  readonly mayStore: boolean;
  readonly validation: Validation | null;
  /** What the request selects, although stale: it may stand in for an error (RFC 5861 §4). */
  readonly fallback: StoreHit | undefined;
  readonly inFlight: InFlightFetch | null;
  /** Hears of the answer; null when no client waits. */
  readonly notes: OriginNotes | null;
  readonly owner: OriginRequestOwner;
}

type Mode = 'waiting' | 'direct' | 'filling' | 'dropping' | 'tunnel' | 'over';

export class OriginRequest implements FetchHandler {
  readonly #input: OriginRequestInput;
  readonly #fetch: OriginFetch;
  readonly #requestTimeMs: number;
  /** What has been removed from the store until the request was sent. */
  readonly #version: number;
  #isOutdated = false;
  /** What the route has made of the target is none. */
  readonly #isUnsendable: boolean;
  /** What the origin is asked; plugins may change it until the start. */
  readonly #asked: RequestHead;
  #mode: Mode = 'waiting';
  #fill: Fill | null = null;
  #afterDrop: (() => void) | null = null;
  readonly #leftover: Leftover;

  constructor(input: OriginRequestInput) {
    const { environment, origin, head, peerAddress, early, validation } = input;
    this.#input = input;
    this.#requestTimeMs = environment.clock.wallMs();
    this.#version = environment.store.versionOf(input.key);
    this.#leftover = new Leftover(environment.clock);
    const originAuthority = origin.authority;
    const fields = requestFieldsToOrigin(head, { peerAddress, early, originAuthority });
    if (validation !== null) {
      addValidation(fields, validation.selected?.response, validation.hits);
    }
    const { rewrite, requestEdits } = environment.route;
    let { path } = head;
    let { authority } = head;
    if (rewrite !== null) {
      path = rewrite.target(head, origin.pathPrefix);
      authority = rewrite.authority(head, originAuthority);
      fields.set('host', authority.text === '' ? originAuthority : authority.text);
    } else if (origin.pathPrefix !== '') {
      path = origin.pathPrefix + path;
    }
    this.#isUnsendable = path !== head.path && path !== '*' && !isOriginForm(path);
    requestEdits?.apply(fields, { head, facts: input.facts });
    if (origin.isHandler) {
      fields.remove(CLIENT_FIELD);
      if (input.facts !== null) fields.append(CLIENT_FIELD, clientFieldValue(input.facts, early));
    }
    const asked = headToOrigin(head, authority, path, fields);
    this.#asked = asked;
    const { compression } = environment.route;
    const fetchFor = (handler: FetchHandler) => {
      const fetch = new Fetch(origin, asked, handler, input.facts);
      fetch.notes = input.notes;
      return fetch;
    };
    this.#fetch = compression === null ? fetchFor(this) : this.#encoded(compression, fetchFor);
  }

  #encoded(compression: Compression, fetch: EncodedFetchInput['fetch']): OriginFetch {
    const { head, validation } = this.#input;
    const stored = validation?.selected?.response.fields;
    return new EncodedFetch({ compression, head, stored, fetch }, this);
  }

  start(): void {
    const { plugins } = this.#input;
    if (this.#isUnsendable) this.onError(NO_TARGET);
    else if (plugins === null) this.#fetch.start();
    else {
      const later = (fault: SluiceError | null) => this.#startUnless(fault);
      const fault = plugins.onOriginRequest(this.#asked as AskedHead, later);
      if (fault !== WAITS) this.#startUnless(fault);
    }
  }

  /** The client may have gone while a plugin took its time. */
  #startUnless(fault: SluiceError | null): void {
    if (this.#mode === 'over') return;
    if (fault === null) {
      this.#fetch.start();
      return;
    }
    this.#mode = 'over';
    this.#input.inFlight?.release('failed');
    this.#input.owner.onFailure(fault);
  }

  sendContent(bytes: Uint8Array): boolean {
    return this.#fetch.sendContent(bytes);
  }

  sendEnd(trailers: FieldSection | null): void {
    this.#fetch.sendEnd(trailers);
  }

  /** The client can take more of the response. */
  ready(): void {
    if (this.#fill !== null) this.#fill.consumerReady();
    else this.#fetch.resume();
  }

  /** The client has gone. A fill goes on when it is worth it. */
  abandon(): void {
    if (this.#mode === 'over') return;
    if (this.#fill !== null) {
      this.#fill.consumerGone();
      return;
    }
    this.#mode = 'over';
    this.#afterDrop = null;
    this.#fetch.cancel();
    // Nothing has failed: one of those who wait asks in its place.
    this.#input.inFlight?.release('again');
  }

  // ------------------------------------------------------------------ from the fetch

  onRequestStarted(): void {
    this.#input.owner.onRequestStarted();
  }

  onRequestRestart(): void {
    this.#input.owner.onRequestRestart();
  }

  onWritable(): void {
    this.#input.owner.onRequestWritable();
  }

  onInformational(status: number, fields: FieldSection): void {
    this.#input.owner.onInformational(status, fields);
  }

  onHead(received: ResponseHead): void {
    const { environment, head, key, owner, early, validation } = this.#input;
    const response = this.#throughPlugins(received);
    if (response === null) return;
    // RFC 9111 §4.4: an unsafe request has succeeded, or a purge, since this one was sent.
    this.#isOutdated = environment.store.versionOf(key) !== this.#version;
    this.#invalidate(response);
    if (response.status === 425 && early && !head.fields.has('early-data')) {
      this.#input.inFlight?.release('uncacheable');
      this.#drop(() => owner.onAskAgain('after-handshake'));
      return;
    }
    if (validation !== null && response.status === 304) {
      this.#confirm(response, validation);
      return;
    }
    const fallback = isOriginError(response.status) ? this.#fallback() : undefined;
    if (fallback !== undefined) {
      this.#input.inFlight?.release('failed');
      const answer = { status: response.status, keeping: 'not-asked' } as const;
      this.#drop(() => owner.onStored(fallback, 'stale', answer));
      return;
    }
    this.#deliver(response);
  }

  /** Null when it is refused. */
  #throughPlugins(received: ResponseHead): ResponseHead | null {
    const { environment, plugins, inFlight, owner } = this.#input;
    if (plugins === null) return received;
    received.fields.remove(PLUGIN_CONTROL);
    const response = plugins.onOriginResponse(received, environment.cachePolicy.targetedFields);
    if (!(response instanceof SluiceError)) return response;
    inFlight?.release('failed');
    this.#drop(() => owner.onFailure(response));
    return null;
  }

  onContent(bytes: Uint8Array): void {
    if (this.#mode === 'direct') {
      if (!this.#input.owner.onFillContent(bytes)) this.#fetch.pause();
    } else if (this.#mode === 'tunnel') {
      if (!this.#input.owner.onTunnelBytes(bytes)) this.#fetch.pause();
    } else if (this.#mode === 'dropping' && !this.#leftover.takes(bytes)) {
      this.#fetch.cancel();
      this.#dropped();
    }
  }

  onEnd(trailers: FieldSection | null): void {
    const mode = this.#mode;
    this.#mode = 'over';
    if (mode === 'direct') this.#input.owner.onFillEnd(trailers);
    else if (mode === 'tunnel') this.#input.owner.onTunnelEnd();
    else if (mode === 'dropping') this.#dropped();
  }

  onUpgrade(head: ResponseHead): void {
    this.#mode = 'tunnel';
    this.#input.inFlight?.release('uncacheable');
    this.#input.owner.onUpgrade(head);
  }

  onError(error: SluiceError): void {
    const mode = this.#mode;
    this.#mode = 'over';
    this.#input.environment.observer.onOriginError(error);
    if (mode === 'dropping') {
      this.#dropped();
    } else if (mode === 'direct' || mode === 'tunnel') {
      this.#input.owner.onFillError(error);
    } else {
      this.#failBeforeHead(error);
    }
  }

  // ------------------------------------------------------------------ decisions

  #failBeforeHead(error: SluiceError): void {
    const { inFlight, owner } = this.#input;
    inFlight?.release('failed');
    const fallback = this.#fallback();
    if (fallback === undefined) owner.onFailure(error);
    else owner.onStored(fallback, 'stale', { status: 0, keeping: 'not-asked' });
  }

  #fallback(): StoreHit | undefined {
    const { environment, directives, fallback } = this.#input;
    if (fallback === undefined) return undefined;
    const nowMs = environment.clock.wallMs();
    const allowed = mayServeOnError(directives, fallback.response, nowMs, environment.cachePolicy);
    return allowed ? fallback : undefined;
  }

  /**
   * The status has decided: `then` goes on at once, whatever else the response has. What has come in
   * one piece with its head is taken first, so that the connection can be used again; the rest is
   * read afterwards, while it is cheap.
   */
  #drop(then: () => void): void {
    this.#mode = 'dropping';
    this.#afterDrop = then;
    setImmediate(() => this.#goOn());
  }

  /** All of the response has been read, or no more will be. */
  #dropped(): void {
    this.#mode = 'over';
    this.#goOn();
  }

  #goOn(): void {
    const then = this.#afterDrop;
    this.#afterDrop = null;
    then?.();
  }

  #invalidate(response: ResponseHead): void {
    const { environment, head } = this.#input;
    if (isSafeMethod(head.method)) return;
    const { keyRules, route } = environment;
    let { fields } = response;
    if (route.locations !== null) {
      // What the origin calls so is stored by the names that clients have for it.
      fields = fields.clone();
      route.locations.apply(fields, { head });
    }
    for (const key of invalidatedKeys(head, response.status, fields, keyRules)) {
      this.#remove(key);
    }
  }

  #confirm(response: ResponseHead, validation: Validation): void {
    const { environment, head, key, inFlight, owner } = this.#input;
    const { store, clock, cachePolicy } = environment;
    const confirmed = freshenedBy(response.fields, validation.selected, validation.hits);
    if (confirmed === undefined) {
      // The origin confirms something that we do not have: ask again, for the whole response.
      inFlight?.release('failed');
      this.#drop(() => owner.onAskAgain('without-conditions'));
      return;
    }
    const nowMs = clock.wallMs();
    const previous = confirmed.response;
    const fresh = freshen({
      stored: previous,
      request: head,
      response,
      requestTimeMs: this.#requestTimeMs,
      responseTimeMs: nowMs,
      policy: cachePolicy,
    });
    const { keep, decision } = decideKeeping(head, this.#input.directives, fresh, cachePolicy);
    if (keep === 'remove') this.#remove(key);
    const kept = keep === 'update' ? store.update(key, previous, fresh) : undefined;
    const hit = kept ?? withResponse(confirmed, fresh);
    if (keep === 'update') inFlight?.share(hit);
    inFlight?.end();
    const keeping = kept === undefined && decision === 'store' ? 'no-room' : decision;
    this.#drop(() => owner.onStored(hit, 'revalidated', { status: 304, keeping }));
  }

  /** What is stored under the key must not be served again. */
  #remove(key: string): void {
    const { store, collapse } = this.#input.environment;
    store.invalidate(key);
    collapse.invalidate(key);
  }

  #deliver(response: ResponseHead): void {
    const { environment, head, mayStore, directives, inFlight, owner } = this.#input;
    const key = response.status === 206 ? this.#input.key : this.#input.wholeKey;
    const { store, clock, cachePolicy, hitForMissMemory } = environment;
    if (head.method === 'HEAD') this.#updateByHead(response);
    let storing: StoringDecision | 'not-asked' = 'not-asked';
    if (mayStore && !this.#isOutdated && !(inFlight?.isOver ?? false)) {
      const nowMs = clock.wallMs();
      let writer: ContentWriter | undefined;
      const refused = refuseAtOnce(head, directives, response, cachePolicy);
      if (refused !== null) {
        storing = refused;
      } else {
        const stored = receiveResponse({
          request: head,
          response,
          requestTimeMs: this.#requestTimeMs,
          responseTimeMs: nowMs,
          policy: cachePolicy,
        });
        storing = decideStoring(head, directives, stored, cachePolicy);
        if (storing === 'store') writer = store.create(key, stored);
      }
      if (writer !== undefined) {
        this.#mode = 'filling';
        const { freshness } = writer.hit.response;
        // Those who would wait for what must be validated would be let go again.
        const isShareable = isFresh(freshness, nowMs) && !freshness.directives.noCache;
        if (isShareable) hitForMissMemory.forget(key);
        else if (head.method === 'GET') {
          hitForMissMemory.remember(key, storing, response.status, nowMs);
          inFlight?.lease?.pass();
        }
        const { observer } = environment;
        const onRequestWritable = () => owner.onRequestWritable();
        const parts = { fetch: this.#fetch, writer, head: response, inFlight, observer };
        // First, for the owner may have enough with the head.
        this.#fill = new Fill({ ...parts, consumer: owner, onRequestWritable });
        owner.onOriginResponse(response, storing);
        return;
      }
      // A response that says how long it is may be too long for the store.
      if (storing === 'store') storing = 'no-room';
      if (head.method === 'GET') {
        hitForMissMemory.remember(key, storing, response.status, nowMs);
        inFlight?.lease?.pass();
      }
    }
    inFlight?.release('uncacheable');
    this.#mode = 'direct';
    owner.onOriginResponse(response, storing);
  }

  /** RFC 9111 §4.3.5: about those that could have been chosen for the request. */
  #updateByHead(response: ResponseHead): void {
    const { environment, head, key } = this.#input;
    const { store, clock, cachePolicy } = environment;
    const nowMs = clock.wallMs();
    store.lookup(key, (hits) => {
      for (const { response: stored } of [...hits]) {
        if (!matchesVary(stored.varyFields, head.fields)) continue;
        const outcome = headOutcome(stored, response);
        if (outcome === 'nothing') continue;
        const fresh = freshen({
          stored,
          request: head,
          response,
          requestTimeMs: this.#requestTimeMs,
          responseTimeMs: nowMs,
          policy: cachePolicy,
        });
        const { keep } = decideKeeping(head, this.#input.directives, fresh, cachePolicy);
        if (outcome === 'invalidate' || keep === 'remove') store.invalidate(key);
        else if (keep === 'update') store.update(key, stored, fresh);
      }
    });
  }
}

// Made once: a flood of such requests must not cost a stack trace each time.
const NO_TARGET = new SluiceError('target-invalid', 'the rewritten target is none', {
  blame: 'internal',
});

/** Written out: to copy all properties of an object costs several times as much. */
function headToOrigin(
  head: RequestHead,
  authority: Authority,
  path: string,
  fields: FieldSection,
): RequestHead {
  return {
    method: head.method,
    version: head.version,
    scheme: head.scheme,
    authority,
    path,
    fields,
    contentLength: head.contentLength,
    expectContinue: head.expectContinue,
    upgrade: head.upgrade,
  };
}

/** A hit whose stored response was evicted while it was being confirmed: it can still be served. */
function withResponse(hit: StoreHit, response: StoredResponse): StoreHit {
  return { response, prepared: () => null, open: () => hit.open() };
}
