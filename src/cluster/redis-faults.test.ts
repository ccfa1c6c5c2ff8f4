import assert from 'node:assert/strict';
import test from 'node:test';
import { FAULT_LINE_MS, RefusalReporter, refusalIn } from './redis-faults.ts';

function reply(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' });
}

for (const message of [
  "OOM command not allowed when used memory > 'maxmemory'.",
  "READONLY You can't write against a read only replica.",
  'LOADING Redis is loading the dataset in memory',
  'NOAUTH Authentication required.',
  'WRONGPASS invalid username-password pair or user is disabled.',
  'CLUSTERDOWN The cluster is down',
  "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  'NOREPLICAS Not enough good replicas to write.',
  'ERR max number of clients reached',
]) {
  test(`what Redis says is named: ${message.slice(0, 24)}`, () => {
    const refusal = refusalIn(reply(message));
    assert.equal(refusal?.kind, message.split(' ')[0]);
    assert.notEqual(refusal?.text, message, 'there are words for it');
  });
}

test('of a transaction, the command that was refused says why', () => {
  const previousErrors = [reply('OOM command not allowed')];
  const aborted = Object.assign(reply('EXECABORT Transaction discarded'), { previousErrors });
  assert.equal(refusalIn(aborted)?.kind, 'OOM');
});

test('a connection that has gone is no answer', () => {
  assert.equal(refusalIn(new Error('Connection is closed.')), null);
});

test('each kind is told once in a while', () => {
  let nowMs = 0;
  const told: string[] = [];
  const desk = new RefusalReporter(
    (message) => told.push(message),
    () => nowMs,
  );
  const note = (message: string) => desk.note('redis:6379', refusalIn(reply(message))!);
  for (let i = 0; i < 3; i++) note('OOM no');
  note('READONLY no');
  nowMs = FAULT_LINE_MS;
  note('OOM no');
  assert.deepEqual(
    told.map((line) => /answers (\w+)/.exec(line)?.[1]),
    ['OOM', 'READONLY', 'OOM'],
  );
});
