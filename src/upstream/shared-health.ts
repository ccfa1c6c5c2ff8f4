/**
 * What all workers of a machine share about origins, in shared memory: the verdicts of active health
 * checks, what an operator wants of a server, and which worker makes the checks of a group. It
 * outlives any worker. Passive health is not here: each worker judges by its own requests.
 *
 * A table of entries, each found by the hash of its name. Whoever finds no room keeps what it knows to
 * itself.
 */
import { systemClock } from '../base/clock.ts';
import { KEPT, SharedTable, sharedTableWords, type TableShape } from '../base/shared-table.ts';
import { hashText } from './hash.ts';

/** Entries: a few for each server and address. */
export const SHARED_HEALTH_ENTRIES = 4_096;
/** Entries that are looked at for one name. */
const PROBES_MAX = 16;
/** Seconds for which an entry without look-ups is kept. */
const ENTRY_KEPT_SECONDS = 3_600;

/** Seconds after which trouble that no worker notes any more is over: its worker may have died. */
const TROUBLE_KEPT_SECONDS = 3;

/** Seconds for which a success that a worker has noted is news to the others. */
const SUCCESS_KEPT_SECONDS = 2;

// Words of an entry, after the two of its name's hashes.
const VALUE = 2;
const TOUCHED = 3;

const SHAPE: TableShape = { places: SHARED_HEALTH_ENTRIES, words: 4, probes: PROBES_MAX };

export const sharedHealthWords = sharedTableWords(SHAPE);

const adminStates = ['up', 'drain', 'down'] as const;

/** What an operator wants of a server. `drain`: what runs may finish, nothing new is asked. */
export type AdminState = (typeof adminStates)[number];

/** The shared health table in shared memory, for a worker or for the supervisor. */
export function openSharedHealth(words: Int32Array): SharedHealth {
  return new SharedHealth(words, () => Math.floor(systemClock.wallMs() / 1000));
}

export class SharedHealth {
  readonly #words: Int32Array;
  readonly #table: SharedTable;
  readonly #wallSeconds: () => number;

  /** `wallSeconds` must be the same clock for all who share the memory. */
  constructor(words: Int32Array, wallSeconds: () => number) {
    this.#words = words;
    this.#wallSeconds = wallSeconds;
    this.#table = new SharedTable(words, SHAPE, (at) => this.#worthOf(at));
  }

  /** Whether active checks say so; true until they say otherwise. `key` is the endpoint's. */
  isWell(group: string, key: string): boolean {
    return this.#value(`check ${group} ${key}`) === 0;
  }

  setWell(group: string, key: string, isWell: boolean): void {
    this.#set(`check ${group} ${key}`, isWell ? 0 : 1);
  }

  adminStateOf(group: string, server: string): AdminState {
    return adminStates[this.#value(`admin ${group} ${server}`)] ?? 'up';
  }

  setAdminState(group: string, server: string, adminState: AdminState): void {
    this.#set(`admin ${group} ${server}`, adminStates.indexOf(adminState));
  }

  /**
   * Noted by a worker while requests to a server fail, about once a second. `number`: see trouble.ts.
   */
  noteTrouble(group: string, server: string, lastedSeconds: number, number: number): void {
    const name = `${group} ${server}`;
    // The worker that saw it first keeps the time, as long as one of them keeps noting it.
    const { seconds } = this.trouble(group, server) ?? { seconds: lastedSeconds };
    this.#set(`since ${name}`, this.#now - seconds);
    this.#set(`trouble ${name}`, number);
  }

  /** Null while no worker notes any. */
  trouble(group: string, server: string): { seconds: number; number: number } | null {
    const name = `${group} ${server}`;
    const now = this.#now;
    const at = this.#findOld(`since ${name}`);
    if (at === -1 || now - Atomics.load(this.#words, at + TOUCHED) > TROUBLE_KEPT_SECONDS) {
      return null;
    }
    const seconds = Math.max(0, now - Atomics.load(this.#words, at + VALUE));
    return { seconds, number: this.#value(`trouble ${name}`) };
  }

  /** Noted by a worker whose requests to a server in trouble succeed, about once a second. */
  noteSuccess(group: string, server: string): void {
    this.#set(`success ${group} ${server}`, 1);
  }

  /** Whether a worker has just noted that. */
  succeedsElsewhere(group: string, server: string): boolean {
    const at = this.#findOld(`success ${group} ${server}`);
    return at !== -1 && this.#now - Atomics.load(this.#words, at + TOUCHED) <= SUCCESS_KEPT_SECONDS;
  }

  /**
   * Whether this worker is the one who checks the group's servers, for the next `seconds`. The first
   * who asks is, until it has not asked for that long.
   */
  takeTurn(group: string, workerIndex: number, seconds: number): boolean {
    const at = this.#find(`turn ${group}`, false);
    // Without a place for it everybody checks: too often is better than never.
    if (at === -1) return true;
    const words = this.#words;
    const holder = Atomics.load(words, at + VALUE);
    const own = workerIndex + 1;
    const idle = this.#now - Atomics.load(words, at + TOUCHED);
    if (holder !== 0 && holder !== own && idle >= 0 && idle <= seconds) return false;
    if (Atomics.compareExchange(words, at + VALUE, holder, own) !== holder) return false;
    Atomics.store(words, at + TOUCHED, this.#now);
    return true;
  }

  get #now(): number {
    return this.#wallSeconds() & 0x7fff_ffff;
  }

  #value(name: string): number {
    const at = this.#find(name, true);
    return at === -1 ? 0 : Atomics.load(this.#words, at + VALUE);
  }

  #set(name: string, value: number): void {
    const at = this.#find(name, true);
    if (at !== -1) Atomics.store(this.#words, at + VALUE, value);
  }

  /** Index of the first word of an entry that there is, which is not touched; -1 without one. */
  #findOld(name: string): number {
    const { hash, second } = keyOf(name);
    return this.#table.find(hash >>> 1, hash, second);
  }

  /** Index of the entry's first word, made when there is none; -1 without room. */
  #find(name: string, touches: boolean): number {
    const words = this.#words;
    const { hash, second } = keyOf(name);
    const at = this.#table.take(hash >>> 1, hash, second);
    if (at === -1) return -1;
    const { isNew } = this.#table;
    if (isNew) Atomics.store(words, at + VALUE, 0);
    if (isNew || touches) Atomics.store(words, at + TOUCHED, this.#now);
    if (isNew) this.#table.complete(at, second);
    return at;
  }

  /** What nobody has looked at for long makes room, the oldest first. */
  #worthOf(at: number): number {
    const touched = Atomics.load(this.#words, at + TOUCHED);
    return this.#now - touched > ENTRY_KEPT_SECONDS ? touched : KEPT;
  }
}

/** No half of a key is 0. */
function keyOf(name: string): { readonly hash: number; readonly second: number } {
  return { hash: hashText(name) | 1, second: hashText(`${name}\n`) | 1 };
}
