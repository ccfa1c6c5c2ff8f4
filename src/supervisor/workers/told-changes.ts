/**
 * What a worker's place has been told: the last change of each kind, for whoever fills the place next,
 * and what one that is still starting has not heard yet.
 */
import type { ChangeType, LastChanges, WorkerChange } from '../../worker/contract.ts';

/**
 * What only those that live must hear. Certificates are in the options that the next one begins with,
 * and it opens its logs by their names.
 */
const OF_THE_MOMENT: ReadonlySet<ChangeType> = new Set(['certificates', 'reopen-logs']);

export class ToldChanges {
  #last: LastChanges;
  readonly #unheard = new Map<string, WorkerChange>();

  constructor(first: LastChanges) {
    this.#last = first;
  }

  note(change: WorkerChange): void {
    const { type } = change;
    if (!OF_THE_MOMENT.has(type)) this.#last = { ...this.#last, [type]: change };
    const key = keyOf(change);
    // The last word on a thing comes after what was said of others meanwhile.
    this.#unheard.delete(key);
    this.#unheard.set(key, change);
  }

  /** What a worker begins with. What is noted from here on it has not heard. */
  begin(): LastChanges {
    this.#unheard.clear();
    return this.#last;
  }

  /** What the worker that began last has to be told now that it hears: of each kind the last, in order. */
  takeUnheard(): WorkerChange[] {
    const unheard = [...this.#unheard.values()];
    this.#unheard.clear();
    return unheard;
  }
}

/** One change takes the place of another with the same key. Each host has certificates of its own. */
function keyOf(change: WorkerChange): string {
  return change.type === 'certificates' ? `${change.type} ${change.names}` : change.type;
}
