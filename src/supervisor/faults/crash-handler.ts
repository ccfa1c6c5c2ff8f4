/**
 * What the supervisor does about faults of workers: it watches that they live, takes down how they
 * die, and has the rollbacks act on it.
 */

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { makeDirectory, whyNotOurs, whyNotRoots } from '../../base/careful-files.ts';
import { durationText } from '../../base/duration-text.ts';
import type { SluiceOptions } from '../../config/options.ts';
import { type Report, reportWith } from '../../telemetry/log-event.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { WrongNumber } from '../../telemetry/number-check.ts';
import { patternWords } from '../../tls/refusal/hello-traits.ts';
import { TraceHeader } from '../../tls/trace-layout.ts';
import {
  type ConfigurationFacts,
  type HandshakeFaultKind,
  incidentOfDeath,
  incidentOfFailure,
  incidentOfWrongNumber,
} from '../../triage/assemble.ts';
import type { Incident, IncidentKind } from '../../triage/incident.ts';
import { readTraces } from '../../triage/trace-reader.ts';
import { type TraceSnapshot, takeSnapshot } from '../../triage/trace-snapshot.ts';
import type { HandshakeFault } from '../../worker/new-failures.ts';
import type { AdminRoute } from '../admin/admin-routes.ts';
import { success } from '../admin/admin-routes.ts';
import { triageRoutes } from '../admin/triage-routes.ts';
import type { IncidentsAnswer } from '../dashboard/answers.ts';
import type { Parts } from '../parts.ts';
import type { WorkerPlace } from '../workers/worker-place.ts';
import { explainExit, explainLoss, type WorkerExit } from './deaths.ts';
import { HelloBlocklist } from './hello-blocklist.ts';
import { HelloPatterns } from './hello-patterns.ts';
import { IncidentStore } from './incident-store.ts';
import { LastGood } from './last-good.ts';
import { LocalTraces, type LostTraces } from './local-traces.ts';
import { killedForMemory, memoryKills } from './memory-kills.ts';
import { stackOfCore, stackOfProcess } from './native-stack.ts';
import { RollbackDriver } from './rollback-driver.ts';
import { type Heartbeats, Watchdog } from './watchdog.ts';

/** How often rollbacks are looked at: their times are minutes. */
const ROLLBACK_INTERVAL_MS = 1_000;
const NOBODY: ReadonlySet<number> = new Set();

/** A worker's place, as far as faults concern it. */
export type WatchedWorker = Pick<
  WorkerPlace,
  'servingPid' | 'adopt' | 'tell' | 'reconfigure' | 'endHung'
>;

export interface CrashHandlerInput {
  readonly options: SluiceOptions;
  readonly metrics: Metrics;
  workers(): readonly WatchedWorker[];
  /** Of a worker, by index. */
  traceRegion(index: number): Uint8Array;
  /** The file that options were read from, without secrets; undefined for options of nobody's file. */
  textOf(options: SluiceOptions): string | undefined;
  /** The watchdog has looked: others may be suspected. */
  onWatched(): void;
  readonly report: Report;
  readonly parts: Parts;
}

export interface WorkerEnd extends WorkerExit {
  readonly index: number;
  readonly pid: number;
}

/** A death, and what its incident is made of. */
interface TakenDown {
  readonly snapshot: TraceSnapshot;
  readonly explained: Pick<Incident, 'death'> & {
    readonly kind: Exclude<IncidentKind, HandshakeFaultKind>;
  };
  /** Features that it was without. */
  readonly without: readonly string[];
  readonly findStack: (() => Promise<Incident['nativeStack']>) | null;
  readonly nowMs: number;
}

export class CrashHandler {
  readonly #input: CrashHandlerInput;
  readonly #store: IncidentStore;
  /** Of incidents; null for none. */
  readonly #directory: string | null;
  readonly #rollbacks: RollbackDriver<SluiceOptions>;
  readonly #refused: HelloBlocklist;
  readonly #patterns: HelloPatterns;
  readonly #lastGood: LastGood;
  #refusedNow: readonly string[] = [];
  readonly #watchdog: Watchdog | null;
  readonly #timers: Disposable[] = [];
  /** By worker, what was off in it when it began to serve by its options. */
  readonly #without = new Map<number, readonly string[]>();
  #local: LocalTraces | null = null;
  #options: SluiceOptions;
  #text: string | null;
  #kills = memoryKills();
  #isClosed = false;

  constructor(input: CrashHandlerInput) {
    const { options, report, metrics } = input;
    const { watchdogMs } = options.recorder;
    const directory = usableDirectory(options, report);
    this.#directory = directory;
    this.#input = input;
    this.#options = options;
    this.#text = input.textOf(options) ?? null;
    const toRecorder = { level: 'error', subsystem: 'recorder' } as const;
    this.#store = new IncidentStore(directory, reportWith(report, toRecorder));
    this.#watchdog = watchdogMs > 0 && options.workers > 1 ? new Watchdog(watchdogMs) : null;
    this.#refused = new HelloBlocklist(options.autoDisable);
    this.#patterns = new HelloPatterns(options.autoDisable);
    const digest = addressDigest(options);
    const fileOf = (name: string) =>
      directory === null ? null : join(directory, `${name}-${digest}.json`);
    this.#lastGood = new LastGood(fileOf('last-good'), options, performance.now());
    this.#rollbacks = new RollbackDriver({
      file: fileOf('features'),
      options,
      nowMs: () => Date.now(),
      onChange: () => this.#onRollbacksChange(),
      onStep: (action) => metrics.rollbackStepped(action),
      refusedHellos: () => this.#refusedNow,
      onReset: () => {
        this.#refused.clear();
        this.#patterns.clear();
        this.#tellRefused();
      },
      report: reportWith(report, { level: 'warning', subsystem: 'features' }),
    });
  }

  /** Begins to watch, and takes down what a predecessor has left. */
  start(): void {
    const directory = this.#directory;
    if (directory !== null) this.#makeDirectory(directory);
    const watchdog = this.#watchdog;
    if (watchdog !== null) this.#every(watchdog.intervalMs, () => this.#watch(watchdog));
    this.#every(ROLLBACK_INTERVAL_MS, () => {
      this.#rollbacks.look();
      this.#lastGood.look(performance.now());
      this.#tellRefused();
    });
    this.#input.metrics.featuresDisabled(this.#rollbacks.overrides.length);
  }

  /**
   * For a worker in this process: memory that the next start finds when this process dies. Null
   * when there is no directory for it.
   */
  openLocalTraces(): Uint8Array | null {
    const directory = this.#directory;
    if (directory === null) return null;
    this.#local = LocalTraces.open(
      directory,
      reportWith(this.#input.report, { level: 'warning', subsystem: 'recorder' }),
    );
    for (const lost of this.#local?.takeLost() ?? []) this.#onLost(lost);
    return this.#local?.region ?? null;
  }

  /** Indices of workers that stand still, though not for long enough to be ended. */
  get suspects(): ReadonlySet<number> {
    return this.#watchdog?.suspects ?? NOBODY;
  }

  /** What workers are to serve by, for options that are wanted. */
  effective(options: SluiceOptions): SluiceOptions {
    return this.#rollbacks.effective(options);
  }

  /** A reload has applied other options. */
  adopt(options: SluiceOptions): void {
    this.#options = options;
    // Other certificates make other options of the same file.
    this.#text = this.#input.textOf(options) ?? this.#text;
    this.#rollbacks.adopt(options);
    this.#lastGood.adopt(options, performance.now());
  }

  /** A worker starts to serve by the options that are effective now. */
  started(index: number): void {
    this.#without.set(index, this.#rollbacks.overrides);
  }

  /** A worker has died; what its replacement is started with may change before the return. */
  died({ index, pid, ...exit }: WorkerEnd): void {
    const before = this.#kills;
    this.#kills = memoryKills();
    const snapshot = takeSnapshot(this.#input.traceRegion(index));
    // One that died before it could open its recorder has left what its predecessor wrote.
    if (snapshot === null || snapshot.header[TraceHeader.pid] !== pid) return;
    const explained = explainExit(exit, killedForMemory(before, this.#kills));
    this.#takeDown({
      snapshot,
      explained,
      without: this.#without.get(index) ?? [],
      findStack: () => stackOfCore(pid),
      nowMs: Date.now(),
    });
  }

  /** A handshake has failed in a way that its worker has not seen before. */
  handshakeFailed(index: number, { kind, connection, signature, stack }: HandshakeFault): void {
    // Traffic goes on meanwhile, in this very process when the worker is ours: one is read quickly.
    const snapshot = this.#snapshotOf(index, connection);
    if (snapshot === null) return;
    const failure = { kind, connection, signature, stack, nowMs: Date.now() };
    const incident = incidentOfFailure(snapshot, failure, this.#configurationFacts);
    if (incident !== null) this.#save(incident);
  }

  /** What a worker has counted cannot be true. */
  wrongNumber(index: number, { rule, text }: WrongNumber): void {
    this.#input.report(`worker ${index} counts wrongly (${rule}): ${text}`, {
      level: 'error',
      subsystem: 'recorder',
      event: 'wrong-number',
      fields: { worker: index, rule },
    });
    const snapshot = this.#snapshotOf(index);
    if (snapshot === null) return;
    const wrong = { rule, text, nowMs: Date.now() };
    this.#save(incidentOfWrongNumber(snapshot, wrong, this.#configurationFacts));
  }

  routes(): AdminRoute[] {
    const incidents: AdminRoute = {
      path: '/incidents',
      summary: 'Where incidents are written.',
      get: () => success({ directory: this.#store.directory ?? '' } satisfies IncidentsAnswer),
    };
    return [incidents, ...triageRoutes(this.#store.directory), ...this.#rollbacks.routes()];
  }

  /** The end is in order: nothing of what follows is a fault. */
  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers.splice(0)) timer[Symbol.dispose]();
  }

  /** The worker of this process has ended in order: there is nothing to find. */
  closeLocalTraces(): void {
    this.#local?.remove();
  }

  get #configurationFacts(): ConfigurationFacts {
    return { lastGood: this.#lastGood.changed, text: this.#text };
  }

  #every(intervalMs: number, body: () => void): void {
    this.#timers.push(this.#input.parts.every('faults', intervalMs, body));
  }

  #makeDirectory(directory: string): void {
    try {
      makeDirectory(directory);
    } catch (error) {
      this.#input.report(`no incidents can be written: ${(error as Error).message}`, {
        level: 'error',
        subsystem: 'recorder',
        event: 'incident-unwritable',
      });
    }
  }

  #watch(watchdog: Watchdog): void {
    const workers = this.#input.workers();
    const watched = new Map<number, Heartbeats>();
    for (const [index, { servingPid: pid }] of workers.entries()) {
      if (pid === null) continue;
      const region = this.#input.traceRegion(index);
      const header = new Int32Array(region.buffer, region.byteOffset, TraceHeader.heartbeat + 1);
      // Not yet, or not any more, the one that runs: it has its recorder still to open.
      if (header[TraceHeader.pid] !== pid) continue;
      watched.set(index, { heartbeat: header[TraceHeader.heartbeat]!, pid });
    }
    for (const [index, silentMs] of watchdog.look(watched, performance.now())) {
      this.#input.parts.own('faults', this.#endHung(workers[index]!, index, silentMs));
    }
    this.#input.onWatched();
  }

  async #endHung(worker: WatchedWorker, index: number, silentMs: number): Promise<void> {
    const { servingPid: pid } = worker;
    if (pid === null) return;
    this.#input.report(
      `worker ${index} (pid ${pid}) hangs: its event loop has been blocked for ${durationText(silentMs)}`,
      {
        level: 'error',
        event: 'worker-hangs',
        fields: { worker: index, pid, silentMs },
      },
    );
    const stack = this.#options.recorder.debugger ? await stackOfProcess(pid) : null;
    // It may have died meanwhile.
    if (this.#isClosed || worker.servingPid !== pid) return;
    if (stack !== null) this.#stacks.set(pid, stack);
    worker.endHung(silentMs);
  }

  /** Asked for before the end of those that hang. */
  readonly #stacks = new Map<number, NonNullable<Incident['nativeStack']>>();

  #onLost({ snapshot, nowMs }: LostTraces): void {
    const isInsideCall = snapshot.header[TraceHeader.insideCall] !== 0;
    const hasException = snapshot.exception.length > 0;
    const explained = explainLoss({ isInsideCall, hasException });
    this.#takeDown({ snapshot, explained, without: [], findStack: null, nowMs });
  }

  #takeDown({ snapshot, explained, without, findStack, nowMs }: TakenDown): void {
    const pid = snapshot.header[TraceHeader.pid]!;
    const nativeStack = this.#stacks.get(pid) ?? null;
    this.#stacks.delete(pid);
    const { kind, death } = explained;
    const report = { kind, death: death!, nowMs, nativeStack };
    const facts = this.#configurationFacts;
    // The replacement comes first: for what it starts with, the suspect is enough.
    const inside = snapshot.header[TraceHeader.insideConnection]!;
    const slots = snapshot.slots.filter(({ connection }) => connection === inside);
    const { incident: brief } = incidentOfDeath({ ...snapshot, slots }, report, facts);
    this.#lastGood.died(performance.now());
    this.#rollbacks.died(brief, without, this.#store.numberFor(brief));
    // What a rollback may have cured, in a worker that does not know of it yet, is no reason.
    if (this.#rollbacks.overrides.every((name) => without.includes(name))) this.#refuse(brief);
    // With all the others it takes tens of milliseconds.
    const whole = () => {
      const { incident, lost } = incidentOfDeath(snapshot, report, facts);
      this.#input.metrics.workLost(lost.handshakes, lost.requests);
      const file = this.#save(incident);
      if (file === null || nativeStack !== null || findStack === null) return;
      const withStack = findStack().then((stack) => {
        if (stack !== null) this.#store.replace(file, { ...incident, nativeStack: stack });
      });
      this.#input.parts.own('faults', withStack);
    };
    setImmediate(() => this.#input.parts.run('faults', whole, undefined));
  }

  /** Counts what the worker died of, whatever the rollbacks make of it. */
  #refuse({ kind, signature, suspect, connections }: Incident): void {
    if (!this.#options.autoDisable.enabled || (kind !== 'crash' && kind !== 'hang')) return;
    const hello = connections.find(({ id }) => id === suspect?.connection)?.clientHello ?? null;
    if (hello === null) return;
    const { sha256, traits = [] } = hello;
    const nowMs = Date.now();
    if (this.#refused.died(sha256, nowMs)) this.#tellRefusal(sha256);
    if (traits.length > 0) {
      const honest = () => this.#honestHellos();
      const verdict = this.#patterns.died(signature, new Set(traits), honest, nowMs);
      if (verdict.kind === 'refused') this.#tellRefusal(verdict.pattern);
      if (verdict.kind === 'honest') {
        this.#input.report(
          'rollback: workers die of ClientHellos that honest clients send as well: none is refused',
          { level: 'warning', subsystem: 'features', event: 'client-hello-not-refused' },
        );
      }
    }
    this.#tellRefused();
  }

  #tellRefusal(fingerprint: string): void {
    const what = `workers die of it: ClientHellos like ${patternWords(fingerprint)} are refused for a time`;
    this.#input.report(`rollback: ${what}`, {
      level: 'warning',
      subsystem: 'features',
      event: 'client-hello-refused',
      fields: { fingerprint },
    });
  }

  /** Of handshakes that clients have completed of late, with any worker. */
  #honestHellos(): Set<string>[] {
    return this.#input.workers().flatMap((_, index) => {
      const snapshot = this.#snapshotOf(index);
      if (snapshot === null) return [];
      const { connections } = readTraces(snapshot, { observers: [], peers: false });
      return connections
        .filter(({ role, outcome }) => role === 'server' && outcome === 'complete')
        .flatMap(({ clientHello }) => (clientHello === null ? [] : [new Set(clientHello.traits)]));
    });
  }

  /** Of a worker that lives, in a process of its own or in this one. */
  #snapshotOf(index: number, only?: number): TraceSnapshot | null {
    return takeSnapshot(this.#local?.region ?? this.#input.traceRegion(index), only);
  }

  #tellRefused(): void {
    const nowMs = Date.now();
    const refused = [...this.#refused.list(nowMs), ...this.#patterns.list(nowMs)];
    if (refused.join() === this.#refusedNow.join()) return;
    this.#refusedNow = refused;
    const change = { type: 'refused-hellos', fingerprints: refused } as const;
    for (const worker of this.#input.workers()) worker.tell(change);
  }

  #save(incident: Incident): string | null {
    const file = this.#store.save(incident);
    this.#input.metrics.incidentMade(incident.kind, file !== null);
    if (file === null) return null;
    this.#input.report(`incident: ${incident.signature}: ${file}`, {
      level: 'warning',
      subsystem: 'recorder',
      event: 'incident-written',
      fields: { signature: incident.signature, file },
    });
    return file;
  }

  #onRollbacksChange(): void {
    this.#input.metrics.featuresDisabled(this.#rollbacks.overrides.length);
    const options = this.#rollbacks.effective(this.#options);
    const { overrides } = this.#rollbacks;
    for (const [index, worker] of this.#input.workers().entries()) {
      worker.adopt(options);
      if (worker.servingPid === null) continue;
      worker.reconfigure(options).then(
        () => this.#without.set(index, overrides),
        // One that dies meanwhile is replaced by one with the right options.
        (error: Error) =>
          this.#input.report(`rollback: worker ${index}: ${error.message}`, {
            level: 'error',
            subsystem: 'features',
            event: 'rollback-not-carried-out',
          }),
      );
    }
  }
}

/**
 * A directory that others can write to, or that is another's, is left as it is. A supervisor that stays
 * root writes to one that is root's alone; a sluice of one process is the account by then.
 */
function usableDirectory(options: SluiceOptions, report: Report): string | null {
  const { recorder, account, workers } = options;
  const { directory } = recorder;
  if (directory === null) return null;
  const becomesAccount = workers === 1 && account !== null;
  const uid = process.geteuid?.() ?? 0;
  const why = becomesAccount
    ? whyNotOurs(directory, [uid, account.uid])
    : (whyNotOurs(directory, [uid, 0]) ?? whyNotRoots(directory));
  if (why === null) return directory;
  const isRoots = uid === 0 && !becomesAccount;
  const remedy = isRoots
    ? `name a directory that is root's alone, or chown root and chmod 700 it`
    : 'name a directory for them alone';
  report(`no incidents are written to ${directory}: ${why}; ${remedy}`, {
    level: 'error',
    subsystem: 'recorder',
    event: 'incident-unwritable',
  });
  return null;
}

/** Several sluices may share a state directory: what they listen on tells them apart. */
function addressDigest({ listeners }: SluiceOptions): string {
  const addresses = listeners.map(({ address }) => address);
  return createHash('sha256').update(JSON.stringify(addresses)).digest('hex').slice(0, 12);
}
