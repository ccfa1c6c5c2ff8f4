/**
 * Where requests enter. The usual case, a fresh stored response of moderate size and a request that
 * asks for nothing special, is answered here in one call; everything else becomes an exchange.
 */

import { hitStatusMember } from '../cache/cache-status.ts';
import type { PreparedHit, StoredResponse, StoreHit } from '../cache/contract.ts';
import { currentAgeMs, isFresh } from '../cache/freshness.ts';
import { cacheKey } from '../cache/key.ts';
import { ttlSeconds } from '../cache/reuse.ts';
import { selectStored } from '../cache/select.ts';
import type {
  RequestFacts,
  RequestHandler,
  RequestSink,
  ResponseSender,
} from '../http/exchange.ts';
import type { FieldSection } from '../http/field-section.ts';
import type { RequestHead } from '../http/message.ts';
import { type ExchangeSummary, emptySummary } from '../telemetry/exchange-summary.ts';
import type { ProxyEnvironment } from './environment.ts';
import { Exchange } from './exchange.ts';
import { addOurMark, PROXY_NAME } from './forwarding.ts';

/**
 * Octets of content sent in one call. What the kernel does not take at once is copied and waits, so
 * larger content is read at the client's pace instead.
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

export class ReverseProxy implements RequestSink {
  readonly #environment: ProxyEnvironment;
  /** Filled anew for every hit: the observer must not keep it. */
  readonly #summary: ExchangeSummary = emptySummary();

  constructor(environment: ProxyEnvironment) {
    this.#environment = environment;
  }

  onRequest(head: RequestHead, sender: ResponseSender, facts: RequestFacts): RequestHandler {
    const environment = this.#environment;
    const startedMs = environment.clock.monotonicMs();
    const key = cacheKey(head, environment.keyRules);
    if (head.contentLength === 0 && (head.method === 'GET' || head.method === 'HEAD')) {
      const hits = environment.store.peek(key);
      if (hits !== undefined && hits.length > 0 && this.#serveHit(hits, head, sender, facts)) {
        this.#noteHit(head, facts, startedMs);
        return ANSWERED;
      }
    }
    const exchange = new Exchange(environment, head, sender, facts, key, startedMs);
    exchange.begin();
    return exchange;
  }

  #serveHit(
    hits: readonly StoreHit[],
    head: RequestHead,
    sender: ResponseSender,
    facts: RequestFacts,
  ): boolean {
    const { cachePolicy, clock } = this.#environment;
    if (head.upgrade !== '' || asksOfCache(head.fields)) return false;
    const hit = selectStored(hits, head.fields, cachePolicy);
    if (hit === undefined) return false;
    const { freshness, partial, contentLength, status } = hit.response;
    const nowMs = clock.wallMs();
    if (partial !== null || contentLength > CONTENT_AT_ONCE_MAX) return false;
    if (freshness.directives.noCache || !isFresh(freshness, nowMs)) return false;
    const prepared = hit.prepared();
    if (prepared === null) return false;
    const age = Math.floor(currentAgeMs(freshness, nowMs) / 1000);
    if (prepared.ageSeconds !== age) refresh(prepared, hit.response, age, nowMs);
    const summary = this.#summary;
    summary.startedAtMs = nowMs;
    summary.status = status;
    summary.responseBytes = head.method === 'HEAD' ? 0 : prepared.content.length;
    summary.earlyData = facts.early ? 'answered-early' : facts.beganEarly ? 'early' : 'no';
    sender.sendStored(prepared);
    return true;
  }

  #noteHit(head: RequestHead, facts: RequestFacts, startedMs: number): void {
    const { clock, observer } = this.#environment;
    const summary = this.#summary;
    const elapsedMs = clock.monotonicMs() - startedMs;
    summary.remoteAddress = facts.remoteAddress;
    summary.remotePort = facts.remotePort;
    summary.localPort = facts.localPort;
    summary.method = head.method;
    summary.scheme = head.scheme;
    summary.authority = head.authority;
    summary.path = head.path;
    summary.version = head.version;
    summary.userAgent = head.fields.first('user-agent') ?? '';
    summary.referer = head.fields.first('referer') ?? '';
    summary.durationMs = elapsedMs;
    summary.firstByteMs = elapsedMs;
    summary.cache = 'hit';
    summary.tls = facts.tls;
    observer.onFinish(summary);
  }
}

/** Once a second for an object that is asked for: the rest of the hits in it cost nothing more. */
function refresh(prepared: PreparedHit, stored: StoredResponse, age: number, nowMs: number): void {
  const fields = stored.fields.clone();
  addOurMark(fields, hitStatusMember(PROXY_NAME, ttlSeconds(stored, nowMs)));
  prepared.ageSeconds = age;
  prepared.fields = fields;
  prepared.http1Head = undefined;
  prepared.http2Head = undefined;
}

function asksOfCache(fields: FieldSection): boolean {
  const { names } = fields;
  for (let i = 0; i < names.length; i++) if (ASKS_OF_CACHE.has(names[i]!)) return true;
  return false;
}
