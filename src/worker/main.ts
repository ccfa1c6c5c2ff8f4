/** Entry point of a worker process. */
import { bootstrapWorker } from './bootstrap.ts';
import { startWorker } from './worker.ts';

bootstrapWorker(startWorker);
