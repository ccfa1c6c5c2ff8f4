/** Samples what a process knows of itself, once a second, into its metrics. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { repeat } from '../base/repeat.ts';
import type { Metrics } from './metrics.ts';

const SAMPLE_INTERVAL_MS = 1000;

/** How finely the delay is measured; each measurement is one cheap timer. */
const RESOLUTION_MS = 20;

/** What native/ knows of itself; asked at each sample. */
export interface NativeFacts {
  bytesLive(): number;
  /** How many things are alive, by kind. */
  countsLive(): Record<string, number>;
}

let residentBytesBefore = 0;

/**
 * Resident memory of this process; what it was before where that cannot be found out: the kernel is
 * asked through a file, for which there may be no descriptor.
 */
export function residentBytes(): number {
  try {
    residentBytesBefore = process.memoryUsage.rss();
  } catch {
    // The next time will do.
  }
  return residentBytesBefore;
}

/**
 * Starts sampling; it does not keep the process alive. `tell` hears of the first failure in a row.
 */
export function startProcessSampler(
  metrics: Metrics,
  native: NativeFacts,
  tell: (error: Error) => void,
): () => void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const sampleMemory = () => {
    metrics.memoryHeld(residentBytes(), native.bytesLive());
    const counts = native.countsLive();
    for (const kind in counts) metrics.nativeObjectsHeld(kind, counts[kind]!);
  };
  const sample = () => {
    // The histogram holds intervals, of which the resolution itself is no delay.
    const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
    if (delay.count > 0) {
      metrics.eventLoopDelayed(
        late(delay.percentile(50)),
        late(delay.percentile(99)),
        late(delay.max),
      );
    }
    delay.reset();
    sampleMemory();
  };
  sampleMemory();
  const timer = repeat(SAMPLE_INTERVAL_MS, sample, tell).unref();
  return () => {
    clearInterval(timer);
    delay.disable();
  };
}
