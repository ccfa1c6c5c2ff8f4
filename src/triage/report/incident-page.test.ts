import assert from 'node:assert/strict';
import test from 'node:test';
import { sampleIncident } from '../../../test/support/incident-sample.ts';
import type { Incident } from '../incident.ts';
import { incidentPage } from './incident-page.ts';

const ofRequest: Incident = {
  ...sampleIncident,
  kind: 'exit',
  signature: 'exit/TypeError/request in response/no observer',
  suspect: { connection: null, call: null, observer: null, request: 7 },
  connections: [],
  exception: {
    ...{ type: 'TypeError', message: 'no `x`\n# not a title', stack: '', fields: [] },
    frames: ['f (proxy/exchange.ts:12)'],
  },
  requests: [
    {
      ...{ number: 7, method: 'POST', authority: 'a.example', path: '/form', isCut: false },
      ...{ version: '2', tls: true, early: false, peer: '192.0.2.7', phase: 'response' },
      startedAt: '2026-11-23T02:00:00.000Z',
      message: {
        headers: [{ name: 'cookie', bytes: 9 }],
        isCut: false,
        body: { announced: 5, bytes: 5, pieces: [5], isWhole: true },
      },
      response: {
        ...{ status: 502, headers: [], isCut: false },
        body: { announced: -1, bytes: 40, pieces: [40], isWhole: false },
      },
    },
  ],
};

test('who is on call reads what a request did, whom it struck, and what to type next', () => {
  const page = incidentPage(ofRequest, 'x.json.gz');
  for (const sentence of [
    'An exception ended it: `TypeError: no  x  # not a title`.',
    'It was thrown in `f (exchange.ts)`.',
    'It was working on `POST https://a.example/form` over HTTP/2, in the phase `response`.',
    '5 bytes of the request’s body had come.',
    'The origin had answered 502, with 40 bytes of the body so far.',
    '1 open request and 0 open handshakes ended with the worker',
    'The suspected client is `192.0.2.7`.',
    'That it is the cause is not proven.',
    'Values of headers that may be secret are not recorded',
    '`sluice triage x.json.gz`',
  ]) {
    assert.ok(page.includes(sentence), `${sentence}\n${page}`);
  }
  assert.ok(!/^# not/m.test(page), 'what a client writes is no Markdown');
});

test('a feature that was running is named, and how to switch it off and on again', () => {
  const page = incidentPage(sampleIncident, 'x');
  assert.match(page, /^# Worker 1 killed by SIGSEGV$/m);
  assert.match(page, /The feature `group-in-callback` was running\./);
  assert.match(
    page,
    /`sluice features disable group-in-callback`; undo it with `sluice features reset`/,
  );
});

test('where nothing is known the page says so, and blames nobody', () => {
  const page = incidentPage({ ...sampleIncident, suspect: null, nativeStack: null }, 'x');
  assert.match(page, /Nothing was under way that is recorded\./);
  assert.match(page, /There is no suspect: the cause may lie before what is recorded\./);
  assert.doesNotMatch(page, /features disable/);
});

test('of a number that cannot be true nobody is said to have died', () => {
  const page = incidentPage(
    {
      ...sampleIncident,
      ...{ kind: 'wrong-number', death: null, suspect: null },
      wrongNumber: { rule: 'early-data', text: 'offered: 3 on one side, and 2 on the other' },
    },
    'x',
  );
  assert.match(page, /^# Worker 1 counts wrongly: early-data$/m);
  assert.match(page, /offered: 3 on one side, and 2 on the other\./);
  assert.match(page, /No worker died/);
  assert.doesNotMatch(page, /sluice triage/);
});
