/** `sluice exec -- node server.js`: starts an app and serves it, and ends with it. */

import { type AddressInfo, createServer } from 'node:net';
import { UsageError } from '../../base/errors.ts';
import { endProcess, owned } from '../../base/owned.ts';
import { hostAndPort } from '../../base/socket-address.ts';
import { type CommandLine, parseCommandLine } from '../../config/command-line.ts';
import type { Command } from '../command.ts';
import { packageVersion } from '../package-version.ts';
import { addresses } from '../run.ts';
import { type RunningInstance, report, startInstance } from '../running-instance.ts';
import { printNote } from '../terminal.ts';
import { AppProcess } from './app-process.ts';
import { watchSources } from './file-watch.ts';

/** Flags of its own; all others are those of `run`. */
const FLAGS = { watch: false };

export const execCommand: Command = { flags: FLAGS, run };

export interface ExecArguments {
  readonly program: readonly string[];
  readonly commandLine: CommandLine;
  readonly isWatching: boolean;
}

/** Reads `[--watch] [flags of run] -- PROGRAM [ARGUMENT]…`. Throws UsageError. */
export function parseExec(args: readonly string[], directory: string): ExecArguments {
  const end = args.indexOf('--');
  const flags = end === -1 ? args : args.slice(0, end);
  const program = end === -1 ? [] : args.slice(end + 1);
  if (program.length === 0) {
    throw new UsageError('exec: no program', 'write sluice exec [flags] -- node server.js');
  }
  const rest = flags.filter((word) => word !== '--watch');
  const commandLine = parseCommandLine(['run', ...rest], directory);
  if (commandLine.given.has('origin')) {
    throw new UsageError('exec: --origin', 'leave it out: the program is the origin');
  }
  return { program, commandLine, isWatching: rest.length < flags.length };
}

/** Resolves with the exit code: the app's, or sluice's own when that failed. */
async function run(args: readonly string[]): Promise<number> {
  const { program, commandLine, isWatching } = parseExec(args, process.cwd());
  const port = await freePort();
  const app = new AppProcess({ program, port, report });
  const early = new EarlySignals((signal) => owned(app.stop(signal), endProcess));
  const host = await app.start();
  if (host === null) return app.finished;
  const url = `http://${hostAndPort(host, port)}`;
  commandLine.given.set('origin', [{ text: url, place: 'exec', directory: '/' }]);
  early.hold();
  const instance = await startInstance(commandLine, packageVersion(), null).catch(
    async (error: unknown) => {
      await app.stop();
      throw error;
    },
  );
  early.release(instance);
  if (instance.serves) {
    printNote(`sluice ${packageVersion()} serves ${program.join(' ')} at ${url}\n`);
    printNote(addresses(instance));
  }
  using _watch = isWatching ? watchSources(process.cwd(), () => renew(app)) : null;
  // It will not come back: there is nothing left to serve.
  owned(
    app.finished.then(() => end(instance)),
    endProcess,
  );
  const code = await instance.ended;
  const appCode = await app.stop();
  return code === 0 ? appCode : code;
}

function renew(app: AppProcess): void {
  report('a file has changed: the app is started again');
  app.renew();
}

function end({ supervisor }: RunningInstance): void {
  if (!supervisor.isStopping) process.kill(process.pid, 'SIGTERM');
}

/** What ends us before sluice listens to signals itself: until then they are the app's. */
class EarlySignals {
  readonly #toApp: (signal: NodeJS.Signals) => void;
  #isHeld = false;
  #held: NodeJS.Signals | null = null;
  readonly #listen = (signal: NodeJS.Signals) => {
    if (this.#isHeld) this.#held = signal;
    else this.#toApp(signal);
  };

  constructor(toApp: (signal: NodeJS.Signals) => void) {
    this.#toApp = toApp;
    process.on('SIGTERM', this.#listen).on('SIGINT', this.#listen);
  }

  /** From now on they are sluice's, which begins. */
  hold(): void {
    this.#isHeld = true;
  }

  /** sluice listens now; it may have missed one. */
  release(instance: RunningInstance): void {
    process.off('SIGTERM', this.#listen).off('SIGINT', this.#listen);
    if (this.#held !== null) end(instance);
  }
}

/** A port of loopback that nobody has. */
function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer().on('error', reject);
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    server.close(() => resolve(port));
  });
  return promise;
}
