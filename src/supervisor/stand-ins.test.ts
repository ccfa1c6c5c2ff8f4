import assert from 'node:assert/strict';
import test from 'node:test';
import type { WorkerChange } from '../worker/contract.ts';
import { StandIns } from './stand-ins.ts';

function three() {
  const told: string[] = ['', '', ''];
  const suspects = new Set<number>();
  const reports: string[] = [];
  const places = [0, 1, 2].map((index) => ({
    isServing: true,
    isFirstStart: false,
    tell(change: WorkerChange) {
      assert.ok(change.type === 'stand-in');
      told[index] = change.places.join();
    },
  }));
  const standIns = new StandIns({
    places: () => places,
    suspects: () => new Set(suspects),
    report: (message) => reports.push(message),
  });
  return { standIns, places, suspects, told, reports };
}

test('whoever serves takes the connections of those that do not, and gives them back', () => {
  const { standIns, places, suspects, told, reports } = three();
  standIns.look();
  assert.deepEqual(told, ['', '', '']);
  places[1]!.isServing = false;
  standIns.look();
  assert.deepEqual(told, ['1', '', '1']);
  suspects.add(2);
  standIns.look();
  standIns.look();
  assert.deepEqual(told, ['1,2', '2', '1'], 'one that is suspected may yet respond');
  assert.deepEqual(reports, ['worker 2 does not respond: the others take its new connections']);
  places[1]!.isServing = true;
  suspects.clear();
  standIns.look();
  assert.deepEqual(told, ['', '', '']);
});

test('nobody stands in before all have served for the first time', () => {
  const { standIns, places, told } = three();
  places[1]!.isServing = false;
  places[1]!.isFirstStart = true;
  standIns.look();
  assert.deepEqual(told, ['', '', '']);
});
