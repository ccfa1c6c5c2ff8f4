/** Counts the lines that a log has lost, and says so now and then: a flood of them is one event. */
import type { LogDetail } from './log-event.ts';

/** Soon enough for somebody who looks for the cause, and no flood of its own. */
const TELL_MS = 2_000;

export class DroppedLines {
  readonly #count: (lines: number) => void;
  readonly #tell: (lines: number) => void;
  #untold = 0;
  #timer: NodeJS.Timeout | null = null;

  /** `count` is called at once, `tell` with the sum of some time. */
  constructor(count: (lines: number) => void, tell: (lines: number) => void) {
    this.#count = count;
    this.#tell = tell;
  }

  readonly add = (lines: number): void => {
    this.#count(lines);
    this.#untold += lines;
    this.#timer ??= setTimeout(() => this.turn(), TELL_MS).unref();
  };

  turn(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#untold > 0) this.#tell(this.#untold);
    this.#untold = 0;
  }
}

/** Of the event that says so. */
export function droppedDetail(lines: number): LogDetail {
  return { level: 'warning', subsystem: 'logs', event: 'log-lines-dropped', fields: { lines } };
}
