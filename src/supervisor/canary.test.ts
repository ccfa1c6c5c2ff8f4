import assert from 'node:assert/strict';
import test from 'node:test';
import { canaryFault, type HealthFigures, healthBetween } from './canary.ts';

function health(parts: Partial<HealthFigures> = {}): HealthFigures {
  const requests = parts.requests ?? 0;
  const none = { handshakes: 0, handshakeFailures: 0, requests, requestFailures: 0 };
  return { ...none, durations: [0, 0, 0, requests, 0, 0, 0, 0, 0], ...parts };
}

test('a worker that does as the others is well, whatever share fails as a rule', () => {
  for (const failed of [0, 0.001, 0.1, 0.5, 1]) {
    const trying = health({ requests: 1_000, requestFailures: 1_000 * failed });
    const usual = health({ requests: 3_000, requestFailures: 3_000 * failed });
    assert.equal(canaryFault(trying, usual), null, `${failed}`);
  }
});

test('requests that fail more often than elsewhere are a fault, said in numbers', () => {
  const usual = health({ requests: 3_000, requestFailures: 3 });
  const trying = health({ requests: 100, requestFailures: 50 });
  assert.equal(canaryFault(trying, usual), '50 % of 100 requests failed, 0.1 % is usual');
});

test('handshakes that all fail are a fault, also where none has failed before', () => {
  const trying = health({ handshakes: 25, handshakeFailures: 25 });
  assert.match(canaryFault(trying, health({ handshakes: 500 }))!, /100 % of 25 handshakes/);
  assert.match(canaryFault(trying, health())!, /0 % is usual/);
});

test('a few events, and a few failures among many, say nothing', () => {
  assert.equal(canaryFault(health({ requests: 19, requestFailures: 19 }), health()), null);
  const usual = health({ requests: 3_000, requestFailures: 30 });
  assert.equal(canaryFault(health({ requests: 300, requestFailures: 8 }), usual), null);
});

test('much slower answers are a fault, a little slower ones are not', () => {
  const usual = health({ requests: 500 });
  const slow = (bucket: number) => {
    const durations = new Array<number>(9).fill(0);
    durations[bucket] = 100;
    return health({ requests: 100, durations });
  };
  assert.equal(canaryFault(slow(5), usual), null);
  assert.equal(
    canaryFault(slow(6), usual),
    'half of its requests take 8 times as long as is usual',
  );
  assert.equal(canaryFault(slow(0), usual), null, 'and faster is no fault');
});

test('what was before the trial does not count', () => {
  const before = health({ requests: 100, requestFailures: 100 });
  const after = health({ requests: 300, requestFailures: 100 });
  const trying = healthBetween(before, after);
  assert.deepEqual([trying.requests, trying.requestFailures, trying.durations[3]], [200, 0, 200]);
  assert.equal(canaryFault(trying, health({ requests: 100 })), null);
});
