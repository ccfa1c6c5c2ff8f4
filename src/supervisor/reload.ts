/**
 * Applies a new configuration while traffic flows: read and validated whole, tried on one
 * worker whose failures and speed are compared with what is usual, then given to the others; or
 * taken back, with the reason. Open connections keep the configuration that they began with.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { UsageError } from '../base/errors.ts';
import type { KeyChange } from '../config/difference.ts';
import type { SluiceOptions } from '../config/options.ts';
import type { Report } from '../telemetry/log-event.ts';
import { canaryFault, type HealthFigures, healthBetween } from './canary.ts';
import type { Handlers } from './handlers/handlers.ts';
import { fixedChanges, type OptionChange, optionChanges } from './option-changes.ts';
import { defaultRestartPolicy } from './workers/restart-policy.ts';
import { changesForPeople, writtenKey } from './written-changes.ts';

/** One worker, for as long as a reload takes. */
export interface ReloadableWorker {
  /** Rejects with UsageError when the options cannot be carried out, with Error when it is gone. */
  reconfigure(options: SluiceOptions): Promise<void>;
  health(): HealthFigures;
  /** False while a process that has ended is being replaced. */
  readonly isRunning: boolean;
  /** Rises when the worker dies. */
  readonly restarts: number;
}

export interface ReloadInput {
  /**
   * Reads command line and file again; `warn` hears of what is in them and is no reason to refuse.
   * Throws UsageError, whose message may have many lines.
   */
  load(warn: (message: string) => void): Promise<SluiceOptions>;
  /** Those that are active. */
  current(): SluiceOptions;
  /** What differs in the files that two were loaded from; none without files. */
  readonly written?:
    | ((before: SluiceOptions, after: SluiceOptions) => Promise<readonly KeyChange[]>)
    | undefined;
  workers(): readonly ReloadableWorker[];
  /** Begins handlers that are new or others; they serve when the options are active. */
  readonly handlers?: Pick<Handlers, 'prepare'>;
  /** They are active from here, also for workers that are started later. */
  adopt(options: SluiceOptions): void;
  readonly report: Report;
  /** One is under way, and over: for who watches us. */
  began(): void;
  ended(): void;
}

export type ReloadOutcome = 'done' | 'unchanged' | 'refused' | 'rolled-back';

export interface ReloadStatus {
  /** Counts the reloads of this process. */
  readonly number: number;
  readonly phase: 'reading' | 'trying' | 'rolling-out' | 'over';
  readonly outcome: ReloadOutcome | null;
  /** Why it was refused or rolled back; '' otherwise. */
  readonly reason: string;
  readonly remedy: string;
  readonly changes: readonly OptionChange[];
  readonly warnings: readonly string[];
  /** Seconds that the first worker tries, and those that have passed. */
  readonly canarySeconds: number;
  readonly triedSeconds: number;
  readonly workersDone: number;
  readonly workers: number;
}

/** Long enough for a busy site to show a fault, short enough to wait for. */
export const CANARY_MS_DEFAULT = 5_000;
/** How often the canary is checked. */
const LOOK_MS = 250;
/** When no worker runs, one is waited for: so long its replacement takes at most. */
const REPLACEMENT_WAIT_MS = defaultRestartPolicy.delayMsMax + defaultRestartPolicy.startMsMax;
const REPLACEMENT_LOOK_MS = 50;
/**
 * A worker that dies while it applies the options may have died of something else; when the next
 * one dies as well, the options are to blame.
 */
const FIRST_TRIES = 2;

export class Reload {
  readonly #input: ReloadInput;
  #status: ReloadStatus | null = null;
  #running: Promise<ReloadStatus> | null = null;
  /** Wall-clock milliseconds at which the active options were. */
  #appliedAtMs = Date.now();
  /** Whether the file is to be read once more when the one under way is over. */
  #isWantedAgain = false;
  /** Those that are active as they were loaded: certificates may have been renewed since. */
  #loaded: SluiceOptions;

  constructor(input: ReloadInput) {
    this.#input = input;
    this.#loaded = input.current();
  }

  get appliedAtMs(): number {
    return this.#appliedAtMs;
  }

  /** The one under way, or the last; null before the first. */
  get status(): ReloadStatus | null {
    return this.#status;
  }

  /**
   * Begins one, now or after the one under way: who wrote the file meanwhile cannot know what of it was
   * read. Any number of requests are one.
   */
  request(canaryMs: number): void {
    if (this.begin(canaryMs) !== null) return;
    this.#isWantedAgain = true;
    this.#input.report('reload: one is under way; the file is read once more after it', {
      level: 'info',
      event: 'reload-postponed',
    });
  }

  /** Resolves when it is over, however it ended. Null when another one is under way. */
  begin(canaryMs: number): Promise<ReloadStatus> | null {
    if (this.#running !== null) return null;
    this.#status = {
      number: (this.#status?.number ?? 0) + 1,
      phase: 'reading',
      outcome: null,
      reason: '',
      remedy: '',
      changes: [],
      warnings: [],
      canarySeconds: canaryMs / 1000,
      triedSeconds: 0,
      workersDone: 0,
      workers: this.#input.workers().length,
    };
    this.#input.report('reload: started', { level: 'info', event: 'reload-begun' });
    this.#input.began();
    this.#running = this.#run(canaryMs).finally(() => {
      this.#running = null;
      this.#input.ended();
      if (!this.#isWantedAgain) return;
      this.#isWantedAgain = false;
      this.request(canaryMs);
    });
    return this.#running;
  }

  async #run(canaryMs: number): Promise<ReloadStatus> {
    const { load, current, adopt } = this.#input;
    try {
      const options = await load((message) => {
        this.#note({ warnings: [...this.#status!.warnings, message] });
      });
      const changes = optionChanges(current(), options);
      const written = (await this.#input.written?.(this.#loaded, options)) ?? [];
      this.#note({ changes: changes.length === 0 ? [] : changesForPeople(written, changes) });
      const fixed = fixedChanges(changes).map(({ key }) => writtenKey(key));
      if (fixed.length > 0) {
        const reason = `${fixed.join(', ')} cannot change while sluice runs`;
        return this.#end('refused', reason, 'write sluice upgrade, or restart sluice');
      }
      return await this.#withHandlers(options, async (serve) => {
        if (this.#status!.changes.length === 0) return this.#end('unchanged', '', '');
        const putAllInForce = async () => {
          this.#appliedAtMs = Date.now();
          if (changes.length > 0) {
            this.#loaded = options;
            adopt(options);
          }
          await serve();
        };
        if (changes.length > 0) return this.#putInForce(options, canaryMs, putAllInForce);
        await putAllInForce();
        return this.#end('done', '', '');
      });
    } catch (error) {
      const remedy = error instanceof UsageError ? error.remedy : 'see the log of sluice';
      return this.#end('refused', (error as Error).message, remedy);
    }
  }

  /** Begins those that are new or others. If `body` does not have them serve, they are given up. */
  async #withHandlers(
    options: SluiceOptions,
    body: (serve: () => Promise<void>) => Promise<ReloadStatus>,
  ): Promise<ReloadStatus> {
    const handlers = await this.#input.handlers?.prepare(options.origins);
    if (handlers === undefined) return body(async () => {});
    let isServing = false;
    try {
      const renewed = handlers.renewed.map((name) => ({
        key: `origins.${name}.handler`,
        before: 'as it was loaded',
        after: 'as it is now',
      }));
      this.#note({ changes: [...this.#status!.changes, ...renewed] });
      return await body(async () => {
        await handlers.commit();
        isServing = true;
      });
    } finally {
      if (!isServing) handlers.abandon();
    }
  }

  async #putInForce(
    options: SluiceOptions,
    canaryMs: number,
    putAllInForce: () => Promise<void>,
  ): Promise<ReloadStatus> {
    const workers = this.#input.workers();
    const given: Given = new Map();
    const { first, fault } = await this.#giveFirst(workers, options, given);
    if (first === null) return this.#rollBack(given, fault);
    const others = workers.filter((worker) => worker !== first);
    const tried = await this.#try(first, others, canaryMs);
    if (tried !== null) return this.#rollBack(given, tried);
    this.#note({ phase: 'rolling-out', workersDone: 1 });
    for (const [index, worker] of others.entries()) {
      const refused = await this.#give(worker, options, given);
      if (refused !== null) return this.#rollBack(given, refused);
      this.#note({ workersDone: index + 2 });
    }
    await putAllInForce();
    for (const worker of workers) {
      if (given.get(worker) !== worker.restarts) await this.#catchUp(worker, options);
    }
    return this.#end('done', '', '');
  }

  async #rollBack(given: Given, { reason, remedy }: Fault): Promise<ReloadStatus> {
    await this.#takeBack([...given.keys()]);
    return this.#end('rolled-back', reason, remedy);
  }

  /**
   * One that was away or died meanwhile, and serves again: it began with the options before. Those
   * that do not serve yet take over what is active by themselves.
   */
  async #catchUp(worker: ReloadableWorker, options: SluiceOptions): Promise<void> {
    const fault = await this.#give(worker, options, new Map());
    if (fault === null) return;
    this.#input.report(`reload: a worker that died meanwhile is behind: ${fault.reason}`);
  }

  /** The worker that tries the options has to serve; whichever does is as good as any other. */
  async #giveFirst(
    workers: readonly ReloadableWorker[],
    options: SluiceOptions,
    given: Given,
  ): Promise<{ first: ReloadableWorker; fault: null } | { first: null; fault: Fault }> {
    for (let tries = 0; tries < FIRST_TRIES; tries++) {
      const first = await oneThatRuns(workers);
      if (first === null) return { first: null, fault: faultOf('no worker runs') };
      const fault = await this.#give(first, options, given);
      if (fault !== null) return { first: null, fault };
      if (given.has(first)) return { first, fault: null };
    }
    return { first: null, fault: faultOf('the workers that tried it died') };
  }

  /**
   * What is wrong with the options. That a worker is away, or dies, is not: its successor takes over
   * what is active.
   */
  async #give(
    worker: ReloadableWorker,
    options: SluiceOptions,
    given: Given,
  ): Promise<Fault | null> {
    if (!worker.isRunning) return null;
    const { restarts } = worker;
    try {
      await worker.reconfigure(options);
      given.set(worker, restarts);
      return null;
    } catch (error) {
      const { message } = error as Error;
      if (error instanceof UsageError) return { reason: message, remedy: error.remedy };
      if (!worker.isRunning || worker.restarts > restarts) return null;
      return { reason: message, remedy: 'see the log of sluice' };
    }
  }

  /** Watches the worker for the time of the trial; what is wrong with it, or null. */
  async #try(
    worker: ReloadableWorker,
    others: readonly ReloadableWorker[],
    canaryMs: number,
  ): Promise<Fault | null> {
    this.#note({ phase: 'trying' });
    const before = worker.health();
    // With others, what they do in the same time is usual; alone, what it did until now.
    const othersBefore = others.map((other) => other.health());
    const { restarts } = worker;
    for (let triedMs = 0; triedMs < canaryMs; triedMs += LOOK_MS) {
      await sleep(Math.min(LOOK_MS, canaryMs - triedMs));
      this.#note({ triedSeconds: Math.min(canaryMs, triedMs + LOOK_MS) / 1000 });
      if (worker.restarts > restarts) return faultOf('the worker that tried it died');
      const usual =
        others.length === 0
          ? before
          : others.map((other, i) => healthBetween(othersBefore[i]!, other.health())).reduce(add);
      const reason = canaryFault(healthBetween(before, worker.health()), usual);
      if (reason !== null) return faultOf(reason);
    }
    return null;
  }

  async #takeBack(workers: readonly ReloadableWorker[]): Promise<void> {
    const { current, report } = this.#input;
    for (const worker of workers) {
      // Its replacement begins with the active options anyway.
      if (!worker.isRunning) continue;
      await worker.reconfigure(current()).catch((error: Error) => {
        report(`reload: a worker could not go back: ${error.message}`, {
          level: 'error',
          event: 'reload-stuck',
        });
      });
    }
  }

  #note(parts: Partial<ReloadStatus>): void {
    this.#status = { ...this.#status!, ...parts };
  }

  #end(outcome: ReloadOutcome, reason: string, remedy: string): ReloadStatus {
    this.#note({ phase: 'over', outcome, reason, remedy });
    const { changes } = this.#status!;
    const what = changes.length === 0 ? '' : `, ${changes.length} changed`;
    const isBad = outcome === 'refused' || outcome === 'rolled-back';
    this.#input.report(`reload: ${outcome}${what}${reason === '' ? '' : `: ${reason}`}`, {
      level: isBad ? 'error' : 'notice',
      event: `reload-${outcome}`,
      fields: { changes: changes.length },
    });
    return this.#status!;
  }
}

interface Fault {
  readonly reason: string;
  readonly remedy: string;
}

/** Workers that serve by the new options, each with its `restarts` when it was given them. */
type Given = Map<ReloadableWorker, number>;

/** Null when none comes up again in time. */
async function oneThatRuns(workers: readonly ReloadableWorker[]): Promise<ReloadableWorker | null> {
  for (let waitedMs = 0; ; waitedMs += REPLACEMENT_LOOK_MS) {
    const running = workers.find(({ isRunning }) => isRunning);
    if (running !== undefined) return running;
    if (waitedMs >= REPLACEMENT_WAIT_MS) return null;
    await sleep(REPLACEMENT_LOOK_MS);
  }
}

function faultOf(reason: string): Fault {
  return { reason, remedy: 'see what changed, and try it on a machine without traffic' };
}

function add(a: HealthFigures, b: HealthFigures): HealthFigures {
  return {
    handshakes: a.handshakes + b.handshakes,
    handshakeFailures: a.handshakeFailures + b.handshakeFailures,
    requests: a.requests + b.requests,
    requestFailures: a.requestFailures + b.requestFailures,
    durations: a.durations.map((count, i) => count + (b.durations[i] ?? 0)),
  };
}
