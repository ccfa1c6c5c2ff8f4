/**
 * An incident: what is known of one worker's death, or of one handshake that failed in a way not seen
 * before. One JSON document, gzip or not; docs/reference/incident.md explains every field.
 */

/** `format` of every incident. */
export const INCIDENT_FORMAT = 'sluice-incident';

/** Raised when a reader of the old version would misunderstand; new optional fields do not raise it. */
export const INCIDENT_VERSION = 1;

export const incidentKinds = [
  /** A signal ended the worker: SIGSEGV, SIGABRT and so on. */
  'crash',
  /** SIGKILL that was not ours: the kernel for want of memory, or somebody's hand. */
  'killed',
  /** The worker's event loop stood still, and the watchdog ended it. */
  'hang',
  /** The process ended by itself, as after an exception that nobody caught. */
  'exit',
  /** No death: a handshake failed in a way not seen before. */
  'handshake-failure',
  /** No death: an exception of ours in a callback of OpenSSL, during a handshake. */
  'callback-fault',
  /** No death: what was counted cannot be true. */
  'wrong-number',
] as const;
export type IncidentKind = (typeof incidentKinds)[number];

/** Whether nobody has died of what is of this kind. */
export function isWithoutDeath(kind: string): boolean {
  return kind === 'handshake-failure' || kind === 'callback-fault' || kind === 'wrong-number';
}

export interface Incident {
  readonly format: typeof INCIDENT_FORMAT;
  readonly version: typeof INCIDENT_VERSION;
  readonly kind: IncidentKind;
  /** ISO 8601, UTC. */
  readonly writtenAt: string;
  /**
   * The same for faults that look the same: kind, signal or exception, call or the frames that threw,
   * observer, and for a handshake its last state, error and alert. Words separated by `/`.
   */
  readonly signature: string;
  readonly software: IncidentSoftware;
  readonly worker: IncidentWorker;
  /** Null where nobody has died. */
  readonly death: IncidentDeath | null;
  readonly configuration: IncidentConfiguration;
  /** Every feature by name, and whether it was on in this worker. */
  readonly features: Readonly<Record<string, boolean>>;
  /** What watched handshakes, by name: observers, and modules inside OpenSSL's callbacks. */
  readonly observers: readonly string[];
  /** Null when nothing was under way, or no handshake failed. */
  readonly suspect: IncidentSuspect | null;
  /** Oldest first. */
  readonly connections: readonly IncidentConnection[];
  /** Those that were open, oldest first; of versions before 0.2 there are none. */
  readonly requests?: readonly IncidentRequest[];
  /** What the process ended with; null when it was no exception of JavaScript. */
  readonly exception?: IncidentException | null;
  readonly nativeStack: IncidentStack | null;
  /** Of the kind `wrong-number`: which rule is broken, and the numbers. */
  readonly wrongNumber?: { readonly rule: string; readonly text: string };
  readonly recorder: IncidentRecorder;
}

export interface IncidentSoftware {
  readonly sluice: string;
  readonly node: string;
  readonly openssl: string;
  /** As `uname -sr`. */
  readonly kernel: string;
  /** `x64` or `arm64`. */
  readonly architecture: string;
}

export interface IncidentWorker {
  readonly index: number;
  readonly pid: number;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** Milliseconds from the start to the incident. */
  readonly lifeMs: number;
}

export interface IncidentDeath {
  /** One sentence for people, as `killed by SIGSEGV` or `killed by SIGKILL, perhaps for memory`. */
  readonly summary: string;
  /** `SIGSEGV`; null when it ended by itself. */
  readonly signal: string | null;
  readonly exitCode: number | null;
  /** For a hang: milliseconds since the last turn of the event loop. Null otherwise. */
  readonly silentMs: number | null;
  /** Whether the kernel counted an out-of-memory kill meanwhile; null when that cannot be known. */
  readonly outOfMemory: boolean | null;
}

/** Options without secrets. */
export interface IncidentOptions {
  /** SHA-256 over the redacted options, as canonical JSON. Equal options have equal digests. */
  readonly digest: string;
  /** What was left out reads `(redacted)`. Null when they were too long to be recorded. */
  readonly options: JsonValue;
}

/** The active options. */
export interface IncidentConfiguration extends IncidentOptions {
  /** Those under which workers last lived soundly, when they are not the same; null otherwise. */
  readonly lastGood: IncidentOptions | null;
  /** The values of the configuration file as YAML, without secrets; null without a file. */
  readonly text: string | null;
}

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** What was being done when the worker ended, or which handshake failed. */
export interface IncidentSuspect {
  /** `id` of one of the connections; null when it is not among them any more. */
  readonly connection: number | null;
  /** C name of the function that had been entered and not left, as `SSL_do_handshake`; or null. */
  readonly call: string | null;
  /** The observer that had been entered and not left; null when none had. */
  readonly observer: string | null;
  /** `number` of the open request that was worked at last; null when it had ended since. */
  readonly request?: number | null;
}

/** A request that was open. */
export interface IncidentRequest {
  /** Counts from 1 within one worker's life. */
  readonly number: number;
  readonly method: string;
  /** Host and port, as the request said them. */
  readonly authority: string;
  /** Without the query; `?` at its end when there was one. Its end may be missing: see `isCut`. */
  readonly path: string;
  readonly isCut: boolean;
  /** `1.0`, `1.1`, `2`. */
  readonly version: string;
  readonly tls: boolean;
  /** It came as early data (RFC 8470). */
  readonly early: boolean;
  /** IP address of the client, `unix`, or '' when it is redacted. */
  readonly peer: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** What was done with it last: see telemetry/requests/request-layout.ts. */
  readonly phase: string;
  /** Bytes of the query, which is kept out. */
  readonly queryBytes?: number;
  /** Headers and the body's sizes; not there for one that was not described yet. */
  readonly message?: IncidentMessage;
  /** What the origin had answered until then; null when it had not. */
  readonly response?: IncidentResponse | null;
}

/** Of a request or of a response, without what may be secret. */
export interface IncidentMessage {
  readonly headers: readonly IncidentHeader[];
  /** Headers are missing at the end. */
  readonly isCut: boolean;
  readonly body: IncidentBody;
}

export interface IncidentResponse extends IncidentMessage {
  readonly status: number;
}

/** Of a value that may be secret there is the length. */
export type IncidentHeader =
  | { readonly name: string; readonly value: string }
  | { readonly name: string; readonly bytes: number };

export interface IncidentBody {
  /** As announced; -1 when it was not known in advance. */
  readonly announced: number;
  /** That have come. */
  readonly bytes: number;
  /** Lengths of the first pieces, as they came. */
  readonly pieces: readonly number[];
  /** Whether it has ended. */
  readonly isWhole: boolean;
}

/** An exception of JavaScript that nobody caught. */
export interface IncidentException {
  /** As `TypeError`. */
  readonly type: string;
  readonly message: string;
  /** Functions of sluice that threw it, innermost first, as `Exchange.begin (proxy/exchange.ts:120)`. */
  readonly frames: readonly string[];
  readonly stack: string;
  /** Of the request that was worked at last: names of its fields, and values that are no secrets. */
  readonly fields: readonly string[];
}

export type ConnectionOutcome = 'open' | 'complete' | 'failed';

export interface IncidentConnection {
  /** Counts from 1 within one worker's life. */
  readonly id: number;
  /** `server`: a client of ours. `client`: we are, toward an origin. */
  readonly role: 'server' | 'client';
  /** IP address of the peer, `unix`, or '' when it is redacted. */
  readonly peer: string;
  /** ISO 8601, UTC: the first byte, or for a client the start. */
  readonly startedAt: string;
  readonly serverName: string;
  readonly clientHello: IncidentClientHello | null;
  readonly outcome: ConnectionOutcome;
  /** Of a handshake that failed (docs/reference/errors.md), or ''. */
  readonly errorCode: string;
  /** RFC name of the alert, or ''. */
  readonly alert: string;
  /** TLS records of what was received, in order, as far as the events go. */
  readonly records: readonly IncidentRecord[];
  /** In order. */
  readonly events: readonly IncidentEvent[];
  /** Whether something did not fit: events at the end, or bytes of a flight, are missing. */
  readonly isCut: boolean;
}

/** Of the first ClientHello. */
export interface IncidentClientHello {
  /** JA4 fingerprint; '' when the ClientHello cannot be read. */
  readonly ja4: string;
  /** JA4 and a hash of all that one client sends alike each time (tls/refusal/hello-shape.ts); or ''. */
  readonly shape: string;
  /** What it has, in words that do not depend on any order (tls/refusal/hello-traits.ts). */
  readonly traits?: readonly string[];
  /** SHA-256 of the message's bytes. */
  readonly sha256: string;
  /** Bytes of the message, of which `events` may hold fewer. */
  readonly length: number;
}

/** One record as framed by the peer. */
export interface IncidentRecord {
  /** Bytes received before it on this connection. */
  readonly offset: number;
  /** 20 change_cipher_spec, 21 alert, 22 handshake, 23 application_data. */
  readonly type: number;
  /** Bytes after the header of 5. */
  readonly length: number;
}

interface Timed {
  /** Milliseconds since the connection's start, to the microsecond. */
  readonly atMs: number;
}

/**
 * Bytes as the peer sent them, in one read. Headers of records are always there; the content of
 * sealed records (type 23) never is.
 */
export interface ReceivedEvent extends Timed {
  readonly type: 'received';
  /** Bytes received in this read. */
  readonly length: number;
  /** Runs of bytes and of gaps; their lengths sum up to `length`. */
  readonly parts: readonly ReceivedPart[];
}

export type ReceivedPart =
  /** Base64. */
  | { readonly bytes: string }
  /** Bytes left out. `why`: sealed (type 23), framing (not TLS records), room (did not fit). */
  | { readonly omitted: number; readonly why: 'sealed' | 'framing' | 'room' };

/** Early data (RFC 8446 §2.3) that was decrypted: its length, and never its content. */
export interface EarlyDataEvent extends Timed {
  readonly type: 'early-data';
  readonly length: number;
  /** SHA-256 of the content, where the operator has asked for it. */
  readonly sha256?: string;
}

export interface SentEvent extends Timed {
  readonly type: 'sent';
  readonly length: number;
}

/** OpenSSL's state after a call, by its name in ssl.h without `TLS_ST_`, as `SR_CLNT_HELLO`. */
export interface StateEvent extends Timed {
  readonly type: 'state';
  readonly state: string;
}

export interface CallEvent extends Timed {
  /** Written before the native call, and after it. */
  readonly type: 'entered' | 'left';
  readonly call: string;
}

export interface ObserverEvent extends Timed {
  readonly type: 'observer-entered' | 'observer-left';
  readonly observer: string;
}

export interface EndedEvent extends Timed {
  readonly type: 'ended';
  readonly outcome: 'complete' | 'failed';
}

export type IncidentEvent =
  | ReceivedEvent
  | EarlyDataEvent
  | SentEvent
  | StateEvent
  | CallEvent
  | ObserverEvent
  | EndedEvent;

export interface IncidentStack {
  /** `gdb` on the process, or on its `core`; `node` for the stack that JavaScript left. */
  readonly source: 'gdb' | 'core' | 'node';
  readonly text: string;
}

/** How good the recording is. */
export interface IncidentRecorder {
  /** Events that were half written, or hit by a stray write. */
  readonly damagedEvents: number;
  /** Handshakes since the worker's start, of which `connections` are the last. */
  readonly handshakes: number;
  /** Requests since the worker's start. */
  readonly requests?: number;
}

/** The open request that was worked at last. */
export function suspectedRequest({
  suspect,
  requests = [],
}: Pick<Incident, 'suspect' | 'requests'>): IncidentRequest | undefined {
  return requests.find(({ number }) => number === suspect?.request);
}

/** As `GET https://example.org/films/1?`; an end that was cut off is `…`. */
export function incidentRequestText(request: IncidentRequest): string {
  const { method, tls, authority, path, isCut } = request;
  return `${method} ${tls ? 'https' : 'http'}://${authority}${path}${isCut ? '…' : ''}`;
}
