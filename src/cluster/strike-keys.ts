/**
 * The strike register of a cluster (RFC 8446 §8.2) as it stands in Redis: a key for every ClientHello
 * whose early data may have been accepted, one that says since when the register knows everything, and
 * one that says by which clock.
 *
 * The beginning names the run of the server that it was written in. It is gone after a flush; after a
 * restart, or a failover to a replica, it names another run, because some of the latest strikes may be
 * missing. In either case the register begins anew, and accepts nothing until every ClientHello that
 * could be missing is too old to be fresh.
 *
 * Keys expire by the clock of the server, and tickets are dated by that same clock, by every instance
 * of the cluster: so a ClientHello is fresh for one span of it, and remembered for longer, whatever the
 * clocks of the instances do. Should the server's own clock go back, that span would come again: then
 * the clock gets another name, tickets that were dated by the former one give no early data, and the
 * register begins anew. That it has gone back shows by the newest moment that it was seen at, which
 * every instance writes down every two seconds.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { CLOCK_ID_BYTES } from '../base/clock.ts';
import type { ClusterStrike } from '../tls/cluster.ts';
import { FRESHNESS_WINDOW_MS } from '../tls/early-data/strike-register.ts';

/**
 * By how much the clock of Redis may go back before it counts as another one. Together with the
 * time between two looks and the time for which a ClientHello is fresh, it is less than the time
 * for which ClientHellos are remembered.
 */
export const CLOCK_BACK_MS_MAX = 5_000;

/** Milliseconds that a ClientHello is remembered by the cluster: 10 s of reserve for a clock that goes back. */
export const CLUSTER_WINDOW_MS = FRESHNESS_WINDOW_MS + 10_000;

export const STRIKE_PREFIX = 'sluice:strike:';

/** Holds the server's run_id, a space, and Unix time in milliseconds. */
export const BEGINNING_KEY = 'sluice:strikes-begin';

/** Holds the name of the server's clock, a space, and the newest moment that it was seen at. */
export const CLOCK_KEY = 'sluice:strikes-clock';

/** The clock of a server at one moment. */
export interface ClockReading {
  /** As SteadyClock.id. */
  readonly id: Uint8Array;
  /** Unix time in milliseconds, as the server has it. */
  readonly nowMs: number;
}

/**
 * Writes the beginning unless it is of this run, and the newest moment. KEYS: the beginning, the
 * clock. ARGV: the run_id; the name of a new clock; the name of the clock as it was last, and what it
 * should show; by how much it may be off.
 */
const BEGIN_SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local text = string.format('%d', now)
local begun = redis.call('GET', KEYS[1])
local name, newest = string.match(redis.call('GET', KEYS[2]) or '', '^(%S+) (%d+)$')
if name and now < newest - ARGV[5] then
  name, newest, begun = ARGV[2], now, false
elseif not name then
  local isKnown = ARGV[3] ~= '' and math.abs(now - ARGV[4]) <= ARGV[5] + 0
  name, newest = isKnown and ARGV[3] or ARGV[2], now
end
redis.call('SET', KEYS[2], name .. ' ' .. string.format('%d', math.max(now, newest)))
if not begun or string.sub(begun, 1, #ARGV[1] + 1) ~= ARGV[1] .. ' ' then
  redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. text)
end
return { name, text }
`;

/** `before`: the clock as it is remembered, and what it should show now; null when it is not known. */
export async function beginStrikes(
  redis: Redis,
  runId: string,
  before: { readonly name: string; readonly nowMs: number } | null = null,
): Promise<ClockReading & { readonly name: string }> {
  const fresh = randomBytes(CLOCK_ID_BYTES).toString('hex');
  const { name, nowMs } = before ?? { name: '', nowMs: 0 };
  const words = [runId, fresh, name, String(Math.floor(nowMs)), String(CLOCK_BACK_MS_MAX)];
  const reply = await redis.call('EVAL', BEGIN_SCRIPT, 2, BEGINNING_KEY, CLOCK_KEY, ...words);
  if (!Array.isArray(reply) || reply.length !== 2) throw new Error('Redis names no clock');
  const [held, text] = reply as [unknown, unknown];
  return { name: String(held), id: clockIdOf(String(held)), nowMs: Number(text) };
}

/** Names are whatever stands in Redis. */
function clockIdOf(name: string): Uint8Array {
  return createHash('sha256').update(name).digest().subarray(0, CLOCK_ID_BYTES);
}

export interface StrikeReply {
  readonly strike: ClusterStrike;
  /** The register is not of this run or not of this clock: `beginStrikes` is due. */
  readonly isLost: boolean;
}

/** Notes a ClientHello. All in one transaction: a flush between two steps would go unnoticed. */
export async function strike(
  redis: Redis,
  runId: string,
  clientRandom: Uint8Array,
): Promise<StrikeReply & { readonly clock: ClockReading | null }> {
  const key = STRIKE_PREFIX + Buffer.from(clientRandom).toString('base64url');
  const replies = await redis
    .multi()
    .time()
    .get(BEGINNING_KEY)
    .set(key, '1', 'PX', CLUSTER_WINDOW_MS, 'NX')
    .get(CLOCK_KEY)
    .exec();
  const reply = readStrike(replies?.slice(0, 3) ?? null, runId);
  if (reply.strike === 'unanswered') return { ...reply, clock: null };
  const clock = readClock(replies?.[0]?.[1], replies?.[3]?.[1]);
  if (clock !== null) return { ...reply, clock };
  // What has expired may be fresh again.
  const answer = reply.strike === 'first' ? 'too-young' : reply.strike;
  return { strike: answer, isLost: true, clock };
}

/** Of what TIME gives and what stands under CLOCK_KEY; null for a clock that is not the one it was. */
function readClock(time: unknown, held: unknown): ClockReading | null {
  const [, name, newest] = /^(\S+) (\d+)$/.exec(typeof held === 'string' ? held : '') ?? [];
  const nowMs = timeIn(time);
  if (name === undefined || !(nowMs >= Number(newest) - CLOCK_BACK_MS_MAX)) return null;
  return { id: clockIdOf(name), nowMs };
}

/** Separate, because every odd answer must end in a refusal. */
export function readStrike(
  replies: readonly (readonly [Error | null, unknown])[] | null,
  runId: string,
): StrikeReply {
  const failed: StrikeReply = { strike: 'unanswered', isLost: false };
  if (replies === null || replies.length !== 3) return failed;
  if (replies.some(([error]) => error !== null)) return failed;
  const [time, begun, set] = replies.map(([, reply]) => reply);
  const nowMs = timeIn(time);
  const [ofRun, sinceText = ''] = typeof begun === 'string' ? begun.split(' ') : [];
  if (ofRun !== runId || runId === '') return { strike: 'too-young', isLost: true };
  if (set !== 'OK') return { strike: 'replayed', isLost: false };
  const isOld = /^\d+$/.test(sinceText) && nowMs - Number(sinceText) >= CLUSTER_WINDOW_MS;
  return { strike: isOld ? 'first' : 'too-young', isLost: false };
}

/** Milliseconds of what TIME gives; NaN of anything else. */
export function timeIn(reply: unknown): number {
  if (!Array.isArray(reply) || reply.length !== 2) return Number.NaN;
  return Number(reply[0]) * 1_000 + Math.floor(Number(reply[1]) / 1_000);
}
