/**
 * Moves the files of logs away when they are large or old enough. One process does it for all: workers
 * only append, and open the file anew by its name when they are told. Until then their lines go to
 * the file that was moved, so that none is lost.
 */

import {
  closeSync,
  createReadStream,
  createWriteStream,
  fchownSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
} from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type OnFault, owned, repeated } from '../base/owned.ts';
import type { Report } from '../telemetry/log-event.ts';
import type { LogOptions, LogRotation } from '../telemetry/log-options.ts';

/** How often the files are looked at. */
const LOOK_MS = 1000;

/** As the logs themselves. */
const FILE_MODE = 0o640;

export interface LogRotatorInput {
  /** Those in force. */
  readonly logs: () => readonly Pick<LogOptions, 'target' | 'rotate'>[];
  /** Every process opens its logs by their names again. */
  reopen(): void;
  readonly wallMs: () => number;
  readonly report: Report;
  /** Has what fails inside of sluice; the next look comes. */
  readonly onFault: OnFault;
}

export class LogRotator implements Disposable {
  readonly #input: LogRotatorInput;
  /** By file: the span of time that its lines are of. */
  readonly #spans = new Map<string, number>();
  /** Files that could not be moved: said once. */
  readonly #faulty = new Set<string>();
  #looks: Disposable | null = null;

  constructor(input: LogRotatorInput) {
    this.#input = input;
  }

  start(): void {
    this.#looks = repeated(LOOK_MS, () => this.look(), this.#input.onFault);
  }

  [Symbol.dispose](): void {
    this.#looks?.[Symbol.dispose]();
  }

  /** Moves what is due. */
  look(): void {
    let hasMoved = false;
    for (const { target, rotate } of this.#input.logs()) {
      if (rotate === null) continue;
      try {
        hasMoved = this.#rotate(target, rotate) || hasMoved;
        this.#faulty.delete(target);
      } catch (error) {
        if (this.#faulty.has(target)) continue;
        this.#faulty.add(target);
        this.#input.report(`log: cannot rotate ${target}: ${(error as Error).message}`, {
          level: 'error',
          event: 'log-rotation-failed',
        });
      }
    }
    if (hasMoved) this.#input.reopen();
  }

  #rotate(file: string, rotation: LogRotation): boolean {
    const stats = statSync(file, { throwIfNoEntry: false });
    // A device or a pipe cannot be moved; an empty file need not be.
    if (!stats?.isFile()) return false;
    const { sizeBytes, everyMs, keep } = rotation;
    const span = everyMs === 0 ? 0 : Math.floor(this.#input.wallMs() / everyMs);
    const began =
      this.#spans.get(file) ?? (everyMs === 0 ? 0 : Math.floor(stats.birthtimeMs / everyMs));
    this.#spans.set(file, began);
    const isDue = (sizeBytes > 0 && stats.size >= sizeBytes) || span > began;
    if (!isDue) return false;
    this.#spans.set(file, span);
    if (stats.size === 0) return false;
    for (let i = keep; i >= 1; i--) {
      for (const ending of ['', '.gz']) {
        const old = `${file}.${i}${ending}`;
        if (i === keep) rmSync(old, { force: true });
        else renameIfThere(old, `${file}.${i + 1}${ending}`);
      }
    }
    renameSync(file, `${file}.1`);
    makeLike(file, stats);
    if (rotation.gzip && keep > 1) owned(this.#compress(`${file}.2`), this.#input.onFault);
    return true;
  }

  /** Not the latest: workers may have it open still. */
  async #compress(file: string): Promise<void> {
    const making = `${file}.making`;
    try {
      if (statSync(file, { throwIfNoEntry: false }) === undefined) return;
      const output = createWriteStream(making, { mode: FILE_MODE });
      await pipeline(createReadStream(file), createGzip(), output);
      await rename(making, `${file}.gz`);
      await rm(file, { force: true });
    } catch (error) {
      await rm(making, { force: true }).catch(() => {});
      this.#input.report(`log: cannot compress ${file}: ${(error as Error).message}`, {
        level: 'error',
        event: 'log-compression-failed',
      });
    }
  }
}

/** Workers may be of an account that may write the file and not its directory. */
function makeLike(file: string, { mode, uid, gid }: Stats): void {
  const fd = openSync(file, 'a', mode & 0o777);
  if (process.getuid?.() === 0) fchownSync(fd, uid, gid);
  closeSync(fd);
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
