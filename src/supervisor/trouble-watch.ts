/**
 * Looks at what no other part reports by itself: the wall clock that somebody sets, early data that is
 * refused as a whole, certificates that end soon. Each is a line of the error log when it begins.
 */
import { durationText } from '../base/duration-text.ts';
import { type OnFault, repeated } from '../base/owned.ts';
import type { LogDetail, Report } from '../telemetry/log-event.ts';
import {
  type CertifiedHost,
  certificateExpiries,
  EXPIRY_REMEDY,
  expiryText,
} from './certificates/certificate-expiry.ts';
import { type EarlyDataState, refusalText } from './early-data-state.ts';

/** From one look to the next. Milliseconds. */
export const TROUBLE_LOOK_MS = 500;
/** A time service that slews the clock, or a process that stands still between two readings, is less. */
export const CLOCK_STEP_MS = 2_000;
/** A certificate that is late is said again after this time. */
const EXPIRY_LINE_MS = 86_400_000;
/** Certificates are looked at when they change, when the clock does, and this often. */
const EXPIRY_LOOK_MS = 3_600_000;

export interface TroubleWatchInput {
  /** Those that are active. */
  hosts(): readonly CertifiedHost[];
  earlyData(): EarlyDataState;
  /** A clock that nobody sets, and one that somebody may. */
  readonly steadyMs: () => number;
  readonly wallMs: () => number;
  readonly report: Report;
  readonly onFault: OnFault;
}

export class TroubleWatch {
  readonly #input: TroubleWatchInput;
  /** Of the wall clock over the one that nobody sets. */
  #aheadMs: number;
  #hosts: readonly CertifiedHost[] | null = null;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  /** By what was said: when. */
  readonly #saidMs = new Map<string, number>();
  #refusal: EarlyDataState['refusal'] = '';
  #refusalBefore: EarlyDataState['refusal'] = '';
  #refusedFromMs = 0;
  #rounds: Disposable | null = null;

  constructor(input: TroubleWatchInput) {
    this.#input = input;
    this.#aheadMs = input.wallMs() - input.steadyMs();
  }

  start(): void {
    this.look();
    this.#rounds = repeated(TROUBLE_LOOK_MS, () => this.look(), this.#input.onFault);
  }

  close(): void {
    this.#rounds?.[Symbol.dispose]();
  }

  look(): void {
    const stepped = this.#lookAtClock();
    this.#lookAtCertificates(stepped);
    this.#lookAtEarlyData();
  }

  #lookAtClock(): boolean {
    const { wallMs, steadyMs, report } = this.#input;
    const aheadMs = wallMs() - steadyMs();
    const stepMs = aheadMs - this.#aheadMs;
    this.#aheadMs = aheadMs;
    if (Math.abs(stepMs) < CLOCK_STEP_MS) return false;
    const way = stepMs > 0 ? 'forward' : 'back';
    report(
      `the clock of this machine was set ${way} by ${durationText(Math.abs(stepMs))}: stored responses ` +
        'and certificates are older or younger now; early data and time limits do not depend on it',
      { level: 'warning', event: 'clock-stepped', fields: { stepMs: Math.round(stepMs) } },
    );
    return true;
  }

  #lookAtCertificates(stepped: boolean): void {
    const { hosts, steadyMs, wallMs, report } = this.#input;
    const nowMs = steadyMs();
    const present = hosts();
    const isSame = present === this.#hosts && nowMs - this.#lookedAtMs < EXPIRY_LOOK_MS;
    if (isSame && !stepped) return;
    this.#hosts = present;
    this.#lookedAtMs = nowMs;
    for (const [said, saidMs] of this.#saidMs) {
      if (nowMs - saidMs >= EXPIRY_LINE_MS) this.#saidMs.delete(said);
    }
    for (const one of certificateExpiries(present, wallMs()).filter(({ isLate }) => isLate)) {
      const what = expiryText(one);
      if (this.#saidMs.has(what)) continue;
      this.#saidMs.set(what, nowMs);
      const { names, until, days } = one;
      report(`${what}: ${EXPIRY_REMEDY}`, {
        level: days < 0 ? 'error' : 'warning',
        subsystem: 'tls',
        event: 'certificate-expires',
        fields: { names, until, days },
      });
    }
  }

  /** Said when two looks in a row agree: at a start, and between two states, it is refused for moments. */
  #lookAtEarlyData(): void {
    const { earlyData, steadyMs, report } = this.#input;
    const state = earlyData();
    const { refusal } = state;
    const isSettled = refusal === this.#refusalBefore;
    this.#refusalBefore = refusal;
    if (!isSettled || refusal === this.#refusal) return;
    const wasTold = this.#refusal !== '';
    this.#refusal = refusal;
    // What an operator has chosen is no news to him.
    if (refusal === 'policy off') return;
    const detail: LogDetail = { subsystem: 'tls', fields: { refusal } };
    if (refusal === '') {
      if (!wasTold) return;
      const length = durationText(steadyMs() - this.#refusedFromMs);
      report(`early data is accepted again, after ${length}`, {
        ...detail,
        level: 'info',
        event: 'early-data-accepted',
      });
      return;
    }
    this.#refusedFromMs = steadyMs();
    report(`${refusalText(state)}; requests come after the handshake`, {
      ...detail,
      // After each start, for a moment: so that nothing is accepted twice.
      level: refusal === 'register too young' ? 'info' : 'warning',
      event: 'early-data-refused',
    });
  }
}
