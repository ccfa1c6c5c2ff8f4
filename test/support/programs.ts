/** Other programs: finding them, running them to their end, and never leaving one behind. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { after } from 'node:test';
import { PATIENCE_MS, patience } from './waiting.ts';

const searchPath = `${process.env.PATH ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`;

/** The path of an installed program, or null. */
export function findProgram(name: string): string | null {
  for (const directory of searchPath.split(delimiter)) {
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Look further.
    }
  }
  return null;
}

/** For a test's `skip` option: false when the program is there, else the reason. */
export function unlessInstalled(name: string): false | string {
  return findProgram(name) === null ? `${name} is not installed` : false;
}

const running = new Set<ChildProcess>();

const endAll = () => {
  for (const child of running) child.kill('SIGKILL');
};
process.on('exit', endAll);
// A test that gives up may leave a program behind, whose handles would keep this process alive: when
// the last test of the file has ended, nothing that was started is needed any more.
if (process.env.NODE_TEST_CONTEXT !== undefined) after(endAll);

/** Starts a program that ends with the test process at the latest. */
export function start(command: string, words: readonly string[], options: SpawnOptions = {}) {
  const path = command.includes('/') ? command : findProgram(command);
  if (path === null) throw new Error(`${command} is not installed`);
  const child = spawn(path, words, options);
  running.add(child);
  child.on('exit', () => running.delete(child));
  // What a test does not read must not fill the pipe, and a program may end before its input.
  child.stdin?.on('error', () => {});
  return child;
}

/** Resolves with the exit code, or the signal's name. */
export async function ended(child: ChildProcess): Promise<number | string> {
  if (child.exitCode !== null) return child.exitCode;
  if (child.signalCode !== null) return child.signalCode;
  const { promise, resolve } = Promise.withResolvers<number | string>();
  child.once('exit', (code, signal) => resolve(code ?? signal ?? -1));
  return promise;
}

export interface RunResult {
  readonly code: number | string;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** Standard output as bytes, one character each. */
  readonly text: string;
}

/** Runs a program to its end; one that takes too long is killed, and its code is then SIGKILL. */
export async function run(
  command: string,
  words: readonly string[],
  options: {
    input?: string | Buffer;
    timeoutMs?: number;
    cwd?: string;
    env?: NodeJS.ProcessEnv;
  } = {},
): Promise<RunResult> {
  const { input = '', timeoutMs = PATIENCE_MS, ...spawnOptions } = options;
  const child = start(command, words, { ...spawnOptions, stdio: 'pipe' });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout!.on('data', (bytes: Buffer) => stdout.push(bytes));
  child.stderr!.on('data', (bytes: Buffer) => stderr.push(bytes));
  child.stdin!.end(input);
  const timer = setTimeout(() => child.kill('SIGKILL'), patience(timeoutMs));
  const { promise, resolve } = Promise.withResolvers<number | string>();
  child.once('close', (code, signal) => resolve(code ?? signal ?? -1));
  const code = await promise;
  clearTimeout(timer);
  const all = Buffer.concat(stdout);
  return {
    code,
    stdout: all,
    stderr: Buffer.concat(stderr).toString('latin1'),
    text: all.toString('latin1'),
  };
}
