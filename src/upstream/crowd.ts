/** Notices that requests wait because `connections-max` is reached, and says so now and then. */

/** What is told of a crowd. */
export interface CrowdFacts {
  /** Whose connections are all in use: everybody's, or those that open-ended requests may take. */
  readonly of: 'all' | 'open-ended';
  /** Connections that may be open. */
  readonly connectionsMax: number;
  readonly waiting: number;
  /** Since it was told last. */
  readonly refused: number;
  /** Milliseconds for which there has been a crowd at every look. */
  readonly forMs: number;
}

/** A crowd is told once in so many milliseconds: an operator needs to know, and not more. */
export const CROWD_TOLD_AGAIN_MS = 60_000;

export class Crowd {
  readonly #tell: (facts: CrowdFacts) => void;
  readonly #of: CrowdFacts['of'];
  readonly #connectionsMax: number;
  #sinceMs = -1;
  #toldMs = Number.NEGATIVE_INFINITY;
  #refused = 0;
  #refusedSeen = 0;

  constructor(of: CrowdFacts['of'], connectionsMax: number, tell: (facts: CrowdFacts) => void) {
    this.#of = of;
    this.#connectionsMax = connectionsMax;
    this.#tell = tell;
  }

  /** There was no place to wait either. */
  noteRefused(): void {
    this.#refused++;
  }

  /** Called about once a second. */
  look(nowMs: number, waiting: number): void {
    const isCrowded = waiting > 0 || this.#refused > this.#refusedSeen;
    this.#refusedSeen = this.#refused;
    if (!isCrowded) {
      this.#sinceMs = -1;
      return;
    }
    if (this.#sinceMs < 0) this.#sinceMs = nowMs;
    if (nowMs - this.#toldMs < CROWD_TOLD_AGAIN_MS) return;
    this.#toldMs = nowMs;
    const facts = { of: this.#of, connectionsMax: this.#connectionsMax, waiting };
    this.#tell({ ...facts, refused: this.#refused, forMs: nowMs - this.#sinceMs });
    this.#refused = 0;
    this.#refusedSeen = 0;
  }
}
