/** Tells the operator of the disk cache's faults: every one counts, few are printed. */
import type { StoreFault } from '../cache/disk/faults.ts';
import type { Report } from '../telemetry/log-event.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** Lines of one kind are at least this far apart: a full disk fails with every response. */
export const FAULT_LINE_INTERVAL_MS = 30_000;

interface Kind {
  lastLineMs: number;
  /** Faults since the last line. */
  untold: number;
  message: string;
}

export class CacheFaults {
  readonly #now: () => number;
  readonly #metrics: Pick<Metrics, 'cacheFailed'>;
  readonly #report: Report;
  readonly #kinds = new Map<string, Kind>();

  /** `now`: milliseconds. */
  constructor(now: () => number, metrics: Pick<Metrics, 'cacheFailed'>, report: Report) {
    this.#now = now;
    this.#metrics = metrics;
    this.#report = report;
  }

  note({ code, message }: StoreFault): void {
    this.#metrics.cacheFailed(code);
    let kind = this.#kinds.get(code);
    if (kind === undefined) {
      kind = { lastLineMs: Number.NEGATIVE_INFINITY, untold: 0, message };
      this.#kinds.set(code, kind);
    }
    kind.untold++;
    kind.message = message;
    this.#tell(code, kind);
  }

  /** Prints what was held back, as soon as it may be. Call it every now and then. */
  tellRest(): void {
    for (const [code, kind] of this.#kinds) if (kind.untold > 0) this.#tell(code, kind);
  }

  #tell(code: string, kind: Kind): void {
    const nowMs = this.#now();
    if (nowMs - kind.lastLineMs < FAULT_LINE_INTERVAL_MS) return;
    const times = kind.untold === 1 ? '' : ` (${kind.untold} times)`;
    this.#report(`cache: ${code}: ${kind.message}${times}`, { level: 'error', event: code });
    kind.lastLineMs = nowMs;
    kind.untold = 0;
  }
}
