/**
 * What an exchange works with, as small objects in memory: a client that notes what it gets, origins
 * that answer when the test says so, and a clock that stands still. No sockets: a case takes less
 * than a millisecond.
 */
import type { SluiceError } from '../../src/base/errors.ts';
import { CollapseTable } from '../../src/cache/collapse.ts';
import { RamStore } from '../../src/cache/memory/ram-store.ts';
import { cacheKey, defaultKeyRules } from '../../src/cache/rules/key.ts';
import { defaultCachePolicy } from '../../src/cache/rules/policy.ts';
import { configuredAuthority } from '../../src/http/authority.ts';
import type {
  PreparedResponse,
  RequestFacts,
  RequestSender,
  ResponseHandler,
  ResponseSender,
} from '../../src/http/exchange.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import type { RequestHead, ResponseHead } from '../../src/http/message.ts';
import type { ProxyEnvironment } from '../../src/proxy/environment.ts';
import { Exchange } from '../../src/proxy/exchange.ts';
import { HitForMissMemory } from '../../src/proxy/hit-for-miss-memory.ts';
import { defaultEarlyDataPolicy, EarlyDataPolicies } from '../../src/proxy/request/early-data.ts';
import type { PartTask } from '../../src/proxy/request/part-request.ts';
import { NO_RULES } from '../../src/routing/rules.ts';
import type { ExchangeSummary } from '../../src/telemetry/exchange-summary.ts';
import { RequestRecorder } from '../../src/telemetry/requests/request-recorder.ts';
import { PaceWatch } from '../../src/upstream/content-pace.ts';
import type { GroupRequest, OriginGroup } from '../../src/upstream/contract.ts';

export interface Asked {
  readonly method?: string;
  readonly version?: RequestHead['version'];
  readonly path?: string;
  readonly fields?: readonly string[];
  /** Bytes, or -1 for chunks. */
  readonly contentLength?: number;
  readonly expectContinue?: boolean;
}

/** Names and values alternate in `fields`. */
export function requestHead(asked: Asked = {}): RequestHead {
  const { method = 'GET', path = '/', fields = [], contentLength = 0 } = asked;
  return {
    method,
    version: asked.version ?? '1.1',
    scheme: 'http',
    authority: configuredAuthority('site.example'),
    path,
    fields: fieldsOf(['host', 'site.example', ...fields]),
    contentLength,
    expectContinue: asked.expectContinue ?? false,
    upgrade: '',
  };
}

/** A response's head whose length is not announced unless it is given. */
export function responseHead(
  status: number,
  fields: readonly string[] = [],
  contentLength = -1,
): ResponseHead {
  return { status, fields: fieldsOf(fields), contentLength };
}

function fieldsOf(words: readonly string[]): FieldSection {
  const fields = new FieldSection();
  for (let i = 0; i < words.length; i += 2) fields.append(words[i]!, words[i + 1]!);
  return fields;
}

/** A client without TLS; `early` and `endHandshake` make it one whose handshake is open. */
export class Facts implements RequestFacts {
  early: boolean;
  readonly beganEarly: boolean;
  readonly remoteAddress: string = '192.0.2.1';
  readonly peerAddress: string = '192.0.2.1';
  readonly remotePort = 40_000;
  readonly localAddress = '192.0.2.2';
  readonly localPort = 80;
  readonly tls = null;
  #waiting: ((complete: boolean) => void)[] = [];

  constructor(early = false) {
    this.early = early;
    this.beganEarly = early;
  }

  whenHandshakeEnds(callback: (complete: boolean) => void): void {
    if (this.early) this.#waiting.push(callback);
    else callback(true);
  }

  endHandshake(complete: boolean): void {
    this.early = false;
    for (const callback of this.#waiting.splice(0)) callback(complete);
  }
}

/** What a client gets, and how its own content is held up. */
export class Client implements ResponseSender {
  head: ResponseHead | null = null;
  content = '';
  trailers: FieldSection | null | undefined;
  error: SluiceError | null = null;
  informational: number[] = [];
  upgraded = 0;
  isPaused = false;
  isDiscarding = false;
  /** It takes this many pieces of content, and then waits. */
  room = Number.POSITIVE_INFINITY;

  get status(): number {
    return this.head?.status ?? 0;
  }

  /** The message has come to its end. */
  get isComplete(): boolean {
    return this.trailers !== undefined;
  }

  field(name: string): string {
    return this.head?.fields.combined(name) ?? '';
  }

  sendInformational(status: number): void {
    this.informational.push(status);
  }
  sendHead(head: ResponseHead): void {
    this.head = head;
  }
  sendContent(bytes: Uint8Array): boolean {
    this.content += Buffer.from(bytes).toString('latin1');
    return --this.room > 0;
  }
  sendEnd(trailers: FieldSection | null): void {
    this.trailers = trailers;
  }
  sendStored({ status, fields, content }: PreparedResponse): void {
    this.head = { status, fields, contentLength: content.length };
    this.sendContent(content);
    this.sendEnd(null);
  }
  upgrade(status: number): void {
    this.upgraded = status;
  }
  abort(error: SluiceError): void {
    this.error = error;
  }
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
  discardContent(): void {
    this.isDiscarding = true;
  }
}

/** One request that has gone out on a connection; the test answers it. */
export class SentRequest implements RequestSender {
  readonly head: RequestHead;
  readonly handler: ResponseHandler;
  content = '';
  isEnded = false;
  isCancelled = false;
  isPaused = false;
  /** Takes what is sent, and then wants no more until the handler's `onWritable`. */
  isFull = false;

  constructor(head: RequestHead, handler: ResponseHandler) {
    this.head = head;
    this.handler = handler;
  }

  /** All of a response, with its length. */
  answer(status: number, fields: readonly string[] = [], content = ''): void {
    this.begin(status, fields, content.length);
    if (content !== '') this.send(content);
    this.end();
  }
  begin(status: number, fields: readonly string[] = [], contentLength = -1): void {
    this.handler.onHead(responseHead(status, fields, contentLength));
  }
  send(content: string): void {
    this.handler.onContent(Buffer.from(content, 'latin1'));
  }
  end(trailers: FieldSection | null = null): void {
    this.handler.onEnd(trailers);
  }
  fail(error: SluiceError): void {
    this.handler.onError(error);
  }

  sendContent(bytes: Uint8Array): boolean {
    this.content += Buffer.from(bytes).toString('latin1');
    return !this.isFull;
  }
  sendEnd(): void {
    this.isEnded = true;
  }
  cancel(): void {
    this.isCancelled = true;
  }
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
}

/** A group of origins that has a connection for every request at once, unless it `withholds`. */
export class Origin implements OriginGroup {
  readonly isHandler = false;
  readonly name = 'default';
  readonly authority = 'origin.example';
  readonly pathPrefix = '';
  retriedStatuses: readonly number[] = [];
  /** Every request that was sent, in order. */
  readonly requests: SentRequest[] = [];
  readonly waiting: GroupRequest[] = [];
  /** How many other endpoints may be asked after one has failed. */
  others = 0;
  withholds = false;
  isReused = false;
  isEarly = false;
  endedCount = 0;

  /** The last that was sent. */
  get asked(): SentRequest {
    return this.requests.at(-1)!;
  }

  watchPace(): PaceWatch {
    return new PaceWatch(null);
  }
  start(request: GroupRequest): void {
    if (this.withholds) this.waiting.push(request);
    else this.give(request);
  }
  give(request: GroupRequest): void {
    const start = (head: RequestHead, handler: ResponseHandler) => {
      const sent = new SentRequest(head, handler);
      this.requests.push(sent);
      return sent;
    };
    request.onConnection({ isEarly: this.isEarly && request.mayBeEarly, start }, this.isReused);
  }
  again(request: GroupRequest): void {
    this.isReused = false;
    this.start(request);
  }
  goOn(request: GroupRequest): void {
    this.start(request);
  }
  moveOn(): boolean {
    return this.others-- > 0;
  }
  withdraw(request: GroupRequest): void {
    this.waiting.splice(this.waiting.indexOf(request), 1);
  }
  gathered(): void {}
  answered(): void {}
  completed(): void {}
  failed(): void {}
  ended(): void {
    this.endedCount++;
  }
}

/** One proxy: its cache, its origin, and what was noted of each exchange that is over. */
export class Scene implements Disposable {
  readonly origin = new Origin();
  readonly store = new RamStore({ capacityBytes: 8_388_608 });
  readonly records: Pick<ExchangeSummary, 'status' | 'cache' | 'errorCode'>[] = [];
  nowMs = Date.UTC(2026, 0, 1);
  readonly environment: ProxyEnvironment;

  constructor(changes: Partial<ProxyEnvironment> = {}) {
    const { origin, store } = this;
    this.environment = {
      origins: { groups: new Map([['default', origin]]), byDefault: origin },
      store,
      cachePolicy: defaultCachePolicy,
      keyRules: defaultKeyRules,
      sliceBytes: 0,
      plugins: null,
      route: { ...NO_RULES, screenTrailers: (trailers) => trailers },
      earlyDataPolicies: new EarlyDataPolicies([defaultEarlyDataPolicy], () => [0]),
      collapse: new CollapseTable(),
      hitForMissMemory: new HitForMissMemory(),
      purges: { isAllowed: () => false, purge: (_selectors, _soft, done) => done(0) },
      clock: { wallMs: () => this.nowMs, monotonicMs: () => this.nowMs },
      observer: {
        wantsText: false,
        onFinish: ({ status, cache, errorCode }) => this.records.push({ status, cache, errorCode }),
        onOriginError: () => {},
      },
      requests: RequestRecorder.forNobody(),
      dateNow: () => new Date(this.nowMs).toUTCString(),
      ...changes,
    };
  }

  /** A client that asks; without content, its request is complete. */
  ask(asked: Asked = {}, facts = new Facts(), part: PartTask | null = null) {
    const { environment } = this;
    const head = requestHead(asked);
    const client = new Client();
    const key = cacheKey(head, environment.keyRules);
    const startedMs = this.nowMs;
    const sender = client;
    const slot = -1;
    const plugins = null;
    const exchange = new Exchange({
      ...{ environment, head, sender, facts, key, startedMs, slot, part, plugins },
    });
    exchange.begin();
    if (head.contentLength === 0) exchange.onEnd(null);
    return { client, exchange, facts };
  }

  /** Asks, and has the origin answer with what may be stored. */
  fill(content: string, fields: readonly string[] = ['cache-control', 'max-age=60']): void {
    this.ask();
    this.origin.asked.answer(200, fields, content);
  }

  [Symbol.dispose](): void {
    this.store[Symbol.dispose]();
  }
}
