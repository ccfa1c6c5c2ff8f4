/** A worker's trace recorder: opened over shared memory, with what its reader must know beside it. */
import { systemClock } from '../base/clock.ts';
import type { SluiceOptions } from '../config/options.ts';
import { featureStates, isPluginOn, observerNames, PLUGIN_PREFIX } from '../tls/features.ts';
import { TraceRecorder } from '../tls/trace-recorder.ts';
import { describeException } from '../triage/exception.ts';
import { identityNow, shortened } from '../triage/trace-identity.ts';
import type { WorkerSetup } from './contract.ts';
import type { MarkNames } from './plugins.ts';

/** How often the event loop shows that it turns: often, measured by the watchdog's patience. */
const HEARTBEAT_INTERVAL_MS = 200;

export interface TraceRecording extends Disposable {
  readonly recorder: TraceRecorder;
  /** Notes what the worker serves by from now on. */
  identify(options: SluiceOptions): void;
}

export function openTraceRecording(
  region: Uint8Array,
  { workerIndex, version, options }: Pick<WorkerSetup, 'workerIndex' | 'version' | 'options'>,
  marks: MarkNames,
): TraceRecording {
  const recorder = new TraceRecorder(region, process.pid, systemClock);
  const identify = (now: SluiceOptions) => {
    recorder.digestsEarlyData = now.recorder.earlyDataDigest;
    marks.adopt(now.plugins);
    const plugins = now.plugins.map(({ name }) => {
      return [`${PLUGIN_PREFIX}${name}`, isPluginOn(name, now.features)] as const;
    });
    const identity = identityNow({
      workerIndex,
      version,
      options: now,
      features: { ...featureStates(now.features), ...Object.fromEntries(plugins) },
      observers: [
        ...observerNames(now.features),
        ...plugins.filter(([, on]) => on).map(([name]) => name),
      ],
      numbered: marks.names,
      addresses: now.recorder.addresses,
    });
    if (!recorder.identify(JSON.stringify(identity))) {
      recorder.identify(JSON.stringify(shortened(identity)));
    }
  };
  identify(options);
  recorder.beat();
  const timer = setInterval(() => recorder.beat(), HEARTBEAT_INTERVAL_MS);
  timer.unref();
  const note = (error: unknown) => noteException(recorder, error);
  // It only listens: the process ends as it would without.
  process.on('uncaughtExceptionMonitor', note);
  return {
    recorder,
    identify,
    [Symbol.dispose]() {
      clearInterval(timer);
      process.off('uncaughtExceptionMonitor', note);
    },
  };
}

function noteException(recorder: TraceRecorder, error: unknown): void {
  const described = describeException(error, recorder.requests.activeFields());
  if (recorder.noteException(JSON.stringify(described))) return;
  recorder.noteException(JSON.stringify({ ...described, stack: '', fields: [] }));
}
