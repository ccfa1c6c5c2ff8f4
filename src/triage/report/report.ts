/** What a triage has found: plain JSON, explained in docs/reference/triage-report.md. */

import type { ConfigurationChange } from '../causes/configuration.ts';
import type { RulesFinding } from '../causes/route-rules.ts';
import type { Evidence } from '../experiments.ts';
import type { IncidentKind, IncidentSoftware, IncidentStack, JsonValue } from '../incident.ts';
import type { ReplayScript } from '../replay/script.ts';
import type { SandboxSetting } from '../sandbox.ts';

/** `format` of every report. */
export const REPORT_FORMAT = 'sluice-triage-report';

/** Raised when a reader of the old version would misunderstand; new optional fields do not raise it. */
export const REPORT_VERSION = 1;

/** What a triage run knows at its end, before it is put into sentences. */
export interface Findings {
  readonly reproduction: Reproduction;
  readonly features: FeatureFinding;
  readonly rules: RulesFinding;
  readonly configuration: ConfigurationFinding;
  /** Where it fails; null when it was not reproduced. */
  readonly setting: SandboxSetting | null;
  /** What was played at first; null when nothing reproduces it. */
  readonly recorded: ReplayScript | null;
  /** The least of it that still fails; null when that was not looked for. */
  readonly trigger: ReplayScript | null;
  /** What a server answers to it that is without what is to blame; null when that is not known. */
  readonly received: readonly string[] | null;
  readonly commit: CommitFinding;
  /** Of the trigger, once more in new processes; null when there is none. */
  readonly proof: Proof | null;
}

export interface TriageReport {
  readonly format: typeof REPORT_FORMAT;
  readonly version: typeof REPORT_VERSION;
  /** ISO 8601, UTC. */
  readonly writtenAt: string;
  readonly incident: ReportedIncident;
  /**
   * `cause-found`: at least one dimension names something. `no-cause-found`: it happens again, and
   * whatever is on or off. `not-reproducible`: it does not happen again.
   */
  readonly verdict: 'cause-found' | 'no-cause-found' | 'not-reproducible';
  /** One sentence. */
  readonly summary: string;
  readonly reproduction: Reproduction;
  readonly features: FeatureFinding;
  /** Of a request: what of its routes. */
  readonly rules?: RulesFinding;
  readonly configuration: ConfigurationFinding;
  readonly trigger: Trigger | null;
  readonly commit: CommitFinding;
  /** Whether the trigger was tried both ways; not there in reports of older versions. */
  readonly proof?: Proof | null;
  /** What to do now, a sentence each. */
  readonly advice: readonly string[];
  readonly evidence: readonly Omit<Evidence, 'key'>[];
  /** Of the incident. */
  readonly nativeStack: IncidentStack | null;
  /** What was run on this machine. */
  readonly software: IncidentSoftware;
  /** What fails: where the trigger is to be played. Null when nothing was reproduced. */
  readonly setting: ReportedSetting | null;
}

/** As a sandbox takes it. */
export interface ReportedSetting {
  readonly options: JsonValue;
  readonly features: Readonly<Record<string, boolean>>;
}

export interface ReportedIncident {
  /** Its file's name. */
  readonly file: string;
  readonly kind: IncidentKind;
  readonly signature: string;
  /** Of a handshake that failed: RFC name of the alert; else ''. */
  readonly alert: string;
  readonly writtenAt: string;
  readonly summary: string;
  readonly software: IncidentSoftware;
}

export interface Reproduction {
  /**
   * `suspect`: its connection, or its request, alone. `all`: all of the incident, in their order.
   * `age`: the suspect again and again, until a worker was as old as the one that died.
   */
  readonly what: 'suspect' | 'all' | 'age' | null;
  /** Of `age`. */
  readonly age?: Age;
  readonly mode: ReplayScript['mode'] | null;
  /** Runs of the way that reproduces it, or of all ways when none does. */
  readonly runs: number;
  readonly same: number;
  /** Runs for each question after it. */
  readonly runsPerQuestion: number;
  /** What could not be played as it was. */
  readonly notes: readonly string[];
}

/** How much a worker had done when it died, in each run. */
export interface Age {
  readonly of: 'requests' | 'handshakes';
  readonly counts: readonly number[];
}

/** The trigger once more, in processes that nothing else was played to. */
export interface Proof {
  /** With the fault it fails. */
  readonly fails: boolean;
  /** Without what is to blame it does not; null when nothing is to blame that can be switched off. */
  readonly passes: boolean | null;
}

export interface NamedFeature {
  readonly name: string;
  readonly summary: string;
}

export interface FeatureFinding {
  /** `unclear`: none is to blame of those that could be left out. */
  readonly status: 'found' | 'none' | 'unclear' | 'skipped';
  readonly blamed: readonly NamedFeature[];
  /** Must be on as well, and are not to blame. */
  readonly conditions: readonly NamedFeature[];
  /** Without them it cannot be told whether it fails: neither to blame nor cleared. */
  readonly unclear: readonly NamedFeature[];
}

export interface ConfigurationFinding {
  /**
   * `found`: with these changes and no others. `none`: it happens before the last change as well.
   * `unknown`: the incident knows of no other configuration. `unclear`: none is to blame of those
   * that could be taken back.
   */
  readonly status: 'found' | 'none' | 'unknown' | 'unclear' | 'skipped';
  readonly changes: readonly ConfigurationChange[];
  /** Without them it cannot be told whether it fails. */
  readonly unclear: readonly ConfigurationChange[];
  /** In all, of which `changes` are those that matter. */
  readonly changesInAll: number;
}

export interface Trigger {
  /** In words. */
  readonly words: string;
  readonly script: ReplayScript;
  /** Bytes of the first flight or of the request, of the trigger and of what was recorded. */
  readonly bytes: number;
  readonly bytesBefore: number;
  readonly needsEarlyData: boolean;
  /** Whether a server without what is to blame answers with a HelloRetryRequest; null: not known. */
  readonly isRetried: boolean | null;
}

export interface CommitFinding {
  readonly status: 'found' | 'range' | 'none' | 'impossible' | 'skipped';
  /** The first that fails; of a range, those that may be. */
  readonly commits: readonly Commit[];
  /** Why, when there is none. */
  readonly reason: string;
}

export interface Commit {
  readonly hash: string;
  readonly subject: string;
  /** ISO 8601. */
  readonly date: string;
}
