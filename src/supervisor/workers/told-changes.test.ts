import assert from 'node:assert/strict';
import test from 'node:test';
import type { LastChanges, WorkerChange } from '../../worker/contract.ts';
import { ToldChanges } from './told-changes.ts';

const tickets = (earlyDataFromMs: number) =>
  ({ type: 'tickets', tickets: { keys: [], earlyDataFromMs } }) as const;
const first: LastChanges = {
  tickets: tickets(0),
  'log-levels': { type: 'log-levels', levels: {} as never },
};
const refuse = (...fingerprints: string[]): WorkerChange => ({
  type: 'refused-hellos',
  fingerprints,
});
const standIn = (...places: number[]): WorkerChange => ({ type: 'stand-in', places });
const certificates = (name: string, certificatePem: string): WorkerChange => ({
  type: 'certificates',
  names: [name],
  certificates: [{ certificatePem, keyPem: '' }],
});
const reopen: WorkerChange = { type: 'reopen-logs' };

test('a worker begins with the last change of each kind, and hears none of them again', () => {
  const told = new ToldChanges(first);
  for (const one of [refuse('a'), tickets(1), refuse('a', 'b'), standIn(2)]) told.note(one);
  assert.deepEqual(told.begin(), {
    ...first,
    tickets: tickets(1),
    'refused-hellos': refuse('a', 'b'),
    'stand-in': standIn(2),
  });
  assert.deepEqual(told.takeUnheard(), []);
});

test('what is said while a worker starts it hears once, the last of each kind', () => {
  const told = new ToldChanges(first);
  told.begin();
  for (const one of [tickets(1), standIn(2), reopen, tickets(2)]) told.note(one);
  assert.deepEqual(told.takeUnheard(), [standIn(2), reopen, tickets(2)]);
  assert.deepEqual(told.takeUnheard(), []);
});

test('certificates of one host do not take the place of those of another', () => {
  const told = new ToldChanges(first);
  told.begin();
  for (const one of [certificates('a', '1'), certificates('b', '1'), certificates('a', '2')]) {
    told.note(one);
  }
  assert.deepEqual(told.takeUnheard(), [certificates('b', '1'), certificates('a', '2')]);
});

test('a successor has new certificates from its options, and opens its logs by itself', () => {
  const told = new ToldChanges(first);
  told.note(certificates('a', '1'));
  told.note(reopen);
  assert.deepEqual(told.begin(), first);
});
