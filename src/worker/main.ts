/** Entry point of a worker process. */
import { bootstrapWorker } from './bootstrap.ts';
import { startWorker } from './worker.ts';
// Where there are several workers their cache is nearly always this one. To load it takes longer
// than the rest of a replacement: a process in waiting does it beforehand.
import '../cache/disk/disk-store.ts';

bootstrapWorker(startWorker);
