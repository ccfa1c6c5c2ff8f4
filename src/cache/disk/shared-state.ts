/**
 * What the processes that share a cache directory tell one another faster than by the index: a file
 * that each maps. It says nothing that a crash could make wrong for longer than a fetch takes.
 */
import { closeSync, fstatSync, ftruncateSync, openSync } from 'node:fs';
import { SharedMemory } from '../../native/shared-memory.ts';
import { GENERATIONS_BYTES, Generations } from '../generations.ts';

/** Raised when the layout changes: an older file is put aside. */
const LAYOUT = 1;

const LENGTH = Math.ceil(GENERATIONS_BYTES / 8) * 8;

export class SharedState implements Disposable {
  readonly generations: Generations;
  readonly #memory: SharedMemory;

  private constructor(memory: SharedMemory) {
    this.#memory = memory;
    this.generations = new Generations(memory.int32(0, GENERATIONS_BYTES / 4));
  }

  /** `path` without the number of the layout. */
  static open(path: string): SharedState {
    const fd = openSync(`${path}-${LAYOUT}`, 'a+', 0o600);
    try {
      // Zeros; whoever comes second finds it done.
      if (fstatSync(fd).size < LENGTH) ftruncateSync(fd, LENGTH);
      return new SharedState(SharedMemory.open(fd, LENGTH));
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.generations.detach();
    this.#memory[Symbol.dispose]();
  }
}
