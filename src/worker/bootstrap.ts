/**
 * The life of a worker process: it is told what to serve with which inherited descriptors, serves,
 * drains on command or when the supervisor is gone, and ends.
 */

import { flushCompileCache } from 'node:module';
import { assert } from '../base/assert.ts';
import { UsageError } from '../base/errors.ts';
import { endProcess, owned } from '../base/owned.ts';
import type { SluiceOptions } from '../config/options.ts';
import { keepProgram } from '../loading/program.ts';
import { logLine } from '../telemetry/log-lines.ts';
import { type AssembledWorker, assembleWorker } from './assembly.ts';
import type {
  PurgeEverywhere,
  StartWorker,
  WorkerCommand,
  WorkerReport,
  WorkerSetup,
} from './contract.ts';
import { SharedRegions } from './shared-layout.ts';

export function bootstrapWorker(startWorker: StartWorker): void {
  let worker: AssembledWorker | null = null;
  let drainTimeoutMs = 0;
  let isDraining = false;
  let isReopening = false;
  const purges = purgesUnderWay();

  const drain = async (timeoutMs: number) => {
    if (isDraining) return;
    isDraining = true;
    report({ type: 'leaving' }, () => {});
    await worker?.drain(timeoutMs);
    process.exit(0);
  };

  const reopenLogs = () => {
    // While the worker is put together, its log may be open already.
    isReopening = worker === null;
    worker?.tell({ type: 'reopen-logs' });
  };

  const begin = async (setup: WorkerSetup) => {
    worker = await start(setup, startWorker, purges.begin);
    if (isReopening) reopenLogs();
  };

  process.on('message', (command: WorkerCommand) => {
    switch (command.type) {
      case 'start':
        drainTimeoutMs = command.setup.options.drainTimeoutMs;
        owned(begin(command.setup), endProcess);
        break;
      case 'drain':
        owned(drain(command.timeoutMs), endProcess);
        break;
      case 'change':
        // The supervisor keeps what changes until we say that we are ready.
        worker?.tell(command.change);
        break;
      case 'ask':
        owned(answer(worker, command), endProcess);
        break;
      case 'reconfigure':
        reconfigure(worker, command.id, command.options);
        break;
      case 'purged':
        purges.end(command.id, command.count);
        break;
    }
  });
  // The supervisor was killed: what runs may finish, but nobody would ever stop us.
  onSignals(() => owned(drain(drainTimeoutMs), endProcess), reopenLogs);
  report({ type: 'loaded' }, () => {});
}

function onSignals(drain: () => void, reopenLogs: () => void): void {
  process.on('disconnect', drain);
  // A terminal sends these to every process; the supervisor decides what they mean.
  process.on('SIGINT', () => {});
  process.on('SIGHUP', () => {});
  process.on('SIGTERM', drain);
  process.on('SIGUSR1', reopenLogs);
}

async function answer(
  worker: AssembledWorker | null,
  { id, topic, question }: WorkerCommand & { readonly type: 'ask' },
): Promise<void> {
  if (worker === null) return;
  report({ type: 'answer', id, answer: await worker.ask(topic, question) }, () => {});
}

async function start(
  setup: WorkerSetup,
  startWorker: StartWorker,
  purgeEverywhere: PurgeEverywhere,
): Promise<AssembledWorker | null> {
  try {
    const regions = SharedRegions.open(setup.memory);
    const worker = await assembleWorker({
      setup,
      regions,
      startWorker,
      link: {
        purgeEverywhere,
        onWrongNumber: (wrong) => report({ type: 'wrong-number', wrong }, () => {}),
        onHandshakeFault: (fault) => report({ type: 'handshake-fault', fault }, () => {}),
        onEvent(event) {
          if (process.connected) report({ type: 'event', event }, () => {});
          // The supervisor is gone: nobody else would tell.
          else process.stderr.write(logLine('text', event));
        },
      },
    });
    // The sooner, the better; and the code not at the end: a replacement is to start fast.
    report({ type: 'ready' }, () => {
      flushCompileCache();
      keepProgram();
    });
    return worker;
  } catch (error) {
    const remedy = error instanceof UsageError ? error.remedy : null;
    const message = error instanceof UsageError ? error.message : String((error as Error).stack);
    // The supervisor says it, once for all workers.
    report({ type: 'failed', message, remedy }, () => process.exit(EXIT_FAILED));
    return null;
  }
}

function reconfigure(worker: AssembledWorker | null, id: number, options: SluiceOptions): void {
  let fault: { message: string; remedy: string } | null = null;
  try {
    assert(worker !== null, 'only a worker that serves is reconfigured');
    worker.reconfigure(options);
  } catch (error) {
    const remedy = error instanceof UsageError ? error.remedy : 'see the log of sluice';
    const text = error instanceof UsageError ? error.message : String((error as Error).stack);
    fault = { message: text, remedy };
  }
  report({ type: 'reconfigured', id, fault }, () => {});
}

/** Purges that clients of this worker wait for while the supervisor sees to all workers. */
function purgesUnderWay() {
  const waiting = new Map<number, (count: number | null) => void>();
  let last = 0;
  const begin: PurgeEverywhere = (request, done) => {
    const id = ++last;
    waiting.set(id, done);
    report({ type: 'purge', id, request }, () => {});
  };
  const end = (id: number, count: number | null) => {
    const done = waiting.get(id);
    waiting.delete(id);
    done?.(count);
  };
  return { begin, end };
}

const EXIT_FAILED = 1;

function report(message: WorkerReport, done: () => void): void {
  // The channel is closed when the supervisor is gone; `disconnect` sees to that.
  process.send?.(message, done);
}
