/**
 * The sluice of a sandbox, a process of its own: told over IPC what to run, it serves until the
 * channel is closed. `sandbox-process.ts` is the other end.
 */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { UsageError } from '../../base/errors.ts';
import { endProcess, owned } from '../../base/owned.ts';
import { keepProgram } from '../../loading/program.ts';
import { ErrorLog } from '../../supervisor/error-log.ts';
import { InheritedSockets } from '../../supervisor/inherited-sockets.ts';
import { Supervisor } from '../../supervisor/supervisor.ts';
import { serviceManagerOf } from '../../supervisor/systemd-notices.ts';
import {
  defaultRestartPolicy,
  type RestartPolicy,
} from '../../supervisor/workers/restart-policy.ts';
import { ownWorkers } from '../running-instance.ts';
import { printNote } from '../terminal.ts';
import {
  HANDSHAKE_PROTOCOL,
  SANDBOX_PROTOCOL,
  type SandboxCommand,
  type SandboxReport,
  type SandboxStart,
} from './contract.ts';
import { harmlessOptions } from './harmless-options.ts';

/** Workers of a sandbox are there to die. */
const restartPolicy: RestartPolicy = {
  ...defaultRestartPolicy,
  soundLifeMs: 0,
  firstDelayMs: 0,
  delayMsMax: 0,
};

/** Between two questions to workers that do not answer: one of them is dying, or hangs. */
const SETTLE_INTERVAL_MS = 20;

/** What was sent before a question may be read in the turn after it. */
const TURNS = 2;

const report = (message: string) => printNote(`${message}\n`);

let supervisor: Supervisor | null = null;

process.on('message', (command: SandboxCommand) => {
  owned(command.type === 'start' ? start(command.start) : settle(), endProcess);
});
process.on('disconnect', () => {
  supervisor?.kill();
  process.exit();
});
// A terminal sends these to every process; whoever has started the sandbox ends it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

async function start(settings: SandboxStart): Promise<void> {
  try {
    const known: readonly number[] = [HANDSHAKE_PROTOCOL, SANDBOX_PROTOCOL];
    if (!known.includes(settings.protocol)) {
      throw new UsageError(
        `this sluice speaks version ${SANDBOX_PROTOCOL} of the sandbox protocol, not ${settings.protocol}`,
        'run the triage of the version that is tried',
      );
    }
    const http1 = settings.origin?.http1 ?? (await startOrigin());
    const options = await harmlessOptions(settings, http1);
    supervisor = new Supervisor({
      options,
      version: 'sandbox',
      workers: ownWorkers,
      restartPolicy,
      inherited: new InheritedSockets([]),
      serviceManager: serviceManagerOf({}, report),
      loadOptions: async () => options,
      end: () => process.exit(),
      log: new ErrorLog(),
    });
    await supervisor.start();
    const [port = 0, plainPort = 0] = supervisor.listeners.map(({ address }) =>
      'port' in address ? address.port : 0,
    );
    send({ type: 'ready', port, plainPort });
    keepProgram();
  } catch (error) {
    const isUsage = error instanceof UsageError;
    const message = isUsage ? error.message : String((error as Error)?.stack ?? error);
    send({ type: 'failed', message, remedy: isUsage ? error.remedy : 'report this' });
  }
}

/** An origin that answers anything. */
async function startOrigin(): Promise<number> {
  const server = createServer((request, response) => {
    request.resume();
    response.end('sandbox\n');
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  return (server.address() as AddressInfo).port;
}

/** One that hangs is ended by the watchdog, and then there is another one that answers. */
async function settle(): Promise<void> {
  const running = supervisor!;
  for (let turns = 0; turns < TURNS; ) {
    const before = deathsOf(running);
    const areAnswering = await running.areAnswering();
    if (areAnswering && deathsOf(running) === before) {
      turns++;
    } else {
      turns = 0;
      await sleep(SETTLE_INTERVAL_MS);
    }
  }
  send({ type: 'settled', deaths: deathsOf(running) });
}

function deathsOf({ status }: Supervisor): number {
  return status.workers.reduce((sum, { restarts }) => sum + restarts, 0);
}

function send(message: SandboxReport): void {
  process.send?.(message);
}
