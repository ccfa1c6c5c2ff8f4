/** Puts one worker together from its setup: metrics, access log, sampler, and the worker itself. */

import { systemClock } from '../base/clock.ts';
import { DISK_WORDS } from '../cache/disk-words.ts';
import { GENERATIONS_BYTES } from '../cache/generations.ts';
import type { SluiceOptions } from '../config/options.ts';
import { liveNativeCounts } from '../native/counters.ts';
import { nativeBytesLive } from '../native/memory.ts';
import type { SharedMemory } from '../native/shared-memory.ts';
import { RATE_SECRET_BYTES, rateTableBytes } from '../routing/rate-table.ts';
import type { LevelTable } from '../telemetry/log-event.ts';
import { metricsRegionBytes } from '../telemetry/metric-layout.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { startProcessSampler } from '../telemetry/process-sampler.ts';
import { HelloGuard } from '../tls/hello-guard.ts';
import { strikeRegisterBytes } from '../tls/strike-register.ts';
import { traceRegionBytes } from '../tls/trace-layout.ts';
import { boardWords } from '../upstream/shared-health.ts';
import type {
  CacheAnswer,
  CacheQuestion,
  HandshakeAnswer,
  HandshakeQuestion,
  RunningWorker,
  StartWorker,
  SupervisorLink,
  WorkerSetup,
} from './contract.ts';
import { loadDangerModules } from './danger.ts';
import { lastFaultText, tellCallbackFaults } from './handshakes/callback-faults.ts';
import { WorkerLogs } from './logs.ts';
import { NewFailures } from './new-failures.ts';
import { openTraceRecording } from './trace-recording.ts';
import { WorkerLog } from './worker-log.ts';

export interface AssembledWorker {
  /** Resolves when every exchange has ended or was broken off, and the log is written. */
  drain(timeoutMs: number): Promise<void>;
  reopenLog(): void;
  /** What of the subsystems is reported from now on. */
  replaceLogLevels(levels: LevelTable): void;
  /** Fingerprints of all ClientHellos that are refused from now on. */
  refuseHellos(fingerprints: readonly string[]): void;
  askCache(question: CacheQuestion): Promise<CacheAnswer>;
  askHandshakes(question: HandshakeQuestion): HandshakeAnswer;
  standIn(places: readonly number[]): void;
  /** See RunningWorker. */
  reconfigure(options: SluiceOptions): void;
  replaceCertificates: RunningWorker['replaceCertificates'];
  replaceTickets: RunningWorker['replaceTickets'];
}

function traceRegionOf({ tracesOffset }: WorkerSetup, { bytes }: SharedMemory): Uint8Array {
  return bytes.subarray(tracesOffset, tracesOffset + traceRegionBytes);
}

export async function assembleWorker(
  setup: WorkerSetup,
  memory: SharedMemory,
  startWorker: StartWorker,
  link: SupervisorLink,
  traceRegion: Uint8Array = traceRegionOf(setup, memory),
): Promise<AssembledWorker> {
  const danger = await loadDangerModules(setup.options.dangerModules);
  const { options, workerIndex, listeners, metricsOffset, strikesOffset } = setup;
  const region = memory.bytes.subarray(metricsOffset, metricsOffset + metricsRegionBytes);
  const metrics = new Metrics(region);
  const strikes = memory.int32(strikesOffset, strikeRegisterBytes() / 4);
  const tableOffset = setup.ratesOffset + RATE_SECRET_BYTES;
  const rates = {
    words: memory.int32(tableOffset, rateTableBytes() / 4),
    secret: memory.bytes.subarray(setup.ratesOffset, tableOffset),
  };
  const log = new WorkerLog((event) => link.onEvent(event), workerIndex, setup.logLevels);
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
  guard.replace(setup.refusedHellos);
  const traces = openTraceRecording(traceRegion, setup, danger.numbered);
  const worker = await startWorker({
    options,
    workerIndex,
    listeners,
    tickets: { current: setup.tickets },
    strikes,
    rates,
    board: memory.int32(setup.boardOffset, boardWords),
    removals: memory.int32(setup.removalsOffset, GENERATIONS_BYTES / 4),
    diskWords: memory.int32(setup.diskOffset, DISK_WORDS),
    metrics,
    accessLog: logs.access,
    log,
    recorder: traces.recorder,
    danger,
    guard,
    newFailures: new NewFailures(
      systemClock.monotonicMs,
      (fault) => link.onHandshakeFault(fault),
      lastFaultText,
    ),
    handshakes: logs.handshakes,
    purgeEverywhere: link.purgeEverywhere,
  });
  return {
    async drain(timeoutMs) {
      await worker.drain(timeoutMs);
      stopSampling();
      callbackFaults[Symbol.dispose]();
      traces[Symbol.dispose]();
      await logs.close();
      log.turn();
    },
    refuseHellos: (fingerprints) => guard.replace(fingerprints),
    reopenLog: () => logs.reopen(),
    replaceLogLevels: (levels) => log.adopt(levels),
    askCache: (question) => worker.askCache(question),
    askHandshakes: (question) => worker.askHandshakes(question),
    standIn: (places) => worker.standIn(places),
    replaceCertificates: (names, certificates) => worker.replaceCertificates(names, certificates),
    replaceTickets: (tickets) => worker.replaceTickets(tickets),
    reconfigure(next) {
      const changed = logs.open(next.logs);
      try {
        worker.reconfigure(next);
      } catch (error) {
        changed.discard();
        throw error;
      }
      changed.adopt();
      traces.identify(next);
    },
  };
}
