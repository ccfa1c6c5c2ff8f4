import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import test from 'node:test';
import { optionsWith } from '../../../test/support/options.ts';
import { sleep, until } from '../../../test/support/waiting.ts';
import { levelTable } from '../../telemetry/log-event.ts';
import type { WorkerCommand, WorkerReport, WorkerSetup } from '../../worker/contract.ts';
import { layOut } from '../../worker/shared-layout.ts';
import { explainExit, type WorkerExit } from '../faults/deaths.ts';
import type { WorkerChild } from './standby.ts';
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
  kill(): boolean {
    return true;
  }
  says(report: WorkerReport): void {
    this.emit('message', report);
  }
}

function setupOf(): WorkerSetup {
  const memory = { fd: 3, layout: layOut(1) };
  const options = optionsWith({ cacheSizeBytes: 1 });
  const changes = {
    tickets: { type: 'tickets', tickets: { keys: [], earlyDataFromMs: 0 } },
    'log-levels': { type: 'log-levels', levels: levelTable('error', {}) },
  } as const;
  return { options, workerIndex: 0, listeners: [], datagrams: [], memory, version: '1', changes };
}

function starting(isRefused = false) {
  const child = new Listener(isRefused ? undefined : 1);
  const seen = { starts: 0, processes: 0, reports: [] as string[] };
  const setup = setupOf();
  const { options } = setup;
  const worker = new WorkerProcess({
    entryPoint: '',
    identity: {},
    setup,
    policy: { soundLifeMs: 1, firstDelayMs: 1, delayMsMax: 1, startMsMax: 60_000 },
    onRunning() {},
    onDeath() {},
    takeStandby: () => {
      seen.processes++;
      return { child, numbers: new Map([[3, 3]]) };
    },
    onStart: () => seen.starts++,
    onServing() {},
    onEnd() {},
    link: { onHandshakeFault() {}, onWrongNumber() {}, purgeEverywhere() {}, onEvent() {} },
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
  worker.tell({ type: 'refused-hellos', fingerprints: ['a'] });
  child.told.splice(0);
  child.says({ type: 'ready' });
  assert.deepEqual(kinds(child), ['change', 'reconfigure']);
  const command = child.told[1]!;
  assert.ok(command.type === 'reconfigure');
  assert.equal(command.options, later);
  assert.equal(seen.starts, 1);
  child.says({ type: 'reconfigured', id: command.id, fault: null });
  await new Promise(setImmediate);
  assert.equal(seen.starts, 2, 'from here it serves by the later options');
});

test('a successor begins with what its predecessor was told, and hears it once', async () => {
  const { worker, child, seen } = starting();
  child.says({ type: 'ready' });
  const change = { type: 'refused-hellos', fingerprints: ['a'] } as const;
  worker.tell(change);
  assert.deepEqual(kinds(child), ['start', 'change']);
  child.emit('exit', null, 'SIGSEGV');
  await until(() => seen.processes === 2, 'a successor');
  const start = child.told.at(-1)!;
  assert.ok(start.type === 'start');
  assert.deepEqual(start.setup.changes['refused-hellos'], change);
  child.says({ type: 'ready' });
  assert.deepEqual(kinds(child), ['start', 'change', 'start']);
  worker.expectEnd();
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

/** Processes of which each hangs before it serves: they do nothing with what they are told. */
function hanging(next: () => WorkerChild) {
  const seen = { pids: [] as number[], ends: [] as unknown[], reports: [] as string[] };
  const setup = setupOf();
  const worker = new WorkerProcess({
    entryPoint: '',
    identity: {},
    setup,
    policy: { soundLifeMs: 1, firstDelayMs: 1, delayMsMax: 1, startMsMax: 50 },
    onRunning() {},
    onDeath() {},
    takeStandby: () => {
      const child = next();
      seen.pids.push(child.pid!);
      return { child, numbers: new Map([[3, 3]]) };
    },
    onStart() {},
    onServing() {},
    onEnd: (end) => seen.ends.push(end),
    link: { onHandshakeFault() {}, onWrongNumber() {}, purgeEverywhere() {}, onEvent() {} },
    report: (message) => seen.reports.push(message),
  });
  return { worker, seen };
}

const spin = () =>
  spawn(process.execPath, ['-e', 'for (;;);'], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });

test('a first start that hangs is ended, and said to be what it is', async () => {
  const { worker } = hanging(spin);
  const died = /^Error: worker 0 ended at its start \(SIGABRT, because it did not serve 50 ms/;
  await assert.rejects(worker.start(), died);
});

test('a replacement that hangs before it serves is ended, counted and replaced', async () => {
  const first = new Listener(1);
  const third = new Listener(3);
  const processes: WorkerChild[] = [first, spin(), third];
  const { worker, seen } = hanging(() => processes.shift()!);
  const started = worker.start();
  first.says({ type: 'ready' });
  await started;
  first.emit('exit', null, 'SIGSEGV');
  await until(() => seen.pids.length === 3, 'a third process');
  third.says({ type: 'ready' });
  assert.equal(worker.status.state, 'running');
  assert.equal(worker.restarts, 2);
  assert.match(seen.reports.join('\n'), /died: SIGABRT, because it did not serve 50 ms after its/);
  const [, hang] = seen.ends as WorkerExit[];
  assert.equal(hang!.hungAtStartMs, 50);
  const { kind, death } = explainExit(hang!, false);
  assert.equal(kind, 'hang');
  assert.match(death!.summary, /^hung: it did not serve 50 ms after its start, and was ended$/);
  worker.expectEnd();
});

test('a worker that serves in time is left alone, however long it serves', async () => {
  const child = new Listener(1);
  const { worker, seen } = hanging(() => child);
  const started = worker.start();
  child.says({ type: 'ready' });
  await started;
  await sleep(150);
  assert.equal(seen.reports.join('\n'), 'worker 0 (pid 1) serves');
});
