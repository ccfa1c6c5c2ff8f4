/**
 * Where requests enter. The usual case, a fresh stored response of moderate size and a request that
 * asks for nothing special, is answered here in one call; everything else becomes an exchange.
 */

import type { SluiceError } from '../base/errors.ts';
import type { PreparedHit, StoredResponse } from '../cache/contract.ts';
import { hitStatusMember } from '../cache/rules/cache-status.ts';
import { currentAgeMs, isFresh } from '../cache/rules/freshness.ts';
import { cacheKey } from '../cache/rules/key.ts';
import { ttlSeconds } from '../cache/rules/reuse.ts';
import { selectStored } from '../cache/rules/select.ts';
import type {
  PreparedResponse,
  RequestFacts,
  RequestHandler,
  RequestSink,
  ResponseSender,
} from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import { PLUGIN_FAILED } from '../plugin/faults.ts';
import { PLUGIN_CONTROL } from '../plugin/origin-views.ts';
import { type Entry, type PluginRun, WAITS } from '../plugin/plugin-run.ts';
import type { LocalResponse } from '../routing/local-response.ts';
import { type GateResult, routingError } from '../routing/rules.ts';
import {
  type ExchangeSummary,
  emptySummary,
  type HeaderLines,
} from '../telemetry/exchange-summary.ts';
import type { ProxyEnvironment } from './environment.ts';
import { Exchange, type ExchangeInput } from './exchange.ts';
import { finishedOf, noteTexts } from './exchange-record.ts';
import { enterPlugins, environmentFor, HeldRequest } from './plugin-entry.ts';
import { addOurMark, PROXY_NAME } from './request/forwarding.ts';
import type { Routes } from './route-table.ts';
import { requestMeantBy } from './websocket.ts';

/**
 * Bytes of a body sent in one call. What the kernel does not take at once is copied and waits, so
 * larger bodies are read at the client's pace instead.
 */
const CONTENT_AT_ONCE_MAX = 131_072;

/** Request fields that ask something of the cache: such requests take the long way. */
const ASKS_OF_CACHE = new Set([
  'cache-control',
  'pragma',
  'range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'max-forwards',
]);

/** For requests that have been answered already and have no content. */
const ANSWERED: RequestHandler = {
  onContent() {},
  onEnd() {},
  onAbort() {},
  onWritable() {},
};

/** A response to some paths, on every host, that comes before rules and routes; null for all others. */
export type AnswerBefore = (path: string, dateNow: () => string) => LocalResponse | null;

export class ReverseProxy implements RequestSink {
  readonly #routes: Routes;
  readonly #before: AnswerBefore;
  readonly #hitHeaders = new HitHeaders();
  /** Filled anew for every hit: the observer must not keep it. */
  readonly #summary: ExchangeSummary = emptySummary();

  /** `before`: what is answered whatever routes say. */
  constructor(routes: Routes, before: AnswerBefore = () => null) {
    this.#routes = routes;
    this.#before = before;
  }

  onRequest(sent: RequestHead, sender: ResponseSender, facts: RequestFacts): RequestHandler {
    const { requests, clock } = this.#routes.unrouted;
    const slot = requests.begin(sent, facts, clock.wallMs());
    const head = requestMeantBy(sent);
    const response = this.#answerBefore(head);
    if (response !== null) {
      const exchange = this.#unroutedExchange({ head, sender, facts, slot });
      exchange.turnAway({ kind: 'answered', response });
      return exchange;
    }
    const environment = this.#routes.find(head, facts);
    if (typeof environment === 'string') {
      const exchange = this.#unroutedExchange({ head, sender, facts, slot });
      if (environment === 'no-route' && isForServer(head)) exchange.answerForServer();
      else exchange.turnAway(refusal(routingError(environment)));
      return exchange;
    }
    const { route } = environment;
    const startedMs = clock.monotonicMs();
    const part = null;
    let delayMs = 0;
    if (route.gate !== null) {
      const gateResult = route.gate.enter(head, facts, clock.wallMs(), environment.dateNow());
      if (gateResult?.kind === 'delayed' && gateResult.answer === null) {
        delayMs = gateResult.ms;
      } else if (gateResult !== null) {
        const [key, plugins] = ['', null];
        const input = { environment, head, sender, facts, key, startedMs, slot, part, plugins };
        return turnedAway(input, gateResult);
      }
    }
    const plugins = environment.plugins === null ? null : environment.plugins.begin(head, facts);
    if (plugins !== null) {
      const key = '';
      const input = { environment, head, sender, facts, key, startedMs, slot, part, plugins };
      return this.#throughPlugins(input, plugins, delayMs);
    }
    route.compression?.prepare(head.fields);
    let key = cacheKey(head, environment.keyRules);
    if (route.keySuffix !== '') key += route.keySuffix;
    if (delayMs === 0 && this.#serveHit(environment, key, head, sender, facts, null)) {
      this.#noteHit(environment, head, facts, startedMs);
      requests.end(slot);
      return ANSWERED;
    }
    const input = { environment, head, sender, facts, key, startedMs, slot, part, plugins };
    return begun(input, delayMs);
  }

  #throughPlugins(input: ExchangeInput, plugins: PluginRun, delayMs: number): RequestHandler {
    const { environment, head, sender } = input;
    const goOn = (decided: Entry) => this.#afterPlugins(input, plugins, decided, delayMs);
    const abort = (error: SluiceError) => new Exchange(input).onAbort(error);
    let held: HeldRequest | null = null;
    const entry = enterPlugins(environment, plugins, input, (late) => held?.decided(late));
    if (entry !== WAITS) return goOn(entry);
    held = new HeldRequest(plugins, head.contentLength === 0 ? null : sender, goOn, abort);
    return held;
  }

  #afterPlugins(
    input: ExchangeInput,
    plugins: PluginRun,
    entry: Entry,
    delayMs: number,
  ): RequestHandler {
    if (entry !== null) return turnedAway(input, entry);
    const { sender, facts, startedMs, slot } = input;
    const { head } = plugins;
    const { route, keyRules } = input.environment;
    route.compression?.prepare(head.fields);
    const key = plugins.key(head, keyRules, route.keySuffix);
    if (typeof key === 'object' && key !== null) return turnedAway(input, refusal(key));
    const environment = environmentFor(input.environment, plugins.origin, key !== null);
    const asked = { ...input, environment, head, key: key ?? '' };
    if (delayMs === 0 && this.#serveHit(environment, asked.key, head, sender, facts, plugins)) {
      this.#noteHit(environment, head, facts, startedMs);
      plugins.onFinish(finishedOf(this.#summary));
      environment.requests.end(slot);
      return ANSWERED;
    }
    if (plugins.hasFailed) return turnedAway(asked, refusal(PLUGIN_FAILED));
    return begun(asked, delayMs);
  }

  /** The same for requests that would go to an origin; others take their route. */
  turnAwayFromOrigin(
    error: SluiceError,
    sent: RequestHead,
    sender: ResponseSender,
    facts: RequestFacts,
  ): RequestHandler {
    const head = requestMeantBy(sent);
    const isLocal = this.#answerBefore(head) !== null || this.#isAnsweredByRoute(head, facts);
    if (isLocal) return this.onRequest(sent, sender, facts);
    return this.turnAway(error, sent, sender, facts);
  }

  /** Also where there is no route, which is answered, too. */
  #isAnsweredByRoute(head: RequestHead, facts: RequestFacts): boolean {
    const environment = this.#routes.find(head, facts);
    return typeof environment === 'string' || environment.route.answersItself;
  }

  /** Null for a request that takes its route. */
  #answerBefore({ path }: RequestHead): LocalResponse | null {
    return this.#before(path, this.#routes.unrouted.dateNow);
  }

  /** Answers a request that is no route's. */
  turnAway(
    error: SluiceError,
    sent: RequestHead,
    sender: ResponseSender,
    facts: RequestFacts,
  ): RequestHandler {
    const { requests, clock } = this.#routes.unrouted;
    const slot = requests.begin(sent, facts, clock.wallMs());
    const head = requestMeantBy(sent);
    const exchange = this.#unroutedExchange({ head, sender, facts, slot });
    exchange.turnAway(refusal(error));
    return exchange;
  }

  #unroutedExchange(input: Pick<ExchangeInput, 'head' | 'sender' | 'facts' | 'slot'>): Exchange {
    const environment = this.#routes.unrouted;
    const startedMs = environment.clock.monotonicMs();
    const none = { part: null, plugins: null };
    return new Exchange({ ...input, ...none, environment, key: '', startedMs });
  }

  /** Whether it was answered at once with what is in memory. */
  #serveHit(
    environment: ProxyEnvironment,
    key: string,
    head: RequestHead,
    sender: ResponseSender,
    facts: RequestFacts,
    plugins: PluginRun | null,
  ): boolean {
    const { cachePolicy, clock, route } = environment;
    if (head.contentLength !== 0 || !route.caches) return false;
    if (head.method !== 'GET' && head.method !== 'HEAD') return false;
    const hits = environment.store.peek(key);
    if (hits === undefined || hits.length === 0) return false;
    if (head.upgrade !== '' || asksOfCache(head.fields)) return false;
    const hit = selectStored(hits, head.fields, cachePolicy);
    if (hit === undefined) return false;
    const { freshness, partial, contentLength, status } = hit.response;
    const nowMs = clock.wallMs();
    if (partial !== null || contentLength > CONTENT_AT_ONCE_MAX) return false;
    if (freshness.directives.noCache || !isFresh(freshness, nowMs)) return false;
    if (status >= 400 && route.errorPages?.intercepts(status)) return false;
    const prepared = hit.prepared();
    if (prepared === null) return false;
    const age = Math.floor(currentAgeMs(freshness, nowMs) / 1000);
    const edits = route.responseEdits;
    // Routes may share what is stored, a reload changes what they do, and edits may tell the target.
    const isShared = edits === null || (!edits.isPerRequest && prepared.madeFor === head.path);
    const isOurs = prepared.madeBy === edits && isShared;
    if (prepared.ageSeconds !== age || !isOurs) {
      refresh(prepared, hit.response, age, nowMs);
      edits?.apply(prepared.fields, { head, facts, status });
      prepared.madeBy = edits;
      prepared.madeFor = head.path;
    }
    const sent = plugins === null ? prepared : throughResponseHooks(prepared, plugins);
    if (sent === null) return false;
    const summary = this.#summary;
    summary.startedAtMs = nowMs;
    summary.status = status;
    summary.responseBytes = head.method === 'HEAD' ? 0 : prepared.content.length;
    summary.earlyData = facts.early ? 'answered-early' : facts.beganEarly ? 'early' : 'no';
    sender.sendStored(sent);
    this.#hitHeaders.prepared = sent;
    return true;
  }

  #noteHit(
    environment: ProxyEnvironment,
    head: RequestHead,
    facts: RequestFacts,
    startedMs: number,
  ): void {
    const { clock, observer } = environment;
    const summary = this.#summary;
    const elapsedMs = clock.monotonicMs() - startedMs;
    summary.method = head.method;
    summary.scheme = head.scheme;
    summary.version = head.version;
    if (observer.wantsText) noteTexts(summary, head, facts, this.#hitHeaders);
    summary.durationMs = elapsedMs;
    summary.firstByteMs = elapsedMs;
    summary.cache = 'hit';
    observer.onFinish(summary);
  }
}

/** As they were sent: a hit's Age stands beside its fields. */
class HitHeaders implements HeaderLines {
  prepared: Pick<PreparedHit, 'ageSeconds' | 'fields'> | null = null;

  combined(name: string): string | undefined {
    if (name === 'age') return String(this.prepared!.ageSeconds);
    return this.prepared!.fields.combined(name);
  }
}

/** Once a second for an object that is asked for: the rest of the hits in it cost nothing more. */
function refresh(prepared: PreparedHit, stored: StoredResponse, age: number, nowMs: number): void {
  const fields = stored.fields.clone();
  fields.remove(PLUGIN_CONTROL);
  addOurMark(fields, hitStatusMember(PROXY_NAME, ttlSeconds(stored, nowMs)));
  prepared.ageSeconds = age;
  prepared.fields = fields;
  prepared.http1Head = undefined;
  prepared.http2Head = undefined;
  prepared.http3Head = undefined;
}

/** Null when a plugin refuses it. What is stored is everybody's: what a hook changes is a copy. */
function throughResponseHooks(prepared: PreparedHit, plugins: PluginRun): PreparedResponse | null {
  const { status, fields, content, ageSeconds } = prepared;
  const edited = plugins.onResponse(status, fields);
  if (edited === null) return null;
  return edited === fields ? prepared : { status, fields: edited, content, ageSeconds };
}

function begun(input: ExchangeInput, delayMs: number): Exchange {
  const exchange = new Exchange(input);
  if (delayMs === 0) exchange.begin();
  else exchange.delay(delayMs, () => exchange.begin());
  return exchange;
}

function turnedAway(input: ExchangeInput, result: GateResult): Exchange {
  const exchange = new Exchange(input);
  exchange.turnAway(result);
  return exchange;
}

function refusal(error: SluiceError): GateResult {
  return { kind: 'refused', error, retryAfterSeconds: 0 };
}

function asksOfCache(fields: FieldSection): boolean {
  const { names } = fields;
  for (let i = 0; i < names.length; i++) if (ASKS_OF_CACHE.has(names[i]!)) return true;
  return false;
}

/** RFC 9110 §9.3.7, §9.3.6: `OPTIONS *` asks what the server can, CONNECT for a tunnel through it. */
function isForServer({ method, path }: RequestHead): boolean {
  return method === 'CONNECT' || (method === 'OPTIONS' && path === '*');
}
