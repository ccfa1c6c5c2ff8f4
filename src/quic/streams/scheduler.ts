/**
 * Which stream sends next (RFC 9218 §10): by urgency; of one urgency those that are not incremental one
 * after another in the order of their IDs, incremental ones in turn, and the two sorts take turns.
 */

export interface Schedulable {
  readonly id: number;
  urgency: number;
  isIncremental: boolean;
  isScheduled: boolean;
}

class Level<T extends Schedulable> {
  /** Ascending by ID. */
  readonly sequential: T[] = [];
  readonly incremental: T[] = [];
  isIncrementalNext = false;
}

export class Scheduler<T extends Schedulable> {
  /** By urgency; made when they are needed, most connections use one. */
  readonly #levels: (Level<T> | undefined)[] = [];
  #count = 0;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  add(stream: T): void {
    if (stream.isScheduled) return;
    stream.isScheduled = true;
    this.#count++;
    this.#levels[stream.urgency] ??= new Level<T>();
    const level = this.#levels[stream.urgency]!;
    if (stream.isIncremental) {
      level.incremental.push(stream);
      return;
    }
    const list = level.sequential;
    let i = list.length;
    while (i > 0 && list[i - 1]!.id > stream.id) i--;
    list.splice(i, 0, stream);
  }

  remove(stream: T): void {
    if (!stream.isScheduled) return;
    stream.isScheduled = false;
    this.#count--;
    const level = this.#levels[stream.urgency]!;
    const list = stream.isIncremental ? level.incremental : level.sequential;
    list.splice(list.indexOf(stream), 1);
  }

  /** Who sends next; it stays scheduled. */
  peek(): T | undefined {
    if (this.#count === 0) return undefined;
    for (const level of this.#levels) {
      if (level === undefined) continue;
      const { incremental, sequential } = level;
      const isIncremental = level.isIncrementalNext ? incremental.length > 0 : !sequential.length;
      const found = isIncremental ? incremental[0] : sequential[0];
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The one of `peek` has filled a packet: it is another's turn. */
  rotate(stream: T): void {
    if (!stream.isScheduled) return;
    const level = this.#levels[stream.urgency]!;
    level.isIncrementalNext = !stream.isIncremental;
    if (!stream.isIncremental) return;
    const list = level.incremental;
    if (list[0] === stream) list.push(list.shift()!);
  }

  setPriority(stream: T, urgency: number, isIncremental: boolean): void {
    const { isScheduled } = stream;
    this.remove(stream);
    stream.urgency = urgency;
    stream.isIncremental = isIncremental;
    if (isScheduled) this.add(stream);
  }
}
