/** What a worker writes beside its recording, so that whoever finds it knows what ran there. */
import { createHash } from 'node:crypto';
import { release, type } from 'node:os';
import type { IncidentOptions, IncidentSoftware } from './incident.ts';
import { incidentConfiguration } from './redaction.ts';

export interface TraceIdentity {
  readonly workerIndex: number;
  readonly software: IncidentSoftware;
  readonly features: Readonly<Record<string, boolean>>;
  /** Those that are on. */
  readonly observers: readonly string[];
  /** On or off, by the recorder's numbers. */
  readonly numbered: readonly string[];
  readonly configuration: IncidentOptions;
  /** Whether incidents tell addresses of peers. */
  readonly addresses: boolean;
}

export function softwareNow(sluiceVersion: string): IncidentSoftware {
  return {
    sluice: sluiceVersion,
    node: process.versions.node,
    openssl: process.versions.openssl ?? '',
    kernel: `${type()} ${release()}`,
    architecture: process.arch,
  };
}

export function identityNow(
  input: Pick<
    TraceIdentity,
    'workerIndex' | 'features' | 'observers' | 'numbered' | 'addresses'
  > & {
    readonly version: string;
    readonly options: object;
  },
): TraceIdentity {
  const { workerIndex, features, observers, numbered, addresses } = input;
  const software = softwareNow(input.version);
  const configuration = incidentConfiguration(input.options);
  return { workerIndex, software, features, observers, numbered, configuration, addresses };
}

/** Without the options, for when they are too long for the room that there is. */
export function shortened(identity: TraceIdentity): TraceIdentity {
  const { digest } = identity.configuration;
  return { ...identity, configuration: { digest, options: null } };
}

/** The identity found in memory, as far as it is one: every part that is missing is empty. */
export function identityFrom(value: unknown): TraceIdentity {
  const found = (
    typeof value === 'object' && value !== null ? value : {}
  ) as Partial<TraceIdentity>;
  return {
    workerIndex: found.workerIndex ?? 0,
    software: found.software ?? softwareNow(''),
    features: found.features ?? {},
    observers: found.observers ?? [],
    numbered: found.numbered ?? [],
    configuration: found.configuration ?? { digest: EMPTY_DIGEST, options: null },
    addresses: found.addresses ?? false,
  };
}

const EMPTY_DIGEST = createHash('sha256').digest('hex');
