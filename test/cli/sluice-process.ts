/** Runs sluice, or another program of ours, as a process of its own and watches what it says. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '../support/temporary.ts';
import { PATIENCE_MS, patience } from '../support/waiting.ts';

export const launcher = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url));
export const repository = fileURLToPath(new URL('../../', import.meta.url));

const NODE_FLAGS = ['--disable-warning=ExperimentalWarning'];
const TIMEOUT_MS = 2 * PATIENCE_MS;
// What a test leaves behind is not the user's: every process that it starts inherits this.
process.env.XDG_STATE_HOME = temporaryDirectory();

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface SluiceProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Resolves with the match once the output holds it; rejects when the process ends before. */
  until(pattern: RegExp, stream?: 'stdout' | 'stderr'): Promise<RegExpExecArray>;
  readonly ended: Promise<Outcome>;
}

export interface ProcessOptions {
  readonly environment?: Record<string, string>;
  readonly directory?: string;
}

/** Starts `program` (a file) with the Node that runs the test. */
export function startProgram(
  program: string,
  words: readonly string[],
  options: ProcessOptions = {},
): SluiceProcess {
  return watch(
    spawn(process.execPath, [...NODE_FLAGS, program, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.environment },
      ...(options.directory === undefined ? {} : { cwd: options.directory }),
    }),
  );
}

/** Runs `sluice` to its end. */
export async function runSluice(words: readonly string[], options?: ProcessOptions) {
  await using sluice = startProgram(launcher, words, options);
  return await sluice.ended;
}

/** Watches a process whose output is piped, and kills it when it outlives the test's patience. */
export function watch(child: ChildProcess): SluiceProcess {
  const text = { stdout: '', stderr: '' };
  const waiters = new Set<() => void>();
  const wake = () => {
    for (const waiter of waiters) waiter();
  };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (chunk: string) => {
      text[stream] += chunk;
      wake();
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), patience(TIMEOUT_MS));
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, ...text });
      wake();
    });
  });
  return {
    child,
    pid: child.pid!,
    ended,
    stdout: () => text.stdout,
    stderr: () => text.stderr,
    until(pattern, stream = 'stdout') {
      return new Promise((resolve, reject) => {
        const look = () => {
          const match = pattern.exec(text[stream]);
          const isOver = child.exitCode !== null || child.signalCode !== null;
          if (match === null && !isOver) return;
          waiters.delete(look);
          if (match !== null) resolve(match);
          else reject(new Error(`ended without ${pattern}:\n${text.stdout}${text.stderr}`));
        };
        waiters.add(look);
        look();
      });
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Polls until the condition holds; rejects when it never does. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  const start = performance.now();
  while (!(await condition())) {
    if (performance.now() - start > patience()) throw new Error('it never came true');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
