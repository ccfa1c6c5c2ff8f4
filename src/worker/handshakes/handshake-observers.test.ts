import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HandshakeRecord } from '../../tls/contract.ts';
import { type HandshakeObserver, HandshakeObservers } from './handshake-observers.ts';
import { defaultObserverLimits } from './observer-limits.ts';

const record = { outcome: 'complete' } as HandshakeRecord;
const connection = {
  remoteAddress: '192.0.2.1',
  remotePort: 1,
  localPort: 443,
  clientHello: null,
};
const { callMs, faultsMax, warmUpCalls, windowMs } = defaultObserverLimits;

/** Observers under a clock in hand: each call costs what it says. */
function under(...observers: HandshakeObserver[]) {
  let nowMs = 1_000;
  let processorMs = 0;
  const said: string[] = [];
  const faults: string[] = [];
  const armed = new Map<string, boolean>();
  const set = new HandshakeObservers({
    observers,
    monotonicMs: () => nowMs,
    processorMs: () => processorMs,
    onFault: (name, fault) => faults.push(`${name} ${fault}`),
    onFate: (name, fate) => armed.set(name, fate === 'armed'),
    report: (message) => said.push(message),
  });
  return {
    set,
    said,
    faults,
    armed,
    pass(ms: number) {
      nowMs += ms;
    },
    compute(ms: number) {
      nowMs += ms;
      processorMs += ms;
    },
    notify(times = 1) {
      for (let i = 0; i < times; i++) set.notify(record, connection);
    },
  };
}

function observer(name: HandshakeObserver['name'], observe: () => void) {
  const made = {
    name,
    calls: 0,
    observe() {
      made.calls++;
      observe();
    },
  };
  return made;
}

test('an observer that throws is cut off, named, and the others go on', () => {
  const bad = observer('early-data', () => {
    throw new TypeError('no such field');
  });
  const good = observer('handshake-metrics', () => {});
  const all = under(bad, good);
  all.notify(20);
  assert.equal(bad.calls, faultsMax);
  assert.equal(good.calls, 20);
  assert.deepEqual(all.faults, Array(faultsMax).fill('early-data threw'));
  assert.deepEqual(
    [...all.armed],
    [
      ['early-data', false],
      ['handshake-metrics', true],
    ],
  );
  assert.equal(all.said.length, 1);
  assert.match(all.said[0]!, /early-data is disabled after 5 faults.*TypeError: no such field/);
});

test('what was cut off is called again once it is re-armed, and no sooner', () => {
  let isBroken = true;
  const one = observer('alpn-h2', () => {
    if (isBroken) throw 'no error at all';
  });
  const all = under(one);
  all.notify(10);
  all.pass(10 * windowMs);
  all.notify(10);
  assert.equal(one.calls, faultsMax);
  isBroken = false;
  assert.equal(all.set.rearm('alpn-h2'), true);
  assert.equal(all.set.rearm('nobody'), false);
  all.notify(10);
  assert.equal(one.calls, faultsMax + 10);
  assert.deepEqual(all.set.states, [
    { name: 'alpn-h2', isArmed: true, faults: faultsMax, lastFault: 'it threw no error' },
  ]);
});

test('an observer that computes for too long is cut off', () => {
  const slow = observer('alpn-h2', () => all.compute(callMs + 1));
  const all = under(slow);
  all.notify(warmUpCalls);
  assert.deepEqual(all.faults, [], 'the first calls compile code');
  all.notify(20);
  assert.equal(slow.calls, warmUpCalls + faultsMax);
  assert.match(all.said[0]!, /alpn-h2 is disabled.*took 6\.0 ms of processor time/);
});

test('an observer that others hold up is not blamed: only processor time counts', () => {
  const held = observer('alpn-h2', () => all.pass(50));
  const all = under(held);
  all.notify(100);
  assert.equal(held.calls, 100);
  assert.deepEqual(all.faults, []);
});

test('a pause in a few calls of very many, as of a collection, cuts nobody off', () => {
  let call = 0;
  const one = observer('alpn-h2', () => {
    if (call++ % 100 === 99) all.compute(callMs + 1);
  });
  const all = under(one);
  all.notify(1_000);
  assert.equal(one.calls, 1_000);
  assert.equal(all.faults.length, 10);
});

test('faults that lie further apart than the window cut nobody off', () => {
  const rare = observer('alpn-h2', () => {
    throw new Error('now and then');
  });
  const all = under(rare);
  for (let i = 0; i < 20; i++) {
    all.notify();
    all.pass(windowMs / (faultsMax - 2));
  }
  assert.equal(rare.calls, 20);
});

test('what was cut off stays so over a reload; switched off and on again it is called again', () => {
  const bad = observer('early-data', () => {
    throw new TypeError('no such field');
  });
  const all = under(
    bad,
    observer('handshake-metrics', () => {}),
  );
  all.notify(20);
  all.set.adopt(() => true);
  all.notify();
  assert.equal(bad.calls, faultsMax);
  assert.equal(all.armed.get('early-data'), false);
  all.set.adopt((name) => name === 'handshake-metrics');
  all.notify();
  assert.equal(all.set.rearm('early-data'), false);
  all.set.adopt(() => true);
  all.notify();
  assert.equal(bad.calls, faultsMax + 1);
  assert.deepEqual(
    all.set.states.map(({ name, isArmed, faults }) => [name, isArmed, faults]),
    [
      ['early-data', true, 1],
      ['handshake-metrics', true, 0],
    ],
  );
});
