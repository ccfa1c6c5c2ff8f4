/**
 * What the page reads of the JSON routes: shapes alone, and of each no more than is shown. A route says
 * with `satisfies` that it gives this, so that a change of one without the other fails the type check.
 */

/** `/stats`. */
export interface StatsAnswer {
  readonly version: string;
  readonly state: string;
  readonly uptimeSeconds: number;
  readonly workers: readonly WorkerState[];
}

export interface WorkerState {
  readonly index: number;
  readonly pid: number | null;
  readonly state: string;
  readonly restarts: number;
}

/** `/origins`. */
export interface OriginsAnswer {
  readonly origins: readonly {
    readonly name: string;
    readonly servers: readonly {
      readonly name: string;
      readonly state: string;
      /** Why its requests fail; null while they do not. */
      readonly trouble: { readonly text: string; readonly seconds: number } | null;
    }[];
  }[];
}

/** `/features`. */
export interface FeaturesAnswer {
  readonly rollbacks: readonly {
    readonly name: string;
    readonly state: string;
    /** The number of the incident that it was disabled for; '' for none. */
    readonly incident: string;
  }[];
}

/** `/incidents`. */
export interface IncidentsAnswer {
  /** '' for none. */
  readonly directory: string;
}

/** `/triage`. */
export interface TriageAnswer {
  readonly reports: readonly TriageEntry[];
}

/** One report, in short. */
export interface TriageEntry {
  /** For `?report=`. */
  readonly name: string;
  readonly writtenAt: string;
  readonly verdict: string;
  readonly summary: string;
}

/** `/triage?report=`, of this version or an older one. */
export interface ReportAnswer {
  readonly summary: string;
  readonly incident: { readonly signature: string };
  readonly reproduction: { readonly same: number; readonly runs: number };
  readonly features: {
    readonly blamed: readonly { readonly name: string; readonly summary: string }[];
    readonly conditions: readonly { readonly name: string }[];
    readonly unclear?: readonly { readonly name: string }[];
  };
  readonly configuration: {
    readonly changes: readonly {
      readonly path: string;
      readonly before: unknown;
      readonly after: unknown;
    }[];
  };
  readonly commit: {
    readonly commits: readonly { readonly hash: string; readonly subject: string }[];
  };
  readonly trigger: { readonly bytes: number; readonly words: string } | null;
  readonly advice: readonly string[];
  readonly evidence: readonly {
    readonly number: number;
    readonly stage: string;
    readonly question: string;
    readonly outcome: string;
    readonly same: number;
    readonly runs: number;
  }[];
}

/** `/overview`. */
export interface OverviewAnswer {
  readonly wrong: readonly {
    readonly what: string;
    readonly remedy: string;
    /** RFC 3339: when it was met last; null for what holds now. */
    readonly at: string | null;
  }[];
}
