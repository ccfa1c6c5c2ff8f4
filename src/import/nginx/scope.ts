/** What holds at a place of nginx's files: its own directives, and those that it inherits. */
import type { Directive } from './parser.ts';

export class Scope {
  /** Directives of each block, the innermost first. */
  readonly #levels: readonly (readonly Directive[])[];

  constructor(levels: readonly (readonly Directive[])[]) {
    this.#levels = levels;
  }

  inside(block: readonly Directive[]): Scope {
    return new Scope([block, ...this.#levels]);
  }

  own(...names: readonly string[]): readonly Directive[] {
    return (this.#levels[0] ?? []).filter(({ name }) => names.includes(name));
  }

  /** Of the innermost block that has any: nginx inherits all of them or none. */
  all(...names: readonly string[]): readonly Directive[] {
    for (const level of this.#levels) {
      const found = level.filter(({ name }) => names.includes(name));
      if (found.length > 0) return found;
    }
    return [];
  }

  last(name: string): Directive | undefined {
    return this.all(name).at(-1);
  }

  /** Everything around, the outermost first: for what adds up. */
  every(...names: readonly string[]): readonly Directive[] {
    return this.#levels.toReversed().flatMap((level) => {
      return level.filter(({ name }) => names.includes(name));
    });
  }

  isOn(name: string, usual = false): boolean {
    const directive = this.last(name);
    return directive === undefined ? usual : directive.args[0] === 'on';
  }
}

/** In seconds: `30s`, `5m`, `1h 30m`, `max`; null for what is no time. */
export function secondsOf(text: string): number | null {
  const units: Record<string, number> = {
    ms: 0.001,
    s: 1,
    m: 60,
    h: 3600,
    d: 86_400,
    w: 604_800,
    M: 2_592_000,
    y: 31_536_000,
    '': 1,
  };
  const parts = text.trim().split(/\s+/).join('');
  let seconds = 0;
  let read = 0;
  for (const [all, digits, unit] of parts.matchAll(/(\d+)(ms|[smhdwMy])?/g)) {
    seconds += Number(digits) * units[unit ?? '']!;
    read += all.length;
  }
  return read === 0 || read < parts.length ? null : seconds;
}

/** As our files write times: the largest unit that has no rest. */
export function timeText(seconds: number, kind: 'long' | 'short' = 'long'): string {
  const milliseconds = Math.round(seconds * 1000);
  if (milliseconds === 0) return '0s';
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ] as const;
  const usable = kind === 'long' ? units : units.slice(2);
  const found = usable.find(([, length]) => milliseconds % length === 0);
  return found === undefined ? `${milliseconds}ms` : `${milliseconds / found[1]}${found[0]}`;
}

/** In bytes: `10m`, `512k`, `1g`; null for what is no size. */
export function bytesOf(text: string): number | null {
  const match = /^(\d+)([kKmMgG]?)$/.exec(text);
  if (match === null) return null;
  return Number(match[1]) * { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }[match[2]!.toLowerCase()]!;
}

export function sizeText(bytes: number): string | number {
  const units = [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const;
  const found = units.find(([, length]) => bytes > 0 && bytes % length === 0);
  return found === undefined ? bytes : `${bytes / found[1]}${found[0]}`;
}
