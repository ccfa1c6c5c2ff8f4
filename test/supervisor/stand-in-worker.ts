/**
 * A worker on node:http in place of the real one, so that tests of the supervisor depend on the
 * supervisor alone. It takes the same input through the same bootstrap.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../../src/base/errors.ts';
import { emptySummary } from '../../src/telemetry/exchange-summary.ts';
import { bootstrapWorker } from '../../src/worker/bootstrap.ts';
import type { StartWorker, WorkerInput } from '../../src/worker/contract.ts';

export const startStandIn: StartWorker = async (input) => {
  if (process.env.STAND_IN_FAILS === '1') throw new UsageError('--cert: no good', 'mend it');
  const own = input.listeners.filter(({ place }) => place === input.workerIndex);
  const servers = own.map(({ fd }) => {
    const server = createServer((request, response) => answer(input, request, response));
    server.listen({ fd });
    return server;
  });
  return {
    drain: (timeoutMs) => drain(servers, timeoutMs),
    reconfigure() {},
    changes: { certificates() {}, challenges() {}, tickets() {}, 'stand-in'() {} },
    answers: {
      cache: () => ({ kind: 'followed' }),
      handshakes: () => ({ failures: [], observers: [] }),
    },
  };
};

function answer(input: WorkerInput, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://stand-in');
  if (url.pathname === '/die') process.exit(3);
  response.setHeader('Connection', 'close');
  const delayMs = Number(url.searchParams.get('ms') ?? 0);
  // So that a test knows that it is being worked on.
  if (delayMs > 0) response.writeProcessing();
  setTimeout(() => {
    response.end(JSON.stringify({ pid: process.pid, workerIndex: input.workerIndex }));
    const summary = { ...emptySummary(), method: 'GET', path: url.pathname, status: 200 };
    input.metrics.exchangeFinished(summary);
    input.accessLog.write(summary);
  }, delayMs);
}

async function drain(servers: readonly Server[], timeoutMs: number): Promise<void> {
  const timer = setTimeout(() => {
    for (const server of servers) server.closeAllConnections();
  }, timeoutMs);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  clearTimeout(timer);
}

if (process.argv.includes(fileURLToPath(import.meta.url))) bootstrapWorker(startStandIn);
