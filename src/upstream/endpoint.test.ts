import assert from 'node:assert/strict';
import test from 'node:test';
import { OriginServer, type ServerCounters, UpstreamEndpoint } from './endpoint.ts';
import type { EndpointPool } from './endpoint-pool.ts';
import { defaultGroupOptions } from './options.ts';

const options = {
  ...defaultGroupOptions.passiveHealth,
  failures: 3,
  ejectionMs: 100,
  ejectionMaxMs: 250,
};

function endpoint(weight = 1) {
  const ejections: number[] = [];
  const counters: ServerCounters = {
    attemptStarted() {},
    answered() {},
    failed() {},
    ejected: () => ejections.push(1),
    holds() {},
    fails() {},
    addressesAre() {},
  };
  const host = '127.0.0.1';
  const server = new OriginServer(
    { scheme: 'http', http2: 'never', host, port: 80, weight, backup: false },
    '127.0.0.1:80',
    counters,
    () => {},
  );
  return { one: new UpstreamEndpoint(server, host, {} as EndpointPool), ejections };
}

test('failures in a row are one too many; a success between them begins anew', () => {
  const { one } = endpoint();
  const outcomes = ['bad', 'bad', 'good', 'bad', 'bad', 'bad'].map((outcome) => {
    if (outcome === 'bad') return one.isOneTooMany(options);
    one.succeeded();
    return false;
  });
  assert.deepEqual(outcomes, [false, false, false, false, false, true]);
  assert.equal(one.isOneTooMany({ ...options, failures: 0 }), false);
});

test('each ejection lasts longer than the one before, up to ejection-max', () => {
  const { one, ejections } = endpoint();
  const lengths = [0, 1000, 2000, 3000].map((nowMs) => {
    one.eject(nowMs, options);
    const until = one.ejectedUntilMs - nowMs;
    one.readmit(nowMs + until);
    return until;
  });
  assert.deepEqual(lengths, [100, 200, 250, 250]);
  assert.equal(ejections.length, 4);
});

test('time without an ejection makes the next one shorter again', () => {
  const { one } = endpoint();
  for (const nowMs of [0, 1000]) {
    one.eject(nowMs, options);
    one.readmit(nowMs + 200);
  }
  one.forgive(1300, 200);
  assert.equal(one.ejections, 2, 'not yet');
  one.forgive(1400, 200);
  assert.equal(one.ejections, 1);
  one.eject(2000, options);
  one.forgive(9000, 200);
  assert.equal(one.ejections, 2, 'not while it lasts');
});

test('slow start: a tenth at first, then in proportion to time, then all of the weight', () => {
  const { one } = endpoint(4);
  assert.equal(one.share, 4);
  one.startSlowly(1000, 10_000);
  const shares = [1000, 1500, 6000, 11_000, 20_000].map((nowMs) => {
    one.ramp(nowMs, 10_000);
    return one.share;
  });
  assert.deepEqual(shares, [0.4, 0.4, 2, 4, 4]);
  one.startSlowly(0, 0);
  assert.equal(one.share, 4, 'off');
});

test('the state names what keeps an endpoint from being asked, the operator first', () => {
  const { one } = endpoint();
  assert.deepEqual([one.isUp, one.state], [true, 'up']);
  one.eject(0, options);
  assert.deepEqual([one.isUp, one.state], [false, 'ejected']);
  one.isChecked = false;
  assert.equal(one.state, 'unhealthy');
  one.server.adminState = 'drain';
  assert.equal(one.state, 'drain');
});
