/**
 * The last word on whether early data is accepted: at most once per ClientHello over all workers of
 * the machine (RFC 8446 §8), by a clock that nobody sets. OpenSSL asks from inside a callback, because
 * it must have the answer there; what runs is arithmetic on shared memory and nothing else
 * (docs/adr/0004-anti-replay-check.md). What is refused is noted as well (docs/adr/0015-refused-flights.md).
 */
import type { Strike, StrikeRegister } from './strike-register.ts';

export interface AntiReplayInput {
  readonly register: StrikeRegister;
  /** Of the clock that all processes of the machine share. */
  readonly nowMs: () => number;
  /** By the same clock; until then the register may not know what was accepted before it. */
  readonly fromMs?: () => number;
}

export class AntiReplayCheck {
  readonly #input: AntiReplayInput;

  constructor(input: AntiReplayInput) {
    this.#input = input;
  }

  /** Why a ClientHello with this random may not have its early data accepted, in words; '' when it may. */
  refusalOf(clientRandom: Uint8Array): string {
    const { register, fromMs } = this.#input;
    const nowMs = this.#input.nowMs();
    // Noted in any case: what is refused now must not be accepted in a moment.
    const strike = register.strike(clientRandom, nowMs);
    const isYoung = fromMs !== undefined && nowMs < fromMs();
    if (strike === 'first' && isYoung) return 'register too young';
    return REFUSALS[strike];
  }

  /** Notes a flight that was refused elsewhere: its request comes again, and must not run twice. */
  note(clientRandom: Uint8Array): void {
    const { register, nowMs } = this.#input;
    register.strike(clientRandom, nowMs());
  }

  /** Under a ticket with this mark an implausible age was claimed, which may fit later. */
  spend(ticketMark: number): void {
    const { register, nowMs } = this.#input;
    register.spend(ticketMark, nowMs());
  }

  /** `ageMs`: of the ticket. */
  isSpent(ticketMark: number, ageMs: number): boolean {
    const { register, nowMs } = this.#input;
    return register.isSpent(ticketMark, nowMs() - ageMs);
  }
}

const REFUSALS: Readonly<Record<Strike, string>> = {
  first: '',
  replayed: 'replayed',
  unavailable: 'register unavailable',
  'begun-anew': 'clock stepped',
};
