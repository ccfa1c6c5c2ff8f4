/**
 * Standard error for lines that must not be lost, and must not hold anything up either: they are there when
 * `write` returns, unless it is a pipe that nobody reads from. Then they wait in memory.
 */
import { writeSync } from 'node:fs';
import { LineLog, type LineLogOptions } from './line-log.ts';
import { openLogFile, STANDARD_ERROR, STANDARD_ERROR_TARGET } from './log-file.ts';

export class StandardError {
  readonly #fd = openLogFile(STANDARD_ERROR_TARGET);
  readonly #options: Omit<LineLogOptions, 'target' | 'onFault'>;
  #log: LineLog | null = null;

  constructor(options: Omit<LineLogOptions, 'target' | 'onFault'>) {
    this.#options = options;
  }

  write(line: string): void {
    // A file, a terminal, a socket: Node knows how.
    if (this.#fd === STANDARD_ERROR) process.stderr.write(line);
    else if (this.#log?.isIdle === false) this.#log.write(line);
    else this.#writeNow(Buffer.from(line));
  }

  /** Writes what waits, within bounded time. */
  async close(): Promise<void> {
    const log = this.#log;
    this.#log = null;
    await log?.close();
  }

  #writeNow(line: Buffer): void {
    let written = 0;
    try {
      written = writeSync(this.#fd, line);
    } catch (error) {
      // The reader is gone for good: there is nobody to tell.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') {
        this.#options.onDropped(1);
        return;
      }
    }
    if (written === line.length) return;
    this.#log ??= new LineLog({
      ...this.#options,
      target: STANDARD_ERROR_TARGET,
      onFault() {},
    });
    this.#log.write(line.toString('utf8', written));
  }
}
