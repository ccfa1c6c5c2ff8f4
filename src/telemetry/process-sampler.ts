/** Samples what a process knows of itself, once a second, into its metrics. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Metrics } from './metrics.ts';

const SAMPLE_INTERVAL_MS = 1000;

/** How finely the delay is measured; each measurement is one cheap timer. */
const RESOLUTION_MS = 20;

/** Starts sampling; it does not keep the process alive. `nativeBytes` is asked at each sample. */
export function startProcessSampler(metrics: Metrics, nativeBytes: () => number): () => void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
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
    metrics.memoryHeld(process.memoryUsage.rss(), nativeBytes());
  };
  metrics.memoryHeld(process.memoryUsage.rss(), nativeBytes());
  const timer = setInterval(sample, SAMPLE_INTERVAL_MS).unref();
  return () => {
    clearInterval(timer);
    delay.disable();
  };
}
