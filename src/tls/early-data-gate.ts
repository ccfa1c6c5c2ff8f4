/**
 * The last word on whether early data is accepted: at most once per ClientHello over all workers of
 * the machine (RFC 8446 §8). OpenSSL asks from inside a callback, because it must have the answer
 * there; what runs is arithmetic on shared memory and nothing else (docs/adr/0004-early-data-gate.md).
 */
import type { StrikeRegister } from './strike-register.ts';

export class EarlyDataGate {
  readonly #register: StrikeRegister;
  readonly #wallMs: () => number;
  #refusal = '';

  constructor(register: StrikeRegister, wallMs: () => number) {
    this.#register = register;
    this.#wallMs = wallMs;
  }

  /** Whether a ClientHello with this random may have its early data accepted. */
  readonly admit = (clientRandom: Uint8Array): boolean => {
    const strike = this.#register.strike(clientRandom, this.#wallMs());
    this.#refusal = REFUSALS[strike];
    return strike === 'first';
  };

  /** Why the last ClientHello was not admitted, in words; '' when it was or was not asked about. */
  takeRefusal(): string {
    const refusal = this.#refusal;
    this.#refusal = '';
    return refusal;
  }
}

const REFUSALS = { first: '', replayed: 'replayed', unavailable: 'register unavailable' } as const;
