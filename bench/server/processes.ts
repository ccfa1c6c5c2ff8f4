/** The processes of a bench: where they run, what they cost, and that none is left behind. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram } from '../../test/support/programs.ts';

/** As Linux on every architecture of ours has it. */
const TICKS_PER_SECOND = 100;
const READY_MS = 15_000;
const GRACE_MS = 2_000;

export const coreCount = availableParallelism();

/** Cores by role. With fewer than four, everything shares them and ratios are rough. */
export const cores =
  coreCount >= 4
    ? { subject: '0', origin: '1', load: '2,3', loadAndOrigin: '1,2,3' }
    : { subject: '', origin: '', load: '', loadAndOrigin: '' };

const running = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of running) if (child.pid !== undefined) killTree(child.pid, 'SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

export interface Started {
  readonly pid: number;
  /** What it wrote to standard error. */
  errors(): string;
  stop(): Promise<void>;
}

/** Starts a program on the given cores. */
export function start(
  command: string,
  words: readonly string[],
  on: string,
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Started {
  const pinned = on !== '' && findProgram('taskset') !== null;
  const child = pinned
    ? spawn('taskset', ['-c', on, command, ...words], { ...options, stdio: STDIO })
    : spawn(command, words, { ...options, stdio: STDIO });
  running.add(child);
  let errors = '';
  child.stderr.on('data', (bytes) => {
    errors += bytes;
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.once('exit', () => running.delete(child));
  return {
    pid: child.pid!,
    errors: () => errors,
    async stop() {
      killTree(child.pid!, 'SIGTERM');
      const timer = setTimeout(() => killTree(child.pid!, 'SIGKILL'), GRACE_MS);
      await exited;
      clearTimeout(timer);
    },
  };
}

const STDIO: ['ignore', 'ignore', 'pipe'] = ['ignore', 'ignore', 'pipe'];

/** Runs a program to its end on the load generators' cores; resolves with standard output. */
export async function measureWith(
  command: string,
  words: readonly string[],
  env: NodeJS.ProcessEnv,
  on = cores.load,
): Promise<string> {
  const pinned = on !== '' && findProgram('taskset') !== null;
  const all = pinned ? ['taskset', '-c', on, command, ...words] : [command, ...words];
  const child = spawn(all[0]!, all.slice(1), { env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes) => {
      output += bytes;
    });
  }
  await new Promise<void>((resolve) => child.once('close', () => resolve()));
  running.delete(child);
  return output;
}

/** The process and its descendants. */
export function tree(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const fields = statFields(Number(name));
    if (fields === null) continue;
    const parent = Number(fields[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const all = [pid];
  for (const one of all) all.push(...(children.get(one) ?? []));
  return all;
}

function killTree(pid: number, signal: NodeJS.Signals): void {
  for (const one of tree(pid)) {
    try {
      process.kill(one, signal);
    } catch {
      // It has ended already.
    }
  }
}

/** Fields of /proc/PID/stat after the command's name: state, parent and so on. */
function statFields(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

/** Seconds of processor time that a process and its descendants have used. */
export function processorSeconds(pid: number): number {
  let ticks = 0;
  for (const one of tree(pid)) {
    const fields = statFields(one);
    if (fields !== null) ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS_PER_SECOND;
}

/** Resolves when the port accepts; rejects with the process's words when it does not in time. */
export async function accepting(port: number, by: Started): Promise<void> {
  const deadline = performance.now() + READY_MS;
  for (;;) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port });
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (isOpen) return;
    if (performance.now() > deadline) throw new Error(`port ${port} is silent: ${by.errors()}`);
    await sleep(20);
  }
}
