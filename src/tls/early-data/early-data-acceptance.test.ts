import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { EarlyDataFlight } from '../../native/session-callbacks.ts';
import type { ClusterRegister, ClusterStrike } from '../cluster.ts';
import { plainHost } from '../host-options.ts';
import { AntiReplayCheck } from './anti-replay-check.ts';
import { EarlyDataAcceptance, type EarlyDataAcceptanceInput } from './early-data-acceptance.ts';
import { decisionOf, HelloDecision } from './hello-decision.ts';
import { StrikeRegister, strikeRegisterBytes } from './strike-register.ts';

const NOW_MS = 1_800_000_000_000;
const MARK = Buffer.alloc(16, 1);
const OTHER_MARK = Buffer.alloc(16, 2);
const clock = { id: Buffer.alloc(16), nowMs: () => NOW_MS };
const cluster: ClusterRegister = { clock, ask: () => assert.fail('the engine asks') };

function acceptanceOf(parts: Partial<EarlyDataAcceptanceInput> = {}): EarlyDataAcceptance {
  const words = new Int32Array(strikeRegisterBytes(64) / 4);
  const register = new StrikeRegister(words, 64);
  const host = { ...plainHost.earlyData, enabled: true, bytesMax: 1_000, inFlightBytesMax: 2_500 };
  return new EarlyDataAcceptance({
    antiReplay: new AntiReplayCheck({ register, nowMs: () => NOW_MS }),
    clock,
    hosts: [
      { ...host, policyMark: MARK },
      { ...host, enabled: false, policyMark: OTHER_MARK },
    ],
    inFlightBytesMax: 4_000,
    cluster: null,
    ...parts,
  });
}

function helloFor(host = 0, ticketMark: number | null = 7): HelloDecision {
  return new HelloDecision({ host, serverName: 'a.test', ticketMark, offersEarlyData: true });
}

function flight(parts: Partial<EarlyDataFlight> = {}): EarlyDataFlight {
  return {
    random: randomBytes(32),
    ticketBytesMax: 1_000,
    policyMark: MARK,
    ageMs: 100,
    isNameOfSession: true,
    isCipherOfSession: true,
    ...parts,
  };
}

test('a flight is accepted once, and its decision says why not the second time', () => {
  const acceptance = acceptanceOf();
  const one = flight();
  const [first, second] = [helloFor(), helloFor()];
  assert.equal(acceptance.accepts(first, one), true);
  assert.deepEqual([first.refusal, first.reservedBytes], ['', 1_000]);
  assert.equal(acceptance.accepts(second, one), false);
  assert.deepEqual([second.refusal, second.reservedBytes], ['replayed', 0]);
});

for (const [parts, reason] of [
  [{ ageMs: null }, 'ticket of another clock'],
  [{ isNameOfSession: false }, 'server name changed'],
  [{ isCipherOfSession: false }, 'cipher suite changed'],
  [{ policyMark: OTHER_MARK }, 'policy changed'],
  [{ ticketBytesMax: 1_001 }, 'over the limit'],
] as const) {
  test(`what has changed since the ticket is refused: ${reason}`, () => {
    const decision = helloFor();
    assert.equal(acceptanceOf().accepts(decision, flight(parts)), false);
    assert.equal(decision.refusal, reason);
  });
}

test('two handshakes at once do not get each other’s answers', () => {
  const acceptance = acceptanceOf();
  const [good, bad] = [helloFor(0), helloFor(1)];
  assert.equal(acceptance.accepts(good, flight()), true);
  assert.equal(acceptance.accepts(bad, flight()), false);
  // In whatever order their engines look at it.
  assert.deepEqual([bad.refusal, bad.reservedBytes], ['policy off', 0]);
  assert.deepEqual([good.refusal, good.reservedBytes], ['', 1_000]);
  assert.deepEqual([acceptance.isAllowed(good), acceptance.isAllowed(bad)], [true, false]);
  assert.deepEqual(acceptance.markOf(bad), OTHER_MARK);
});

test('early data in flight is bounded for a host, and free again when its handshake has ended', () => {
  const acceptance = acceptanceOf();
  const hellos = [helloFor(), helloFor(), helloFor()];
  const answers = hellos.map((hello) => acceptance.accepts(hello, flight()));
  assert.deepEqual(answers, [true, true, false]);
  assert.equal(hellos[2]!.refusal, 'over the limit');
  assert.equal(acceptance.inFlightBytes, 2_000);
  // Both a handshake that failed and one that went well: once, however often it is said.
  for (const hello of [...hellos, ...hellos]) acceptance.release(hello);
  assert.equal(acceptance.inFlightBytes, 0);
  assert.equal(acceptance.accepts(helloFor(), flight()), true);
});

test('a ticket that names no amount counts as the host’s most', () => {
  const acceptance = acceptanceOf({ isUnmetered: true });
  const hello = helloFor();
  assert.equal(acceptance.accepts(hello, flight({ ticketBytesMax: 0xffff_ffff })), true);
  assert.deepEqual([hello.reservedBytes, acceptance.inFlightBytes], [1_000, 1_000]);
});

test('and for all hosts together', () => {
  const acceptance = acceptanceOf({ inFlightBytesMax: 1_500 });
  assert.equal(acceptance.accepts(helloFor(), flight()), true);
  const second = helloFor();
  assert.equal(acceptance.accepts(second, flight()), false);
  assert.equal(second.refusal, 'over the limit');
});

test('a refused flight is known afterwards, and so is a ticket whose claimed age may fit later', () => {
  const acceptance = acceptanceOf();
  const one = flight();
  acceptance.noteRefused(helloFor(), one.random, false);
  const again = helloFor();
  assert.equal(acceptance.accepts(again, one), false);
  assert.equal(again.refusal, 'replayed');

  // OpenSSL has resumed the ticket, and did not ask: the age was wrong.
  acceptance.noteRefused(helloFor(0, 8), randomBytes(32), true);
  const later = helloFor(0, 8);
  assert.equal(acceptance.accepts(later, flight()), false);
  assert.equal(later.refusal, 'ticket refused before');
  // One that was asked about is no matter of its ticket.
  const asked = helloFor(0, 9);
  acceptance.accepts(asked, flight({ isNameOfSession: false }));
  acceptance.noteRefused(asked, randomBytes(32), true);
  assert.equal(acceptance.accepts(helloFor(0, 9), flight()), true);
});

for (const [answer, reason] of [
  ['first', ''],
  ['replayed', 'replayed'],
  ['too-young', 'cluster register too young'],
  ['unanswered', 'cluster did not answer'],
  [null, 'cluster did not answer'],
] as const satisfies readonly (readonly [ClusterStrike | null, string])[]) {
  test(`with a cluster its answer counts as well: ${answer}`, () => {
    const decision = helloFor();
    decision.clusterQuestion = { random: randomBytes(32), answer };
    assert.equal(acceptanceOf({ cluster }).accepts(decision, flight()), reason === '');
    assert.equal(decision.refusal, reason);
  });
}

test('a cluster that was not asked about a flight accepts none', () => {
  const decision = helloFor();
  assert.equal(acceptanceOf({ cluster }).accepts(decision, flight()), false);
  assert.equal(decision.refusal, 'cluster did not answer');
});

test('a look after a pause asks nobody again, and forgets why the one before was refused', () => {
  const before = helloFor(0, 7);
  before.clusterQuestion = { random: randomBytes(32), answer: 'first' };
  before.refusal = 'replayed';
  before.wasAsked = true;
  const facts = { host: 0, serverName: 'a.test', ticketMark: null, offersEarlyData: false };
  const after = new HelloDecision(facts, before);
  assert.equal(after.clusterQuestion, before.clusterQuestion);
  assert.deepEqual([after.refusal, after.wasAsked, after.ticketMark], ['', false, null]);
});

test('what is no decision of ours is none', () => {
  assert.equal(decisionOf({ decision: null }), null);
  assert.equal(decisionOf({ decision: {} }), null);
  const decision = helloFor();
  assert.equal(decisionOf({ decision }), decision);
});
