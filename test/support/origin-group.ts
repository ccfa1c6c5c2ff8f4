/** A group of origins as a worker makes it, asked without a proxy in front. */

import { systemClock } from '../../src/base/clock.ts';
import { configuredAuthority } from '../../src/http/authority.ts';
import type { ClientFacts } from '../../src/http/client-facts.ts';
import { FieldSection } from '../../src/http/field-section.ts';
import type { RequestHead, ResponseHead } from '../../src/http/message.ts';
import { Fetch, type FetchHandler } from '../../src/proxy/fetch.ts';
import { Reactor } from '../../src/reactor/reactor.ts';
import { levelTable } from '../../src/telemetry/log-event.ts';
import { metricsRegionBytes } from '../../src/telemetry/metric-layout.ts';
import { Metrics } from '../../src/telemetry/metrics.ts';
import { readMetrics } from '../../src/telemetry/metrics-reader.ts';
import { traceRegionBytes } from '../../src/tls/trace-layout.ts';
import { TraceRecorder } from '../../src/tls/trace-recorder.ts';
import { ChannelPool } from '../../src/transport/channel.ts';
import type { UpstreamGroup } from '../../src/upstream/group.ts';
import type { HealthChecker } from '../../src/upstream/health-check.ts';
import {
  defaultGroupOptions,
  type OriginGroupOptions,
  type OriginServerOptions,
} from '../../src/upstream/options.ts';
import {
  type AdminState,
  openSharedHealth,
  type SharedHealth,
  sharedHealthWords,
} from '../../src/upstream/shared-health.ts';
import { type KnownNames, makeGroup } from '../../src/worker/origins.ts';
import { WorkerLog } from '../../src/worker/worker-log.ts';
import { within } from './waiting.ts';

/** Nobody reads what it reports. */
const silentLog = new WorkerLog(() => {}, 0, levelTable('notice', {}));

/** What nobody reads. */
const flights = new Uint8Array(traceRegionBytes);

export interface Question {
  readonly method?: string;
  readonly path?: string;
  readonly fields?: readonly (readonly [string, string])[];
  /** Sent in one piece. */
  readonly content?: string;
  readonly client?: ClientFacts | null;
}

export interface Answer {
  /** 0 when it failed. */
  readonly status: number;
  readonly content: string;
  readonly fields: FieldSection;
  /** Code of the error, or ''. */
  readonly error: string;
}

const SWEEP_INTERVAL_MS = 20;

export class GroupUnderTest implements AsyncDisposable {
  readonly #region = new Uint8Array(metricsRegionBytes);
  readonly group: UpstreamGroup;
  readonly #reactor = new Reactor();
  readonly #channels = new ChannelPool((body) => this.#reactor.defer(body));
  readonly #disposables: Disposable[] = [];
  readonly #sharedHealth: SharedHealth;
  readonly #checker: HealthChecker | null;
  readonly #sweeper: NodeJS.Timeout;

  /** Groups with the same shared health table are workers of one machine. */
  constructor(
    options: OriginGroupOptions,
    sharedHealth: Int32Array = new Int32Array(sharedHealthWords),
    workerIndex = 0,
    names: KnownNames = new Map(),
  ) {
    const recorder = new TraceRecorder(flights, process.pid, systemClock);
    const base = {
      reactor: this.#reactor,
      channels: this.#channels,
      originNames: names,
      input: {
        metrics: new Metrics(this.#region),
        workerIndex,
        sharedHealth,
        recorder,
        log: silentLog,
      },
    };
    this.#sharedHealth = openSharedHealth(sharedHealth);
    const { group, checker } = makeGroup(options, base, this.#disposables);
    this.group = group;
    this.#checker = checker;
    this.#sweeper = setInterval(() => group.sweep(), SWEEP_INTERVAL_MS);
  }

  /** What an operator wants of the server on a port of 127.0.0.1. */
  setAdminState(port: number, adminState: AdminState): void {
    this.#sharedHealth.setAdminState('app', `127.0.0.1:${port}`, adminState);
    this.group.readSharedHealth();
  }

  /** The sum of a metric's series that bear all of these values. */
  sum(metric: string, ...values: readonly string[]): number {
    const found = readMetrics([this.#region]).find(({ definition }) => definition.name === metric);
    const series = found!.series.filter(({ labels }) =>
      values.every((one) => labels.includes(one)),
    );
    return series.reduce((sum, { value }) => sum + value, 0);
  }

  ask(question: Question = {}): Promise<Answer> {
    return within(this.begin(question).answer, `an answer to ${question.path ?? '/'}`);
  }

  /** As `ask`, and it can be taken back. */
  begin(question: Question): { answer: Promise<Answer>; cancel: () => void } {
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const recorder = new Recorder(resolve, question.content ?? '');
    const fetch = new Fetch(this.group, headOf(question), recorder, question.client ?? null);
    recorder.fetch = fetch;
    fetch.start();
    return { answer: promise, cancel: () => fetch.cancel() };
  }

  /** The content of each answer, or its error, one after the other. */
  async sequence(count: number, question: Question = {}): Promise<string> {
    const all: string[] = [];
    for (let i = 0; i < count; i++) {
      const { content, error } = await this.ask(question);
      all.push(error === '' ? content : `(${error})`);
    }
    return all.join('');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#sweeper);
    this.#checker?.close();
    this.group.drain();
    await this.#reactor.close();
    this.#channels[Symbol.dispose]();
    for (const disposable of this.#disposables) disposable[Symbol.dispose]();
  }
}

/** A server on loopback. */
export function serverAt(
  port: number,
  more: Partial<OriginServerOptions> = {},
): OriginServerOptions {
  const host = '127.0.0.1';
  return { scheme: 'http', http2: 'never', host, port, weight: 1, backup: false, ...more };
}

export function startGroup(
  servers: readonly OriginServerOptions[],
  more: Partial<OriginGroupOptions> = {},
): GroupUnderTest {
  return new GroupUnderTest({ ...defaultGroupOptions, name: 'app', servers, ...more });
}

function headOf({ method = 'GET', path = '/', fields = [], content = '' }: Question): RequestHead {
  const section = new FieldSection();
  section.append('host', 'a.example');
  for (const [name, value] of fields) section.append(name, value);
  return {
    method,
    version: '1.1',
    scheme: 'http',
    authority: configuredAuthority('a.example'),
    path,
    fields: section,
    contentLength: Buffer.byteLength(content),
    expectContinue: false,
    upgrade: '',
  };
}

/** Sends the content when it may, once, as a client would. */
class Recorder implements FetchHandler {
  fetch!: Fetch;
  readonly #resolve: (answer: Answer) => void;
  readonly #content: string;
  #isSent = false;
  #head: ResponseHead | null = null;
  #received = '';

  constructor(resolve: (answer: Answer) => void, content: string) {
    this.#resolve = resolve;
    this.#content = content;
  }

  onRequestStarted(): void {
    if (this.#content === '') return;
    if (!this.#isSent) this.fetch.sendContent(Buffer.from(this.#content));
    this.#isSent = true;
    this.fetch.sendEnd(null);
  }

  onRequestRestart(): void {}
  onInformational(): void {}
  onUpgrade(): void {}
  onWritable(): void {}

  onHead(head: ResponseHead): void {
    this.#head = head;
  }

  onContent(bytes: Uint8Array): void {
    this.#received += Buffer.from(bytes).toString('latin1');
  }

  onEnd(): void {
    this.#finish('');
  }

  onError(error: { readonly code: string }): void {
    this.#finish(error.code);
  }

  #finish(error: string): void {
    const { status, fields } = this.#head ?? { status: 0, fields: new FieldSection() };
    this.#resolve({ status, fields, content: this.#received, error });
  }
}
