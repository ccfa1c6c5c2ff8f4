import assert from 'node:assert/strict';
import { connect } from 'node:net';
import test, { after, before } from 'node:test';
import type { IncidentRequest } from '../incident.ts';
import { playScript } from './player.ts';
import { requestScript } from './request-script.ts';
import type { RequestScript } from './script.ts';
import { ScriptedOrigin } from './scripted-origin.ts';

const { signal } = new AbortController();
let origin: ScriptedOrigin;
before(async () => {
  origin = await ScriptedOrigin.listen();
});
after(() => origin[Symbol.asyncDispose]());

const recorded: IncidentRequest = {
  ...{ number: 7, method: 'POST', authority: 'a.example', path: '/form?', isCut: false },
  ...{ version: '2', tls: true, early: true, peer: '', startedAt: '2026-11-23T02:00:00.000Z' },
  ...{ phase: 'response', queryBytes: 3 },
  message: {
    headers: [
      { name: 'host', value: 'a.example' },
      { name: 'cookie', bytes: 5 },
      { name: 'content-length', value: '500' },
      { name: 'x-mode', value: 'fast' },
    ],
    isCut: false,
    body: { announced: 500, bytes: 300, pieces: [100, 200], isWhole: false },
  },
  response: {
    status: 201,
    headers: [{ name: 'set-cookie', bytes: 3 }],
    isCut: true,
    body: { announced: 70_000, bytes: 10, pieces: [10], isWhole: false },
  },
};

test('a recorded request is a script of what client and origin did, and says what is missing', () => {
  const { script, notes } = requestScript(recorded);
  assert.deepEqual(script, {
    ...{ mode: 'request', version: '2', tls: true, method: 'POST', authority: 'a.example' },
    path: '/form?xxx',
    headers: [
      ['cookie', 'xxxxx'],
      ['x-mode', 'fast'],
    ],
    body: { framing: 'length', pieces: [100, 200], missing: 200 },
    answer: {
      status: 201,
      headers: [['set-cookie', 'xxx']],
      body: { framing: 'length', pieces: [10, 69_990], missing: 0 },
    },
    times: 1,
  } satisfies RequestScript);
  const said = notes.join('\n');
  for (const word of [
    /early data/,
    /query/,
    /cookie, set-cookie/,
    /too long/,
    /fill of the same/,
  ]) {
    assert.match(said, word);
  }
  const { message: _, ...undescribed } = recorded;
  assert.equal(requestScript(undescribed).script, null);
  assert.match(requestScript(undescribed).notes.join(), /not recorded before/);
});

test('both sides are played over each version, with TLS and without, again and again', async () => {
  const { script } = requestScript({ ...recorded, version: '1.1' });
  const whole = { ...script!, body: { ...script!.body, missing: 0 }, times: 3 };
  const { http1, http2, secure } = origin.ports;
  for (const [version, tls, port] of [
    ['1.1', false, http1],
    ['2', false, http2],
    ['1.1', true, secure],
    ['2', true, secure],
  ] as const) {
    const played: RequestScript = { ...whole, version, tls };
    origin.scripts = [played];
    const outcome = await playScript(played, { host: '127.0.0.1', port }, signal);
    assert.deepEqual(
      [outcome.result, outcome.received, outcome.flightsSent],
      ['answered', [`HTTP/${version} 201`, '70000 bytes'], 3],
      `${version} ${tls}`,
    );
  }
});

test('a server that is not there, and one that closes, are told apart', async () => {
  const { script } = requestScript(recorded);
  for (const version of ['1.1', '2'] as const) {
    const played: RequestScript = { ...script!, version, tls: false };
    const refused = await playScript(played, { host: '127.0.0.1', port: await unused() }, signal);
    assert.equal(refused.result, 'refused', version);
  }
});

/** A port on which nobody listens. */
async function unused(): Promise<number> {
  const other = await ScriptedOrigin.listen();
  const { http1 } = other.ports;
  await other[Symbol.asyncDispose]();
  const { promise, resolve } = Promise.withResolvers<void>();
  connect(http1, '127.0.0.1').on('error', () => resolve());
  await promise;
  return http1;
}
