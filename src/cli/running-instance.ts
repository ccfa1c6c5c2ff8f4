/** What `run` and `demo` have in common: from a command line to a serving supervisor, to its end. */

import { closeSync, writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { endProcess, owned, repeated } from '../base/owned.ts';
import type { CommandLine } from '../config/command-line.ts';
import type { Source } from '../config/document/source.ts';
import { type Configuration, loadConfiguration } from '../config/load.ts';
import type { OriginOptions, SluiceOptions } from '../config/options.ts';
import type { Surroundings } from '../config/resolve.ts';
import { stateDirectory } from '../config/self-signed-store.ts';
import { keepProgram } from '../loading/program.ts';
import { ErrorLog } from '../supervisor/error-log.ts';
import { SocketDirectory } from '../supervisor/handlers/socket-directory.ts';
import { inheritedSockets } from '../supervisor/inherited-sockets.ts';
import { shareCache } from '../supervisor/shared-cache.ts';
import { Supervisor } from '../supervisor/supervisor.ts';
import { serviceManagerOf } from '../supervisor/systemd-notices.ts';
import { READY_DESCRIPTOR } from '../supervisor/upgrade.ts';
import type { WorkerSource } from '../supervisor/workers/worker-set.ts';
import { entryPoint } from './entry-point.ts';
import { printNote } from './terminal.ts';

export interface RunningInstance {
  readonly options: SluiceOptions;
  readonly supervisor: Supervisor;
  /** False when a signal came before it did. */
  readonly serves: boolean;
  /** Resolves with the exit code when a signal has ended it. */
  readonly ended: Promise<number>;
}

export const ownWorkers: WorkerSource = {
  entryPoint: entryPoint(new URL('../worker/main.ts', import.meta.url)),
  load: async () => (await import('../worker/worker.ts')).startWorker,
};

/** One line for the operator, on standard error, so that a log on standard output stays clean. */
export function report(message: string): void {
  printNote(`sluice: ${message}\n`);
}

/** Throws UsageError for anything that the user can mend. Resolves when requests are served. */
export async function startInstance(
  commandLine: CommandLine,
  version: string,
  demoOrigin: OriginOptions | null,
  workers: WorkerSource = ownWorkers,
): Promise<RunningInstance> {
  const log = new ErrorLog();
  const warn = warningTo(log);
  const state = { stateDirectory: stateDirectory(process.env, warn) };
  const { options: resolved, source } = await readConfiguration(commandLine, demoOrigin, {
    ...state,
    warn,
  });
  log.configure(resolved.errorLog);
  const cache = shareCache(resolved, warn);
  const sockets = new SocketDirectory();
  process.once('exit', () => sockets.remove());
  const options = sockets.place(cache.options);
  const texts = new WeakMap([[options, await textOf(source)]]);
  const sources = new WeakMap([[options, source]]);
  const supervisor = new Supervisor({
    options,
    version,
    configFile: commandLine.configFile,
    workers,
    log,
    inherited: inheritedSockets(process.env),
    serviceManager: serviceManagerOf(process.env, log.report),
    end: () => process.kill(process.pid, 'SIGTERM'),
    loadOptions: async (inForce, tell) => {
      const next = await readConfiguration(commandLine, demoOrigin, {
        ...state,
        hostsInUse: inForce.hosts,
        warn(message) {
          warn(message);
          tell(message);
        },
      });
      const loaded = sockets.place(withCacheOf(next.options, resolved, options));
      texts.set(loaded, await textOf(next.source));
      sources.set(loaded, next.source);
      return loaded;
    },
    written: (before, after) => written(sources.get(before) ?? null, sources.get(after) ?? null),
    textOf: (wanted) => texts.get(wanted),
  });
  const isSuccessor = process.env[READY_DESCRIPTOR] !== undefined;
  const ended = endOnSignal(supervisor, log, isSuccessor);
  try {
    await supervisor.start();
  } catch (error) {
    // Workers that a signal has ended are no failure.
    if (!supervisor.isStopping) throw error;
  }
  if (supervisor.isStopping) return { options, supervisor, serves: false, ended };
  supervisor.outliveFaults();
  tellPredecessor();
  flushCompileCache();
  keepProgram();
  return { options, supervisor, serves: true, ended };
}

/** When this process takes over from another sluice, that one waits for this word. */
function tellPredecessor(): void {
  const fd = Number(process.env[READY_DESCRIPTOR] ?? -1);
  delete process.env[READY_DESCRIPTOR];
  if (fd < 0) return;
  writeSync(fd, 'ready\n');
  closeSync(fd);
}

/** For incidents. Undefined without a file. */
async function textOf(source: Source | null): Promise<string | undefined> {
  if (source === null) return undefined;
  // Both are there by now when there is a file.
  const { configurationSchema } = await import('../config/schema/configuration.ts');
  const { textWithoutSecrets } = await import('../config/secrets.ts');
  return textWithoutSecrets(source.text, configurationSchema) ?? undefined;
}

/** What differs, by the keys of the files. */
async function written(before: Source | null, after: Source | null) {
  if (before === null && after === null) return [];
  const { configurationSchema } = await import('../config/schema/configuration.ts');
  const { diffConfigurations } = await import('../config/difference.ts');
  return diffConfigurations(before, after, configurationSchema);
}

/** What is odd in the options, and yet no mistake. */
function warningTo({ report }: ErrorLog): (message: string) => void {
  return (message) => report(message, { level: 'warning', subsystem: 'config' });
}

/** From the arguments and the file that they name. Throws UsageError. */
async function readConfiguration(
  { given, configFile, command }: CommandLine,
  demoOrigin: OriginOptions | null,
  surroundings: Pick<Surroundings, 'hostsInUse' | 'warn' | 'stateDirectory'>,
): Promise<Configuration> {
  return loadConfiguration({
    flags: given,
    source:
      configFile === ''
        ? null
        : (await import('../config/document/source.ts')).readSource(configFile, process.cwd()),
    command: command === 'demo' ? 'demo' : 'run',
    nowMs: Date.now(),
    demoOrigin,
    ...surroundings,
  });
}

/** Where the cache is was settled at the start; options that leave it alone leave it there. */
function withCacheOf(
  next: SluiceOptions,
  first: SluiceOptions,
  inForce: SluiceOptions,
): SluiceOptions {
  const keys = ['cacheDirectory', 'cacheSizeBytes', 'cacheMemoryBytes'] as const;
  if (keys.some((key) => next[key] !== first[key])) return next;
  const { cacheDirectory, cacheSizeBytes, cacheMemoryBytes } = inForce;
  return { ...next, cacheDirectory, cacheSizeBytes, cacheMemoryBytes };
}

/**
 * A terminal, npm and a launcher may each pass on the same Ctrl-C: what comes this soon after the
 * first is the same request, not a second one.
 */
const SAME_SIGNAL_MS = 300;

/** Exit code of a process that a signal ended, as shells have it. */
const SIGNAL_EXIT_BASE = 128;
const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;

function endOnSignal(supervisor: Supervisor, log: ErrorLog, isSuccessor: boolean): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  let firstAtMs = -1;
  const end = () => {
    firstAtMs = performance.now();
    const stopped = supervisor.stop().then(
      () => 0,
      (error: Error) => {
        log.report(`cannot end in order: ${error.stack}`, { level: 'error', event: 'end-failed' });
        supervisor.kill();
        return 1;
      },
    );
    // The last lines are the ones that are looked for.
    owned(
      stopped.then((code) => log.close().then(() => resolve(code))),
      endProcess,
    );
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (firstAtMs === -1) {
        end();
      } else if (performance.now() - firstAtMs > SAME_SIGNAL_MS) {
        supervisor.kill();
        resolve(SIGNAL_EXIT_BASE + SIGNAL_NUMBERS[signal]);
      }
    });
  }
  process.on('SIGHUP', () => supervisor.reload());
  process.on('SIGUSR2', () => supervisor.requestUpgrade());
  process.on('SIGUSR1', () => supervisor.requestReopening());
  endWithLauncher(end);
  if (!isSuccessor) endWithNpm(end);
  return promise;
}

/** Milliseconds between two looks at who our parent is. */
const PARENT_INTERVAL_MS = 250;

/**
 * npm starts a shell, which ends on SIGTERM and does not pass it on: whoever ends `npx sluice` means
 * sluice.
 */
function endWithNpm(end: () => void): void {
  if (process.env.npm_command === undefined) return;
  const parent = process.ppid;
  const watch = repeated(
    PARENT_INTERVAL_MS,
    () => {
      if (process.ppid === parent) return;
      watch[Symbol.dispose]();
      end();
    },
    endProcess,
  );
}

/** The launcher holds the other end of our IPC channel: when it is killed, we end as well. */
function endWithLauncher(end: () => void): void {
  if (process.send === undefined) return;
  process.once('disconnect', end);
  process.channel?.unref();
}
