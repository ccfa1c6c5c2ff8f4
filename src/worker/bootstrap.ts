/**
 * The life of a worker process: it is told what to serve with which inherited descriptors, serves,
 * drains on command or when the supervisor is gone, and ends.
 */
import { flushCompileCache } from 'node:module';
import { UsageError } from '../base/errors.ts';
import { SharedMemory } from '../native/shared-memory.ts';
import { type AssembledWorker, assembleWorker } from './assembly.ts';
import type { StartWorker, WorkerCommand, WorkerReport, WorkerSetup } from './contract.ts';

export function bootstrapWorker(startWorker: StartWorker): void {
  let worker: AssembledWorker | null = null;
  let drainTimeoutMs = 0;
  let isDraining = false;

  const drain = async (timeoutMs: number) => {
    if (isDraining) return;
    isDraining = true;
    await worker?.drain(timeoutMs);
    process.exit(0);
  };

  process.on('message', (command: WorkerCommand) => {
    switch (command.type) {
      case 'start':
        drainTimeoutMs = command.setup.options.drainTimeoutMs;
        void start(command.setup, startWorker).then((started) => {
          worker = started;
        });
        break;
      case 'drain':
        void drain(command.timeoutMs);
        break;
      case 'reopen-log':
        worker?.reopenLog();
        break;
    }
  });
  // The supervisor was killed: what runs may finish, but nobody would ever stop us.
  process.on('disconnect', () => void drain(drainTimeoutMs));
  // A terminal sends these to every process; the supervisor decides what they mean.
  process.on('SIGINT', () => {});
  process.on('SIGHUP', () => {});
  process.on('SIGTERM', () => void drain(drainTimeoutMs));
  process.on('SIGUSR1', () => worker?.reopenLog());
}

async function start(
  setup: WorkerSetup,
  startWorker: StartWorker,
): Promise<AssembledWorker | null> {
  try {
    const memory = SharedMemory.open(setup.metricsFd, setup.metricsBytes);
    const worker = await assembleWorker(setup, memory, startWorker);
    // Now, and not at the end: a replacement of this process is to start fast.
    flushCompileCache();
    report({ type: 'ready' }, () => {});
    return worker;
  } catch (error) {
    const remedy = error instanceof UsageError ? error.remedy : null;
    const message = error instanceof UsageError ? error.message : String((error as Error).stack);
    // The supervisor says it, once for all workers.
    report({ type: 'failed', message, remedy }, () => process.exit(EXIT_FAILED));
    return null;
  }
}

const EXIT_FAILED = 1;

function report(message: WorkerReport, done: () => void): void {
  // The channel is closed when the supervisor is gone; `disconnect` sees to that.
  process.send?.(message, done);
}
