/** The segment that a long response has for itself while it arrives: room on disk and one file. */
import { assert } from '../../base/assert.ts';
import type { SegmentFiles } from './segments/segment-files.ts';
import type { SegmentSpace } from './segments/segment-space.ts';

/** Room on disk is reserved in steps of this many bytes when the length is not announced. */
export const RESERVE_STEP_BYTES = 16_777_216;

export interface FillSegmentInput {
  readonly files: SegmentFiles;
  readonly space: SegmentSpace;
  /** What has been allocated. */
  readonly id: number;
  readonly reservedBytes: number;
}

/**
 * What the file is at. `closing`: it is created or written to, and closed when that has ended.
 */
type State = 'new' | 'creating' | 'idle' | 'writing' | 'closing' | 'closed';

/** What may follow what. */
const NEXT: Readonly<Record<State, readonly State[]>> = {
  new: ['creating'],
  creating: ['idle', 'closing', 'closed'],
  idle: ['writing', 'closed'],
  writing: ['idle', 'closing'],
  closing: ['closed'],
  closed: [],
};

export class FillSegment {
  readonly id: number;
  readonly #input: FillSegmentInput;
  #state: State = 'new';
  #fd = -1;
  #reservedBytes: number;
  /** It stays readable for readings of the fill until `release`. */
  #isHeld = true;

  constructor(input: FillSegmentInput) {
    this.#input = input;
    this.id = input.id;
    this.#reservedBytes = input.reservedBytes;
    input.files.hold(input.id);
  }

  /** It can be written to. */
  get isIdle(): boolean {
    return this.#state === 'idle';
  }

  #enter(state: State): void {
    assert(NEXT[this.#state].includes(state), `a fill's file: ${this.#state}, ${state}`);
    this.#state = state;
  }

  /** Calls back once, also when it has been closed meanwhile. */
  create(done: (error: Error | null) => void): void {
    const { files } = this.#input;
    this.#enter('creating');
    files.create(this.id, (error, fd) => {
      if (error !== null) this.#enter('closed');
      else {
        this.#fd = fd;
        this.#settle();
      }
      done(error);
    });
  }

  /** Only when idle. Calls back once, also when it has been closed meanwhile. */
  write(bytes: Buffer, position: number, done: (error: Error | null) => void): void {
    this.#enter('writing');
    this.#input.files.write(this.#fd, bytes, position, (error) => {
      this.#settle();
      done(error);
    });
  }

  /** What was under way has ended. */
  #settle(): void {
    if (this.#state === 'closing') this.#closeNow();
    else this.#enter('idle');
  }

  /** At once, or when what is under way has ended. */
  close(): void {
    if (this.#state === 'idle') this.#closeNow();
    else if (this.#state === 'creating' || this.#state === 'writing') this.#enter('closing');
  }

  #closeNow(): void {
    this.#enter('closed');
    this.#input.files.closeWriter(this.#fd);
  }

  /** Makes sure that there is room up to `end`; false when there is none. */
  reserve(end: number): boolean {
    if (end <= this.#reservedBytes) return true;
    const more = Math.max(RESERVE_STEP_BYTES, end - this.#reservedBytes);
    if (!this.#input.space.extend(this.id, more)) return false;
    this.#reservedBytes += more;
    return true;
  }

  /** Nobody reads it any more as a fill. */
  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#input.files.release(this.id);
  }
}
