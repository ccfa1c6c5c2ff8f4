/**
 * Modules that run inside of OpenSSL's callbacks, or at requests, loaded only by --danger-module: to
 * show what other servers' observers do, and to look for a cause on a desk. A mistake in one ends the
 * worker; the trace recorder then tells its name.
 */
import { pathToFileURL } from 'node:url';
import { UsageError } from '../base/errors.ts';
import type { SluiceOptions } from '../config/options.ts';
import type { InfoMoment, InfoObserver, InfoScene } from '../native/info-observer.ts';
import type { RequestRecorder, RequestWatcher } from '../telemetry/requests/request-recorder.ts';
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
type FeatureMarks = Pick<RequestRecorder, 'enterFeature' | 'leaveFeature'>;

/** What a module exports as `features`: a list of these. */
export interface DangerFeature {
  readonly name: DangerName;
  readonly summary: string;
  /** Runs inside of OpenSSL, for every moment of every handshake. */
  observe?(moment: InfoMoment, scene: InfoScene, surroundings: DangerSurroundings): void;
  /** What runs at requests. */
  watch?(surroundings: DangerSurroundings): Partial<RequestWatcher>;
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
  /** Of those that are switched on, what runs at requests; null for none. Throws as observersOf. */
  watcherOf(options: SluiceOptions, recorder: FeatureMarks): RequestWatcher | null;
}

/** Throws UsageError for a module that cannot be loaded. */
export async function loadDangerModules(paths: readonly string[]): Promise<DangerModules> {
  const features: DangerFeature[] = [];
  for (const path of paths) features.push(...(await featuresIn(path)));
  const numbered = [...featureTable, ...features].map(({ name }) => name);
  const enabled = (options: SluiceOptions) => enabledOf(features, options);
  return {
    numbered,
    observersOf(options, recorder) {
      return enabled(options)
        .filter(({ observe }) => observe !== undefined)
        .map((feature) => recorded(feature, numbered.indexOf(feature.name), options, recorder));
    },
    watcherOf(options, recorder) {
      const watchers = enabled(options).flatMap(({ name, watch }) => {
        if (watch === undefined) return [];
        const parts = watch({ options, features: options.features });
        return [{ index: numbered.indexOf(name), parts }];
      });
      return watchers.length === 0 ? null : watcherFor(watchers, recorder);
    },
  };
}

function enabledOf(features: readonly DangerFeature[], options: SluiceOptions): DangerFeature[] {
  return observerNames(options.features)
    .filter((name) => name.startsWith(DANGER_PREFIX))
    .map((name) => {
      const feature = features.find((one) => one.name === name);
      if (feature !== undefined) return feature;
      const known = features.map((one) => one.name).join(', ');
      throw new UsageError(
        `--feature ${name}: no module has it`,
        known === '' ? 'load its module with --danger-module FILE' : `write one of ${known}`,
      );
    });
}

interface NumberedWatcher {
  readonly index: number;
  readonly parts: Partial<RequestWatcher>;
}

/** Says who runs. Of an exception that ends the process it is known, too: then nobody leaves. */
function watcherFor(watchers: readonly NumberedWatcher[], recorder: FeatureMarks): RequestWatcher {
  const each = (run: (parts: Partial<RequestWatcher>) => void) => {
    for (const { index, parts } of watchers) {
      recorder.enterFeature(index);
      run(parts);
      recorder.leaveFeature();
    }
  };
  return {
    onRequest: (head) => each((parts) => parts.onRequest?.(head)),
    onRequestPiece: (head, bytes) => each((parts) => parts.onRequestPiece?.(head, bytes)),
    onResponse: (head, response) => each((parts) => parts.onResponse?.(head, response)),
    onResponsePiece: (head, bytes) => each((parts) => parts.onResponsePiece?.(head, bytes)),
    onEnd: (head) => each((parts) => parts.onEnd?.(head)),
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
    `export a list named features, with name (${DANGER_PREFIX}…), summary, and observe or watch of each`,
  );
}

function isFeature(value: unknown): value is DangerFeature {
  const { name, summary, observe, watch } = (value ?? {}) as Partial<DangerFeature>;
  const isNamed = typeof name === 'string' && name.startsWith(DANGER_PREFIX);
  const doesSomething = typeof observe === 'function' || typeof watch === 'function';
  return isNamed && typeof summary === 'string' && doesSomething;
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
        feature.observe?.(moment, scene, surroundings);
      } finally {
        recorder.leaveObserver(index);
      }
    },
  };
}
