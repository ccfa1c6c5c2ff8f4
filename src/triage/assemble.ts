/** From a recording and a death, or a handshake that failed, to the capsule. */
import {
  CAPSULE_FORMAT,
  CAPSULE_VERSION,
  type Capsule,
  type CapsuleConfiguration,
  type CapsuleConnection,
  type CapsuleDeath,
  type CapsuleKind,
  type CapsuleStack,
  type CapsuleSuspect,
} from './capsule.ts';
import { identityFrom } from './flight-identity.ts';
import { type FlightReading, readFlights, readIdentity } from './flight-reader.ts';
import type { FlightSnapshot } from './flight-snapshot.ts';
import { defaultCapsuleLimits } from './options.ts';
import { redactedText } from './redaction.ts';

/** Faults of handshakes that nobody dies of. */
export type HandshakeFaultKind = 'handshake-failure' | 'callback-fault';

export interface DeathReport {
  readonly kind: Exclude<CapsuleKind, HandshakeFaultKind>;
  readonly death: CapsuleDeath;
  /** Wall-clock milliseconds. */
  readonly nowMs: number;
  readonly nativeStack: CapsuleStack | null;
}

/** What the supervisor knows of the configuration beside what the worker has noted. */
export type ConfigurationFacts = Pick<CapsuleConfiguration, 'lastGood' | 'text'>;

/** The capsule of a worker that has died. */
export function capsuleOfDeath(
  snapshot: FlightSnapshot,
  report: DeathReport,
  facts: ConfigurationFacts,
): Capsule {
  const { kind, death } = report;
  const base = capsuleBase(snapshot, report.nowMs, facts);
  const suspect = suspectOf(base.reading, base.numbered);
  return {
    ...base.capsule,
    kind,
    signature: deathSignature(kind, death, suspect),
    death,
    suspect,
    connections: lastConnections(base.reading.connections, suspect?.connection ?? null),
    nativeStack: report.nativeStack,
  };
}

/** The capsule of a handshake that failed, or met a fault of ours; null when it is not in the recording any more. */
export function capsuleOfFailure(
  snapshot: FlightSnapshot,
  failure: {
    readonly kind: HandshakeFaultKind;
    readonly connection: number;
    readonly signature: string;
    /** Of an exception of ours; '' for none. */
    readonly stack: string;
    readonly nowMs: number;
  },
  facts: ConfigurationFacts,
): Capsule | null {
  const base = capsuleBase(snapshot, failure.nowMs, facts);
  const connection = base.reading.connections.find(({ id }) => id === failure.connection);
  if (connection === undefined) return null;
  return {
    ...base.capsule,
    kind: failure.kind,
    signature: failure.signature,
    death: null,
    suspect: { connection: connection.id, call: null, observer: null },
    // The others have nothing to do with it.
    connections: [connection],
    nativeStack: exceptionStack(failure.stack),
  };
}

/** Its message may quote what it stumbled over. */
function exceptionStack(text: string): CapsuleStack | null {
  if (text === '') return null;
  const { stackCharactersMax } = defaultCapsuleLimits;
  return { source: 'node', text: redactedText(text).slice(0, stackCharactersMax) };
}

function capsuleBase(snapshot: FlightSnapshot, nowMs: number, facts: ConfigurationFacts) {
  const identity = identityFrom(readIdentity(snapshot));
  const { workerIndex, software, features, observers, configuration, addresses } = identity;
  const { numbered } = identity;
  const reading = readFlights(snapshot, { observers: numbered, peers: addresses });
  const { pid, startedAtMs, damagedEvents, handshakes } = reading;
  const capsule = {
    format: CAPSULE_FORMAT,
    version: CAPSULE_VERSION,
    writtenAt: new Date(nowMs).toISOString(),
    software,
    worker: {
      index: workerIndex,
      pid,
      startedAt: new Date(startedAtMs).toISOString(),
      lifeMs: Math.max(0, nowMs - startedAtMs),
    },
    configuration: { ...configuration, ...facts },
    features,
    observers,
    recorder: { damagedEvents, handshakes },
  } as const;
  return { capsule, reading, numbered };
}

function suspectOf(
  { inside, connections }: FlightReading,
  numbered: readonly string[],
): CapsuleSuspect | null {
  if (inside.call === '' && inside.observer < 0) return null;
  const isThere = connections.some(({ id }) => id === inside.connection);
  return {
    connection: isThere ? inside.connection : null,
    call: inside.call === '' ? null : inside.call,
    observer: inside.observer < 0 ? null : (numbered[inside.observer] ?? null),
  };
}

/** The suspect and those that began last, oldest first. */
function lastConnections(
  connections: readonly CapsuleConnection[],
  suspect: number | null,
): CapsuleConnection[] {
  const first = Math.max(0, connections.length - defaultCapsuleLimits.connectionsMax);
  return connections.filter(({ id }, index) => index >= first || id === suspect);
}

function deathSignature(
  kind: CapsuleKind,
  { signal, exitCode }: CapsuleDeath,
  suspect: CapsuleSuspect | null,
): string {
  const how = signal ?? (exitCode === null ? 'unknown' : `code ${exitCode}`);
  return [kind, how, suspect?.call ?? 'no call', suspect?.observer ?? 'no observer'].join('/');
}
