// Needs openssl: it makes the certificate.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Authority } from '../../test/support/authority.ts';
import { endProcess } from '../base/owned.ts';
import { type CertifiedHost, certificateExpiries } from './certificates/certificate-expiry.ts';
import type { EarlyDataState } from './early-data-state.ts';
import { CLOCK_STEP_MS, TroubleWatch } from './trouble-watch.ts';

const DAY_MS = 86_400_000;

function watching(hosts: readonly CertifiedHost[] = []) {
  const state = { steadyMs: 5_000, aheadMs: Date.now() };
  let earlyData: EarlyDataState = { refusal: '', forSeconds: 0 };
  const lines: string[] = [];
  const watch = new TroubleWatch({
    hosts: () => hosts,
    earlyData: () => earlyData,
    steadyMs: () => state.steadyMs,
    wallMs: () => state.steadyMs + state.aheadMs,
    report: (message, detail) => lines.push(`${detail?.level} ${detail?.event}: ${message}`),
    onFault: endProcess,
  });
  const look = (ms = 500) => {
    state.steadyMs += ms;
    watch.look();
    return lines.splice(0);
  };
  const refuse = (refusal: EarlyDataState['refusal'], forSeconds: number | null) => {
    earlyData = { refusal, forSeconds };
  };
  return { state, look, refuse };
}

test('a clock that is set is said to be, a process that stands still is not taken for it', () => {
  const { state, look } = watching();
  assert.deepEqual(look(), []);
  assert.deepEqual(look(60_000), []);
  state.aheadMs += CLOCK_STEP_MS - 1;
  assert.deepEqual(look(), [], 'slewed');
  state.aheadMs -= 3_600_000;
  assert.match(look().join(), /^warning clock-stepped: .* was set back by 1 h:/);
  assert.deepEqual(look(), [], 'once');
});

test('early data that is refused as a whole is said once, and when it is over', () => {
  const { look, refuse } = watching();
  refuse('cluster did not answer', null);
  assert.deepEqual(look(), [], 'it may be for a moment');
  assert.match(look().join(), /^warning early-data-refused: .*whole: cluster did not answer;/);
  assert.deepEqual(look(), []);
  refuse('register full', 7);
  look();
  assert.match(look().join(), /whole: register full, for 7 s more;/);
  refuse('', 0);
  look();
  assert.match(look().join(), /^info early-data-accepted: .* again, after 1\.0 s$/);
  refuse('policy off', null);
  look();
  assert.deepEqual(look(), [], 'an operator knows what he has chosen');
});

test('a certificate is late by its own life, is said to be once a day, and at once after a step', () => {
  const pair = new Authority().issue({ names: ['a.test'], days: 30 });
  const hosts = [{ tls: { certificates: [pair] } }];
  const { state, look } = watching(hosts);
  assert.deepEqual(look(), []);
  state.aheadMs += 27 * DAY_MS;
  const [, said = ''] = look();
  assert.match(
    said,
    /^warning certificate-expires: the certificate of a\.test expires in 2 days \(/,
  );
  assert.deepEqual(look(), []);
  state.aheadMs += 4 * DAY_MS;
  assert.match(look()[1]!, /^error certificate-expires: .* has expired/);
  assert.match(look(25 * 3_600_000).join(), /^error certificate-expires/, 'again the next day');
  // Of a life of 30 days less than a fifth is left.
  const lateFrom = [23, 25].map((day) => certificateExpiries(hosts, Date.now() + day * DAY_MS));
  assert.deepEqual(
    lateFrom.map(([one]) => one!.isLate),
    [false, true],
  );
});
