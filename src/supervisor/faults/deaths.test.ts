import assert from 'node:assert/strict';
import test from 'node:test';
import { explainExit, explainLoss } from './deaths.ts';
import { killedForMemory } from './memory-kills.ts';

test('an end is told as what it was, and where that is not known, as not known', () => {
  const cases = [
    [{ code: null, signal: 'SIGSEGV', silentMs: 0 }, null, 'crash', /killed by SIGSEGV$/],
    [{ code: 3, signal: null, silentMs: 0 }, null, 'exit', /by itself with exit code 3$/],
    [{ code: null, signal: 'SIGABRT', silentMs: 10_200 }, null, 'hang', /blocked for 10\.2 s/],
    [{ code: null, signal: 'SIGKILL', silentMs: 10_200 }, null, 'hang', /event loop was blocked/],
    [
      { code: null, signal: 'SIGKILL', silentMs: 0 },
      true,
      'killed',
      /SIGKILL, for want of memory$/,
    ],
    [{ code: null, signal: 'SIGKILL', silentMs: 0 }, false, 'killed', /SIGKILL, from outside/],
    [{ code: null, signal: 'SIGKILL', silentMs: 0 }, null, 'killed', /perhaps for want of memory$/],
  ] as const;
  for (const [exit, memory, kind, summary] of cases) {
    const explained = explainExit(exit, memory);
    assert.equal(explained.kind, kind);
    assert.match(explained.death.summary, summary);
  }
  assert.equal(explainExit(cases[6][0], null).death.outOfMemory, null);
  const lost = (isInsideCall: boolean, hasException: boolean) =>
    explainLoss({ isInsideCall, hasException }).kind;
  assert.equal(lost(true, false), 'crash');
  assert.equal(lost(false, false), 'killed');
  assert.equal(lost(false, true), 'exit');
});

test('a kill for memory is certain in our own group only', () => {
  const none = { group: null, machine: null };
  assert.equal(killedForMemory({ group: 0, machine: 5 }, { group: 1, machine: 6 }), true);
  assert.equal(killedForMemory({ group: 1, machine: 5 }, { group: 1, machine: 6 }), false);
  assert.equal(killedForMemory({ group: null, machine: 5 }, { group: null, machine: 6 }), null);
  assert.equal(killedForMemory({ group: null, machine: 5 }, { group: null, machine: 5 }), false);
  assert.equal(killedForMemory(none, none), null);
});
