/**
 * Where the lines of a log go. Writing never holds traffic up: lines are gathered in memory, written
 * from a pool thread one block at a time, and dropped and counted when more wait than the limit.
 */
import { close, fstatSync, write } from 'node:fs';
import { openLogFile, openLogFileLater, STANDARD_OUTPUT_TARGET } from './log-file.ts';

export interface LineLogOptions {
  /** `-` for standard output, or a file's path. */
  readonly target: string;
  readonly limits?: LineLogLimits;
  onDropped(lines: number): void;
  /** The log cannot be written; at most once until it can be again. */
  onFault(error: Error): void;
}

export interface LineLogLimits {
  /** A block is written when this many characters wait. */
  readonly blockLength: number;
  /** … or when the oldest line has waited this many milliseconds. */
  readonly flushIntervalMs: number;
  /** Further lines are dropped while this many characters wait. */
  readonly pendingLengthMax: number;
}

/**
 * blockLength: about 300 lines, few enough system calls at 100,000 lines/s. flushIntervalMs: soon
 * enough for someone who watches. pendingLengthMax: half a second of lines at that rate; a disk
 * that stalls longer must not cost the traffic its memory.
 */
export const defaultLineLogLimits: LineLogLimits = {
  blockLength: 64 * 1024,
  flushIntervalMs: 250,
  pendingLengthMax: 16 * 1024 * 1024,
};

/** Standard input, output and error: they stay open. */
const STANDARD_FD_MAX = 2;

/** Writes of up to this many bytes to a pipe are not mixed with other processes' (pipe(7)). */
const PIPE_BUF = 4096;

/** How soon a full pipe is tried again. */
const RETRY_MS = 20;

/** How long the end waits for a pipe's reader: nobody may hold it up who has stopped reading. */
const CLOSE_PATIENCE_MS = 1_000;

export class LineLog {
  readonly #options: LineLogOptions;
  readonly #limits: LineLogLimits;
  #fd: number;
  #isFile: boolean;
  #pending = '';
  #pendingLines = 0;
  #isWriting = false;
  #reopenWanted = false;
  #hasFault = false;
  #timer: NodeJS.Timeout | null = null;
  #whenIdle: (() => void) | null = null;
  #isLate = false;

  /** Throws the error of `open(2)` when the file cannot be written. */
  constructor(options: LineLogOptions) {
    this.#options = options;
    this.#limits = options.limits ?? defaultLineLogLimits;
    this.#fd = openLogFile(options.target);
    this.#isFile = fstatSync(this.#fd).isFile();
  }

  /** Takes one line with its line feed. */
  write(line: string): void {
    if (this.#pending.length >= this.#limits.pendingLengthMax) {
      this.#options.onDropped(1);
      return;
    }
    this.#pending += line;
    this.#pendingLines++;
    if (this.#pending.length >= this.#limits.blockLength) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), this.#limits.flushIntervalMs).unref();
  }

  /** Nothing waits, and nothing is being written. */
  get isIdle(): boolean {
    return this.#pending === '' && !this.#isWriting;
  }

  /** Opens the file anew by its name, after it was moved away. */
  reopen(): void {
    if (this.#options.target === STANDARD_OUTPUT_TARGET) return;
    this.#reopenWanted = true;
    this.#flush();
  }

  /** Writes what waits, then closes. Resolves even when that fails. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      const late = setTimeout(() => {
        this.#isLate = true;
      }, CLOSE_PATIENCE_MS);
      this.#whenIdle = () => {
        clearTimeout(late);
        if (this.#fd > STANDARD_FD_MAX) close(this.#fd, () => resolve());
        else resolve();
      };
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#isWriting) return;
    if (this.#reopenWanted) {
      this.#openAnew();
    } else if (this.#pending !== '') {
      this.#isWriting = true;
      const block = Buffer.from(this.#pending, 'utf8');
      const lines = this.#pendingLines;
      this.#pending = '';
      this.#pendingLines = 0;
      this.#writeBlock(block, 0, lines);
    } else {
      this.#whenIdle?.();
    }
  }

  #openAnew(): void {
    this.#isWriting = true;
    this.#reopenWanted = false;
    openLogFileLater(this.#options.target, (error, fd) => {
      this.#isWriting = false;
      if (error === null) {
        close(this.#fd, () => {});
        this.#fd = fd;
        this.#isFile = fstatSync(fd).isFile();
      } else {
        this.#options.onFault(error);
      }
      this.#flush();
    });
  }

  #writeBlock(block: Buffer, offset: number, lines: number): void {
    write(this.#fd, block, offset, this.#endOfWrite(block, offset) - offset, null, (error, n) => {
      if (error?.code === 'EAGAIN' && !this.#isLate) {
        setTimeout(() => this.#writeBlock(block, offset, lines), RETRY_MS);
      } else if (error !== null) {
        this.#options.onDropped(lines);
        if (!this.#hasFault && error.code !== 'EAGAIN') this.#options.onFault(error);
        this.#hasFault = true;
        this.#blockDone();
      } else if (offset + n < block.length) {
        this.#writeBlock(block, offset + n, lines);
      } else {
        this.#hasFault = false;
        this.#blockDone();
      }
    });
  }

  #blockDone(): void {
    this.#isWriting = false;
    const isDue = this.#pending.length >= this.#limits.blockLength;
    if (isDue || this.#reopenWanted || this.#whenIdle !== null) this.#flush();
    else if (this.#pending !== '') {
      this.#timer ??= setTimeout(() => this.#flush(), this.#limits.flushIntervalMs).unref();
    }
  }

  /** A file takes all at once; a pipe that others write to as well takes whole lines in turn. */
  #endOfWrite(block: Buffer, offset: number): number {
    if (this.#isFile || block.length - offset <= PIPE_BUF) return block.length;
    const lastWhole = block.subarray(offset, offset + PIPE_BUF).lastIndexOf(10);
    if (lastWhole !== -1) return offset + lastWhole + 1;
    const lineEnd = block.indexOf(10, offset);
    return lineEnd === -1 ? block.length : lineEnd + 1;
  }
}
