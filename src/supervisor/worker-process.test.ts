import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import test from 'node:test';
import { until } from '../../test/support/waiting.ts';
import type { SluiceOptions } from '../config/options.ts';
import type { WorkerCommand, WorkerReport, WorkerSetup } from '../worker/contract.ts';
import { WorkerProcess } from './worker-process.ts';

/** A process that does nothing but note what it is told. */
class Listener extends EventEmitter {
  readonly connected = true;
  readonly pid: number | undefined;
  readonly told: WorkerCommand[] = [];
  constructor(pid: number | undefined) {
    super();
    this.pid = pid;
  }
  send(command: WorkerCommand): boolean {
    this.told.push(command);
    return true;
  }
  says(report: WorkerReport): void {
    this.emit('message', report);
  }
}

function starting(isRefused = false) {
  const child = new Listener(isRefused ? undefined : 1);
  const seen = { starts: 0, processes: 0, reports: [] as string[] };
  const options = { cacheSizeBytes: 1 } as SluiceOptions;
  const setup = { options, workerIndex: 0, listeners: [], metricsFd: 3, refusedHellos: [] };
  const worker = new WorkerProcess({
    entryPoint: '',
    identity: {},
    setup: setup as unknown as WorkerSetup,
    policy: { soundLifeMs: 1, firstDelayMs: 1, delayMsMax: 1, startMsMax: 60_000 },
    onRunning() {},
    onDeath() {},
    takeStandby: () => {
      seen.processes++;
      return { child: child as unknown as ChildProcess, numbers: new Map([[3, 3]]) };
    },
    onStart: () => seen.starts++,
    onServing() {},
    onEnd() {},
    link: { onHandshakeFault() {}, purgeEverywhere() {}, onEvent() {} },
    report: (message) => seen.reports.push(message),
  });
  const started = worker.start();
  started.catch(() => {});
  return { worker, child, seen, options, started };
}

const kinds = (child: Listener) => child.told.map(({ type }) => type);

test('what changes while a worker starts is told to it as soon as it serves', async () => {
  const { worker, child, seen, options } = starting();
  const later = { ...options, cacheSizeBytes: 2 };
  worker.adopt(later);
  worker.refuseHellos(['a']);
  child.told.splice(0);
  child.says({ type: 'ready' });
  assert.deepEqual(kinds(child), ['refuse-hellos', 'reconfigure']);
  const command = child.told[1]!;
  assert.ok(command.type === 'reconfigure');
  assert.equal(command.options, later);
  assert.equal(seen.starts, 1);
  child.says({ type: 'reconfigured', id: command.id, fault: null });
  await new Promise(setImmediate);
  assert.equal(seen.starts, 2, 'from here it serves by the later options');
});

test('a worker is told nothing when nothing has changed', () => {
  const { child } = starting();
  child.says({ type: 'ready' });
  assert.deepEqual(kinds(child), ['start']);
});

test('a worker that cannot take the change over is reported', async () => {
  const { worker, child, seen, options } = starting();
  worker.adopt({ ...options });
  child.says({ type: 'ready' });
  const command = child.told[1]!;
  assert.ok(command.type === 'reconfigure');
  child.says({ type: 'reconfigured', id: command.id, fault: { message: 'no', remedy: '' } });
  await new Promise(setImmediate);
  assert.deepEqual(seen.reports, ['worker 0 (pid 1) serves', 'worker 0: no']);
});

test('a process that the system refuses at the start is a reason to end, and said', async () => {
  const { child, started } = starting(true);
  child.emit('error', new Error('spawn node EAGAIN'));
  await assert.rejects(started, /^UsageError: worker 0 cannot be started: spawn node EAGAIN$/);
});

test('one that it refuses later is tried again', async () => {
  const { worker, child, seen } = starting();
  child.says({ type: 'ready' });
  Object.assign(child, { pid: undefined });
  child.emit('error', new Error('spawn node EAGAIN'));
  assert.match(
    seen.reports.at(-1)!,
    /^worker 0 cannot be started: .*EAGAIN; trying again in 1 ms$/,
  );
  await until(() => seen.processes === 2, 'another process');
  worker.expectEnd();
});
