/**
 * The parent: owns listening sockets, shared memory and the workers' lives. With one worker it is
 * that worker, too.
 */

import { randomFillSync } from 'node:crypto';
import { readCarefully, removeFile, writeCarefully } from '../base/careful-files.ts';
import { durationText } from '../base/duration-text.ts';
import { UsageError } from '../base/errors.ts';
import { APART, DISK_WORDS } from '../cache/disk-words.ts';
import { GENERATIONS_BYTES } from '../cache/generations.ts';
import type { SluiceOptions } from '../config/options.ts';
import { bootClock } from '../native/boot-clock.ts';
import { SharedMemory } from '../native/shared-memory.ts';
import { RATE_SECRET_BYTES, rateRegionBytes } from '../routing/rate-table.ts';
import { type LogSubsystem, type Report, reportWith } from '../telemetry/log-event.ts';
import { metricsRegionBytes } from '../telemetry/metric-layout.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { readMetrics } from '../telemetry/metrics-reader.ts';
import { residentBytes } from '../telemetry/process-sampler.ts';
import type { CertificatePair } from '../tls/host-options.ts';
import { StrikeRegister, strikeRegisterBytes } from '../tls/strike-register.ts';
import { traceRegionBytes } from '../tls/trace-layout.ts';
import { boardWords, openSharedHealth } from '../upstream/shared-health.ts';
import { type AssembledWorker, assembleWorker } from '../worker/assembly.ts';
import type {
  PurgeEverywhere,
  StartWorker,
  SupervisorLink,
  WorkerSetup,
} from '../worker/contract.ts';
import { descriptorsMax } from '../worker/descriptors.ts';
import type { AdminServer } from './admin/admin.ts';
import { reloadRoutes } from './admin/admin-reload.ts';
import { CacheControl } from './admin/cache-control.ts';
import { type AskHandshakes, handshakeRoutes } from './admin/handshake-routes.ts';
import { logRoutes } from './admin/log-routes.ts';
import { type OriginSources, originRoutes } from './admin/origin-routes.ts';
import { trafficRoutes } from './admin/traffic-routes.ts';
import { healthOf } from './canary.ts';
import type { CertificateRenewer } from './certificates/certificate-renewer.ts';
import { DirectoryDeaths } from './directory-deaths.ts';
import { clusterLinks, type EarlyDataState, earlyDataState } from './early-data-state.ts';
import type { ErrorLog } from './error-log.ts';
import { CrashHandler, type WatchedWorker } from './faults/crash-handler.ts';
import { type Health, healthOfAll } from './health.ts';
import type { InheritedSockets } from './inherited-sockets.ts';
import {
  closeListeners,
  listenersOf,
  type OpenListener,
  openListeners,
  removeSocketFiles,
  socketAddressText,
} from './listeners.ts';
import { LogRotator } from './log-rotation.ts';
import { outliveFaults, Parts } from './parts.ts';
import { dropPrivileges, handOverFiles, type Identity, identityOf } from './privileges.ts';
import { CANARY_MS_DEFAULT, Reload, type ReloadableWorker } from './reload.ts';
import { StandIns } from './stand-ins.ts';
import { reportDescriptors, reportStart } from './start-report.ts';
import type { SupervisorStatus } from './supervisor-status.ts';
import type { ServiceManager } from './systemd-notices.ts';
import { TicketKeyRotator } from './ticket-key-rotator.ts';
import { Succession, upgradeRoute } from './upgrade.ts';
import { defaultRestartPolicy, type RestartPolicy } from './workers/restart-policy.ts';
import { Standby, spawnWorker } from './workers/standby.ts';
import { WorkerProcess } from './workers/worker-process.ts';

export interface SupervisorInput {
  readonly options: SluiceOptions;
  readonly version: string;
  readonly workers: WorkerSource;
  /**
   * Reads command line and file again, for a sluice with the options in force. Throws UsageError for
   * what is wrong in them.
   */
  loadOptions(inForce: SluiceOptions, warn: (message: string) => void): Promise<SluiceOptions>;
  /** The file that options were loaded from, without secrets; undefined when there is none. */
  textOf?(options: SluiceOptions): string | undefined;
  /** Sockets that were open when we started. */
  readonly inherited: InheritedSockets;
  readonly serviceManager: ServiceManager;
  /** When workers that died are started again, if not by the default. */
  readonly restartPolicy?: RestartPolicy;
  /** Ends the process in order: another has taken over. */
  end(): void;
  /** Where what happens is reported. */
  readonly log: ErrorLog;
}

export interface WorkerSource {
  /** The file that a worker process runs. */
  readonly entryPoint: string;
  /** Loads what serves in this process when there is one worker. */
  load(): Promise<StartWorker>;
}

export class Supervisor {
  readonly #input: SupervisorInput;
  readonly #memory: SharedMemory;
  readonly #strikesOffset: number;
  readonly #tracesOffset: number;
  readonly #ratesOffset: number;
  readonly #boardOffset: number;
  readonly #removalsOffset: number;
  readonly #diskOffset: number;
  readonly #directoryDeaths: DirectoryDeaths;
  readonly #metrics: Metrics;
  readonly #startedAtMs = Date.now();
  readonly #cache: CacheControl;
  readonly #reload: Reload;
  readonly #faults: CrashHandler;
  readonly #parts: Parts;
  readonly #standIns: StandIns;
  /** Those in force: a reload puts others in their place. */
  #options: SluiceOptions;
  #listeners: OpenListener[] = [];
  #processes: WorkerProcess[] = [];
  #local: AssembledWorker | null = null;
  #admin: AdminServer | null = null;
  #keeper: CertificateRenewer | null = null;
  #tickets: TicketKeyRotator | null = null;
  #rotator: LogRotator | null = null;
  #running = 0;
  #standby: Standby | null = null;
  #identity: Identity = {};
  #stopping: Promise<void> | null = null;
  readonly #succession: Succession;
  /** Logs were opened anew since the worker of this process began to open them. */
  #hasReopened = false;

  constructor(input: SupervisorInput) {
    this.#input = input;
    this.#options = input.options;
    // One region for each worker, and the supervisor's own at the end.
    const regionCount = input.options.workers + 1;
    // Metrics, strike register and rate limits: all must survive any worker.
    this.#strikesOffset = regionCount * metricsRegionBytes;
    this.#ratesOffset = this.#strikesOffset + strikeRegisterBytes();
    // Whole pages: what a worker has not touched takes no memory.
    this.#boardOffset = this.#ratesOffset + rateRegionBytes();
    this.#removalsOffset = this.#boardOffset + boardWords * 4;
    this.#diskOffset = Math.ceil((this.#removalsOffset + GENERATIONS_BYTES) / 64) * 64;
    const diskEnd = this.#diskOffset + input.options.workers * DISK_WORDS * 4;
    this.#tracesOffset = Math.ceil(diskEnd / 4096) * 4096;
    const tracesBytes = input.options.workers * traceRegionBytes;
    this.#memory = SharedMemory.create('sluice-shared', this.#tracesOffset + tracesBytes);
    randomFillSync(this.#memory.bytes, this.#ratesOffset, RATE_SECRET_BYTES);
    this.#metrics = new Metrics(this.#region(regionCount - 1));
    this.#parts = new Parts({
      report: input.log.report,
      count: (part) => this.#metrics.partFailed(part),
    });
    this.#cache = new CacheControl({
      workers: () => this.#cacheAskers(),
      isShared: input.options.cacheDirectory !== null,
      report: this.#reportWith('cache'),
    });
    this.#faults = new CrashHandler({
      options: input.options,
      metrics: this.#metrics,
      workers: () => this.#watchable(),
      traceRegion: (index) => this.#traceRegion(index),
      textOf: (options) => input.textOf?.(options),
      onWatched: () => this.#standIns.look(),
      report: input.log.report,
      parts: this.#parts,
    });
    this.#standIns = new StandIns({
      places: () => (this.#stopping === null ? this.#processes : []),
      suspects: () => this.#faults.suspects,
      report: this.#reportWith('supervisor'),
    });
    this.#directoryDeaths = new DirectoryDeaths(Date.now, this.#reportWith('cache'));
    this.#reload = new Reload({
      load: (warn) => input.loadOptions(this.#options, warn),
      current: () => this.#options,
      workers: () => this.#reloadable(),
      adopt: (options) => {
        this.#adopt(options);
        this.#tickets?.adopt();
        this.#keeper?.lookAgain();
      },
      report: this.#reportWith('reload'),
      began: () => input.serviceManager.reloading(),
      ended: () => this.#sayReady(),
    });
    this.#succession = new Succession({
      sockets: () => {
        const admin = this.#admin === null ? [] : [this.#admin.listener];
        return [...this.#listeners, ...admin];
      },
      handOver: (isHandingOver) => this.#tickets?.handOver(isHandingOver),
      onServing: (pid) => {
        input.serviceManager.mainProcess(pid);
        input.end();
      },
      onFault: this.#parts.of('service'),
      report: this.#reportWith('upgrade'),
    });
    input.log.onDropped = (lines) => this.#metrics.errorLogDropped(lines);
    input.log.onLevels = (levels) => {
      this.#local?.replaceLogLevels(levels);
      for (const worker of this.#processes) worker.replaceLogLevels(levels);
    };
  }

  /**
   * Opens everything and resolves when all workers accept connections. Throws UsageError for an
   * address that cannot be had; then nothing stays open.
   */
  async start(): Promise<void> {
    const { options } = this.#input;
    this.#identity = identityOf(options.account);
    this.#faults.start();
    const { inherited } = this.#input;
    this.#listeners = openListeners(options.listeners, options.workers, inherited);
    handOverFiles(options);
    try {
      await this.#startAll();
      this.#writePidFile();
    } catch (error) {
      for (const worker of this.#processes) worker.kill();
      this.#admin?.close();
      throw error;
    }
    this.#tickets?.start();
    this.#rotateLogs();
    if (options.hosts.length > 0) this.#parts.own('certificates', this.#keepCertificates());
    for (const { bound } of inherited.rest) {
      const where = socketAddressText(bound);
      this.#reportWith('supervisor')(
        `the socket at ${where} was passed on, but no option listens there`,
        { level: 'warning', event: 'socket-unused' },
      );
    }
    reportDescriptors(this.#input.log.report, descriptorsMax());
    reportStart(this.#input.log.report, { ...this.#input, listeners: this.#listeners });
    this.#sayReady();
  }

  #writePidFile(): void {
    const { pidFile } = this.#input.options;
    if (pidFile === null) return;
    try {
      writeCarefully(pidFile, `${process.pid}\n`);
    } catch (error) {
      throw new UsageError(
        `--pid-file ${pidFile}: it cannot be written: ${(error as Error).message}`,
        'name a file in a directory of the user that starts sluice',
      );
    }
  }

  #sayReady(): void {
    if (this.#stopping !== null) return;
    this.#input.serviceManager.ready(`serves with ${this.#input.options.workers} workers`);
  }

  async #startAll(): Promise<void> {
    const { workers, account } = this.#input.options;
    if (workers > 1) {
      await Promise.all([this.#startAdmin(), this.#startWorkers()]);
      return;
    }
    await this.#startAdmin();
    // What follows reads what strangers send.
    dropPrivileges(account);
    await this.#startWorkers();
  }

  get listeners(): readonly OpenListener[] {
    return this.#listeners;
  }

  /** Where the admin endpoint listens, or null. */
  get adminEndpoint() {
    return this.#admin?.endpoint ?? null;
  }

  /** Metrics of all processes, one region each. */
  get regions(): Uint8Array[] {
    return Array.from({ length: this.#input.options.workers + 1 }, (_, i) => this.#region(i));
  }

  get status(): SupervisorStatus {
    const own = {
      index: 0,
      pid: process.pid,
      state: this.#stopping === null ? 'running' : 'draining',
      restarts: 0,
      startedAt: new Date(this.#startedAtMs).toISOString(),
    } as const;
    return {
      version: this.#input.version,
      pid: process.pid,
      state: this.#stopping === null ? 'running' : 'draining',
      uptimeSeconds: Math.round((Date.now() - this.#startedAtMs) / 1000),
      workers: this.#local === null ? this.#processes.map((one) => one.status) : [own],
      standbyPid: this.#standby?.pid ?? null,
      earlyData: this.#earlyData,
    };
  }

  get #health(): Health {
    const { state, workers } = this.status;
    const apart = workers.filter(({ index }) => this.#isApart(index)).map(({ index }) => index);
    return healthOfAll({ state, workers, unserved: this.#standIns.unserved, apart });
  }

  /** Of a worker: it caches in memory, though there is a directory. */
  #isApart(index: number): boolean {
    const words = this.#memory.int32(this.#diskOffset + index * DISK_WORDS * 4, DISK_WORDS);
    return Atomics.load(words, APART) !== 0;
  }

  get #earlyData(): EarlyDataState {
    const words = this.#memory.int32(this.#strikesOffset, strikeRegisterBytes() / 4);
    return earlyDataState({
      isOn: this.#options.hosts.some(({ tls }) => tls.earlyData.enabled),
      ring: this.#tickets?.ring ?? null,
      register: new StrikeRegister(words),
      clusterLinks: this.#options.cluster === null ? null : clusterLinks(this.regions),
      nowMs: bootClock.nowMs(),
    });
  }

  /** For a process that only supervises: whatever throws in it is reported, and it goes on. */
  outliveFaults(): void {
    if (this.#local === null) outliveFaults(this.#parts);
  }

  get isStopping(): boolean {
    return this.#stopping !== null;
  }

  /** Ends in order: no new connections, what runs may finish for `drainTimeoutMs`. */
  stop(): Promise<void> {
    this.#stopping ??= this.#drain(this.#options.drainTimeoutMs);
    return this.#stopping;
  }

  /** See {@link Succession}. */
  upgrade(): Promise<number> | null {
    return this.#stopping === null ? this.#succession.begin() : null;
  }

  /** SIGUSR2. */
  requestUpgrade(): void {
    if (this.#stopping === null) this.#succession.request();
    else this.#succession.passOn('SIGUSR2');
  }

  /** Ends the worker processes at once. */
  kill(): void {
    this.#parts.own('workers', this.#standby?.stop());
    for (const worker of this.#processes) worker.kill();
  }

  /** SIGUSR1. */
  requestReopening(): void {
    this.reopenLogs();
    this.#succession.passOn('SIGUSR1');
  }

  /** After a log file was moved away: every worker opens it by its name again. */
  reopenLogs(): void {
    this.#hasReopened = true;
    this.#parts.run('logs', () => handOverFiles(this.#options), undefined);
    this.#input.log.reopen();
    this.#local?.reopenLog();
    for (const worker of this.#processes) worker.reopenLog();
  }

  #rotateLogs(): void {
    this.#rotator = new LogRotator({
      logs: () => [...this.#options.logs, this.#options.errorLog],
      reopen: () => this.reopenLogs(),
      wallMs: Date.now,
      report: this.#reportWith('logs'),
      onFault: this.#parts.of('logs'),
    });
    this.#rotator.start();
  }

  async #startAdmin(): Promise<void> {
    const { admin } = this.#input.options;
    if (admin === null) return;
    const { startAdminServer } = await import('./admin/admin.ts');
    this.#admin = await startAdminServer(admin, this.#input.inherited, {
      status: () => this.status,
      health: () => this.#health,
      cache: this.#cache,
      cacheOptions: this.#input.options,
      routes: [
        ...handshakeRoutes(() => this.#handshakeAskers()),
        ...reloadRoutes(this.#reload),
        ...originRoutes(this.#originSources()),
        ...this.#faults.routes(),
        ...trafficRoutes({
          regions: () => this.regions,
          options: () => this.#options,
          end: this.#input.end,
        }),
        upgradeRoute(() => this.upgrade()),
        ...logRoutes(this.#input.log),
      ],
      token: this.#input.options.adminToken,
      report: this.#reportWith('admin'),
      onFault: this.#parts.of('admin'),
      regions: () => {
        // Workers sample themselves; with one worker that is this process.
        if (this.#local === null) this.#metrics.memoryHeld(residentBytes(), 0);
        this.#metrics.earlyDataClosed(this.#earlyData.refusal);
        return this.regions;
      },
    });
  }

  #originSources(): OriginSources {
    return {
      groups: () => this.#options.origins,
      board: openSharedHealth(this.#memory.int32(this.#boardOffset, boardWords)),
      regions: () => this.regions,
    };
  }

  /** Reads the configuration again and puts it in force; SIGHUP. What comes of it is reported. */
  reload(): void {
    if (this.#stopping === null) this.#reload.request(CANARY_MS_DEFAULT);
    this.#succession.passOn('SIGHUP');
  }

  #reloadable(): ReloadableWorker[] {
    const health = (index: number) => () => healthOf(readMetrics([this.#region(index)]));
    const local = this.#local;
    if (local !== null) {
      const reconfigure = async (options: SluiceOptions) =>
        local.reconfigure(this.#faults.effective(options));
      return [{ reconfigure, health: health(0), isRunning: true, restarts: 0 }];
    }
    return this.#processes.map((worker, index) => ({
      reconfigure: (options) => worker.reconfigure(this.#faults.effective(options)),
      health: health(index),
      get isRunning() {
        return worker.status.state === 'running';
      },
      get restarts() {
        return worker.restarts;
      },
    }));
  }

  #adopt(options: SluiceOptions): void {
    this.#options = options;
    this.#configureLog(options);
    this.#faults.adopt(options);
    for (const worker of this.#processes) worker.adopt(this.#faults.effective(options));
  }

  /** Workers as far as faults concern them: the one of this process cannot be watched from here. */
  #watchable(): WatchedWorker[] {
    const local = this.#local;
    if (local !== null) {
      return [
        {
          pid: process.pid,
          adopt() {},
          refuseHellos: (fingerprints) => local.refuseHellos(fingerprints),
          reconfigure: async (options) => local.reconfigure(options),
          endHung() {},
        },
      ];
    }
    return this.#processes.map((worker) => ({
      // Read when it is needed: the one that hung may have been replaced since.
      get pid() {
        return worker.servingPid;
      },
      adopt: (options) => worker.adopt(options),
      refuseHellos: (fingerprints) => worker.refuseHellos(fingerprints),
      reconfigure: (options) => worker.reconfigure(options),
      endHung: (silentMs) => worker.endHung(silentMs),
    }));
  }

  #traceRegion(index: number): Uint8Array {
    const offset = this.#tracesOffset + index * traceRegionBytes;
    return this.#memory.bytes.subarray(offset, offset + traceRegionBytes);
  }

  #cacheAskers() {
    const local = this.#local;
    return local === null
      ? this.#processes.map((worker) => worker.askCache.bind(worker))
      : [local.askCache.bind(local)];
  }

  #handshakeAskers(): AskHandshakes[] {
    const local = this.#local;
    return local === null
      ? this.#processes.map((worker) => worker.askHandshakes.bind(worker))
      : [async (question) => local.askHandshakes(question)];
  }

  /** Whether every worker turns its event loop: each answers a question. */
  async areAnswering(): Promise<boolean> {
    const asked = this.#handshakeAskers().map((ask) => ask({ kind: 'observers' }));
    const answers = await Promise.all(asked);
    return answers.every((answer) => answer !== null && answer !== undefined);
  }

  #reportWith(subsystem: LogSubsystem): Report {
    return reportWith(this.#input.log.report, { subsystem });
  }

  /** Its file was there when the options were read: what goes wrong now stops no reload. */
  #configureLog({ errorLog }: SluiceOptions): void {
    const { log } = this.#input;
    try {
      log.configure(errorLog);
    } catch (error) {
      const { message } = error as Error;
      log.report(message, { level: 'error', subsystem: 'logs', event: 'error-log-unwritable' });
    }
  }

  #linkOf(index: number): SupervisorLink {
    return {
      purgeEverywhere: this.#purgeEverywhere,
      onHandshakeFault: (fault) =>
        this.#parts.run('faults', () => this.#faults.handshakeFailed(index, fault), undefined),
      onEvent: (event) => this.#input.log.take(event),
    };
  }

  /** For PURGE requests to a data port. */
  readonly #purgeEverywhere: PurgeEverywhere = (wish, done) => {
    this.#cache.purge(wish, 'a PURGE request').then(done, () => done(null));
  };

  async #startWorkers(): Promise<void> {
    const isLocal = this.#input.options.workers === 1;
    const flights = isLocal ? this.#faults.openLocalTraces() : null;
    const options = this.#faults.effective(this.#input.options);
    this.#tickets = this.#openTickets();
    const { ring } = this.#tickets;
    const setups = Array.from(
      { length: options.workers },
      (_, workerIndex): WorkerSetup => ({
        options,
        workerIndex,
        listeners: listenersOf(this.#listeners, workerIndex, options.workers),
        metricsFd: this.#memory.fd,
        metricsBytes: this.#memory.length,
        metricsOffset: workerIndex * metricsRegionBytes,
        strikesOffset: this.#strikesOffset,
        tracesOffset: this.#tracesOffset + workerIndex * traceRegionBytes,
        version: this.#input.version,
        refusedHellos: [],
        ratesOffset: this.#ratesOffset,
        boardOffset: this.#boardOffset,
        removalsOffset: this.#removalsOffset,
        diskOffset: this.#diskOffset + workerIndex * DISK_WORDS * 4,
        tickets: ring,
        logLevels: this.#input.log.levels,
      }),
    );
    if (isLocal) {
      const startWorker = await this.#input.workers.load();
      this.#hasReopened = false;
      this.#local = await assembleWorker(
        setups[0]!,
        this.#memory,
        startWorker,
        this.#linkOf(0),
        flights ?? undefined,
      );
      if (this.#hasReopened) this.#local.reopenLog();
      this.#countRunning(true);
      return;
    }
    this.#processes = setups.map((setup) => this.#workerProcess(setup));
    await Promise.all(this.#processes.map((worker) => worker.start()));
    this.#startStandby();
  }

  #startStandby(): void {
    const { entryPoint } = this.#input.workers;
    const fds = [...this.#listeners.flatMap((listener) => listener.fds), this.#memory.fd];
    const spawn = () => spawnWorker(entryPoint, fds, this.#identity);
    this.#standby = new Standby(spawn, this.#parts.of('workers'));
    this.#standby.fill();
  }

  #openTickets(): TicketKeyRotator {
    return new TicketKeyRotator({
      tls: () => this.#options.tls,
      cluster: () => this.#options.cluster,
      apply: (ring) => {
        this.#local?.replaceTickets(ring);
        for (const worker of this.#processes) worker.replaceTickets(ring);
      },
      metrics: this.#metrics.tickets,
      nowMs: bootClock.nowMs,
      report: this.#reportWith('tls'),
      onFault: this.#parts.of('tickets'),
    });
  }

  #workerProcess(setup: WorkerSetup): WorkerProcess {
    return new WorkerProcess({
      entryPoint: this.#input.workers.entryPoint,
      identity: this.#identity,
      setup,
      policy: this.#input.restartPolicy ?? defaultRestartPolicy,
      onRunning: (isRunning) => this.#countRunning(isRunning),
      onDeath: (cause) => this.#metrics.workerRestarted(cause),
      takeStandby: () => this.#standby?.take() ?? null,
      onStart: () =>
        this.#parts.run('faults', () => this.#faults.started(setup.workerIndex), undefined),
      onServing: () => this.#standIns.look(),
      // Whatever goes wrong with its incident, it is replaced.
      onEnd: (end) => {
        const death = { ...end, index: setup.workerIndex };
        this.#directoryDeaths.died(death, this.#memory.int32(setup.diskOffset, DISK_WORDS));
        this.#parts.run('faults', () => this.#faults.died(death), undefined);
      },
      link: this.#linkOf(setup.workerIndex),
      report: this.#reportWith('supervisor'),
    });
  }

  #countRunning(isRunning: boolean): void {
    this.#running += isRunning ? 1 : -1;
    this.#metrics.workersRunning(this.#running);
  }

  /** Looks after the certificates, when the rest has begun: nothing waits for it. */
  async #keepCertificates(): Promise<void> {
    const { CertificateRenewer } = await import('./certificates/certificate-renewer.ts');
    if (this.#stopping !== null) return;
    this.#keeper = new CertificateRenewer({
      hosts: () => this.#options.hosts,
      replace: (host, certificates) => this.#replaceCertificates(host, certificates),
      metrics: this.#metrics.certificates,
      wallMs: Date.now,
      report: this.#reportWith('tls'),
      onFault: this.#parts.of('certificates'),
    });
    this.#keeper.tellLoaded();
    this.#keeper.start();
  }

  #replaceCertificates(index: number, certificates: readonly CertificatePair[]): void {
    const hosts = this.#options.hosts.map((host, i) =>
      i === index ? { ...host, tls: { ...host.tls, certificates } } : host,
    );
    this.#adopt({ ...this.#options, hosts });
    const { names } = hosts[index]!.tls;
    this.#local?.replaceCertificates(names, certificates);
    for (const worker of this.#processes) worker.replaceCertificates(names, certificates);
  }

  async #drain(timeoutMs: number): Promise<void> {
    const report = this.#reportWith('supervisor');
    report(`ends: no new connections, ${durationText(timeoutMs)} for what is under way`, {
      level: 'info',
      event: 'ending',
      fields: { drainMs: timeoutMs },
    });
    this.#keeper?.[Symbol.dispose]();
    this.#tickets?.[Symbol.dispose]();
    this.#rotator?.[Symbol.dispose]();
    this.#faults.close();
    const { serviceManager } = this.#input;
    if (!this.#succession.isDone) serviceManager.stopping();
    // The signal may have gone to all processes, and some may be faster.
    for (const worker of this.#processes) worker.expectEnd();
    // A listening socket is closed when nobody has it any more.
    await this.#standby?.stop();
    // Each worker has its own copy, which it closes when it has emptied the queue.
    if (this.#local === null) closeListeners(this.#listeners);
    await Promise.all([
      this.#local?.drain(timeoutMs),
      ...this.#processes.map((worker) => worker.stop(timeoutMs)),
    ]);
    this.#faults.closeLocalTraces();
    report('ended', { level: 'info', event: 'ended' });
    this.#admin?.close();
    serviceManager.close();
    // The one that took over listens there, and has written its own.
    if (this.#succession.isDone) return;
    this.#removeFiles();
  }

  #removeFiles(): void {
    const { pidFile } = this.#input.options;
    try {
      removeSocketFiles(this.#listeners);
      if (pidFile !== null && isOurPidFile(pidFile)) removeFile(pidFile);
    } catch (error) {
      // Their directory is root's, and we are not any more.
      this.#reportWith('supervisor')(`a file is left behind: ${(error as Error).message}`, {
        level: 'warning',
        event: 'file-left-behind',
      });
    }
  }

  #region(index: number): Uint8Array {
    const offset = index * metricsRegionBytes;
    return this.#memory.bytes.subarray(offset, offset + metricsRegionBytes);
  }
}

/** It has our number still: what is a device, or was written by another since, stays. */
function isOurPidFile(path: string): boolean {
  try {
    return readCarefully(path).toString() === `${process.pid}\n`;
  } catch {
    return false;
  }
}
