/**
 * Purges as all workers see them: written down once in the index with a number, and judged when a
 * stored response is read. A response is purged when a purge that names it is younger than the
 * moment its fetch began. So a purge of a million responses costs one write.
 */

import { hash } from 'node:crypto';
import { MAP_ENTRY_BYTES } from '../../../base/bounded-map.ts';
import type { FieldSection } from '../../../http/field-section.ts';
import type { PurgeSelector } from '../../contract.ts';
import { hostOfKey, hostOfSelector, tagsOf } from '../../purge.ts';
import { targetOfKey } from '../../rules/key.ts';
import type { DiskIndex } from './disk-index.ts';

/**
 * Purges kept. When the oldest must be forgotten, a purge of everything stored before it takes its
 * place, so that nothing purged is served.
 */
export const PURGES_KEPT_MAX = 65_536;

/** The log of purges on disk. When there is more, the oldest purge is forgotten as above. */
export const PURGE_LOG_BYTES_MAX = 67_108_864;

/**
 * Prefixes of purges in the memory of a worker. Each may be as long as a URL: when there are more, the
 * oldest is forgotten as above.
 */
export const PURGE_PREFIXES_BYTES_MAX = 8_388_608;

/** Of what is compared as a whole, longer names are known by their digest. */
const NAME_CHARACTERS_MAX = 128;

export interface Purge {
  readonly sequence: number;
  readonly selector: PurgeSelector;
  readonly soft: boolean;
  readonly nowMs: number;
}

/** What purges mean for a stored response. */
export type Judgement =
  | { readonly kind: 'kept' }
  | { readonly kind: 'purged' }
  | { readonly kind: 'stale'; readonly sinceMs: number };

const KEPT: Judgement = { kind: 'kept' };
const PURGED: Judgement = { kind: 'purged' };

/** The last hard and the last soft purge of one selector. */
interface Marks {
  hard: number;
  soft: number;
  softMs: number;
}

/** As much of the index as holds purges. */
export type PurgeIndex = Pick<
  DiskIndex,
  'isClosed' | 'purgeSequence' | 'appendPurge' | 'purgesFrom' | 'refresh' | 'fail'
>;

export class PurgeLog {
  readonly #index: PurgeIndex;
  readonly #exact = new Map<string, Marks>();
  readonly #prefixes = new Map<string, Marks>();
  #known: number;
  #prefixBytes = 0;

  constructor(index: PurgeIndex) {
    this.#index = index;
    this.#known = 0;
    this.refresh(() => {});
  }

  /** The number of the last purge of any process. */
  latest(): number {
    return Math.max(this.#known, this.#index.purgeSequence);
  }

  /** The number of the last purge known to this process. */
  get sequence(): number {
    return this.#known;
  }

  /** Writes a purge down for all processes, and takes it in with what others wrote before it. */
  append(
    selector: PurgeSelector,
    soft: boolean,
    nowMs: number,
    onPurge: (purge: Purge) => void,
  ): void {
    this.#index.appendPurge(
      JSON.stringify({ selector, soft, nowMs }),
      PURGES_KEPT_MAX,
      PURGE_LOG_BYTES_MAX,
    );
    this.refresh(onPurge);
  }

  /** Takes in what other processes purged; calls back for each, oldest first. */
  refresh(onPurge: (purge: Purge) => void): void {
    this.#index.refresh();
    const latest = this.#index.purgeSequence;
    if (latest === this.#known || this.#index.isClosed) return;
    if (latest < this.#known) {
      this.#index.fail(new Error('the index has forgotten purges'));
      return;
    }
    const take = (purge: Purge) => {
      this.#apply(purge);
      onPurge(purge);
      this.#known = purge.sequence;
    };
    // What was forgotten or is damaged may have named anything, so it has named everything.
    const takeAll = (sequence: number) => take({ sequence, selector: ALL, soft: false, nowMs: 0 });
    for (const [sequence, text] of this.#purgesUntil(latest)) {
      if (sequence > this.#known + 1) takeAll(sequence - 1);
      if (text === null) takeAll(sequence);
      else take({ sequence, ...(JSON.parse(text) as Omit<Purge, 'sequence'>) });
    }
    if (this.#known < latest && !this.#index.isClosed) takeAll(latest);
  }

  /** Those that are not known yet, a few at a time. */
  *#purgesUntil(latest: number): Generator<[sequence: number, text: string | null]> {
    let next = this.#known + 1;
    while (next <= latest) {
      const some = this.#index.purgesFrom(next);
      if (some.length === 0) return;
      for (const one of some) {
        if (one[0] > latest) return;
        yield one;
      }
      next = some.at(-1)![0] + 1;
    }
  }

  #apply(purge: Purge): void {
    const { selector, soft, sequence, nowMs } = purge;
    const isPrefix = selector.kind === 'prefix';
    const marks = isPrefix ? this.#prefixes : this.#exact;
    const name = nameOf(selector);
    const known = marks.get(name);
    const mark = known ?? { hard: 0, soft: 0, softMs: 0 };
    if (isPrefix && known === undefined) this.#prefixBytes += costOf(name);
    if (soft) {
      mark.soft = sequence;
      mark.softMs = nowMs;
    } else {
      mark.hard = sequence;
    }
    // The youngest last, so that the oldest is first to be forgotten.
    marks.delete(name);
    marks.set(name, mark);
    if (marks.size > PURGES_KEPT_MAX) this.#forgetOldest(marks);
    while (this.#prefixBytes > PURGE_PREFIXES_BYTES_MAX) this.#forgetOldest(this.#prefixes);
  }

  /** What it named is not known any more, so that it has named everything. */
  #forgetOldest(marks: Map<string, Marks>): void {
    const [first] = marks;
    if (first === undefined) return;
    const [oldest, old] = first;
    marks.delete(oldest);
    if (marks === this.#prefixes) this.#prefixBytes -= costOf(oldest);
    const all = this.#exact.get(nameOf(ALL)) ?? { hard: 0, soft: 0, softMs: 0 };
    all.hard = Math.max(all.hard, old.hard, old.soft);
    this.#exact.set(nameOf(ALL), all);
  }

  /** What prefixes count for. */
  get prefixBytes(): number {
    return this.#prefixBytes;
  }

  /** Judges a response whose fetch began when `sequence` was the last purge known. */
  judge(sequence: number, key: string, fields: FieldSection): Judgement {
    if (sequence >= this.#known) return KEPT;
    let sinceMs = 0;
    const isPurgedBy = (mark: Marks | undefined): boolean => {
      if (mark === undefined) return false;
      if (mark.soft > sequence)
        sinceMs = sinceMs === 0 ? mark.softMs : Math.min(sinceMs, mark.softMs);
      return mark.hard > sequence;
    };
    if (isPurgedBy(this.#exact.get(nameOf(ALL)))) return PURGED;
    const target = targetOfKey(key);
    if (isPurgedBy(this.#exact.get(nameOf({ kind: 'key', key: target })))) return PURGED;
    if (target !== key && isPurgedBy(this.#exact.get(nameOf({ kind: 'key', key })))) return PURGED;
    if (isPurgedBy(this.#exact.get(nameOf({ kind: 'host', host: hostOfKey(key) })))) return PURGED;
    for (const tag of tagsOf(fields)) {
      if (isPurgedBy(this.#exact.get(nameOf({ kind: 'tag', tag })))) return PURGED;
    }
    for (const [prefix, mark] of this.#prefixes) {
      if (key.startsWith(prefix) && isPurgedBy(mark)) return PURGED;
    }
    return sinceMs === 0 ? KEPT : { kind: 'stale', sinceMs };
  }
}

const ALL: PurgeSelector = { kind: 'all' };

function nameOf(selector: PurgeSelector): string {
  switch (selector.kind) {
    case 'key':
      return shortName(`k${selector.key}`);
    case 'prefix':
      return selector.prefix;
    case 'host':
      return shortName(`h${hostOfSelector(selector.host)}`);
    case 'tag':
      return shortName(`t${selector.tag.toLowerCase()}`);
    case 'all':
      return 'a';
  }
}

/** The name, or its digest, which no short name is: those begin with the letter of their kind. */
function shortName(name: string): string {
  return name.length <= NAME_CHARACTERS_MAX ? name : `#${hash('sha256', name, 'base64')}`;
}

function costOf(prefix: string): number {
  return MAP_ENTRY_BYTES + 2 * prefix.length;
}
