/**
 * Moves the files of logs away when they are large or old enough. One process does it for all: workers
 * only append, and open the file anew by its name when they are told. Until then their lines go to
 * the file that was moved, so that none is lost.
 */

import {
  closeSync,
  constants,
  createReadStream,
  createWriteStream,
  fchownSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
} from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { atPlace } from '../base/careful-files.ts';
import { type OnFault, owned, repeated } from '../base/owned.ts';
import type { Report } from '../telemetry/log-event.ts';
import type { ErrorLogOptions, LogOptions, LogRotation } from '../telemetry/log-options.ts';

/** How often the files are looked at. */
const LOOK_MS = 1000;

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;
/** What is there by then, somebody else has put there. */
const NEW_FILE = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;

/** As the logs themselves. */
const FILE_MODE = 0o640;

export interface LogRotatorInput {
  /** Those that are active. */
  readonly logs: () => readonly Pick<LogOptions | ErrorLogOptions, 'target' | 'rotate'>[];
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
      if (target === null || rotate === null) continue;
      try {
        const move = (name: string) => this.#rotate(target, name, rotate);
        hasMoved = atPlace(target, move) || hasMoved;
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

  /** `name` leads to the file in its directory as that was looked at. */
  #rotate(file: string, name: string, rotation: LogRotation): boolean {
    const stats = lstatSync(name, { throwIfNoEntry: false });
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
        const old = `${name}.${i}${ending}`;
        if (i === keep) rmSync(old, { force: true });
        else renameIfThere(old, `${name}.${i + 1}${ending}`);
      }
    }
    renameSync(name, `${name}.1`);
    makeLike(name, stats);
    if (rotation.gzip && keep > 1) this.#compress(file, `${name}.2`);
    return true;
  }

  /** Not the latest: workers may have it open still. */
  #compress(file: string, name: string): void {
    let opened: { readonly from: number; readonly to: number };
    try {
      if (lstatSync(name, { throwIfNoEntry: false }) === undefined) return;
      const from = openSync(name, O_RDONLY | O_NOFOLLOW);
      rmSync(`${name}.making`, { force: true });
      opened = { from, to: openSync(`${name}.making`, NEW_FILE, FILE_MODE) };
    } catch (error) {
      this.#toldCompression(file, error as Error);
      return;
    }
    owned(this.#compressed(file, opened), this.#input.onFault);
  }

  async #compressed(file: string, { from, to }: { from: number; to: number }): Promise<void> {
    const old = `${file}.2`;
    try {
      const output = createWriteStream('', { fd: to });
      await pipeline(createReadStream('', { fd: from }), createGzip(), output);
      atPlace(old, (name) => {
        renameSync(`${name}.making`, `${name}.gz`);
        rmSync(name, { force: true });
      });
    } catch (error) {
      atPlace(old, (name) => rmSync(`${name}.making`, { force: true }));
      this.#toldCompression(old, error as Error);
    }
  }

  #toldCompression(file: string, error: Error): void {
    this.#input.report(`log: cannot compress ${file}: ${error.message}`, {
      level: 'error',
      event: 'log-compression-failed',
    });
  }
}

/** Workers may be of an account that may write the file and not its directory. */
function makeLike(file: string, { mode, uid, gid }: Stats): void {
  const fd = openSync(file, NEW_FILE, mode & 0o777);
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
