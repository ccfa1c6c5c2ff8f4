/**
 * The parent: owns listening sockets, shared memory and the workers' lives. With one worker it is
 * that worker, too.
 *
 * Long because it puts all parts of the process together; what each does is in a file of its own.
 */

import { durationText } from '../base/duration-text.ts';
import { APART } from '../cache/disk-words.ts';
import type { SluiceOptions } from '../config/options.ts';
import { bootClock } from '../native/boot-clock.ts';
import { type LogSubsystem, type Report, reportWith } from '../telemetry/log-event.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { readMetrics } from '../telemetry/metrics-reader.ts';
import { StrikeRegister } from '../tls/early-data/strike-register.ts';
import type { CertificatePair } from '../tls/host-options.ts';
import { openSharedHealth } from '../upstream/shared-health.ts';
import type { PurgeEverywhere, SupervisorLink } from '../worker/contract.ts';
import { descriptorsMax } from '../worker/descriptors.ts';
import { SharedRegions } from '../worker/shared-layout.ts';
import type { AdminServer } from './admin/admin.ts';
import { reloadRoutes } from './admin/admin-reload.ts';
import { CacheControl } from './admin/cache-control.ts';
import { certificateRoutes } from './admin/certificate-routes.ts';
import { handshakeRoutes } from './admin/handshake-routes.ts';
import { logRoutes } from './admin/log-routes.ts';
import { originRoutes } from './admin/origin-routes.ts';
import { viewRoutes } from './admin/overview-routes.ts';
import { healthOf } from './canary.ts';
import type { Certificates } from './certificates/certificates.ts';
import { DatagramSteering } from './datagram-sockets.ts';
import { DirectoryDeaths } from './directory-deaths.ts';
import { clusterLinks, type EarlyDataState, earlyDataState } from './early-data-state.ts';
import type { ErrorLog } from './error-log.ts';
import { CrashHandler, type WorkerEnd } from './faults/crash-handler.ts';
import { Handlers } from './handlers/handlers.ts';
import { type Health, healthOfAll } from './health.ts';
import type { InheritedSockets } from './inherited-sockets.ts';
import { type OpenListener, openListeners, removeSocketFiles } from './listeners.ts';
import { LogRotator } from './log-rotation.ts';
import { OriginWatch } from './origin-watch.ts';
import { type OwnProcess, ownProcess } from './own-process.ts';
import { Parts } from './parts.ts';
import { removePidFile, writePidFile } from './pid-file.ts';
import { handOverFiles, type Identity, identityOf } from './privileges.ts';
import { CANARY_MS_DEFAULT, Reload, type ReloadableWorker, type ReloadInput } from './reload.ts';
import { StandIns } from './stand-ins.ts';
import { reportDescriptors, reportStart, reportUnused } from './start-report.ts';
import type { SupervisorStatus } from './supervisor-status.ts';
import type { ServiceManager } from './systemd-notices.ts';
import { TicketKeyRotator } from './ticket-key-rotator.ts';
import { TroubleWatch } from './trouble-watch.ts';
import { Troubles } from './troubles.ts';
import { Succession, upgradeRoute } from './upgrade.ts';
import type { RestartPolicy } from './workers/restart-policy.ts';
import { WorkerSet, type WorkerSource } from './workers/worker-set.ts';

export interface SupervisorInput {
  readonly options: SluiceOptions;
  readonly version: string;
  readonly configFile?: string;
  readonly workers: WorkerSource;
  /**
   * Reads command line and file again, for a sluice with the active options. Throws UsageError for
   * what is wrong in them.
   */
  loadOptions(inForce: SluiceOptions, warn: (message: string) => void): Promise<SluiceOptions>;
  readonly written?: ReloadInput['written'];
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

export class Supervisor {
  readonly #input: SupervisorInput;
  readonly #regions: SharedRegions;
  readonly #directoryDeaths: DirectoryDeaths;
  readonly #metrics: Metrics;
  readonly #startedAtMs = Date.now();
  readonly #cache: CacheControl;
  readonly #reload: Reload;
  readonly #handlers: Handlers;
  readonly #faults: CrashHandler;
  readonly #parts: Parts;
  readonly #standIns: StandIns;
  readonly #originWatch: OriginWatch;
  readonly #troubles = new Troubles(bootClock.nowMs);
  readonly #troubleWatch: TroubleWatch;
  readonly #workers: WorkerSet;
  readonly #steering = new DatagramSteering(
    () => this.#listeners.flatMap(({ datagrams }) => datagrams ?? []),
    (error) => this.#parts.of('service')(error),
  );
  /** Those that are active: a reload puts others in their place. */
  #options: SluiceOptions;
  #listeners: OpenListener[] = [];
  #admin: AdminServer | null = null;
  #keeper: Certificates | null = null;
  #tickets: TicketKeyRotator | null = null;
  #rotator: LogRotator | null = null;
  #stopping: Promise<void> | null = null;
  readonly #succession: Succession;
  readonly #process: OwnProcess;

  constructor(input: SupervisorInput) {
    this.#input = input;
    this.#options = input.options;
    const { workers: count } = input.options;
    this.#process = ownProcess(count);
    this.#regions = SharedRegions.create(count);
    this.#metrics = new Metrics(this.#regions.bytes('metrics', count));
    this.#parts = new Parts({
      report: input.log.report,
      count: (part) => this.#metrics.partFailed(part),
    });
    this.#cache = new CacheControl({
      workers: () => this.#workers.askers('cache'),
      isShared: input.options.cacheDirectory !== null,
      report: this.#reportWith('cache'),
    });
    this.#faults = new CrashHandler({
      options: input.options,
      metrics: this.#metrics,
      workers: () => this.#workers.places,
      traceRegion: (index) => this.#regions.bytes('traces', index),
      textOf: (options) => input.textOf?.(options),
      onWatched: () => this.#standIns.look(),
      report: input.log.report,
      parts: this.#parts,
    });
    this.#standIns = new StandIns({
      places: () => (this.#stopping === null ? this.#workers.places : []),
      suspects: () => this.#faults.suspects,
      report: this.#reportWith('supervisor'),
    });
    this.#originWatch = new OriginWatch({
      ...{ groups: () => this.#options.origins, regions: () => this.regions },
      sharedHealth: openSharedHealth(this.#regions.words('sharedHealth')),
      ...{ report: this.#reportWith('origins'), onFault: this.#parts.of('service') },
    });
    this.#troubleWatch = this.#openTroubleWatch();
    this.#directoryDeaths = new DirectoryDeaths(Date.now, this.#reportWith('cache'));
    this.#workers = new WorkerSet({
      ...{ count, regions: this.#regions, parts: this.#parts },
      source: input.workers,
      version: input.version,
      restartPolicy: input.restartPolicy,
      linkOf: (index) => this.#linkOf(index),
      onRunning: (running) => this.#metrics.workersRunning(running),
      onStart: (index) => this.#parts.run('faults', () => this.#faults.started(index), undefined),
      onServing: () => this.#standIns.look(),
      onEnd: (end) => this.#onWorkerEnd(end),
      onDeath: (cause) => this.#metrics.workerRestarted(cause),
      report: this.#reportWith('supervisor'),
    });
    this.#handlers = this.#newHandlers();
    this.#reload = new Reload({
      load: (warn) => input.loadOptions(this.#options, warn),
      ...{ current: () => this.#options, written: input.written },
      workers: () => this.#reloadable(),
      handlers: this.#handlers,
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
      sockets: () => [...this.#listeners, ...(this.#admin === null ? [] : [this.#admin.listener])],
      handOver: (isHandingOver) => this.#handOver(isHandingOver),
      onServing: (pid) => {
        input.serviceManager.mainProcess(pid);
        // Who asks next means the one that serves, and both accept connections of one socket.
        this.#admin?.leave();
        input.end();
      },
      onFault: this.#parts.of('service'),
      report: this.#reportWith('upgrade'),
    });
    input.log.onDropped = (lines) => this.#metrics.errorLogDropped(lines);
    input.log.onEvent = (event) => this.#troubles.note(event);
    input.log.onLevels = (levels) => this.#workers.tell({ type: 'log-levels', levels });
  }

  /**
   * Opens everything and resolves when all workers accept connections. Throws UsageError for an
   * address that cannot be had; then nothing stays open.
   */
  async start(): Promise<void> {
    const { options, inherited } = this.#input;
    const identity = identityOf(options.account);
    this.#faults.start();
    this.#listeners = openListeners(options.listeners, options.workers, inherited);
    handOverFiles(options);
    try {
      await this.#startAll(identity);
      if (options.pidFile !== null) writePidFile(options.pidFile);
    } catch (error) {
      this.kill();
      this.#admin?.close();
      throw error;
    }
    this.#steering.take();
    this.#tickets?.start();
    this.#rotateLogs();
    if (options.hosts.length > 0) this.#parts.own('certificates', this.#keepCertificates());
    reportUnused(this.#input.log.report, inherited.rest);
    reportDescriptors(this.#input.log.report, descriptorsMax());
    reportStart(this.#input.log.report, { ...this.#input, listeners: this.#listeners });
    this.#sayReady();
    this.#parts.own('service', this.#originWatch.start());
    this.#parts.run('service', () => this.#troubleWatch.start(), undefined);
  }

  /** Another sluice is being started in our place, or is not any more. */
  #handOver(isHandingOver: boolean): void {
    this.#tickets?.handOver(isHandingOver);
    if (isHandingOver) this.#steering[Symbol.dispose]();
    else this.#steering.take();
  }

  #sayReady(): void {
    if (this.#stopping !== null) return;
    this.#input.serviceManager.ready(`serves with ${this.#input.options.workers} workers`);
  }

  #startAll(identity: Identity): Promise<void> {
    return this.#process.start({
      account: this.#input.options.account,
      startAdmin: () => this.#startAdmin(),
      startWorkers: () => this.#startWorkers(identity),
    });
  }

  get listeners(): readonly OpenListener[] {
    return this.#listeners;
  }

  /** Where the admin endpoint listens, or null. */
  get adminEndpoint() {
    return this.#admin?.address ?? null;
  }

  /** Metrics of all processes, one region each. */
  get regions(): Uint8Array[] {
    return this.#regions.all('metrics');
  }

  get status(): SupervisorStatus {
    return {
      version: this.#input.version,
      pid: process.pid,
      state: this.#stopping === null ? 'running' : 'draining',
      uptimeSeconds: Math.round((Date.now() - this.#startedAtMs) / 1000),
      workers: this.#workers.statuses,
      standbyPid: this.#workers.standbyPid,
      earlyData: this.#earlyData,
    };
  }

  get #health(): Health {
    const { state, workers } = this.status;
    const { unserved } = this.#standIns;
    // Of workers that cache in memory, though there is a directory.
    const apart = workers.flatMap(({ index }) =>
      Atomics.load(this.#regions.words('disk', index), APART) === 0 ? [] : index,
    );
    return healthOfAll({ state, workers, unserved, apart });
  }

  get #earlyData(): EarlyDataState {
    return earlyDataState({
      isOn: this.#options.hosts.some(({ tls }) => tls.earlyData.enabled),
      ring: this.#tickets?.ring ?? null,
      register: new StrikeRegister(this.#regions.words('strikes')),
      clusterLinks: this.#options.cluster === null ? null : clusterLinks(this.regions),
      nowMs: bootClock.nowMs(),
    });
  }

  /** For a process that only supervises: whatever throws in it is reported, and it goes on. */
  outliveFaults(): void {
    this.#process.outliveFaults(this.#parts);
  }

  get isStopping(): boolean {
    return this.#stopping !== null;
  }

  /** Ends in order: no new connections, what runs may finish for `drainTimeoutMs`. */
  stop(): Promise<void> {
    this.#stopping ??= this.#drain(this.#options.drainTimeoutMs);
    return this.#stopping;
  }

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
    this.#workers.kill();
    this.#handlers.kill();
  }

  /** SIGUSR1. */
  requestReopening(): void {
    this.reopenLogs();
    this.#succession.passOn('SIGUSR1');
  }

  /** After a log file was moved away: every worker opens it by its name again. */
  reopenLogs(): void {
    this.#parts.run('logs', () => handOverFiles(this.#options), undefined);
    this.#input.log.reopen();
    this.#workers.tell({ type: 'reopen-logs' });
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
      readiness: () => this.#originWatch.readiness(this.#health),
      cache: this.#cache,
      cacheOptions: this.#input.options,
      routes: [
        ...handshakeRoutes(() => this.#workers.askers('handshakes')),
        ...reloadRoutes(this.#reload),
        ...originRoutes(this.#originWatch.sources),
        ...this.#faults.routes(),
        ...viewRoutes({
          ...{ regions: () => this.regions, options: () => this.#options, end: this.#input.end },
          listeners: () => this.#listeners,
          readiness: () => this.#originWatch.readiness(this.#health),
          ...{ earlyData: () => this.#earlyData, troubles: () => this.#troubles.list() },
          appliedAtMs: () => this.#reload.appliedAtMs,
          ...{ startedAtMs: this.#startedAtMs, configFile: this.#input.configFile ?? '' },
        }),
        upgradeRoute(() => this.upgrade()),
        ...logRoutes(this.#input.log),
        ...certificateRoutes(() => this.#keeper?.acme ?? null),
      ],
      token: this.#input.options.adminToken,
      report: this.#reportWith('admin'),
      onFault: this.#parts.of('admin'),
      regions: () => {
        this.#process.sampleMemory(this.#metrics);
        this.#metrics.earlyDataClosed(this.#earlyData.refusal);
        return this.regions;
      },
    });
  }

  /** Reads the configuration again and applies it; SIGHUP. What comes of it is reported. */
  reload(): void {
    if (this.#stopping === null) this.#reload.request(CANARY_MS_DEFAULT);
    this.#succession.passOn('SIGHUP');
  }

  #reloadable(): ReloadableWorker[] {
    return this.#workers.places.map((worker, index) => ({
      reconfigure: (options) => worker.reconfigure(this.#faults.effective(options)),
      health: () => healthOf(readMetrics([this.#regions.bytes('metrics', index)])),
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
    this.#input.log.reconfigure(options.errorLog);
    this.#faults.adopt(options);
    this.#workers.adopt(this.#faults.effective(options));
  }

  /** Whether every worker turns its event loop: each answers a question. */
  areAnswering(): Promise<boolean> {
    return this.#workers.areAnswering();
  }

  #reportWith(subsystem: LogSubsystem): Report {
    return reportWith(this.#input.log.report, { subsystem });
  }

  #linkOf(index: number): SupervisorLink {
    return {
      purgeEverywhere: this.#purgeEverywhere,
      onHandshakeFault: (fault) =>
        this.#parts.run('faults', () => this.#faults.handshakeFailed(index, fault), undefined),
      onWrongNumber: (wrong) =>
        this.#parts.run('faults', () => this.#faults.wrongNumber(index, wrong), undefined),
      onEvent: (event) => this.#input.log.take(event),
    };
  }

  /** For PURGE requests to a data port. */
  readonly #purgeEverywhere: PurgeEverywhere = (request, done) => {
    this.#cache.purge(request, 'a PURGE request').then(done, () => done(null));
  };

  async #startWorkers(identity: Identity): Promise<void> {
    // What it finds of the process before may switch something off.
    const localTraces = this.#process.traces(() => this.#faults.openLocalTraces());
    const options = this.#faults.effective(this.#input.options);
    this.#tickets = this.#openTickets();
    await this.#handlers.start(this.#input.options.origins, identity);
    await this.#workers.start({
      options,
      listeners: this.#listeners,
      identity,
      changes: {
        tickets: { type: 'tickets', tickets: this.#tickets.ring },
        'log-levels': { type: 'log-levels', levels: this.#input.log.workerLevels },
      },
      localTraces,
    });
  }

  #openTroubleWatch(): TroubleWatch {
    return new TroubleWatch({
      ...{ hosts: () => this.#options.hosts, earlyData: () => this.#earlyData },
      ...{ steadyMs: bootClock.nowMs, wallMs: Date.now },
      ...{ report: this.#reportWith('supervisor'), onFault: this.#parts.of('service') },
    });
  }

  #newHandlers(): Handlers {
    return new Handlers({
      metrics: this.#metrics.handlers,
      ...{ report: this.#reportWith('handlers'), onFault: this.#parts.of('handlers') },
    });
  }

  #openTickets(): TicketKeyRotator {
    return new TicketKeyRotator({
      tls: () => this.#options.tls,
      cluster: () => this.#options.cluster,
      apply: (tickets) => this.#workers.tell({ type: 'tickets', tickets }),
      metrics: this.#metrics.tickets,
      nowMs: bootClock.nowMs,
      report: this.#reportWith('tls'),
      onFault: this.#parts.of('tickets'),
    });
  }

  /** Whatever goes wrong with its incident, it is replaced. */
  #onWorkerEnd(end: WorkerEnd): void {
    this.#directoryDeaths.died(end, this.#regions.words('disk', end.index));
    this.#parts.run('faults', () => this.#faults.died(end), undefined);
  }

  /** Looks after the certificates, when the rest has begun: nothing waits for it. */
  async #keepCertificates(): Promise<void> {
    const { Certificates } = await import('./certificates/certificates.ts');
    if (this.#stopping !== null) return;
    this.#keeper = new Certificates({
      options: () => this.#options,
      replace: (host, certificates) => this.#replaceCertificates(host, certificates),
      show: (answers) => this.#workers.tellSurely({ type: 'challenges', answers }),
      metrics: this.#metrics.certificates,
      version: this.#input.version,
      report: this.#reportWith('tls'),
      onFault: this.#parts.of('certificates'),
    });
    this.#keeper.start();
  }

  #replaceCertificates(index: number, certificates: readonly CertificatePair[]): void {
    const hosts = this.#options.hosts.map((host, i) =>
      i === index ? { ...host, tls: { ...host.tls, certificates } } : host,
    );
    this.#adopt({ ...this.#options, hosts });
    const { names } = hosts[index]!.tls;
    this.#workers.tell({ type: 'certificates', names, certificates });
  }

  async #drain(timeoutMs: number): Promise<void> {
    const report = this.#reportWith('supervisor');
    report(`ends: no new connections, ${durationText(timeoutMs)} for what is under way`, {
      level: 'info',
      event: 'ending',
      fields: { drainMs: timeoutMs },
    });
    this.#steering[Symbol.dispose]();
    this.#keeper?.[Symbol.dispose]();
    this.#tickets?.[Symbol.dispose]();
    this.#rotator?.[Symbol.dispose]();
    this.#troubleWatch.close();
    this.#faults.close();
    const { serviceManager } = this.#input;
    if (!this.#succession.isDone) serviceManager.stopping();
    await this.#workers.drain(timeoutMs, this.#listeners);
    await this.#handlers.stop(timeoutMs);
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
      if (pidFile !== null) removePidFile(pidFile);
    } catch (error) {
      // Their directory is root's, and we are not any more.
      this.#reportWith('supervisor')(`a file is left behind: ${(error as Error).message}`, {
        level: 'warning',
        event: 'file-left-behind',
      });
    }
  }
}
