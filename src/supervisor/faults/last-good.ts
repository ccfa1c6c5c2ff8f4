/**
 * The last configuration under which workers lived soundly, without its secrets: kept in a file, so
 * that an incident can tell what has changed since, over restarts too.
 */
import { readCarefully, replaceFile } from '../../base/careful-files.ts';
import type { IncidentOptions } from '../../triage/incident.ts';
import { incidentConfiguration } from '../../triage/redaction.ts';

/** How long nobody has died under a configuration before it is good. */
export const SOUND_MS = 60_000;

export class LastGood {
  readonly #file: string | null;
  #now: IncidentOptions;
  #good: IncidentOptions | null;
  #sinceMs: number;

  /** `file` is null when nothing is kept. Times are of any clock that does not go back. */
  constructor(file: string | null, options: object, nowMs: number) {
    this.#file = file;
    this.#good = file === null ? null : readGood(file);
    this.#now = optionsOf(options);
    this.#sinceMs = nowMs;
  }

  /** What was good and is not active any more; null when nothing has changed, or is known. */
  get changed(): IncidentOptions | null {
    return this.#good === null || this.#good.digest === this.#now.digest ? null : this.#good;
  }

  /** Other options are applied. */
  adopt(options: object, nowMs: number): void {
    this.look(nowMs);
    this.#now = optionsOf(options);
    this.#sinceMs = nowMs;
  }

  /** A worker has died. */
  died(nowMs: number): void {
    this.#sinceMs = nowMs;
  }

  /** Time has passed. */
  look(nowMs: number): void {
    if (nowMs - this.#sinceMs < SOUND_MS || this.#good?.digest === this.#now.digest) return;
    this.#good = this.#now;
    if (this.#file === null) return;
    try {
      replaceFile(this.#file, JSON.stringify(this.#good));
    } catch {
      // It is known as long as this process runs; that the directory is no good is told elsewhere.
    }
  }
}

function optionsOf(options: object): IncidentOptions {
  const { digest, options: safe } = incidentConfiguration(options);
  return { digest, options: safe };
}

function readGood(file: string): IncidentOptions | null {
  try {
    const text = readCarefully(file).toString('utf8');
    const { digest, options } = JSON.parse(text) as Partial<IncidentOptions>;
    const isWhole = typeof digest === 'string' && /^[0-9a-f]{64}$/.test(digest);
    return isWhole && options !== undefined ? { digest, options } : null;
  } catch {
    return null;
  }
}
