/**
 * Keeps the ticket keys of a cluster alike: every instance looks at what is in Redis again and again;
 * one of them, which holds a lease, adds a key when it is time. An instance that knows more than
 * Redis, because that was flushed or restored from an older copy, puts it back.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { type OnFault, owned, repeated } from '../base/owned.ts';
import { TICKET_KEY_BYTES } from '../native/ticket-keys.ts';
import type { TicketMetrics } from '../telemetry/ticket-metrics.ts';
import {
  firstState,
  type KeyState,
  merged,
  readState,
  ringOf,
  type StateTimes,
  stateText,
  turned,
} from './key-state.ts';
import { ClusterLink } from './link.ts';
import type { ClusterOptions } from './options.ts';
import { timeIn } from './strike-keys.ts';

/** Milliseconds between two looks at the keys in Redis. */
export const SHARED_KEYS_POLL_MS = 1_000;

/** How long the lease of the one that adds keys holds when it dies. */
const LEASE_MS = 10_000;

export const KEYS_KEY = 'sluice:ticket-keys';
export const LEASE_KEY = 'sluice:ticket-keys-lease';

/** Takes the lease, or keeps it. KEYS: the lease; ARGV: who, milliseconds. Returns 1 for the holder. */
const LEASE_SCRIPT = `
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1
end
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return 0
`;

/**
 * Replaces the state unless it has changed since it was read. KEYS: the state; ARGV: what was read,
 * what is to be there. Returns what is there then.
 */
const REPLACE_SCRIPT = `
local held = redis.call('GET', KEYS[1])
if (held or '') ~= ARGV[1] then return held or '' end
redis.call('SET', KEYS[1], ARGV[2])
return ARGV[2]
`;

export interface TicketKeySyncInput {
  readonly options: ClusterOptions;
  times(): StateTimes;
  /** Other keys are active: the first encrypts. */
  onKeys(keys: readonly Buffer[]): void;
  readonly metrics: Pick<TicketMetrics, 'clusterConnected'>;
  report(message: string): void;
  /** Has what fails inside of sluice; the next look comes. */
  readonly onFault: OnFault;
}

export class TicketKeySync implements Disposable {
  readonly #input: TicketKeySyncInput;
  readonly #link: ClusterLink;
  readonly #name = randomUUID();
  readonly #rounds: Disposable;
  #state: KeyState | null = null;
  #shown = '';
  #isLooking = false;

  constructor(input: TicketKeySyncInput) {
    this.#input = input;
    const { metrics, report, options, onFault } = input;
    this.#link = new ClusterLink({
      url: options.url,
      onUp: () => {
        metrics.clusterConnected('keys', true);
        owned(this.#look(), onFault);
      },
      onDown: () => metrics.clusterConnected('keys', false),
      // What there is to say of the connection is said by those who ask about ClientHellos.
      report: () => {},
      onFault,
    });
    this.#rounds = repeated(SHARED_KEYS_POLL_MS, () => this.#look(), onFault);
    report(`cluster: ticket keys are shared through ${URL.parse(options.url)?.host}`);
  }

  async #look(): Promise<void> {
    const { redis } = this.#link;
    if (redis === null || this.#isLooking) return;
    this.#isLooking = true;
    try {
      await this.#compare(redis);
    } catch {
      // The connection has gone, which its owner has heard of; or the next look will do better.
    } finally {
      this.#isLooking = false;
    }
  }

  async #compare(redis: Redis): Promise<void> {
    const replies = (await redis.multi().time().get(KEYS_KEY).exec()) ?? [];
    const nowMs = timeIn(replies[0]?.[1]);
    const text = replies[1]?.[1] ?? '';
    if (!Number.isFinite(nowMs) || typeof text !== 'string') return;
    const theirs = readState(text);
    const ours = this.#state;
    if (theirs === null || (ours !== null && theirs.version < ours.version)) {
      const first = () => firstState(randomBytes(TICKET_KEY_BYTES), nowMs);
      await this.#replace(redis, text, ours === null ? first() : merged(ours, theirs), nowMs);
      return;
    }
    this.#adopt(theirs, nowMs);
    const next = turned(theirs, () => randomBytes(TICKET_KEY_BYTES), nowMs, this.#input.times());
    if (next === null) return;
    const lease = await redis.call('EVAL', LEASE_SCRIPT, 1, LEASE_KEY, this.#name, LEASE_MS);
    if (lease === 1) await this.#replace(redis, text, next, nowMs);
  }

  async #replace(redis: Redis, read: string, next: KeyState, nowMs: number): Promise<void> {
    const held = await redis.call('EVAL', REPLACE_SCRIPT, 1, KEYS_KEY, read, stateText(next));
    const state = typeof held === 'string' ? readState(held) : null;
    if (state !== null) this.#adopt(state, nowMs);
  }

  #adopt(state: KeyState, nowMs: number): void {
    this.#state = state;
    const ring = ringOf(state, nowMs);
    const shown = Buffer.concat(ring).toString('latin1');
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#input.onKeys(ring);
  }

  [Symbol.dispose](): void {
    this.#rounds[Symbol.dispose]();
    this.#link[Symbol.dispose]();
  }
}
