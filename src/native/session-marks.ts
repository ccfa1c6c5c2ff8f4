/**
 * What we write into sessions, and so into the tickets that are made of them: the policy that the
 * ticket was issued under, and when by a clock that nobody sets. OpenSSL reckons with the wall clock,
 * by which a flight of yesterday is fresh again as soon as the clock is put back by a day. So before
 * it looks at a ticket's age, the ticket is dated by what the steady clock says of it: whatever the
 * wall clock does, a ticket has the age that it has.
 */
import { CLOCK_ID_BYTES, type SteadyClock } from '../base/clock.ts';
import { addressOf, NativeBuffer } from './memory.ts';
import { libcMemory, libssl } from './openssl-table.ts';

/** Bytes that tell one early-data policy from another. */
export const POLICY_MARK_BYTES = 16;

const CLOCK_ID_OFFSET = POLICY_MARK_BYTES;
const MOMENT_OFFSET = CLOCK_ID_OFFSET + CLOCK_ID_BYTES;
const MARK_BYTES = MOMENT_OFFSET + 8;

/**
 * How far both clocks may have moved apart between two looks within one call of OpenSSL. Wall-clock
 * seconds are rounded down in sessions, so less would not matter.
 */
const APART_MS_MAX = 1_000;

const { checked } = libssl;
const { SSL_get_session } = libssl.direct;
const { memcpy } = libcMemory.direct;

const mark = NativeBuffer.allocate(MARK_BYTES);
const markAddress = addressOf(mark);
const policy = mark.bytes.subarray(0, POLICY_MARK_BYTES);
const clockId = mark.bytes.subarray(CLOCK_ID_OFFSET, MOMENT_OFFSET);

const results = NativeBuffer.allocate(16);
const pointerAddress = addressOf(results);
const lengthAddress = pointerAddress + 8n;
const [POINTER, LENGTH] = [0, 1];
const words = new BigUint64Array(results.bytes.buffer, results.bytes.byteOffset, 2);

/** All zero when there is none, or none that we write. */
function readMark(session: bigint): void {
  const { SSL_SESSION_get0_ticket_appdata } = checked;
  const status = SSL_SESSION_get0_ticket_appdata(session, pointerAddress, lengthAddress);
  const isOurs = status === 1 && words[LENGTH] === BigInt(MARK_BYTES);
  if (isOurs) memcpy(markAddress, words[POINTER]!, MARK_BYTES);
  else mark.bytes.fill(0);
}

function writeMark(session: bigint): void {
  checked.SSL_SESSION_set1_ticket_appdata(session, markAddress, MARK_BYTES);
}

/** Of the policy that it was issued under; all zero without one. Valid until the next call here. */
export function policyMarkOf(session: bigint): Uint8Array {
  readMark(session);
  return policy;
}

/** Marks a session, whose tickets are yet to be dated. */
export function markSession(session: bigint, policyMark: Uint8Array): void {
  mark.bytes.fill(0);
  policy.set(policyMark);
  writeMark(session);
}

/** Dates the session that a connection (`SSL *`) makes a ticket of now. Without a clock it has no date. */
export function dateSession(ssl: bigint, clock: SteadyClock | null): void {
  const session = SSL_get_session(ssl);
  if (session === 0n) return;
  readMark(session);
  if (clock === null) {
    mark.bytes.fill(0, CLOCK_ID_OFFSET);
  } else {
    clockId.set(clock.id);
    mark.bytes.writeDoubleBE(clock.nowMs(), MOMENT_OFFSET);
  }
  writeMark(session);
}

/** Milliseconds since a session was dated by this clock; null when that was by another one. */
function ageMs(session: bigint, clock: SteadyClock | null): number | null {
  readMark(session);
  if (clock === null || clockId.compare(clock.id) !== 0) return null;
  const age = clock.nowMs() - mark.bytes.readDoubleBE(MOMENT_OFFSET);
  return age >= 0 ? age : null;
}

/** By how much the clocks differed when a session was last put right. */
let differenceMs = 0;

/** Puts the time of a session (TLS 1.3) out of a ticket right, before OpenSSL reckons with it. */
export function putSessionTimeRight(session: bigint, clock: SteadyClock | null): void {
  const age = ageMs(session, clock);
  if (age === null || clock === null) return;
  const wallMs = Date.now();
  differenceMs = wallMs - clock.nowMs();
  checked.SSL_SESSION_set_time_ex(session, BigInt(Math.floor((wallMs - age) / 1_000)));
}

/**
 * Milliseconds since a session was dated; null unless OpenSSL has judged its age by this clock: it was
 * dated by it, and the wall clock was not set since its time was put right.
 */
export function judgedAgeMs(session: bigint, clock: SteadyClock | null): number | null {
  if (clock === null) return null;
  const isRight = Math.abs(Date.now() - clock.nowMs() - differenceMs) <= APART_MS_MAX;
  return isRight ? ageMs(session, clock) : null;
}
