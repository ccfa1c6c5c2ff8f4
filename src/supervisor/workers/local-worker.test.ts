import assert from 'node:assert/strict';
import test from 'node:test';
import { optionsWith } from '../../../test/support/options.ts';
import type { SluiceOptions } from '../../config/options.ts';
import type { LevelTable } from '../../telemetry/log-event.ts';
import type { RunningWorker, WorkerChange, WorkerInput } from '../../worker/contract.ts';
import { SharedRegions } from '../../worker/shared-layout.ts';
import { LocalWorker } from './local-worker.ts';

const tickets = (earlyDataFromMs: number) =>
  ({ type: 'tickets', tickets: { keys: [], earlyDataFromMs } }) as const;

/** A worker that is put together when `begin` is called. */
function starting() {
  const regions = SharedRegions.create(1);
  const told: WorkerChange[] = [];
  const seen = { served: [] as SluiceOptions[], drained: 0 };
  const begun = Promise.withResolvers<WorkerInput>();
  const ready = Promise.withResolvers<void>();
  const note = (change: WorkerChange) => void told.push(change);
  const running: RunningWorker = {
    changes: { tickets: note, certificates: note, challenges: note, 'stand-in': note },
    answers: {
      cache: () => ({ kind: 'followed' }),
      handshakes: () => ({ failures: [], observers: [] }),
    },
    reconfigure: (options) => seen.served.push(options),
    async drain() {
      seen.drained++;
    },
  };
  const options = optionsWith();
  const worker = new LocalWorker({
    setup: {
      ...{
        options,
        workerIndex: 0,
        listeners: [],
        datagrams: [],
        memory: regions.handle,
        version: '1',
      },
      changes: {
        tickets: tickets(0),
        'log-levels': { type: 'log-levels', levels: {} as LevelTable },
      },
    },
    regions,
    traceRegion: null,
    load: async () => async (input) => {
      begun.resolve(input);
      await ready.promise;
      return running;
    },
    link: { purgeEverywhere() {}, onHandshakeFault() {}, onWrongNumber() {}, onEvent() {} },
    onRunning() {},
    report() {},
  });
  return { worker, options, told, seen, begun: begun.promise, begin: () => ready.resolve() };
}

test('what changes while the only worker starts, it hears when it serves', async () => {
  const { worker, options, told, seen, begun, begin } = starting();
  const started = worker.start();
  const { log } = await begun;
  worker.tell(tickets(1));
  worker.tell({ type: 'log-levels', levels: { tls: 'debug' } as LevelTable });
  worker.tell(tickets(2));
  const later = { ...options };
  worker.adopt(later);
  assert.equal(await worker.ask('cache', { kind: 'lookup', key: '' }), undefined);
  assert.equal(worker.isFirstStart, true);
  begin();
  await started;
  assert.deepEqual(told, [tickets(0), tickets(2)]);
  assert.equal(log.details.tls, true);
  assert.deepEqual(seen.served, [later]);
  assert.deepEqual(await worker.ask('cache', { kind: 'lookup', key: '' }), { kind: 'followed' });
});

test('the only worker serves until its end is wanted', async () => {
  const { worker, seen, begin } = starting();
  assert.equal(worker.status.state, 'starting');
  assert.equal(worker.servingPid, null);
  begin();
  await worker.start();
  assert.equal(worker.status.state, 'running');
  assert.equal(worker.servingPid, process.pid);
  worker.expectEnd();
  assert.equal(worker.status.state, 'draining');
  assert.equal(worker.isServing, false);
  await worker.stop(1);
  assert.equal(seen.drained, 1);
});
