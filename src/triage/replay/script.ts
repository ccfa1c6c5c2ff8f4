/**
 * What a client did, so that it can be done again: from an incident, or edited in the search for the
 * smallest trigger. Plain JSON.
 */

export type ReplayScript = HandshakeScript | RequestScript;

/** A connection, to the end of its handshake. */
export interface HandshakeScript {
  /**
   * `verbatim`: the bytes that were sent, in the same writes. `re-enacted`: a client of ours with
   * keys of its own that does the same, where the bytes themselves depend on keys.
   */
  readonly mode: 'verbatim' | 're-enacted';
  /** Each begins when the server has answered the one before. */
  readonly flights: readonly ReplayFlight[];
  /** What the client does at the end: FIN, RST, or nothing until the server closes. */
  readonly end: 'close' | 'reset' | 'wait';
  /** How many such connections are made, at most; 1 when it does not say. */
  readonly times?: number;
  /** Milliseconds after the first of several; 0 when it does not say. */
  readonly afterMs?: number;
}

/** A request, by a client of ours, and what its origin answers. Bodies are fill of the same sizes. */
export interface RequestScript {
  readonly mode: 'request';
  /** `1.1` or `2`. */
  readonly version: '1.1' | '2';
  readonly tls: boolean;
  readonly method: string;
  readonly authority: string;
  /** With its query. */
  readonly path: string;
  /** Lower-case, in order, without Host and without what frames the body. */
  readonly headers: readonly HeaderLine[];
  readonly body: PlayedBody;
  /** Null: a short answer of 200. */
  readonly answer: PlayedAnswer | null;
  /** How often it is sent on its connection, at most. */
  readonly times: number;
  /** As of a handshake's. */
  readonly afterMs?: number;
}

export type HeaderLine = readonly [name: string, value: string];

export interface PlayedBody {
  /** `length`: announced by Content-Length. `chunked`: not announced. */
  readonly framing: 'none' | 'length' | 'chunked';
  /** Bytes of each write. */
  readonly pieces: readonly number[];
  /** Bytes announced beyond those that are sent: the client stops in the middle. */
  readonly missing: number;
}

export interface PlayedAnswer {
  readonly status: number;
  /** As of a request's. */
  readonly headers: readonly HeaderLine[];
  readonly body: PlayedBody;
}

export type ReplayFlight = BytesFlight | ClientHelloFlight | FinishFlight;

/** Bytes as they stand. */
export interface BytesFlight {
  readonly kind: 'bytes';
  readonly writes: readonly ReplayWrite[];
}

export interface ReplayWrite {
  /** Milliseconds from the write before, or from the answer that the flight has waited for. */
  readonly delayMs: number;
  /** Base64. */
  readonly bytes: string;
}

/** A ClientHello like another one, and the early data that goes with it. Only re-enacted. */
export interface ClientHelloFlight {
  readonly kind: 'client-hello';
  /**
   * Base64: the records of the ClientHello to follow. Shares of keys, the ticket and its binders are
   * replaced by the client's own of the same kind; all else stays.
   */
  readonly template: string;
  /** The last one takes what is left; none for one write at once. */
  readonly writes: readonly SizedWrite[];
  /** Bytes of plaintext in each record of early data (RFC 8446 §2.3); none for no early data. */
  readonly earlyData: readonly number[];
  /** Whether a full handshake comes first, on a connection of its own, for a ticket. */
  readonly resumes: boolean;
}

export interface SizedWrite {
  /** As of `ReplayWrite`. */
  readonly delayMs: number;
  /** Bytes. */
  readonly length: number;
}

/** The client's last flight, and application data after it. Only re-enacted. */
export interface FinishFlight {
  readonly kind: 'finish';
  /** Bytes of plaintext in each record; the first one begins a request. */
  readonly applicationData: readonly number[];
}

/** What came of playing a script once, as the client sees it. */
export interface PlayedOutcome {
  /**
   * `answered`: the server has sent records and all was played. `alert`: it has sent one.
   * `closed`: the connection ended without one. `silent`: no answer in time. `refused`: no
   * connection.
   */
  readonly result: 'answered' | 'alert' | 'closed' | 'silent' | 'refused';
  /** RFC name of the alert, or ''. */
  readonly alert: string;
  /** Flights that were sent whole. */
  readonly flightsSent: number;
  /**
   * What was received: types of records and, of handshake messages in the clear, their names; of a
   * response the status and the length.
   */
  readonly received: readonly string[];
  readonly durationMs: number;
}
