/** A thread that runs a handler: loads its module, and answers what comes to its socket. */
import { createServer, type Server } from 'node:http';
import { pathToFileURL } from 'node:url';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { fetchListener } from '../base/fetch-listener.ts';
import { after, endProcess, owned, repeated } from '../base/owned.ts';
import { bindEnvironment, HandlerContext } from './context.ts';
import {
  BEAT_MS,
  type Drain,
  THREAD_WORDS,
  type ThreadReport,
  type ThreadSetup,
} from './contract.ts';
import { watchLoading } from './loaded-files.ts';
import { ThreadFaults } from './thread-faults.ts';

type Fetch = (request: Request, env: HandlerContext, context: HandlerContext) => unknown;

/** sluice has its own limits on heads: what it lets through is never refused here. Bytes. */
const HEAD_BYTES_MAX = 2 ** 20;

/** How often one that drains looks whether it has nothing left. Milliseconds. */
const DRAIN_LOOK_MS = 50;

class HandlerThread {
  readonly #setup: ThreadSetup;
  readonly #port: MessagePort;
  readonly #faults: ThreadFaults;
  readonly #kept = new Set<Promise<unknown>>();
  #server: Server | null = null;
  #connections = 0;

  constructor(setup: ThreadSetup, port: MessagePort) {
    this.#setup = setup;
    this.#port = port;
    this.#faults = new ThreadFaults(setup.thread, (fault) => this.#tell({ type: 'fault', fault }));
  }

  async run(): Promise<void> {
    const { options, socket } = this.#setup;
    watchLoading((files) => this.#tell({ type: 'files', files }));
    process.on('unhandledRejection', (reason) => this.#faults.add('rejection', reason));
    this.#beat();
    bindEnvironment(options.env);
    const fetch = fetchOf(await import(pathToFileURL(options.file).href), options.file);
    const server = this.#serve(fetch);
    this.#server = server;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen(socket, resolve);
    await promise;
    this.#port.on('message', (command: Drain) => this.#drain(command));
    this.#tell({ type: 'ready' });
  }

  #serve(fetch: Fetch): Server {
    const listener = fetchListener({
      fetch: async (request, exchange) => {
        const context = new HandlerContext({ ...exchange, keep: (promise) => this.#keep(promise) });
        const response = await fetch(request, context, context);
        return response instanceof Response
          ? HandlerContext.finished(context, response)
          : (response as Response);
      },
      onError: (error, stage) => this.#faults.add(stage, error),
    });
    const server = createServer({ maxHeaderSize: HEAD_BYTES_MAX, noDelay: true }, listener);
    // Those who connect are sluice's workers, which have time limits of their own.
    Object.assign(server, {
      keepAliveTimeout: 0,
      requestTimeout: 0,
      headersTimeout: 0,
      timeout: 0,
    });
    server.on('connection', (socket) => {
      this.#connections++;
      socket.once('close', () => this.#connections--);
    });
    return server;
  }

  #keep(promise: Promise<unknown>): void {
    const kept = Promise.resolve(promise)
      .catch((error: unknown) => this.#faults.add('rejection', error))
      .finally(() => this.#kept.delete(kept));
    this.#kept.add(kept);
  }

  /** Shows the process that this thread is alive, and what it holds beside its heap. */
  #beat(): void {
    const { words } = this.#setup;
    const turn = () => {
      const { external, arrayBuffers } = process.memoryUsage();
      Atomics.store(words, THREAD_WORDS.outsideKib, Math.ceil((external + arrayBuffers) / 1024));
      Atomics.add(words, THREAD_WORDS.beats, 1);
    };
    turn();
    repeated(BEAT_MS, turn, endProcess);
  }

  /**
   * Another thread listens in its place. Connections are let go by those who made them: nobody's request
   * is on its way to one that is closed.
   */
  #drain({ leastMs, timeoutMs }: Drain): void {
    const server = this.#server!;
    const begun = performance.now();
    server.prependListener('request', (_request, response) => {
      response.setHeader('connection', 'close');
    });
    const look = () => {
      const passedMs = performance.now() - begun;
      const isOver = passedMs >= leastMs && this.#connections === 0 && this.#kept.size === 0;
      if (!isOver && passedMs < timeoutMs) {
        after(DRAIN_LOOK_MS, look, endProcess);
        return;
      }
      this.#faults.flush();
      server.close();
      this.#port.close();
      process.exit(0);
    };
    look();
  }

  #tell(report: ThreadReport): void {
    this.#port.postMessage(report);
  }
}

/** What the module exports as `default.fetch`, as `fetch`, or as a default function. */
function fetchOf(module: Record<string, unknown>, file: string): Fetch {
  const { default: byDefault } = module;
  const owners = [byDefault, module].filter(
    (owner) => typeof owner === 'object' && owner !== null && 'fetch' in owner,
  ) as { fetch: unknown }[];
  for (const owner of owners) {
    const { fetch } = owner;
    if (typeof fetch === 'function') return fetch.bind(owner) as Fetch;
  }
  if (typeof byDefault === 'function') {
    const { fetch } = byDefault as { fetch?: unknown };
    return (typeof fetch === 'function' ? fetch.bind(byDefault) : byDefault) as Fetch;
  }
  throw new TypeError(`${file} exports no handler: write export default { fetch(request) { … } }`);
}

if (parentPort !== null) {
  owned(new HandlerThread(workerData as ThreadSetup, parentPort).run(), endProcess);
}
