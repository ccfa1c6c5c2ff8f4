/** Collects what goes wrong in a thread: a fault that comes a thousand times is told with its count. */
import { after, shownElsewhere } from '../base/owned.ts';
import { faultText, type HandlerFault, type HandlerFaultKind } from './contract.ts';
import { defaultHandlerLimits } from './limits.ts';

/** The first of a kind is told at once, others so often. Milliseconds. */
const TOLD_EVERY_MS = 250;

export class ThreadFaults {
  readonly #thread: number;
  readonly #tell: (fault: HandlerFault) => void;
  readonly #waiting = new Map<string, HandlerFault>();
  #timer: NodeJS.Timeout | null = null;

  constructor(thread: number, tell: (fault: HandlerFault) => void) {
    this.#thread = thread;
    this.#tell = tell;
  }

  add(kind: HandlerFaultKind, error: unknown): void {
    const stack = faultText(error);
    const { handlerFaultKindsMax } = defaultHandlerLimits;
    let key = `${kind}\n${stack}`;
    if (!this.#waiting.has(key) && this.#waiting.size >= handlerFaultKindsMax) {
      // It is told as the first of its kind that waits.
      key = [...this.#waiting.keys()].find((other) => other.startsWith(`${kind}\n`)) ?? key;
    }
    const count = (this.#waiting.get(key)?.count ?? 0) + 1;
    const told = this.#waiting.get(key)?.stack ?? stack;
    this.#waiting.set(key, { kind, thread: this.#thread, stack: told, count });
    if (this.#timer !== null) return;
    this.flush();
    this.#timer = after(TOLD_EVERY_MS, () => this.#turn(), shownElsewhere).unref();
  }

  flush(): void {
    for (const fault of this.#waiting.values()) this.#tell(fault);
    this.#waiting.clear();
  }

  #turn(): void {
    this.#timer = null;
    if (this.#waiting.size === 0) return;
    this.flush();
    this.#timer = after(TOLD_EVERY_MS, () => this.#turn(), shownElsewhere).unref();
  }
}
