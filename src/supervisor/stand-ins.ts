/**
 * Has the workers that serve take the connections of those that do not: of one that has died, that
 * cannot start, that hangs or is about to end. The kernel goes on spreading connections over the
 * sockets of all workers, so without it a share of them would wait for nobody.
 */
import type { Report } from '../telemetry/log-event.ts';
import type { WorkerPlace } from './workers/worker-place.ts';

/** A worker's place, as far as its connections concern others. */
export type StandInPlace = Pick<WorkerPlace, 'isServing' | 'isFirstStart' | 'tell'>;

export interface StandInsInput {
  places(): readonly StandInPlace[];
  /** Indices of those that are suspected to hang. */
  suspects(): ReadonlySet<number>;
  readonly report: Report;
}

export class StandIns {
  readonly #input: StandInsInput;
  #suspected: ReadonlySet<number> = new Set();
  /** Whose connections each place was told to take, if it ever was. */
  readonly #told = new Map<number, string>();

  constructor(input: StandInsInput) {
    this.#input = input;
  }

  /** Of the workers that take no connections now. */
  get unserved(): readonly number[] {
    const suspects = this.#input.suspects();
    return [...this.#input.places().entries()]
      .filter(([index, { isServing }]) => !isServing || suspects.has(index))
      .map(([index]) => index);
  }

  /** Something has changed, or may have. */
  look(): void {
    const places = this.#input.places();
    if (places.some(({ isFirstStart }) => isFirstStart)) return;
    const { unserved } = this;
    for (const [index, place] of places.entries()) {
      const others = unserved.filter((other) => other !== index);
      if (others.join() === (this.#told.get(index) ?? '')) continue;
      this.#told.set(index, others.join());
      place.tell({ type: 'stand-in', places: others });
    }
    this.#tellSuspects();
  }

  #tellSuspects(): void {
    const now = this.#input.suspects();
    const before = this.#suspected;
    this.#suspected = now;
    for (const index of now) {
      if (before.has(index)) continue;
      this.#input.report(`worker ${index} does not respond: the others take its new connections`, {
        level: 'warning',
        event: 'worker-suspected',
        fields: { worker: index },
      });
    }
  }
}
