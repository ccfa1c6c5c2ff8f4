/**
 * Whether a worker died of its cache directory, and what the next one in its place does then: the first
 * time it begins the cache anew, the second time it caches in memory. What ends a process there is a
 * mapped file that was cut (SIGBUS), damage that LMDB does not see, or a device that never answers.
 */
import { MARK, VERDICT, WITHOUT } from '../cache/disk-words.ts';
import type { Report } from '../telemetry/log-event.ts';

/** Of a process that has touched what is not there, or found itself in no possible state. */
const FAULTS: readonly (NodeJS.Signals | null)[] = [
  'SIGBUS',
  'SIGSEGV',
  'SIGABRT',
  'SIGILL',
  'SIGFPE',
];

export interface DirectoryDeath {
  readonly index: number;
  readonly signal: NodeJS.Signals | null;
  /** Milliseconds without a turn of the event loop, when it was ended for that; else 0. */
  readonly silentMs: number;
}

export class DirectoryDeaths {
  readonly #wallMs: () => number;
  readonly #report: Report;
  readonly #deaths = new Map<number, number>();

  constructor(wallMs: () => number, report: Report) {
    this.#wallMs = wallMs;
    this.#report = report;
  }

  /** To be told before there is a next one; `words` are the worker's (cache/disk-words.ts). */
  died({ index, signal, silentMs }: DirectoryDeath, words: Int32Array): void {
    const wasInside = Atomics.exchange(words, MARK, 0) > 0;
    // Nothing else that a worker maps can become shorter.
    const isOfMap = signal === 'SIGBUS';
    if (!isOfMap && !(wasInside && (FAULTS.includes(signal) || silentMs > 0))) return;
    if (Atomics.load(words, VERDICT) === WITHOUT) return;
    const count = (this.#deaths.get(index) ?? 0) + 1;
    this.#deaths.set(index, count);
    const isFirst = count === 1;
    Atomics.store(words, VERDICT, isFirst ? Math.ceil(this.#wallMs() / 1000) : WITHOUT);
    const what = isFirst ? 'the cache is emptied' : 'it caches in memory from now on';
    this.#report(`worker ${index} died in its cache directory: ${what}`, {
      level: 'error',
      event: 'died-in-cache-directory',
      fields: { worker: index, deaths: count },
    });
  }
}
