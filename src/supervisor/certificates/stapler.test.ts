// Needs openssl: it makes the certificates.

import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Authority } from '../../../test/support/authority.ts';
import { endProcess } from '../../base/owned.ts';
import type { FetchedStatus } from './ocsp-fetch.ts';
import { Stapler } from './stapler.ts';

const authority = new Authority();
const responder = ['authorityInfoAccess=OCSP;URI:http://ocsp.test/'];
const { certificatePem } = authority.issue({ extensions: responder });

/** A stapler with a clock and a responder in hand. */
function inHand(answers: (FetchedStatus | Error)[]) {
  const clock = { nowMs: 1_700_000_000_000 };
  const outcomes: string[] = [];
  const reports: string[] = [];
  const asked: string[] = [];
  const stapler = new Stapler({
    onFault: endProcess,
    wallMs: () => clock.nowMs,
    fetch: async (_pem, url) => {
      asked.push(url);
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer!;
    },
    onFetched: (outcome) => outcomes.push(outcome),
    report: (message) => reports.push(message),
  });
  const staple = async (pem = certificatePem) => {
    stapler.stapleFor(pem, 'cert.pem');
    await setImmediate();
    return stapler.stapleFor(pem, 'cert.pem')?.response.toString() ?? null;
  };
  return { clock, outcomes, reports, asked, staple };
}

function status(text: string, validSeconds: number | null = 1_000): FetchedStatus {
  return { status: 'good', response: Buffer.from(text), validSeconds };
}

test('a status is fetched once, and renewed when half of its time is over', async () => {
  const { clock, asked, staple, outcomes } = inHand([status('one'), status('two')]);
  assert.equal(await staple(), 'one');
  clock.nowMs += 499_000;
  assert.equal(await staple(), 'one');
  assert.deepEqual(asked, ['http://ocsp.test/']);
  clock.nowMs += 2_000;
  assert.equal(await staple(), 'two');
  assert.deepEqual(outcomes, ['good', 'good']);
});

test('a responder that is down does no harm: the status is used to its end, and no longer', async () => {
  const down = Array.from({ length: 20 }, () => new Error('connect ECONNREFUSED'));
  const { clock, asked, reports, staple } = inHand([status('one'), ...down]);
  assert.equal(await staple(), 'one');
  clock.nowMs += 600_000;
  assert.equal(await staple(), 'one', 'the renewal failed, and the status still holds');
  clock.nowMs += 399_000;
  assert.equal(await staple(), 'one');
  clock.nowMs += 1_000;
  assert.equal(await staple(), null, 'it is out of date');
  assert.equal(reports.length, 1, 'said once');
  assert.match(reports[0]!, /cert\.pem: its status cannot be had.*ECONNREFUSED/);
  const before = asked.length;
  for (let minute = 0; minute < 60; minute++) {
    clock.nowMs += 60_000;
    await staple();
  }
  assert.ok(asked.length - before < 8, `asked ${asked.length - before} times in an hour`);
});

test('a revoked certificate is reported, and its status not sent', async () => {
  const { reports, outcomes, staple } = inHand([{ ...status('bad'), status: 'revoked' }]);
  assert.equal(await staple(), null);
  assert.deepEqual(outcomes, ['revoked']);
  assert.match(reports.join(), /its issuer says that it is revoked/);
});

test('a certificate that names no responder is never asked about', async () => {
  const { asked, staple } = inHand([]);
  assert.equal(await staple(authority.issue().certificatePem), null);
  assert.deepEqual(asked, []);
});
