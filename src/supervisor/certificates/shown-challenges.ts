/** What authorities are shown by this instance: for its own orders, and for those of other instances. */
import { answersTo, type ChallengeAnswers } from '../../acme/challenges.ts';
import type { Challenge } from '../../acme/contract.ts';

export interface ShownChallengesInput {
  /** Resolves when every worker answers so. */
  show(answers: ChallengeAnswers): Promise<void>;
  readonly wallMs: () => number;
}

export class ShownChallenges {
  readonly #input: ShownChallengesInput;
  /** With what answers each: a certificate has a key of its own, which is made once. */
  readonly #own = new Map<Challenge, ChallengeAnswers>();
  #others: ChallengeAnswers = { http: [], tls: [] };

  constructor(input: ShownChallengesInput) {
    this.#input = input;
  }

  add(challenges: readonly Challenge[]): Promise<void> {
    const nowMs = this.#input.wallMs();
    for (const one of challenges) this.#own.set(one, answersTo([one], nowMs));
    return this.#showAll();
  }

  remove(challenges: readonly Challenge[]): Promise<void> {
    for (const challenge of challenges) this.#own.delete(challenge);
    return this.#showAll();
  }

  /** All of a cluster, ours among them. */
  replaceOthers(challenges: readonly Challenge[]): Promise<void> {
    const own = new Set([...this.#own.keys()].map(({ token }) => token));
    const others = challenges.filter(({ token }) => !own.has(token));
    this.#others = answersTo(others, this.#input.wallMs());
    return this.#showAll();
  }

  #showAll(): Promise<void> {
    const all = [...this.#own.values(), this.#others];
    const [http, tls] = [all.flatMap((one) => one.http), all.flatMap((one) => one.tls)];
    return this.#input.show({ http, tls });
  }
}
