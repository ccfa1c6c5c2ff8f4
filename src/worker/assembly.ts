/** Puts one worker together from its setup: metrics, access log, sampler, and the worker itself. */

import { systemClock } from '../base/clock.ts';
import { endProcess, repeated } from '../base/owned.ts';
import type { SluiceOptions } from '../config/options.ts';
import { liveNativeCounts } from '../native/counters.ts';
import { nativeBytesLive } from '../native/memory.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { NumberCheck } from '../telemetry/number-check.ts';
import { startProcessSampler } from '../telemetry/process-sampler.ts';
import { HelloGuard } from '../tls/refusal/hello-guard.ts';
import type {
  AnswerOn,
  ChangeHandlers,
  QuestionOn,
  StartWorker,
  SupervisorLink,
  Topic,
  WorkerChange,
  WorkerSetup,
} from './contract.ts';
import { loadDangerModules } from './danger.ts';
import { lastFaultText, tellCallbackFaults } from './handshakes/callback-faults.ts';
import { WorkerLogs } from './logs.ts';
import { NewFailures } from './new-failures.ts';
import { MarkNames, pluginHost } from './plugins.ts';
import type { SharedRegions } from './shared-layout.ts';
import { openTraceRecording } from './trace-recording.ts';
import { WorkerLog } from './worker-log.ts';

export interface AssembledWorker {
  /** Resolves when every exchange has ended or was broken off, and the log is written. */
  drain(timeoutMs: number): Promise<void>;
  tell(change: WorkerChange): void;
  ask<T extends Topic>(topic: T, question: QuestionOn<T>): Promise<AnswerOn<T>>;
  /** See RunningWorker. */
  reconfigure(options: SluiceOptions): void;
}

/** `traceRegion`: where the recorder writes, if not to the shared memory. */
interface WorkerAssembly {
  readonly setup: WorkerSetup;
  readonly regions: SharedRegions;
  readonly startWorker: StartWorker;
  readonly link: SupervisorLink;
  readonly traceRegion?: Uint8Array | null;
}

export async function assembleWorker({
  setup,
  regions,
  startWorker,
  link,
  traceRegion = null,
}: WorkerAssembly): Promise<AssembledWorker> {
  const danger = await loadDangerModules(setup.options.dangerModules);
  const { options, workerIndex, listeners, datagrams, changes } = setup;
  const metrics = new Metrics(regions.bytes('metrics', workerIndex));
  const log = new WorkerLog(
    (event) => link.onEvent(event),
    workerIndex,
    changes['log-levels'].levels,
  );
  const logs = new WorkerLogs(metrics, log.for('logs'));
  logs.open(options.logs).adopt();
  const stopSampling = startProcessSampler(
    metrics,
    { bytesLive: nativeBytesLive, countsLive: liveNativeCounts },
    (error) => log.report(`what this process uses is not measured: ${error.message}`),
  );
  const callbackFaults = tellCallbackFaults({
    count: (name, count) => metrics.callbacksFailed(name, count),
    report: log.report,
    monotonicMs: systemClock.monotonicMs,
  });
  const guard = new HelloGuard();
  const marks = new MarkNames(danger.numbered);
  const traces = openTraceRecording(
    traceRegion ?? regions.bytes('traces', workerIndex),
    setup,
    marks,
  );
  const watcherOf = (now: SluiceOptions) => danger.watcherOf(now, traces.recorder.requests);
  traces.recorder.requests.watcher = watcherOf(options);
  const worker = await startWorker({
    ...{ options, workerIndex, listeners, datagrams, metrics, log, danger, guard },
    tickets: { current: changes.tickets.tickets },
    ...regionsFor(workerIndex, regions),
    accessLog: logs.access,
    recorder: traces.recorder,
    plugins: pluginHost({ marks: traces.recorder, names: marks, metrics, log }),
    newFailures: new NewFailures(
      systemClock.monotonicMs,
      (fault) => link.onHandshakeFault(fault),
      lastFaultText,
    ),
    handshakes: logs.handshakes,
    purgeEverywhere: link.purgeEverywhere,
  });
  const numberChecks = checkNumbers(regions.bytes('metrics', workerIndex), link);
  const tell = teller({
    'log-levels': ({ levels }) => log.adopt(levels),
    'refused-hellos': ({ fingerprints }) => guard.replace(fingerprints),
    'reopen-logs': () => logs.reopen(),
    ...worker.changes,
  });
  for (const change of Object.values(changes)) tell(change);
  return {
    async drain(timeoutMs) {
      await worker.drain(timeoutMs);
      stopSampling();
      numberChecks[Symbol.dispose]();
      callbackFaults[Symbol.dispose]();
      traces[Symbol.dispose]();
      await logs.close();
      log.turn();
    },
    tell,
    ask: async (topic, question) => worker.answers[topic](question),
    reconfigure(next) {
      const watcher = watcherOf(next);
      const changed = logs.open(next.logs);
      try {
        worker.reconfigure(next);
      } catch (error) {
        changed.discard();
        throw error;
      }
      changed.adopt();
      traces.recorder.requests.watcher = watcher;
      traces.identify(next);
    },
  };
}

/** How often it is looked whether what was counted can be true. */
const CHECK_INTERVAL_MS = 1_000;

function checkNumbers(region: Uint8Array, link: SupervisorLink): Disposable {
  const check = new NumberCheck(region);
  const look = () => {
    for (const wrong of check.look()) link.onWrongNumber(wrong);
  };
  return repeated(CHECK_INTERVAL_MS, look, endProcess);
}

/** What of the shared memory a worker works with. */
function regionsFor(workerIndex: number, regions: SharedRegions) {
  return {
    strikes: regions.words('strikes'),
    rates: { words: regions.words('rates'), secret: regions.bytes('rateSecret') },
    sharedHealth: regions.words('sharedHealth'),
    tombstones: regions.words('tombstones'),
    diskWords: regions.words('disk', workerIndex),
  };
}

function teller(handlers: ChangeHandlers): (change: WorkerChange) => void {
  // The handler of a type takes the change of that type: more than the compiler can follow here.
  return (change) => (handlers[change.type] as (one: WorkerChange) => void)(change);
}
