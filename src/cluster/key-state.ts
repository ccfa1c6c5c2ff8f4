/**
 * The ticket keys that a cluster shares, as they are kept in Redis: rules without I/O. Times are those
 * of the Redis server, in milliseconds, so that instances need not agree on theirs.
 */
import { TICKET_KEY_BYTES } from '../native/ticket-keys.ts';
import { TICKET_KEYS_MAX } from '../tls/ticket-ring.ts';

export interface SharedKey {
  readonly key: Buffer;
  /** From when on tickets are issued under it. Before, it only decrypts. */
  readonly fromMs: number;
}

export interface KeyState {
  /** Rises with every change. */
  readonly version: number;
  /** Newest first, at least one. */
  readonly keys: readonly SharedKey[];
}

/**
 * How long a new key is known before tickets are issued under it: several times as long as it takes
 * every instance to look, so that none meets a ticket that it cannot read.
 */
export const KEY_LEAD_MS = 5_000;

export function firstState(key: Buffer, nowMs: number): KeyState {
  return { version: 1, keys: [{ key, fromMs: nowMs }] };
}

export interface StateTimes {
  readonly rotationMs: number;
  readonly lifetimeMs: number;
}

/** The state with a new key, when one is due; null when not. */
export function turned(
  state: KeyState,
  makeKey: () => Buffer,
  nowMs: number,
  { rotationMs, lifetimeMs }: StateTimes,
): KeyState | null {
  const newest = state.keys[0]!;
  // A clock that was put back must not stop the schedule.
  const isAhead = newest.fromMs > nowMs + KEY_LEAD_MS + rotationMs;
  if (!isAhead && newest.fromMs + rotationMs > nowMs + KEY_LEAD_MS) return null;
  const keys = [{ key: makeKey(), fromMs: nowMs + KEY_LEAD_MS }, ...state.keys];
  return { version: state.version + 1, keys: kept(keys, nowMs, lifetimeMs) };
}

/** Without those under which no ticket is valid any more: its successor has been used for so long. */
function kept(keys: readonly SharedKey[], nowMs: number, lifetimeMs: number): SharedKey[] {
  return keys
    .filter((_key, i) => i === 0 || keys[i - 1]!.fromMs + lifetimeMs > nowMs)
    .slice(0, TICKET_KEYS_MAX);
}

/** What we know together with what is there: Redis has forgotten, or two have begun at once. */
export function merged(ours: KeyState, theirs: KeyState | null): KeyState {
  if (theirs === null) return ours;
  const isOurs = ({ key }: SharedKey) => ours.keys.some((own) => own.key.equals(key));
  const more = theirs.keys.filter((shared) => !isOurs(shared));
  // Last, and with a time that is long past: they decrypt, and nothing is issued under them.
  const keys = [...ours.keys, ...more.map(({ key }) => ({ key, fromMs: 0 }))];
  const version = Math.max(ours.version, theirs.version) + 1;
  return { version, keys: keys.slice(0, TICKET_KEYS_MAX) };
}

/** For a ring: the key that encrypts now comes first. */
export function ringOf(state: KeyState, nowMs: number): Buffer[] {
  const { keys } = state;
  const due = keys.findIndex(({ fromMs }) => fromMs <= nowMs);
  const current = keys[due === -1 ? keys.length - 1 : due]!;
  return [current, ...keys.filter((shared) => shared !== current)].map(({ key }) => key);
}

export function stateText({ version, keys }: KeyState): string {
  return JSON.stringify({
    version,
    keys: keys.map(({ key, fromMs }) => ({ key: key.toString('base64'), fromMs })),
  });
}

/** Null for what is not a state, as after somebody else has written there. */
export function readState(text: string): KeyState | null {
  let value: { version?: unknown; keys?: unknown };
  try {
    value = JSON.parse(text) ?? {};
  } catch {
    return null;
  }
  const { version, keys } = value;
  if (!Number.isSafeInteger(version) || !Array.isArray(keys) || keys.length === 0) return null;
  const shared = keys.slice(0, TICKET_KEYS_MAX).map((one: Record<string, unknown> | null) => ({
    key: Buffer.from(typeof one?.key === 'string' ? one.key : '', 'base64'),
    fromMs: Number(one?.fromMs),
  }));
  const isSound = shared.every(
    ({ key, fromMs }) => key.length === TICKET_KEY_BYTES && Number.isFinite(fromMs),
  );
  return isSound ? { version: version as number, keys: shared } : null;
}
