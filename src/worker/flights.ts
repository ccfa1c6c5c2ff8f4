/** A worker's flight recorder: opened over shared memory, with what its reader must know beside it. */
import { systemClock } from '../base/clock.ts';
import { type FeatureSwitches, featureTable, isOn } from '../tls/features.ts';
import { FlightRecorder } from '../tls/flight-recorder.ts';

/** How often the event loop shows that it turns: often, measured by the watchdog's patience. */
export const HEARTBEAT_INTERVAL_MS = 200;

/** Features that only a module loaded for demonstrations has. */
export const DANGER_PREFIX = 'danger-';

/** Who watches handshakes, in the order by which the recorder numbers them. */
export function observerNames(features: FeatureSwitches): string[] {
  const ours = featureTable.filter(({ kind, name }) => kind === 'observer' && isOn(name, features));
  const dangerous = Object.entries(features).filter(
    ([name, on]) => on === true && name.startsWith(DANGER_PREFIX),
  );
  return [...ours.map(({ name }) => name), ...dangerous.map(([name]) => name).sort()];
}

export interface WorkerFlights extends Disposable {
  readonly recorder: FlightRecorder;
}

/** `identity` is JSON about this worker; see triage/flight-identity.ts. */
export function openFlights(region: Uint8Array, identity: string): WorkerFlights {
  const recorder = new FlightRecorder(region, process.pid, systemClock);
  recorder.identify(identity);
  recorder.beat();
  const timer = setInterval(() => recorder.beat(), HEARTBEAT_INTERVAL_MS);
  timer.unref();
  return { recorder, [Symbol.dispose]: () => clearInterval(timer) };
}
