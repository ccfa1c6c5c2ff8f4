import assert from 'node:assert/strict';
import test from 'node:test';
import { AckFrame } from '../wire/frame-reader.ts';
import { type CongestionController, initialWindow } from './congestion.ts';
import { Cubic } from './cubic.ts';
import { EcnValidation } from './ecn.ts';
import { LossRecovery, OPEN_NUMBERS_MAX, SpaceId } from './loss.ts';
import { MtuProbe } from './mtu-probe.ts';
import { NewReno } from './new-reno.ts';
import { Pacer } from './pacer.ts';
import { RoundTrip } from './rtt.ts';
import { takeSentPacket } from './sent-packet.ts';

const SIZE = 1_200;

function acknowledge(
  controller: CongestionController,
  bytes: number,
  sentMs: number,
  nowMs: number,
) {
  const sample = { bytes, sentMs, isApplicationLimited: false, smoothedRttMs: 100 };
  for (let left = bytes; left > 0; left -= SIZE) {
    controller.onAcknowledged({ ...sample, bytes: Math.min(SIZE, left) }, nowMs);
  }
}

test('the first window is that of RFC 9002 §7.2', () => {
  assert.equal(initialWindow(1_200), 12_000);
  assert.equal(initialWindow(1_472), 14_720);
  assert.equal(initialWindow(9_000), 18_000);
});

test('NewReno doubles in slow start, halves at a loss once for each round trip, then adds a datagram', () => {
  const reno = new NewReno(SIZE);
  acknowledge(reno, 12_000, 1, 100);
  assert.equal(reno.windowBytes, 24_000);
  reno.onCongestion(50, 200);
  reno.onCongestion(60, 210);
  assert.equal(reno.windowBytes, 12_000);
  acknowledge(reno, 12_000, 150, 300);
  assert.equal(reno.windowBytes, 12_000, 'what was sent before the reduction grows nothing');
  acknowledge(reno, 12_000, 250, 350);
  assert.equal(reno.windowBytes, 13_200);
  reno.onPersistentCongestion();
  assert.equal(reno.windowBytes, 2 * SIZE);
});

test('a window that is not used does not grow (RFC 9002 §7.8)', () => {
  for (const controller of [new NewReno(SIZE), new Cubic(SIZE)]) {
    const sample = { bytes: 5_000, sentMs: 1, isApplicationLimited: true, smoothedRttMs: 10 };
    controller.onAcknowledged(sample, 10);
    assert.equal(controller.windowBytes, 12_000);
  }
});

test('CUBIC goes to 0.7, is back at the old window after K seconds, and goes beyond (RFC 9438 §4.2)', () => {
  const cubic = new Cubic(SIZE);
  while (cubic.windowBytes < 1_200_000) acknowledge(cubic, cubic.windowBytes, 1, 2);
  const before = cubic.windowBytes;
  cubic.onCongestion(1, 1_000);
  assert.ok(Math.abs(cubic.windowBytes - 0.7 * before) < 1);
  const plateauMs = 1_000 * Math.cbrt((before * 0.3) / SIZE / 0.4);
  const at = (ms: number) => {
    let nowMs = lastMs;
    for (; nowMs < 1_000 + ms; nowMs += 100)
      acknowledge(cubic, cubic.windowBytes, nowMs - 50, nowMs);
    lastMs = nowMs;
    return cubic.windowBytes;
  };
  let lastMs = 1_100;
  const half = at(plateauMs / 2);
  assert.ok(half > 0.9 * before && half < before, 'concave: most of it comes early');
  const full = at(plateauMs);
  assert.ok(Math.abs(full / before - 1) < 0.03, `${full} of ${before}`);
  assert.ok(at(2 * plateauMs) > 1.2 * before, 'convex: it goes on');
});

test('CUBIC is no slower than Reno where round trips are short (RFC 9438 §4.3)', () => {
  const cubic = new Cubic(SIZE);
  cubic.onCongestion(1, 10);
  const start = cubic.windowBytes;
  for (let i = 1; i <= 20; i++) {
    const sample = { bytes: 0, sentMs: 10 + i, isApplicationLimited: false, smoothedRttMs: 1 };
    for (let left = cubic.windowBytes; left > 0; left -= SIZE) {
      cubic.onAcknowledged({ ...sample, bytes: SIZE }, 10 + i);
    }
  }
  assert.ok(cubic.windowBytes > start + 10 * SIZE, `${cubic.windowBytes}`);
});

test('a pacer lets the burst go, and then the rate of the window', () => {
  const pacer = new Pacer();
  const path = { windowBytes: 120_000, isSlowStart: false, smoothedMs: 100, datagramBytes: SIZE };
  pacer.refresh(path, 0);
  assert.equal(pacer.tokens, 12_000);
  pacer.spend(12_000);
  let sent = 0;
  for (let nowMs = 1; nowMs <= 100; nowMs++) {
    pacer.refresh(path, nowMs);
    while (pacer.tokens >= SIZE) {
      pacer.spend(SIZE);
      sent += SIZE;
    }
  }
  assert.ok(Math.abs(sent - 150_000) <= 2 * SIZE, `${sent} in one round trip: 1.25 windows`);
  assert.ok(pacer.readyMs(SIZE) >= 101);
});

test('the round trip is reckoned as in RFC 9002 §5.3', () => {
  const roundTrip = new RoundTrip();
  assert.equal(roundTrip.probeMs(25), 333 + 4 * 166.5 + 25);
  roundTrip.onSample(100, 50, 1);
  assert.deepEqual([roundTrip.smoothedMs, roundTrip.variationMs, roundTrip.minMs], [100, 50, 100]);
  roundTrip.onSample(140, 20, 2);
  assert.equal(roundTrip.smoothedMs, 102.5, '120 after the peer’s delay');
  assert.equal(roundTrip.variationMs, 42.5);
  roundTrip.onSample(110, 20, 3);
  assert.equal(roundTrip.smoothedMs, 0.875 * 102.5 + 0.125 * 110, 'no less than the least');
});

/** Recovery with packets of a datagram each. */
function recovering() {
  const lost: number[] = [];
  const acknowledged: number[] = [];
  const controller = new NewReno(SIZE);
  const path = {
    serial: 0,
    roundTrip: new RoundTrip(),
    controller,
    ecn: new EcnValidation(false),
    mtu: new MtuProbe(SIZE),
  };
  const recovery = new LossRecovery(
    {
      onPacketAcknowledged: (_, { number }) => acknowledged.push(number),
      onPacketLost: (_, { number }) => lost.push(number),
    },
    path,
    true,
  );
  recovery.isHandshakeConfirmed = true;
  const send = (number: number, sentMs: number) => {
    const packet = takeSentPacket();
    Object.assign(packet, { number, sentMs, bytes: SIZE, isAckEliciting: true, isInFlight: true });
    Object.assign(packet, { pathSerial: 0, isMarkedEct0: false });
    recovery.onSent(SpaceId.application, packet);
  };
  const ack = (nowMs: number, ...ranges: number[]) => {
    const frame = new AckFrame();
    frame.largest = ranges[1]!;
    frame.ranges.push(...ranges);
    recovery.onAck(SpaceId.application, frame, 0, nowMs);
  };
  return { recovery, controller, path, lost, acknowledged, send, ack };
}

test('who goes back to a path counts what is still open there, and never less than nothing', () => {
  const { ack, path, recovery, send } = recovering();
  send(0, 0);
  send(1, 0);
  recovery.moveTo({ ...path, serial: 1, mtu: new MtuProbe(SIZE) });
  assert.equal(recovery.bytesInFlight, 0);
  recovery.moveTo(path);
  assert.equal(recovery.bytesInFlight, 2 * SIZE);
  ack(10, 0, 1);
  assert.equal(recovery.bytesInFlight, 0);
});

test('a peer that never acknowledges makes nobody remember ever more (CVE-2023-50247)', () => {
  const { lost, recovery, send } = recovering();
  send(0, 0);
  for (let number = 1; number < 10_000; number++) {
    const packet = takeSentPacket();
    const flags = { isAckEliciting: false, isInFlight: false, isMarkedEct0: false };
    Object.assign(packet, { number, sentMs: 1, bytes: 40, pathSerial: 0, ...flags });
    recovery.onSent(SpaceId.application, packet);
  }
  assert.equal(recovery.openCount(SpaceId.application), 1);
  send(OPEN_NUMBERS_MAX - 1, 2);
  assert.deepEqual(lost, []);
  send(OPEN_NUMBERS_MAX, 3);
  assert.deepEqual(lost, [0]);
  assert.equal(recovery.bytesInFlight, 2 * SIZE);
});

test('a packet is lost when three later ones have come, or after nine eighths of a round trip', () => {
  const { ack, acknowledged, lost, recovery, send } = recovering();
  for (let i = 0; i < 6; i++) send(i, i);
  ack(100, 3, 3);
  assert.deepEqual(lost, [0]);
  assert.deepEqual(acknowledged, [3]);
  const deadlineMs = recovery.deadlineMs(false);
  assert.ok(Math.abs(deadlineMs - (1 + 1.125 * 97)) < 0.01, `${deadlineMs}`);
  assert.equal(recovery.onTimeout(deadlineMs), undefined);
  assert.deepEqual(lost, [0, 1]);
  assert.equal(recovery.bytesInFlight, 3 * SIZE);
});

test('a probe comes after the timeout, each one after twice the time, and an answer ends it', () => {
  const { ack, recovery, send } = recovering();
  send(0, 0);
  ack(100, 0, 0);
  send(1, 200);
  const probeMs = 100 + 4 * 50 + 25;
  assert.equal(recovery.deadlineMs(false), 200 + probeMs);
  assert.equal(recovery.deadlineMs(true), Number.POSITIVE_INFINITY, 'a blocked server waits');
  assert.equal(recovery.onTimeout(200 + probeMs), SpaceId.application);
  send(2, 200 + probeMs);
  assert.equal(recovery.deadlineMs(false), 200 + 3 * probeMs);
  ack(200 + probeMs + 100, 2, 2);
  assert.equal(recovery.probeCount, 0);
});

test('what is lost over three probe timeouts is persistent congestion, unless something between came', () => {
  const alone = recovering();
  alone.send(0, 0);
  alone.ack(10, 0, 0);
  for (let i = 1; i < 12; i++) alone.send(i, 20 + 100 * i);
  alone.send(12, 1_300);
  alone.ack(1_320, 12, 12);
  assert.equal(alone.controller.windowBytes, 2 * SIZE);
  const between = recovering();
  between.send(0, 0);
  between.ack(10, 0, 0);
  // The oldest stays open, so that what was acknowledged between is still remembered.
  for (let i = 1; i < 4; i++) between.send(i, 20 + 10 * i);
  between.send(4, 800);
  between.ack(801, 3, 3);
  assert.ok(between.controller.windowBytes > 2 * SIZE);
});
