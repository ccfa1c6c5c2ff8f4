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
}

export interface SandboxRun {
  /** The incident of the worker that died of it, or null. */
  readonly death: Incident | null;
  /** One for each script. */
  readonly played: readonly PlayedOutcome[];
}

export interface Sandbox extends AsyncDisposable {
  /** Port of its https listener on 127.0.0.1. */
  readonly port: number;
  /**
   * Plays all at once, and waits until it is known whether a worker has died of it. Can be called
   * again: a worker that has died is replaced.
   */
  run(scripts: readonly ReplayScript[], signal: AbortSignal): Promise<SandboxRun>;
}

/** Rejects with UsageError when the options, a module or a checkout cannot be run. */
export type OpenSandbox = (setting: SandboxSetting, signal: AbortSignal) => Promise<Sandbox>;

/** Plays one script against a server. Never rejects but for an abort. */
export type Player = (
  script: ReplayScript,
  target: { readonly host: string; readonly port: number },
  signal: AbortSignal,
) => Promise<PlayedOutcome>;
