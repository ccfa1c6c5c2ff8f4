/**
 * A sandbox instance on this machine, on which scripts are played to see whether it dies of them.
 * cli/sandbox/ has the one that starts processes.
 */
import type { Incident, JsonValue } from './incident.ts';
import type { PlayedOutcome, ReplayScript } from './replay/script.ts';

export interface SandboxSetting {
  /**
   * Options as an incident has them. The sandbox makes them harmless: it listens on loopback alone, has
   * certificates and an origin of its own, and writes nothing outside its directory.
   */
  readonly options: JsonValue;
  /** By name, and over what the options say. */
  readonly features: Readonly<Record<string, boolean>>;
  /** Directory of another checkout of sluice that is to run; '' for this one. */
  readonly checkout: string;
  /** Whether requests are played: then there is a listener without TLS, too, and a scripted origin. */
  readonly requests?: boolean;
}

export interface SandboxRun {
  /** The incident of the worker that died of it, or null. */
  readonly death: Incident | null;
  /** One for each script. */
  readonly played: readonly PlayedOutcome[];
}

/** How a run is made. */
export interface SandboxRunSettings {
  /** In a process that nothing was played to before: no death can be that of an earlier run. */
  readonly isFresh: boolean;
  /** Milliseconds for which a death is waited for when all is played. */
  readonly lingerMs: number;
}

/** The quickest. */
export const PROMPT: SandboxRunSettings = { isFresh: false, lingerMs: 0 };

/** Where a trigger does nothing at once, or alone: a death may come later, of a timer. */
export const PATIENT: SandboxRunSettings = { isFresh: true, lingerMs: 1_500 };

export interface Sandbox extends AsyncDisposable {
  /** Port of its https listener on 127.0.0.1. */
  readonly port: number;
  /**
   * Plays all at once, and waits until it is known whether a worker has died of it. Can be called
   * again: a worker that has died is replaced.
   */
  run(
    scripts: readonly ReplayScript[],
    signal: AbortSignal,
    settings?: SandboxRunSettings,
  ): Promise<SandboxRun>;
}

/** Rejects with UsageError when the options, a module or a checkout cannot be run. */
export type OpenSandbox = (setting: SandboxSetting, signal: AbortSignal) => Promise<Sandbox>;

export interface PlayTarget {
  readonly host: string;
  readonly port: number;
  /** Of a listener without TLS; `port` when there is none. */
  readonly plainPort?: number;
}

/** Plays one script against a server. Never rejects but for an abort. */
export type Player = (
  script: ReplayScript,
  target: PlayTarget,
  signal: AbortSignal,
) => Promise<PlayedOutcome>;
