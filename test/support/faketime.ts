/** A wall clock that a test sets, for processes that it starts (libfaketime, Debian's `faketime`). */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './temporary.ts';

const LIBRARY = 'faketime/libfaketimeMT.so.1';

/** By where Debian, for each machine, and others put it. */
function findLibrary(): string | null {
  const places = ['/usr/lib', '/usr/lib64', '/usr/local/lib'];
  for (const place of ['/usr/lib']) {
    if (!existsSync(place)) continue;
    places.push(...readdirSync(place).map((name) => join(place, name)));
  }
  return places.map((place) => join(place, LIBRARY)).find((file) => existsSync(file)) ?? null;
}

const library = findLibrary();

/** A reason to skip, or false. */
export const unlessFaketime: string | false =
  library === null ? 'libfaketime is not installed (Debian: faketime)' : false;

export class FakeWallClock {
  readonly #file = join(temporaryDirectory(), 'wall-clock');

  constructor() {
    this.set(0);
  }

  /** Seconds by which it is ahead of the real one, from now on. */
  set(aheadSeconds: number): void {
    writeFileSync(this.#file, `${aheadSeconds < 0 ? '-' : '+'}${Math.abs(aheadSeconds)}\n`);
  }

  /** For the environment of a process whose clock it is. Clocks that nobody sets stay as they are. */
  get environment(): Record<string, string> {
    return {
      LD_PRELOAD: library ?? '',
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DONT_RESET: '1',
    };
  }
}
