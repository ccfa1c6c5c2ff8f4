/**
 * The parts of the supervisor, each of which may fail without the rest: what one throws is reported
 * with its stack, counted, and ends nothing.
 */
import { type OnFault, owned, repeated } from '../base/owned.ts';
import type { LogSubsystem, Report } from '../telemetry/log-event.ts';
import type { SUPERVISOR_PARTS } from '../telemetry/metric-table.ts';

export type Part = (typeof SUPERVISOR_PARTS)[number];

/** Under which subsystem the faults of a part are found in the error log. */
const SUBSYSTEMS: Readonly<Record<Part, LogSubsystem>> = {
  admin: 'admin',
  certificates: 'tls',
  tickets: 'tls',
  logs: 'logs',
  handlers: 'handlers',
  faults: 'recorder',
  workers: 'supervisor',
  service: 'supervisor',
  other: 'supervisor',
};

export interface PartsInput {
  readonly report: Report;
  count(part: Part): void;
}

export class Parts {
  readonly #input: PartsInput;

  constructor(input: PartsInput) {
    this.#input = input;
  }

  /** Who takes the faults of a part. */
  of(part: Part): OnFault {
    return (error) => this.failed(part, error);
  }

  /** Never throws: it is the last that could. */
  failed(part: Part, error: unknown): void {
    const stack = stackOf(error);
    try {
      this.#input.count(part);
      this.#input.report(`a fault of sluice in ${part}, which continues: ${stack}`, {
        level: 'error',
        subsystem: SUBSYSTEMS[part],
        event: 'part-failed',
        fields: { part },
      });
    } catch {
      process.stderr.write(`sluice: a fault in ${part} cannot be reported: ${stack}\n`);
    }
  }

  /** What `body` returns, or `instead` when it throws. */
  run<T>(part: Part, body: () => T, instead: T): T {
    try {
      return body();
    } catch (error) {
      this.failed(part, error);
      return instead;
    }
  }

  /** For a promise that nobody waits for. */
  own(part: Part, promise: Promise<unknown> | undefined): void {
    owned(promise, this.of(part));
  }

  every(part: Part, intervalMs: number, body: () => void | Promise<void>): Disposable {
    return repeated(intervalMs, body, this.of(part));
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/**
 * A supervisor whose workers are other processes carries no traffic: whatever it forgot to catch is
 * told, and it goes on, since its end would be that of all workers. Not for a supervisor that is the
 * one worker: there an exception may have left a request half done or a lock taken, the process's
 * end is what frees it, and whoever started it starts it again.
 */
export function outliveFaults(parts: Parts): void {
  const onFault = parts.of('other');
  // Rejections come here, too, when nobody listens for them.
  process.on('uncaughtException', onFault);
}
