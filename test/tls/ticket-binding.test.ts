/** What a ticket is worth when things are no longer as they were when it was issued. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, describe, test } from 'node:test';
import type { SteadyClock } from '../../src/base/clock.ts';
import { AntiReplayCheck } from '../../src/tls/early-data/anti-replay-check.ts';
import { StrikeRegister, strikeRegisterBytes } from '../../src/tls/early-data/strike-register.ts';
import { plainHost } from '../../src/tls/host-options.ts';
import { createHostedContext, type ServerContext } from '../../src/tls/server-context.ts';
import { TICKET_LIFETIME_SECONDS_DEFAULT } from '../../src/tls/ticket-ring.ts';
import { certificate, clientContext, liveHandles, Pair } from './wire.ts';

after(() => assert.deepEqual(liveHandles(), {}, 'every native handle was freed'));

const ticketKeys = [randomBytes(80)];
const earlyData = Buffer.from('GET / HTTP/1.1\r\n\r\n');

interface ServerWords {
  readonly ticketClock?: SteadyClock;
  readonly policy?: string;
  readonly antiReplay?: AntiReplayCheck;
}

function serverOf({ policy = 'GET', antiReplay, ticketClock }: ServerWords = {}): ServerContext {
  const host = { ...plainHost, names: ['*.a.test'], certificates: [certificate] };
  const clock = ticketClock === undefined ? {} : { ticketClock };
  return createHostedContext({ alpn: ['http/1.1'], ticketKeys, antiReplay, ...clock }, [
    { ...host, earlyDataPolicy: policy },
  ]);
}

/** A full handshake with the first, then one that resumes, with early data, with the second. */
function returnTo(first: ServerContext, second: ServerContext) {
  using client = clientContext();
  using before = new Pair(first, client, { serverName: 'x.a.test' }).settle();
  using session = before.takeSession();
  using pair = new Pair(second, client, { serverName: 'x.a.test', session, earlyData });
  return pair.settle().server.record;
}

describe('a ticket', () => {
  test('under the policy of its time gives early data', () => {
    using first = serverOf();
    using second = serverOf();
    assert.equal(returnTo(first, second).earlyData, 'accepted');
  });

  test('under another policy is resumed in 1-RTT', () => {
    using first = serverOf({ policy: 'GET' });
    using second = serverOf({ policy: 'GET but not /buy' });
    const { resumed, outcome, earlyData, earlyDataReason } = returnTo(first, second);
    assert.deepEqual([resumed, outcome], [true, 'complete']);
    assert.deepEqual([earlyData, earlyDataReason], ['rejected', 'policy changed']);
  });

  test('that comes with the next handshake is under the policy of that time', () => {
    using first = serverOf({ policy: 'one' });
    using second = serverOf({ policy: 'two' });
    using client = clientContext();
    const target = { serverName: 'x.a.test' };
    using before = new Pair(first, client, target).settle();
    using session = before.takeSession();
    using between = new Pair(second, client, { ...target, session }).settle();
    assert.equal(between.server.record.resumed, true);
    using renewed = between.takeSession();
    using last = new Pair(second, client, { ...target, session: renewed, earlyData }).settle();
    assert.equal(last.server.record.earlyData, 'accepted');
  });

  for (const [maxVersion, name, resumed] of [
    ['TLSv1.2', 'x.a.test', true],
    ['TLSv1.2', 'X.A.test', true],
    ['TLSv1.2', 'y.a.test', false],
    ['TLSv1.3', 'x.a.test', true],
    // RFC 8446 §4.6.1 leaves it to the client, which checks that the certificate is good for both.
    ['TLSv1.3', 'y.a.test', true],
  ] as const) {
    test(`of ${maxVersion} for x.a.test ${resumed ? 'resumes' : 'does not resume'} as ${name}`, () => {
      using server = serverOf();
      using client = clientContext({ maxVersion });
      using before = new Pair(server, client, { serverName: 'x.a.test' }).settle();
      using session = before.takeSession();
      using pair = new Pair(server, client, { serverName: name, session }).settle();
      const { record } = pair.server;
      assert.deepEqual([record.outcome, record.resumed], ['complete', resumed]);
    });
  }
});

/** Moves as the test says, and as the wall clock does not. */
class TestClock implements SteadyClock {
  id: Uint8Array = Buffer.from('a clock.');
  ms = 5_000_000;
  nowMs(): number {
    return this.ms;
  }
}

describe('the age of a ticket', () => {
  const aged = (clock: TestClock, change: () => void) => {
    using server = serverOf({ ticketClock: clock });
    using client = clientContext();
    const target = { serverName: 'x.a.test' };
    using before = new Pair(server, client, target).settle();
    using session = before.takeSession();
    change();
    using pair = new Pair(server, client, { ...target, session, earlyData }).settle();
    const { outcome, resumed, earlyDataReason } = pair.server.record;
    assert.deepEqual([outcome, resumed], ['complete', true]);
    // What comes next is a ticket of the clock as it is now.
    using renewed = pair.takeSession();
    using next = new Pair(server, client, { ...target, session: renewed, earlyData }).settle();
    assert.equal(next.server.record.earlyData, 'accepted');
    return earlyDataReason;
  };

  for (const [ms, reason] of [
    [0, ''],
    [7_900, ''],
    [9_100, 'ticket age implausible'],
    [30_000, 'ticket age implausible'],
    [80_000_000, 'ticket age implausible'],
    [-1, 'ticket of another clock'],
    [-3_600_000, 'ticket of another clock'],
  ] as const) {
    test(`is by a clock that nobody sets: ${ms} ms later, and the wall clock says none`, () => {
      const clock = new TestClock();
      const change = () => {
        clock.ms += ms;
      };
      assert.equal(aged(clock, change), reason);
    });
  }

  test('is not known to another machine, nor after another start of this one', () => {
    const clock = new TestClock();
    const change = () => {
      clock.id = Buffer.from('another.');
    };
    assert.equal(aged(clock, change), 'ticket of another clock');
  });

  test('ends its life by the same clock', () => {
    const clock = new TestClock();
    using server = serverOf({ ticketClock: clock });
    using client = clientContext();
    using before = new Pair(server, client, { serverName: 'x.a.test' }).settle();
    using session = before.takeSession();
    clock.ms += 1_000 * (TICKET_LIFETIME_SECONDS_DEFAULT + 1);
    using pair = new Pair(server, client, { serverName: 'x.a.test', session, earlyData }).settle();
    const { resumed, earlyDataReason } = pair.server.record;
    assert.deepEqual([resumed, earlyDataReason], [false, 'ticket expired']);
  });
});

describe('a register that is younger than the ticket’s first use may be', () => {
  const gateFrom = (fromMs: number, nowMs: () => number) =>
    new AntiReplayCheck({
      register: new StrikeRegister(new Int32Array(strikeRegisterBytes(64) / 4), 64),
      nowMs,
      fromMs: () => fromMs,
    });

  test('refuses early data until a whole window has passed', () => {
    let nowMs = 100_000;
    const antiReplay = gateFrom(125_000, () => nowMs);
    using first = serverOf();
    using second = serverOf({ antiReplay });
    const young = returnTo(first, second);
    assert.deepEqual([young.resumed, young.earlyDataReason], [true, 'register too young']);
    nowMs = 125_000;
    assert.equal(returnTo(first, second).earlyData, 'accepted');
  });

  test('refuses early data when it is full, and the handshake goes on', () => {
    const slots = 64;
    const register = new StrikeRegister(new Int32Array(strikeRegisterBytes(slots) / 4), slots);
    const nowMs = () => 100_000;
    for (let count = 0; count < 100 * slots; count++) register.strike(randomBytes(32), nowMs());
    using first = serverOf();
    using second = serverOf({ antiReplay: new AntiReplayCheck({ register, nowMs }) });
    const { outcome, resumed, earlyDataReason } = returnTo(first, second);
    assert.deepEqual(
      [outcome, resumed, earlyDataReason],
      ['complete', true, 'register unavailable'],
    );
  });

  test('remembers what it has refused for that', () => {
    let nowMs = 124_999;
    const antiReplay = gateFrom(125_000, () => nowMs);
    const random = randomBytes(32);
    assert.equal(antiReplay.refusalOf(random), 'register too young');
    nowMs = 125_000;
    assert.equal(antiReplay.refusalOf(random), 'replayed');
  });
});
