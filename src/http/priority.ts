/** RFC 9218: the Priority field's value, and the order in which streams' content is sent. */

/** RFC 9218 §4.1. */
export const URGENCY_DEFAULT = 3;
const URGENCIES = 8;

/** Urgency and, in the bit above it, incremental. */
export type Priority = number;
const INCREMENTAL = 8;
export const PRIORITY_DEFAULT: Priority = URGENCY_DEFAULT;

function urgencyOf(priority: Priority): number {
  return priority & 7;
}

function isIncremental(priority: Priority): boolean {
  return priority >= INCREMENTAL;
}

/**
 * Reads a Priority field value: a Dictionary (RFC 8941 §3.2) of which `u` and `i` matter. What
 * is left out, or cannot be understood, stays as in `base`: the defaults for a request (RFC 9218 §4),
 * what the client asked for, for a response (§8).
 */
export function parsePriority(value: string, base: Priority = PRIORITY_DEFAULT): Priority {
  let urgency = urgencyOf(base);
  let incremental = base & INCREMENTAL;
  for (const member of value.split(',')) {
    const text = member.trim();
    const parameters = text.indexOf(';');
    const item = parameters === -1 ? text : text.slice(0, parameters).trimEnd();
    const match = /^u=([0-7])$/.exec(item);
    if (match !== null) urgency = Number(match[1]);
    else if (item === 'i' || item === 'i=?1') incremental = INCREMENTAL;
    else if (item === 'i=?0') incremental = 0;
  }
  return urgency | incremental;
}

/** What is put in order: a stream. */
export interface Prioritized {
  readonly id: number;
  priority: Priority;
  isScheduled: boolean;
}

/**
 * The streams that have content to send and a window for it. The lowest urgency goes first. Within
 * one urgency, streams that are not incremental go one after another in the order of their
 * identifiers, incremental ones take turns (RFC 9218 §10), and the two groups alternate.
 */
export class Schedule<Stream extends Prioritized> {
  readonly #sequential: Stream[][] = [];
  readonly #incremental: Stream[][] = [];
  readonly #turn: boolean[] = [];
  #count = 0;

  constructor() {
    for (let urgency = 0; urgency < URGENCIES; urgency++) {
      this.#sequential.push([]);
      this.#incremental.push([]);
      this.#turn.push(false);
    }
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  add(stream: Stream): void {
    if (stream.isScheduled) return;
    stream.isScheduled = true;
    this.#count++;
    const list = this.#listOf(stream.priority);
    if (isIncremental(stream.priority)) {
      list.push(stream);
      return;
    }
    let place = list.length;
    while (place > 0 && list[place - 1]!.id > stream.id) place--;
    list.splice(place, 0, stream);
  }

  remove(stream: Stream): void {
    if (!stream.isScheduled) return;
    stream.isScheduled = false;
    this.#count--;
    const list = this.#listOf(stream.priority);
    list.splice(list.indexOf(stream), 1);
  }

  /** Moves a stream to where its new priority belongs. */
  reprioritize(stream: Stream, priority: Priority): void {
    const wasScheduled = stream.isScheduled;
    this.remove(stream);
    stream.priority = priority;
    if (wasScheduled) this.add(stream);
  }

  /** The stream that may send one frame now; it stays scheduled. Null when none is. */
  next(): Stream | null {
    if (this.#count === 0) return null;
    for (let urgency = 0; urgency < URGENCIES; urgency++) {
      const sequential = this.#sequential[urgency]!;
      const incremental = this.#incremental[urgency]!;
      if (incremental.length === 0) {
        if (sequential.length > 0) return sequential[0]!;
        continue;
      }
      const turn = !this.#turn[urgency]!;
      this.#turn[urgency] = turn;
      if (sequential.length > 0 && turn) return sequential[0]!;
      const stream = incremental.shift()!;
      incremental.push(stream);
      return stream;
    }
    return null;
  }

  clear(): void {
    for (const list of [...this.#sequential, ...this.#incremental]) {
      for (const stream of list) stream.isScheduled = false;
      list.length = 0;
    }
    this.#count = 0;
  }

  #listOf(priority: Priority): Stream[] {
    const lists = isIncremental(priority) ? this.#incremental : this.#sequential;
    return lists[urgencyOf(priority)]!;
  }
}
