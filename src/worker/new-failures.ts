/**
 * Notices handshakes that fail in a way not seen before, so that their recording is kept. What
 * somebody makes up to fail in ever new ways is bounded here, and by the supervisor again.
 */
import type { HandshakeRecord } from '../tls/contract.ts';
import type { HandshakeFaultKind } from '../triage/assemble.ts';
import { defaultIncidentLimits } from '../triage/options.ts';

const HOUR_MS = 3_600_000;

/** Fails without a word of TLS: a port scan is no fault. */
const UNTOLD = new Set(['tls-handshake-not-begun']);

/** A handshake that failed in a way that its worker had not seen before. */
export interface HandshakeFault {
  readonly kind: Exclude<HandshakeFaultKind, 'wrong-number'>;
  /** Its number in the trace recorder. */
  readonly connection: number;
  readonly signature: string;
  /** Message and stack of an exception of ours; '' where there was none. */
  readonly stack: string;
}

export class NewFailures {
  readonly #nowMs: () => number;
  readonly #tell: (fault: HandshakeFault) => void;
  readonly #textOf: (callback: string) => string;
  /** Oldest first. */
  readonly #seen = new Set<string>();
  #told = 0;
  #hourEndsMs = 0;

  /** `textOf`: message and stack of the exception that a callback has let go last. */
  constructor(
    nowMs: () => number,
    tell: (fault: HandshakeFault) => void,
    textOf: (callback: string) => string = () => '',
  ) {
    this.#nowMs = nowMs;
    this.#tell = tell;
    this.#textOf = textOf;
  }

  /** `connection` is its number in the trace recorder; `fingerprint` its JA4, or ''. */
  look(record: HandshakeRecord, connection: number, fingerprint: string): void {
    const isOurs = record.callbackFault !== '';
    if (!isOurs && (record.outcome === 'complete' || UNTOLD.has(record.errorCode))) return;
    const signature = isOurs ? faultSignature(record) : failureSignature(record, fingerprint);
    if (this.#seen.has(signature)) return;
    const nowMs = this.#nowMs();
    if (nowMs >= this.#hourEndsMs) {
      this.#hourEndsMs = nowMs + HOUR_MS;
      this.#told = 0;
    }
    if (this.#told >= defaultIncidentLimits.failuresPerHour) return;
    this.#told++;
    this.#seen.add(signature);
    if (this.#seen.size > defaultIncidentLimits.signaturesMax) {
      for (const oldest of this.#seen) {
        this.#seen.delete(oldest);
        break;
      }
    }
    const kind = isOurs ? 'callback-fault' : 'handshake-failure';
    const stack = isOurs ? this.#textOf(record.callbackFault) : '';
    this.#tell({ kind, connection, signature, stack });
  }
}

/** Whoever the client is, the fault is ours. */
function faultSignature({ callbackFault, outcome, errorCode }: HandshakeRecord): string {
  return ['callback-fault', callbackFault, outcome, errorCode || 'no error'].join('/');
}

/** Of the fingerprint the first part: version, and how many suites and extensions. */
function failureSignature(record: HandshakeRecord, fingerprint: string): string {
  const { lastState, errorCode, alert } = record;
  const client = fingerprint.slice(0, fingerprint.indexOf('_'));
  return ['handshake-failure', lastState, errorCode, alert || 'no alert', client || 'unknown'].join(
    '/',
  );
}
