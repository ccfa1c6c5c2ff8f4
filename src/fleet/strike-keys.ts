/**
 * The strike register of a fleet (RFC 8446 §8.2) as it stands in Redis: a key for every ClientHello
 * whose early data may have been accepted, and one that says since when the register knows
 * everything.
 *
 * That key, the register's beginning, names the run of the server that it was written in. It is gone
 * after a flush; after a restart, or a failover to a replica, it names another run, because some of
 * the latest strikes may be missing. In either case the register begins anew, and accepts nothing
 * until every ClientHello that could be missing is too old to be fresh.
 */
import type { Redis } from 'ioredis';
import type { FleetStrike } from '../tls/fleet.ts';
import { FRESHNESS_WINDOW_MS } from '../tls/strike-register.ts';

/** How far the clocks of two machines of a fleet may be apart: tickets tell their age by them. */
export const CLOCK_SKEW_MS_MAX = 10_000;

/** Milliseconds that a ClientHello is remembered by the fleet. */
export const FLEET_WINDOW_MS = FRESHNESS_WINDOW_MS + CLOCK_SKEW_MS_MAX;

export const STRIKE_PREFIX = 'sluice:strike:';

/** Holds the server's run_id, a space, and Unix time in milliseconds. */
export const BEGINNING_KEY = 'sluice:strikes-begin';

/** Writes the beginning unless it is of this run. KEYS: its key; ARGV: the run_id. */
const BEGIN_SCRIPT = `
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, #ARGV[1] + 1) == ARGV[1] .. ' ' then return held end
local now = redis.call('TIME')
local begun = ARGV[1] .. ' ' .. now[1] .. string.format('%03d', math.floor(now[2] / 1000))
redis.call('SET', KEYS[1], begun)
return begun
`;

export async function beginStrikes(redis: Redis, runId: string): Promise<void> {
  await redis.call('EVAL', BEGIN_SCRIPT, 1, BEGINNING_KEY, runId);
}

export interface StrikeReply {
  readonly strike: FleetStrike;
  /** The register is not of this run: `beginStrikes` is due. */
  readonly isLost: boolean;
}

/** Notes a ClientHello. All in one transaction: a flush between two steps would go unnoticed. */
export async function strike(
  redis: Redis,
  runId: string,
  clientRandom: Uint8Array,
): Promise<StrikeReply> {
  const key = STRIKE_PREFIX + Buffer.from(clientRandom).toString('base64url');
  const replies = await redis
    .multi()
    .time()
    .get(BEGINNING_KEY)
    .set(key, '1', 'PX', FLEET_WINDOW_MS, 'NX')
    .exec();
  return readStrike(replies, runId);
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
  const isOld = /^\d+$/.test(sinceText) && nowMs - Number(sinceText) >= FLEET_WINDOW_MS;
  return { strike: isOld ? 'first' : 'too-young', isLost: false };
}

/** Milliseconds of what TIME gives; NaN of anything else. */
export function timeIn(reply: unknown): number {
  if (!Array.isArray(reply) || reply.length !== 2) return Number.NaN;
  return Number(reply[0]) * 1_000 + Math.floor(Number(reply[1]) / 1_000);
}
