/** From a recording and a death, or a handshake that failed, to the incident. */
import { placeOf } from './exception.ts';
import {
  INCIDENT_FORMAT,
  INCIDENT_VERSION,
  type Incident,
  type IncidentConfiguration,
  type IncidentConnection,
  type IncidentDeath,
  type IncidentException,
  type IncidentKind,
  type IncidentRequest,
  type IncidentStack,
  type IncidentSuspect,
} from './incident.ts';
import { defaultIncidentLimits } from './options.ts';
import { redactedText } from './redaction.ts';
import { identityFrom } from './trace-identity.ts';
import { readIdentity, readTraces, type TraceReading } from './trace-reader.ts';
import type { TraceSnapshot } from './trace-snapshot.ts';

/** Faults that nobody dies of. */
export type HandshakeFaultKind = 'handshake-failure' | 'callback-fault' | 'wrong-number';

export interface DeathReport {
  readonly kind: Exclude<IncidentKind, HandshakeFaultKind>;
  readonly death: IncidentDeath;
  /** Wall-clock milliseconds. */
  readonly nowMs: number;
  readonly nativeStack: IncidentStack | null;
}

/** What the supervisor knows of the configuration beside what the worker has noted. */
export type ConfigurationFacts = Pick<IncidentConfiguration, 'lastGood' | 'text'>;

/** What a worker had not finished. */
interface Lost {
  readonly handshakes: number;
  readonly requests: number;
}

/** The incident of a worker that has died, and what was open in it. */
export function incidentOfDeath(
  snapshot: TraceSnapshot,
  report: DeathReport,
  facts: ConfigurationFacts,
): { readonly incident: Incident; readonly lost: Lost } {
  const { kind, death } = report;
  const base = incidentBase(snapshot, report.nowMs, facts);
  const suspect = suspectOf(base.reading, base.numbered);
  const { exception, requests } = base.reading;
  // One that was noted and not died of is another's business.
  const cause = kind === 'exit' ? exception : null;
  const request = requests.open.find(({ number }) => number === suspect?.request) ?? null;
  const incident = {
    ...base.incident,
    kind,
    signature: deathSignature(kind, death, { suspect, exception: cause, request }),
    death,
    suspect,
    connections: lastConnections(base.reading.connections, suspect?.connection ?? null),
    requests: requests.open,
    exception: cause,
    nativeStack: report.nativeStack,
  };
  return { incident, lost: lostOf(base.reading) };
}

/**
 * The incident of a handshake that failed, or met a fault of ours; null when it is not in the
 * recording any more.
 */
export function incidentOfFailure(
  snapshot: TraceSnapshot,
  failure: {
    readonly kind: Exclude<HandshakeFaultKind, 'wrong-number'>;
    readonly connection: number;
    readonly signature: string;
    /** Of an exception of ours; '' for none. */
    readonly stack: string;
    readonly nowMs: number;
  },
  facts: ConfigurationFacts,
): Incident | null {
  const base = incidentBase(snapshot, failure.nowMs, facts);
  const connection = base.reading.connections.find(({ id }) => id === failure.connection);
  if (connection === undefined) return null;
  return {
    ...base.incident,
    kind: failure.kind,
    signature: failure.signature,
    death: null,
    suspect: { connection: connection.id, call: null, observer: null, request: null },
    // The others have nothing to do with it.
    connections: [connection],
    nativeStack: exceptionStack(failure.stack),
  };
}

/** Its message may quote what it stumbled over. */
function exceptionStack(text: string): IncidentStack | null {
  if (text === '') return null;
  const { stackCharactersMax } = defaultIncidentLimits;
  return { source: 'node', text: redactedText(text).slice(0, stackCharactersMax) };
}

/** What was counted cannot be true: with what the worker did last. */
export function incidentOfWrongNumber(
  snapshot: TraceSnapshot,
  wrong: { readonly rule: string; readonly text: string; readonly nowMs: number },
  facts: ConfigurationFacts,
): Incident {
  const { rule, text, nowMs } = wrong;
  const { incident, reading } = incidentBase(snapshot, nowMs, facts);
  return {
    ...incident,
    kind: 'wrong-number',
    signature: `wrong-number/${rule}`,
    death: null,
    // It was one of those that ended since the look before.
    suspect: null,
    connections: lastConnections(reading.connections, null),
    requests: reading.requests.open,
    nativeStack: null,
    wrongNumber: { rule, text },
  };
}

/** What was open in the worker. */
function lostOf({ connections, requests }: TraceReading): Lost {
  const open = connections.filter(({ role, outcome }) => role === 'server' && outcome === 'open');
  return { handshakes: open.length, requests: requests.open.length };
}

function incidentBase(snapshot: TraceSnapshot, nowMs: number, facts: ConfigurationFacts) {
  const identity = identityFrom(readIdentity(snapshot));
  const { workerIndex, software, features, observers, configuration, addresses } = identity;
  const { numbered } = identity;
  const reading = readTraces(snapshot, { observers: numbered, peers: addresses });
  const { pid, startedAtMs, damagedEvents, handshakes } = reading;
  const incident = {
    format: INCIDENT_FORMAT,
    version: INCIDENT_VERSION,
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
    recorder: { damagedEvents, handshakes, requests: reading.requests.count },
  } as const;
  return { incident, reading, numbered };
}

function suspectOf(
  { inside, connections, requests }: TraceReading,
  numbered: readonly string[],
): IncidentSuspect | null {
  const isInside = inside.call !== '' || inside.observer >= 0;
  if (!isInside && requests.active === 0) return null;
  if (!isInside) {
    const observer = requests.running < 0 ? null : (numbered[requests.running] ?? null);
    return { connection: null, call: null, observer, request: requests.active };
  }
  const isThere = connections.some(({ id }) => id === inside.connection);
  return {
    connection: isThere ? inside.connection : null,
    call: inside.call === '' ? null : inside.call,
    observer: inside.observer < 0 ? null : (numbered[inside.observer] ?? null),
    // Within a handshake, what was done before it is no cause.
    request: null,
  };
}

/** The suspect and those that began last, oldest first. */
function lastConnections(
  connections: readonly IncidentConnection[],
  suspect: number | null,
): IncidentConnection[] {
  const first = Math.max(0, connections.length - defaultIncidentLimits.connectionsMax);
  return connections.filter(({ id }, index) => index >= first || id === suspect);
}

interface DeathCause {
  readonly suspect: IncidentSuspect | null;
  readonly exception: IncidentException | null;
  readonly request: IncidentRequest | null;
}

/** `KIND/HOW/WHERE/OBSERVER`. */
function deathSignature(
  kind: IncidentKind,
  death: IncidentDeath,
  { suspect, exception, request }: DeathCause,
): string {
  const inRequest = request === null ? 'no call' : `request in ${request.phase}`;
  const where = exception === null ? inRequest : placeOf(exception) || inRequest;
  return [
    kind,
    exception?.type ?? howText(kind, death),
    suspect?.call ?? where,
    suspect?.observer ?? 'no observer',
  ].join('/');
}

function howText(kind: IncidentKind, { signal, exitCode }: IncidentDeath): string {
  // Of those that hang, the signal is the watchdog's choice.
  if (kind === 'hang') return 'event loop';
  return signal ?? (exitCode === null ? 'unknown' : `code ${exitCode}`);
}
