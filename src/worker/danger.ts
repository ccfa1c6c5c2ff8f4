/**
 * Modules that run inside of OpenSSL's callbacks, loaded only by --danger-module: to show what other
 * servers' observers do, and to look for a cause on a desk. A mistake in one ends the worker; the
 * trace recorder then tells its name.
 */
import { pathToFileURL } from 'node:url';
import { UsageError } from '../base/errors.ts';
import type { SluiceOptions } from '../config/options.ts';
import type { InfoMoment, InfoObserver, InfoScene } from '../native/info-observer.ts';
import {
  DANGER_PREFIX,
  type DangerName,
  type FeatureSwitches,
  featureTable,
  observerNames,
} from '../tls/features.ts';
import type { TraceRecorder } from '../tls/trace-recorder.ts';

/** Where the recorder is told who runs. */
type ObserverMarks = Pick<TraceRecorder, 'enterObserver' | 'leaveObserver'>;

/** What a module exports as `features`: a list of these. */
export interface DangerFeature {
  readonly name: DangerName;
  readonly summary: string;
  /** Runs inside of OpenSSL, for every moment of every handshake. */
  observe(moment: InfoMoment, scene: InfoScene, surroundings: DangerSurroundings): void;
}

export interface DangerSurroundings {
  readonly options: SluiceOptions;
  readonly features: FeatureSwitches;
}

export interface DangerModules {
  /**
   * Everything that may watch handshakes, on or off: an observer has the same number for all of the
   * worker's life, because connections keep the configuration that they began with.
   */
  readonly numbered: readonly string[];
  /** Those that are switched on. Throws UsageError for a name that no module has. */
  observersOf(options: SluiceOptions, recorder: ObserverMarks): InfoObserver[];
}

/** Throws UsageError for a module that cannot be loaded. */
export async function loadDangerModules(paths: readonly string[]): Promise<DangerModules> {
  const features: DangerFeature[] = [];
  for (const path of paths) features.push(...(await featuresIn(path)));
  const numbered = [...featureTable, ...features].map(({ name }) => name);
  return {
    numbered,
    observersOf(options, recorder) {
      return observerNames(options.features)
        .filter((name) => name.startsWith(DANGER_PREFIX))
        .map((name) => {
          const feature = features.find((one) => one.name === name);
          if (feature !== undefined) {
            return recorded(feature, numbered.indexOf(feature.name), options, recorder);
          }
          const known = features.map((one) => one.name).join(', ');
          throw new UsageError(
            `--feature ${name}: no module has it`,
            known === '' ? 'load its module with --danger-module FILE' : `write one of ${known}`,
          );
        });
    },
  };
}

async function featuresIn(path: string): Promise<readonly DangerFeature[]> {
  const place = `--danger-module ${path}`;
  let loaded: { readonly features?: unknown };
  try {
    loaded = (await import(pathToFileURL(path).href)) as typeof loaded;
  } catch (error) {
    throw new UsageError(
      `${place}: cannot be loaded (${(error as Error).message})`,
      'name a module of JavaScript or TypeScript',
    );
  }
  const { features } = loaded;
  if (Array.isArray(features) && features.every(isFeature)) return features;
  throw new UsageError(
    `${place}: it exports no features`,
    `export a list named features, with name (${DANGER_PREFIX}…), summary and observe of each`,
  );
}

function isFeature(value: unknown): value is DangerFeature {
  const { name, summary, observe } = (value ?? {}) as Partial<DangerFeature>;
  const isNamed = typeof name === 'string' && name.startsWith(DANGER_PREFIX);
  return isNamed && typeof summary === 'string' && typeof observe === 'function';
}

/** Says who runs before it runs, so that the recorder knows when nothing comes back. */
function recorded(
  feature: DangerFeature,
  index: number,
  options: SluiceOptions,
  recorder: ObserverMarks,
): InfoObserver {
  const surroundings = { options, features: options.features };
  return {
    name: feature.name,
    observe(moment, _value, scene) {
      recorder.enterObserver(index);
      try {
        feature.observe(moment, scene, surroundings);
      } finally {
        recorder.leaveObserver(index);
      }
    },
  };
}
