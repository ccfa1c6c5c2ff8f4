/** The immutable facts of one handshake, asked from OpenSSL after it has ended. */
import type { CallbackName } from '../native/callbacks.ts';
import { EarlyDataStatus, type Ssl } from '../native/ssl.ts';
import { parseClientHello } from './client-hello.ts';
import type { EarlyDataOutcome, HandshakeRecord } from './contract.ts';
import type { EarlyDataAcceptance } from './early-data/early-data-acceptance.ts';
import { decisionOf } from './early-data/hello-decision.ts';
import type { Failure } from './failures.ts';
import { handshakeStateName } from './handshake-states.ts';

/** What the engine itself knows. */
export interface EngineFacts {
  /** Null when the handshake is complete. */
  readonly failure: Failure | null;
  /** Whether the server has chosen; until then OpenSSL names what might have been. */
  readonly isAgreed: boolean;
  /** Why early data was refused, noted while the session was still the ticket's. */
  readonly earlyDataReason: string;
  readonly earlyDataBytes: number;
  readonly helloRetryRequest: boolean;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** Server: in its records, as far as it was kept; null for none. */
  readonly clientHello: Uint8Array | null;
}

/** Must be called from outside of OpenSSL's callbacks, where every getter is safe (ssl.ts). */
export function takeHandshakeRecord(ssl: Ssl, facts: EngineFacts): HandshakeRecord {
  const { failure, isAgreed } = facts;
  const resumed = isAgreed && ssl.isResumed;
  const version = isAgreed ? ssl.version : '';
  const decision = decisionOf(ssl);
  const earlyData = earlyDataOutcome(ssl, failure !== null && decision?.offersEarlyData === true);
  return Object.freeze({
    outcome: failure === null ? 'complete' : 'failed',
    version,
    cipher: isAgreed ? ssl.cipher || ssl.chosenCipher : '',
    // A resumed TLS 1.2 session is not keyed by a group again (RFC 5246 §7.3).
    group: !isAgreed || (resumed && version === 'TLSv1.2') ? '' : ssl.group,
    signature: resumed ? '' : ssl.signature,
    resumed,
    earlyData,
    earlyDataReason: earlyData === 'rejected' ? facts.earlyDataReason || cutShort(ssl, facts) : '',
    earlyDataBytes: facts.earlyDataBytes,
    helloRetryRequest: facts.helloRetryRequest,
    serverName: ssl.serverName || decision?.serverName || nameIn(facts),
    alpn: ssl.alpn,
    startedAtMs: facts.startedAtMs,
    durationMs: facts.durationMs,
    bytesReceived: facts.bytesReceived,
    bytesSent: facts.bytesSent,
    alert: failure?.alert ?? '',
    alertSentBy: failure?.alertSentBy ?? '',
    errorCode: failure?.error.code ?? '',
    blame: failure?.error.blame ?? '',
    callbackFault: ssl.fault?.name ?? '',
    lastState: lastState(ssl),
  });
}

/** `isCutShort`: it failed, and OpenSSL may not have come to the early data that was offered. */
function earlyDataOutcome(ssl: Ssl, isCutShort: boolean): EarlyDataOutcome {
  switch (ssl.earlyDataStatus) {
    case EarlyDataStatus.accepted:
      return 'accepted';
    case EarlyDataStatus.rejected:
      return 'rejected';
    default:
      return isCutShort ? 'rejected' : 'not-offered';
  }
}

/** Callbacks without whose word there is no early data. */
const DECIDING: ReadonlySet<CallbackName> = new Set([
  'early-data',
  'ticket-returned',
  'ticket-key',
]);

/**
 * Server: to be called when it has answered, before the client learns of it: whoever is refused says
 * everything again.
 */
export function noteRefusedFlight(ssl: Ssl, acceptance: EarlyDataAcceptance | null): void {
  const decision = decisionOf(ssl);
  if (decision === null || ssl.earlyDataStatus !== EarlyDataStatus.rejected) return;
  acceptance?.noteRefused(decision, ssl.clientRandom, ssl.isResumed);
}

/**
 * Why a server has refused early data, in words; and has its next tickets say under which policy. To be
 * called between its ServerHello and its tickets, which replace the session that was resumed.
 */
export function settleEarlyData(
  ssl: Ssl,
  acceptance: EarlyDataAcceptance | null,
  helloRetryRequest: boolean,
): string {
  const decision = decisionOf(ssl);
  const reason = earlyDataRejection(ssl, {
    isAllowed: decision !== null && acceptance?.isAllowed(decision) === true,
    helloRetryRequest,
    refusal: decision?.refusal ?? '',
    isTicketExpired: ssl.takeIsExpired(),
  });
  if (acceptance !== null && decision !== null) ssl.markSession(acceptance.markOf(decision));
  return reason;
}

function earlyDataRejection(
  ssl: Ssl,
  facts: {
    readonly isAllowed: boolean;
    readonly helloRetryRequest: boolean;
    /** Why the gate said no; '' when it did not. */
    readonly refusal: string;
    /** Whether the session that was offered had expired. */
    readonly isTicketExpired: boolean;
  },
): string {
  if (ssl.earlyDataStatus !== EarlyDataStatus.rejected) return '';
  // RFC 8446 §4.2.10: what a server must check before it accepts.
  if (ssl.fault !== null && DECIDING.has(ssl.fault.name)) return 'internal error';
  if (facts.helloRetryRequest) return 'hello retry request';
  if (!facts.isAllowed) return 'policy off';
  if (!ssl.isResumed && facts.isTicketExpired) return 'ticket expired';
  if (!ssl.isResumed) return 'ticket not accepted';
  if (!ssl.isNameOfSession) return 'server name changed';
  if (ssl.alpn !== ssl.alpnOfSession) return 'ALPN changed';
  if (facts.refusal !== '') return facts.refusal;
  // What is left is the age that the client claims, which must be that of the ticket by 10 s.
  return 'ticket age implausible';
}

/** Why early data was not accepted in a handshake that failed before that was decided. */
function cutShort({ fault }: Pick<Ssl, 'fault'>, { helloRetryRequest }: EngineFacts): string {
  if (fault !== null) return 'internal error';
  if (helloRetryRequest) return 'hello retry request';
  return 'handshake failed';
}

/** OpenSSL tells the name later than the ClientHello says it, and never of one that it has not seen. */
function nameIn({ failure, clientHello }: EngineFacts): string {
  if (failure === null || clientHello === null) return '';
  return parseClientHello(clientHello)?.serverName ?? '';
}

/** Where it failed OpenSSL has no other word than `error`. */
function lastState({ state, stateName }: Pick<Ssl, 'state' | 'stateName'>): string {
  return stateName === 'error' ? handshakeStateName(state) : stateName;
}
